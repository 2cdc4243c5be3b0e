"""The settings of a library that several people are served; nobody else needs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from gpt_image_mcp.coercion import lowered
from gpt_image_mcp.setting_types import FilePath, Networks, UsdLimit, server_address

AuthMethod = Literal["none", "tokens", "jwt", "oidc"]
OidcProvider = Literal["generic", "entra", "google", "keycloak"]
_STORE = re.compile(r"(?:s3|gs|az)://[\w.-]+(?:/[^\s?#]*)?")
_SHORTEST_LINK_KEY = 32


def _store_address(value: object) -> object:
    """``file``, or the address of a bucket without the slash at its end."""
    if not isinstance(value, str) or value.lower() == "file":
        return "file"
    if not _STORE.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError("it must be file, or a bucket such as s3://BUCKET/PREFIX (also gs://, az://)")
    return value.rstrip("/")


def _link_key(value: object) -> object:
    """A key that cannot be guessed."""
    if isinstance(value, str) and len(value) < _SHORTEST_LINK_KEY:
        raise ValueError(f"it must have {_SHORTEST_LINK_KEY} characters or more (openssl rand -hex 32)")
    return value


def _budgets_file(path: Path | None) -> Path | None:
    """The path, if what is there can be used; nobody without such a file pays for what reads it."""
    if path is not None:
        from gpt_image_mcp.budgets_file import read_budgets

        read_budgets(path)
    return path


_Web = Annotated[str, BeforeValidator(server_address)]


class ServingSettings(BaseSettings):
    """Sign-in, storage, budgets and links of a served library."""

    auth: Annotated[AuthMethod, BeforeValidator(lowered)] = Field(
        default="none",
        description="How people sign in to the HTTP server: not at all (this machine only), with tokens made "
        "by `gpt-image-mcp token add`, with signed tokens (JWT) of somebody else, or through OpenID Connect.",
    )
    auth_tokens_file: FilePath = Field(
        default=None,
        description="The file of hashed tokens; unset means tokens.toml in the user data folder.",
    )
    auth_jwks_url: _Web | None = Field(default=None, description="Where the keys of an issuer of JWT are.")
    auth_public_key: str | None = Field(
        default=None, description="The public key of an issuer of JWT (PEM), where it has no address."
    )
    auth_issuer: str | None = Field(
        default=None, description="The issuer that a JWT must name; for oidc the address of the provider."
    )
    auth_audience: str | None = Field(default=None, description="The audience that a JWT must name.")
    auth_groups_claim: str = Field(
        default="groups", description="Which claim of a token names the groups of a person."
    )
    auth_provider: Annotated[OidcProvider, BeforeValidator(lowered)] = Field(
        default="generic", description="Which OpenID Connect provider people sign in with."
    )
    auth_client_id: str | None = Field(default=None, description="Our client id at the provider.")
    auth_client_secret: SecretStr | None = Field(default=None, description="Our secret at the provider.")
    auth_base_url: _Web | None = Field(
        default=None, description="The address at which clients reach this server, without /mcp."
    )
    share_groups: bool = Field(
        default=False, description="Let the people of a group see, edit and delete each other's images."
    )
    tls_cert: FilePath = Field(default=None, description="Certificate chain (PEM) of the HTTP server.")
    tls_key: FilePath = Field(default=None, description="Private key (PEM) of that certificate.")
    trusted_proxies: Networks = Field(
        default=(),
        description="Addresses or networks of proxies that end TLS and say who calls, with commas between.",
    )
    link_key: Annotated[SecretStr | None, BeforeValidator(_link_key)] = Field(
        default=None,
        description="What download and upload links, and OpenID Connect sessions, are signed with: 32 "
        "characters or more, the same for all replicas.",
    )
    audit_prompts: bool = Field(default=False, description="Keep prompts in the audit log.")
    log_format: Annotated[Literal["text", "json"], BeforeValidator(lowered)] = Field(
        default="text", description="Log lines as text, or one JSON object each."
    )
    storage: Annotated[str, BeforeValidator(_store_address)] = Field(
        default="file",
        description="Where images and metadata are kept: file, or s3://BUCKET/PREFIX (also gs://, az://), "
        "with credentials in the usual variables of the store; extra `team`.",
    )
    user_daily_usd: UsdLimit = Field(
        default=None, description="Refuse a call that could take a person's spending of the day over this."
    )
    user_monthly_usd: UsdLimit = Field(default=None, description="The same for the month of a person.")
    group_monthly_usd: UsdLimit = Field(default=None, description="The same for the month of a group.")
    budgets_file: Annotated[FilePath, AfterValidator(_budgets_file)] = Field(
        default=None,
        description="Budgets by person, group and model (TOML); what it names wins over the three above.",
    )

    @property
    def is_served(self) -> bool:
        """Whether several people sign in."""
        return self.auth != "none"
