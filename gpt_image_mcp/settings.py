"""The settings.

Server and commands call ``read_settings()``, which explains a malformed value to the person who set it.
Programs that embed the library call ``Settings(...)`` with field names; what they leave out comes from the
environment. A ``.env`` file is never read.
"""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Literal, cast

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gpt_image_mcp.azure_address import AzureOnly
from gpt_image_mcp.coercion import format_name, lowered
from gpt_image_mcp.environment import clean_for_libraries, refused, unfilled, variables, variables_set
from gpt_image_mcp.serving_settings import ServingSettings
from gpt_image_mcp.setting_types import (
    TOOL_GROUPS,
    Aliases,
    Groups,
    Hosts,
    Paths,
    UsdLimit,
    database_address,
    web_address,
)
from gpt_image_mcp.values.options import QualityName
from gpt_image_mcp.values.views import PreviewFormat

_PREFIX = "GPT_IMAGE_"
# Clearer words than pydantic's, by pydantic's type of error.
_NUMBER = "Input should be a number such as 2, without a unit or commas"
_REASONS = {
    **dict.fromkeys(("int_parsing", "float_parsing", "decimal_parsing"), _NUMBER),
    "bool_parsing": "Input should be 1 or 0",
}
_LONGEST_TTL_MS = 10 * 365 * 24 * 3_600_000
_OPENAI_ADDRESS = re.compile(r"https://([\w-]+\.)?api\.openai\.com(:443)?(/.*)?")


def _env(name: str, *aliases: str) -> AliasChoices:
    return AliasChoices(name, *aliases)


