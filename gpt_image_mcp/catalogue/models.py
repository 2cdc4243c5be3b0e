"""The model catalogue: what each image model accepts and what its tokens cost, from ``models.toml``.

The file is the only place that knows a model; this module gives it types and refuses a malformed one.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from gpt_image_mcp.values.json import JsonObject

Confidence = Literal["documented", "third_party", "inferred"]
QualityLevel = Literal["low", "medium", "high", "xhigh", "max"]
# A check of the data file that is older is worth a warning.
_FRESH_DAYS = 60


class Fact(BaseModel):
    """A block of facts with where it comes from, when that was looked at, and how sure it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    checked: dt.date
    confidence: Confidence


class FixedSizes(Fact):
    """A model that makes a few sizes only, each ``WIDTHxHEIGHT``."""

    kind: Literal["fixed"]
    allowed: tuple[str, ...]


class CustomSizes(Fact):
    """A model that makes any size within these rules; edges in pixels."""

    kind: Literal["custom"]
    multiple: int
    max_edge: int
    min_pixels: int
    max_pixels: int
    max_ratio: int
    experimental_above_pixels: int


class Prices(Fact):
    """US dollars per 1,000,000 tokens; ``text_output`` is None where nobody names a rate."""

    text_input: Decimal
    cached_text_input: Decimal
    image_input: Decimal
    cached_image_input: Decimal
    image_output: Decimal
    text_output: Decimal | None = None


class FormulaTokens(Fact):
    """Output tokens by OpenAI's calculator formula."""

    kind: Literal["formula"]
    factors: dict[QualityLevel, int]


class RangeTokens(Fact):
    """Output tokens within multiples of the formula: (lowest, highest) per quality."""

    kind: Literal["range"]
    factors: dict[QualityLevel, int]
    multipliers: dict[QualityLevel, tuple[Decimal, Decimal]]


class TableTokens(Fact):
    """Output tokens by size and quality."""

    kind: Literal["table"]
    table: dict[str, dict[QualityLevel, int]]


class UnknownTokens(Fact):
    """No counts are known; ``highest_tokens`` is what a budget reserves for an image."""

    kind: Literal["unknown"]
    highest_tokens: int


class InputTokens(Fact):
    """The most tokens one input image takes."""

    max_tokens: int


class Shutdown(Fact):
    """When a model stops, or stopped, and what OpenAI points to instead."""

    date: dt.date
    successors: tuple[str, ...]

    @property
    def instead(self) -> str:
        """The successors in words."""
        return " or ".join(self.successors)

    def is_over(self, today: dt.date) -> bool:
        """Whether the model is gone for certain; a date that only third parties name does not count."""
        return self.confidence == "documented" and self.date <= today


class HostModel(Fact):
    """A chat model that hosts the image tool: US dollars per 1,000,000 tokens, and its end.

    Attributes:
        reasoning_effort: What to send so that it does not reason; empty for a model that never does.
    """

    name: str
    input: Decimal
    cached_input: Decimal
    output: Decimal
    reasoning_effort: str = ""
    shutdown: Shutdown | None = None


SizeRule = Annotated[FixedSizes | CustomSizes, Field(discriminator="kind")]
TokenRule = Annotated[FormulaTokens | RangeTokens | TableTokens | UnknownTokens, Field(discriminator="kind")]


class ImageModel(Fact):
    """One model.

    Attributes:
        extra_formats: What it makes besides pictures of pixels: animations and vector files.
        transparency: ``unknown`` is sent, and its refusal explained.
        complexity: Whether it takes the parameter of this name.
        input_fidelity: The values it accepts; empty where the parameter is refused.
        prices: None where OpenAI no longer sells it.
        typical_seconds: How long an image takes, where anyone has said so.
    """

    name: str
    snapshot_of: str = ""
    released: dt.date | None = None
    shutdown: Shutdown | None = None
    sizes: SizeRule
    qualities: tuple[QualityLevel, ...]
    formats: tuple[str, ...]
    extra_formats: tuple[str, ...]
    transparency: Literal["yes", "no", "unknown"]
    input_fidelity: tuple[str, ...]
    markup: bool
    complexity: bool
    max_n: int
    max_input_images: int
    streams: bool
    prices: Prices | None = None
    tokens: TokenRule
    input_tokens: InputTokens
    typical_seconds: float | None = None

    def is_shut_down(self, today: dt.date) -> bool:
        """Whether it is gone for certain."""
        return self.shutdown is not None and self.shutdown.is_over(today)


