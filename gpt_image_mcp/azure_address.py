"""Whether an address is of Azure, which alone may be shown the token of an Entra identity."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo

# Of resources in the public cloud, by learn.microsoft.com/azure/foundry/openai/api-version-lifecycle in 2026.
_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")


def is_azure(address: str) -> bool:
    """Whether an address is of a resource in Azure's public cloud, and encrypted."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" and (parts.hostname or "").endswith(_HOSTS)


def _require_azure(value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - how pydantic calls it
    # An address that is malformed is missing here, and is refused for that.
    if value and "base_url" in info.data and not is_azure(info.data["base_url"] or ""):
        message = "it needs OPENAI_BASE_URL to be like https://RESOURCE.openai.azure.com/openai/v1/"
        raise ValueError(message)
    return value


# A switch that makes sense only if ``base_url``, a field before it, is an address of Azure.
AzureOnly = Annotated[bool, AfterValidator(_require_azure)]