class _Environment(EnvSettingsSource):
    """Reads environment variables, cleaned, by their documented names only.

    Because ``Settings`` accepts field names as arguments, pydantic would also read variables that are named
    like a field: another program's ``DEBUG`` or ``API_KEY`` would become our setting.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {name.lower(): value for name, value in _documented_variables().items()}


class Settings(ServingSettings):
    """The configuration. ``docs/settings.md`` has the table of all settings.

    Raises:
        pydantic.ValidationError: If a value is malformed. ``read_settings`` words it for people.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=None,
        env_prefix=_PREFIX,
        extra="ignore",
        populate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    api_key: SecretStr | None = Field(
        default=None, validation_alias=_env("OPENAI_API_KEY"), description="OpenAI API key."
    )
    base_url: Annotated[str | None, BeforeValidator(web_address)] = Field(
        default=None,
        validation_alias=_env("OPENAI_BASE_URL"),
        repr=False,
        description="Address of a gateway that speaks the OpenAI API, with its /v1.",
    )
    azure_identity: AzureOnly = Field(
        default=False, description="Sign in to Azure as an Entra identity, not with a key; extra `azure`."
    )
    org_id: str | None = Field(
        default=None, validation_alias=_env("OPENAI_ORG_ID"), description="OpenAI organisation to bill."
    )
    project_id: str | None = Field(
        default=None, validation_alias=_env("OPENAI_PROJECT_ID"), description="OpenAI project to bill."
    )
    model: str = Field(default="gpt-image-2", description="What an empty model means.")
    model_aliases: Aliases = Field(
        default={},
        description="What a deployment or gateway calls known models: NAME=MODEL, with commas between.",
    )
    quality: Annotated[QualityName, BeforeValidator(lowered)] = Field(
        default="auto", description="What quality auto means."
    )
    output_dir: str = Field(
        default="",
        validation_alias=_env("GPT_IMAGE_OUTPUT_DIR", "GPT_IMAGE_2_OUTPUT_DIR", "DEFAULT_OUTPUT_DIR"),
        description="Where images go; empty means one folder per project in the user's config folder. "
        "A relative path starts at the project folder.",
    )
    project_dir: str = Field(default="", description="The project folder; empty means the working directory.")
    allow_unsafe_output_dir: bool = Field(
        default=False,
        validation_alias=_env("GPT_IMAGE_ALLOW_UNSAFE_OUTPUT_DIR", "GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR"),
        description="Lift the guard on system and credential folders.",
    )
    input_roots: Paths = Field(
        default=None,
        description="Folders that local input files may come from, separated like PATH; unset means any over "
        "stdio and none over HTTP.",
    )
    output_roots: Paths = Field(
        default=None,
        description="Folders besides the output folder that a call may save in, separated like PATH; unset "
        "means any over stdio and no other over HTTP.",
    )
    allowed_hosts: Hosts = Field(
        default=(),
        description="Names besides those of this machine that the HTTP server answers to, as Host and in the "
        "origins of web pages, with commas between: `host.docker.internal`, `*.example.com`.",
    )
    http_max_connections: int = Field(
        default=1000, ge=1, le=100_000, description="Connections to the HTTP server at once."
    )
    allow_private_urls: bool = Field(
        default=False, description="Let image URLs point at private or loopback addresses."
    )
    max_input_mb: float = Field(
        default=50,
        gt=0,
        le=50,
        validation_alias=_env("GPT_IMAGE_MAX_INPUT_MB", "MAX_FILE_SIZE_MB"),
        description="Largest input image in megabytes.",
    )
    memory_mb: int = Field(
        default=1024,
        ge=64,
        description="Megabytes that decoding and composing of all calls together may use at once; a single "
        "picture that needs more is refused with the figure.",
    )
    inline: Annotated[Literal["preview", "full", "none"], BeforeValidator(lowered)] = Field(
        default="preview",
        description="What image content a result carries: small pictures, the whole files, or neither.",
    )
    inline_max_bytes: int = Field(
        default=98304,
        ge=2048,
        le=700_000,
        description="Budget of all previews of one result together, in base64 characters.",
    )
    inline_max_edge: int = Field(
        default=768, ge=64, le=4096, description="Longest edge of a preview in pixels."
    )
    preview_format: Annotated[PreviewFormat, BeforeValidator(format_name)] = Field(
        default="jpeg",
        description="Of previews: jpeg (all clients show it; transparency is a light checker), webp or png.",
    )
    resource_links: bool = Field(
        default=False,
        description="Also link to each image of a result, where the client's protocol has links (2025-06-18 "
        "and later); some clients lose the whole result over it.",
    )
    wait_seconds: float = Field(
        default=40,
        ge=0,
        description="How long a call waits before it returns a job id instead; 0 waits for ever.",
    )
    task_after_seconds: float = Field(
        default=15,
        ge=0,
        description="How long a client that speaks tasks waits for a call before it becomes a task.",
    )
    timeout_seconds: float = Field(default=600, gt=0, description="Time limit of one upstream request.")
    timeout_ms: float | None = Field(
        default=None,
        gt=0,
        validation_alias=_env("OPENAI_API_TIMEOUT"),
        description="The same limit in milliseconds, as older servers spell it; "
        "GPT_IMAGE_TIMEOUT_SECONDS wins.",
    )
    max_retries: int = Field(
        default=2,
        ge=0,
        le=10,
        validation_alias=_env("GPT_IMAGE_MAX_RETRIES", "OPENAI_MAX_RETRIES"),
        description="How often a request that was certainly not billed is sent again.",
    )
    max_concurrency: int = Field(default=8, ge=1, le=1000, description="Upstream image requests at once.")
    partial_images: int = Field(
        default=0, ge=0, le=3, description="Partial images to stream per call; each costs 100 output tokens."
    )
    shutdown_grace_seconds: float = Field(
        default=10, ge=0, description="How long requests already sent may finish when the server stops."
    )
    max_cost_usd: UsdLimit = Field(
        default=None, description="Refuse a call, also a batch as a whole, that could cost more than this."
    )
    daily_budget_usd: UsdLimit = Field(
        default=None, description="Refuse a call that could take today's spending over this."
    )
    session_max: int = Field(
        default=20,
        ge=1,
        le=1_000_000,
        validation_alias=_env("GPT_IMAGE_SESSION_MAX", "GPT_IMAGE_2_SESSION_MAX"),
        description="Edit sessions listed as open.",
    )
    session_ttl_ms: int = Field(
        default=3_600_000,
        ge=1,
        le=_LONGEST_TTL_MS,
        validation_alias=_env("GPT_IMAGE_SESSION_TTL_MS", "GPT_IMAGE_2_SESSION_TTL_MS"),
        description="Idle time in milliseconds after which a session is listed as closed.",
    )
    force_responses_edits: bool = Field(
        default=False,
        validation_alias=_env("OPENAI_FORCE_RESPONSES_EDITS"),
        description="Send every edit through the Responses API.",
    )
    responses_edit_model: str = Field(
        default="",
        validation_alias=_env("OPENAI_RESPONSES_EDIT_MODEL"),
        description="The chat model that hosts edits on the Responses API; empty means the first known one "
        "that lives.",
    )
    use_direct_edits: str | None = Field(
        default=None,
        validation_alias=_env("OPENAI_USE_DIRECT_EDITS"),
        description="Ignored: edits always try the edits endpoint first.",
    )
    prompt_language: Annotated[Literal["any", "english"], BeforeValidator(lowered)] = Field(
        default="any", description="english refuses prompts that are not English outside quoted text."
    )
    tools: Groups = Field(
        default=frozenset(TOOL_GROUPS),
        description="Tool groups to list, with commas between: core, sessions, export, remote (of a served "
        "library); or all.",
    )
    sandbox: bool = Field(
        default=False, description="Use the built-in stand-in instead of OpenAI: no key, no network, no cost."
    )
    debug: bool = Field(
        default=False,
        validation_alias=_env("GPT_IMAGE_DEBUG", "GPT_IMAGE_2_MCP_DEBUG"),
        description="Log more to stderr.",
    )
    embed_metadata: bool = Field(
        default=False,
        description="Also write each image's metadata into its file, where that breaks no provenance.",
    )
    database_url: Annotated[SecretStr, BeforeValidator(database_address)] = Field(
        default=SecretStr(""),
        description="SQLAlchemy address of the library database; empty means SQLite in the user data folder. "
        "`postgresql://` needs the extra `postgres`.",
    )

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 - pydantic's own signature
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _Environment(settings_cls)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_unfilled(cls, value: object) -> object:
        if isinstance(value, str) and (reason := unfilled(value)):
            raise ValueError(reason)
        return value

    def model_post_init(self, context: object, /) -> None:
        """Say once that a retired variable has no effect."""
        del context
        if self.use_direct_edits is not None:
            warnings.warn(
                "OPENAI_USE_DIRECT_EDITS is ignored: edits try /v1/images/edits first. Remove it, or set "
                "OPENAI_FORCE_RESPONSES_EDITS=1 to pin the Responses route.",
                stacklevel=2,
            )

    @property
    def is_openai(self) -> bool:
        """Whether OpenAI itself is asked, also in one of its regions, or the sandbox in its place."""
        return self.sandbox or self.base_url is None or bool(_OPENAI_ADDRESS.fullmatch(self.base_url))

    @property
    def is_of_person(self) -> bool:
        """Whether they are those for a person who signed in, whom no folder of this machine is named for."""
        return self.is_served and self.input_roots == ()

    @property
    def takes_uploads(self) -> bool:
        """Whether people who signed in can send pictures of their own, by a tool that is listed."""
        return self.is_served and self.link_key is not None and "remote" in self.tools

    @property
    def request_timeout_seconds(self) -> float:
        """The time limit of one upstream request, from whichever of the two variables is set."""
        if self.timeout_ms is not None and "timeout_seconds" not in self.model_fields_set:
            return self.timeout_ms / 1000
        return self.timeout_seconds