class ModelCatalogue(BaseModel):
    """All models that the data file knows, and the day it was last checked.

    Attributes:
        fallbacks: Names of models for what the configured one cannot do, best first.
        hosts: Chat models of the Responses route, best first.
    """

    model_config = ConfigDict(frozen=True)

    checked: dt.date
    fallbacks: tuple[str, ...]
    models: tuple[ImageModel, ...]
    hosts: tuple[HostModel, ...]

    def find(self, name: str) -> ImageModel | None:
        """The model of this name, with case and blanks forgiven; None if it is not known."""
        wanted = name.strip().lower()
        return next((model for model in self.models if model.name == wanted), None)

    def find_host(self, name: str) -> HostModel | None:
        """The host model of this name; None if it is not known."""
        wanted = name.strip().lower()
        return next((host for host in self.hosts if host.name == wanted), None)

    def default_host(self, today: dt.date) -> str:
        """The first host model that lives, or the last one if none does."""
        living = (host for host in self.hosts if not (host.shutdown and host.shutdown.is_over(today)))
        return next(living, self.hosts[-1]).name

    def living(self, today: dt.date) -> list[ImageModel]:
        """The models that are not shut down."""
        return [model for model in self.models if not model.is_shut_down(today)]

    def offered(self, today: dt.date) -> list[ImageModel]:
        """The models that live, without the dated snapshots of others."""
        return [model for model in self.living(today) if not model.snapshot_of]

    def endings(self, today: dt.date) -> list[str]:
        """A sentence for each model that was shut down, with what to use instead."""
        gone = [model for model in self.models if model.is_shut_down(today)]
        ends = [(model.name, model.shutdown) for model in gone if model.shutdown and not model.snapshot_of]
        return [f"{name} ended {end.date}, use {end.instead}." for name, end in ends]

    def age_note(self, today: dt.date) -> str:
        """A warning if the last check is so long ago that much may have changed; else empty."""
        days = (today - self.checked).days
        if days <= _FRESH_DAYS:
            return ""
        return (
            f"This list of models was checked {days} days ago ({self.checked}): prices and models may have "
            "changed; a newer version of gpt-image-mcp knows."
        )


@cache
def load_catalogue() -> ModelCatalogue:
    """The catalogue of the installed data file, read once.

    Raises:
        pydantic.ValidationError: If the file is malformed, which its tests rule out.
    """
    text = files("gpt_image_mcp.catalogue").joinpath("models.toml").read_text(encoding="utf-8")
    return parse_catalogue(text)


def parse_catalogue(text: str) -> ModelCatalogue:
    """A catalogue from TOML text, with references to shared tables and snapshots resolved."""
    document = tomllib.loads(text)
    models = [_resolve(name, document) for name in document["models"]]
    hosts = [_dated({**fact, "name": name}, document) for name, fact in document["hosts"].items()]
    top = {name: document[name] for name in ("checked", "fallbacks")}
    return ModelCatalogue.model_validate({**top, "models": models, "hosts": hosts})


def _resolve(name: str, document: JsonObject) -> JsonObject:
    """An entry with the shared tables it names in their place; a snapshot takes over its model's facts."""
    entry: JsonObject = document["models"][name]
    original = entry.get("snapshot_of")
    inherited = _resolve(original, document) if original else document["defaults"]
    entry = {**inherited, **entry, "name": name, "checked": entry.get("checked", document["checked"])}
    for table in ("sizes", "prices", "tokens", "input_tokens", "shutdown"):
        if isinstance(entry.get(table), str):
            entry[table] = document[table][entry[table]]
    return _dated(entry, document)


def _dated(entry: JsonObject, document: JsonObject) -> JsonObject:
    """A block of facts, with the day of the last check where it or a block in it names no other."""
    blocks = {key: _dated(value, document) for key, value in entry.items() if _is_fact(value)}
    return {"checked": document["checked"], **entry, **blocks}


def _is_fact(value: object) -> bool:
    return isinstance(value, dict) and "source" in value
