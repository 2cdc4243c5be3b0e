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
    """US dollars per 1,000,000 tokens."""

    text_input: Decimal
    cached_text_input: Decimal
    image_input: Decimal
    cached_image_input: Decimal
    image_output: Decimal
    text_output: Decimal


class HostPrices(Fact):
    """US dollars per 1,000,000 tokens of a chat model that hosts the image tool."""

    input: Decimal
    cached_input: Decimal
    output: Decimal


class FormulaTokens(Fact):
    """Output tokens by OpenAI's calculator formula; ``exact_sizes`` says where it was checked, if not all."""

    kind: Literal["formula"]
    factors: dict[QualityLevel, int]
    exact_sizes: tuple[str, ...] = ()


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
    successor: str


SizeRule = Annotated[FixedSizes | CustomSizes, Field(discriminator="kind")]
TokenRule = Annotated[FormulaTokens | RangeTokens | TableTokens | UnknownTokens, Field(discriminator="kind")]


class ImageModel(Fact):
    """One model.

    Attributes:
        transparency: ``preview`` is sent, and its refusal explained; ``unknown`` is sent too.
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
    transparency: Literal["yes", "no", "preview", "unknown"]
    input_fidelity: tuple[str, ...]
    markup: bool
    max_n: int
    max_input_images: int
    streams: bool
    prices: Prices | None = None
    tokens: TokenRule
    input_tokens: InputTokens
    typical_seconds: float | None = None

    def is_shut_down(self, today: dt.date) -> bool:
        """Whether it is gone for certain; a date that only third parties name does not count."""
        end = self.shutdown
        return end is not None and end.confidence == "documented" and end.date <= today


class ModelCatalogue(BaseModel):
    """All models that the data file knows, and the day it was last checked."""

    model_config = ConfigDict(frozen=True)

    checked: dt.date
    models: tuple[ImageModel, ...]
    hosts: dict[str, HostPrices]

    def host_prices(self, name: str) -> HostPrices | None:
        """The prices of a host model of the Responses route; None if they are not known."""
        return self.hosts.get(name.strip().lower())

    def find(self, name: str) -> ImageModel | None:
        """The model of this name, with case and blanks forgiven; None if it is not known."""
        wanted = name.strip().lower()
        return next((model for model in self.models if model.name == wanted), None)


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
    hosts = {name: {"checked": document["checked"], **fact} for name, fact in document["hosts"].items()}
    return ModelCatalogue.model_validate({"checked": document["checked"], "models": models, "hosts": hosts})


def _resolve(name: str, document: JsonObject) -> JsonObject:
    """An entry with the shared tables it names in their place; a snapshot takes over its model's facts."""
    entry: JsonObject = document["models"][name]
    original = entry.get("snapshot_of")
    inherited = _resolve(original, document) if original else document["defaults"]
    entry = {**inherited, **entry, "name": name, "checked": entry.get("checked", document["checked"])}
    for table in ("sizes", "prices", "tokens", "input_tokens", "shutdown"):
        fact = entry.get(table)
        if isinstance(fact, str):
            fact = document[table][fact]
        if fact is not None:
            entry[table] = {"checked": document["checked"], **fact}
    return entry