def variable_names(field: str) -> tuple[str, ...]:
    """The environment variables that set a field of ``Settings``, the preferred one first."""
    alias = Settings.model_fields[field].validation_alias
    if alias is None:
        return (f"{_PREFIX}{field.upper()}",)
    return tuple(str(choice) for choice in cast("AliasChoices", alias).choices)


def unknown_variables() -> tuple[str, ...]:
    """Environment variables that begin with GPT_IMAGE_, in any case, but are no settings."""
    ours = {name for name in variables() if name.upper().startswith(_PREFIX)}
    return tuple(sorted(ours - _documented_variables().keys()))


def _documented_variables() -> dict[str, str]:
    """Those environment variables that are settings, with their values."""
    documented = {name for field in Settings.model_fields for name in variable_names(field)}
    return {name: value for name, value in variables().items() if name.upper() in documented}


def _variable_in_use(location: str) -> str:
    """The name of the variable that caused an error; pydantic gives the field, or its first variable."""
    for field in Settings.model_fields:
        names = variable_names(field)
        if location == field or location in names:
            return next(iter(variables_set(names)), names[0])
    return location


def read_settings(*, sandbox: bool = False) -> Settings:
    """The settings of the environment. Variables that libraries read themselves are cleaned in place.

    Args:
        sandbox: Turns on the sandbox, whatever the environment says.

    Raises:
        InvalidSetting: If values are malformed; names each variable, the value and what is allowed.
    """
    reasons = clean_for_libraries()
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            name = _variable_in_use(str(fault["loc"][0]))
            reasons[name] = _REASONS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
        raise refused(reasons) from None
    if reasons:
        raise refused(reasons)
    return settings.model_copy(update={"sandbox": True}) if sandbox else settings
