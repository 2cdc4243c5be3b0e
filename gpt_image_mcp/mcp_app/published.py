"""What tools publish: the words that follow from the catalogue, and what is left out of the list of tools.

Every byte of the list is paid for in each conversation, and some clients show a model one tool alone, so that
each parameter has few words, and has them in every tool.
"""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gpt_image_mcp.settings import Settings

if TYPE_CHECKING:
    from fastmcp.tools import Tool

    from gpt_image_mcp.catalogue.models import ImageModel, ModelCatalogue

# Parameters that every tool takes and none lists: a model has no use for them unless a person names them,
# who finds them in the documentation.
UNLISTED = frozenset({"user", "moderation", "input_fidelity", "concurrency"})
# The words as of the catalogue whose digest stands in it: to read them there takes 40 ms more at every start.
WORDS_FILE = Path(__file__).with_name("catalogue_words.json")
COMMON_SIZE, LARGEST_SIZE = "square", "landscape_4k"


class CatalogueWords(NamedTuple):
    """What descriptions say of models.

    Attributes:
        catalogue: The digest of the data file that they are of.
        prices: What an image of the default model costs.
        newest_models: Their names.
    """

    catalogue: str
    prices: str
    newest_models: str


def read_words(catalogue: bytes, kept: bytes) -> CatalogueWords:
    """The words for a catalogue.

    Args:
        catalogue: The data file.
        kept: The words kept in ``WORDS_FILE``; taken if they are of this catalogue.
    """
    words = CatalogueWords(**json.loads(kept))
    return words if words.catalogue == sha256(catalogue).hexdigest() else words_of(catalogue)


def words_of(catalogue: bytes) -> CatalogueWords:
    """The words, made of the catalogue itself."""
    from gpt_image_mcp.catalogue.models import parse_catalogue

    models = parse_catalogue(catalogue.decode())
    return CatalogueWords(sha256(catalogue).hexdigest(), _prices(models), ", ".join(_newest(models)))


def as_listed(tool: Tool) -> Tool:
    """A tool as it is listed: without some parameters, and without minimums that go without saying.

    The boolean ``additionalProperties`` is left out too, because some clients cannot convert it.
    """
    listed = {
        name: {key: value for key, value in part.items() if key != "minimum" or value > 0}
        for name, part in tool.parameters["properties"].items()
        if name not in UNLISTED
    }
    others = {name: part for name, part in tool.parameters.items() if name != "additionalProperties"}
    return tool.model_copy(update={"parameters": {**others, "properties": listed}})


def _newest(catalogue: ModelCatalogue) -> list[str]:
    """The models of the latest release, without their snapshots."""
    released = {
        model.name: model.released for model in catalogue.models if model.released and not model.snapshot_of
    }
    latest = max(released.values())
    return [name for name, day in released.items() if day == latest]


def _prices(catalogue: ModelCatalogue) -> str:
    """The cheapest and the dearest image of the default model at a common size, and at its largest."""
    default = Settings.model_fields["model"].default
    model = next(model for model in catalogue.models if model.name == default)
    return f"{default}: {_span(model, COMMON_SIZE)}, {_span(model, LARGEST_SIZE)}"


def _span(model: ImageModel, size: str) -> str:
    from gpt_image_mcp.catalogue.prices import quotes_by_quality
    from gpt_image_mcp.catalogue.sizes import resolve_size
    from gpt_image_mcp.values.requests import ImageRequest

    pixels = resolve_size(model, size).size
    request = ImageRequest(prompt="", model=model.name, size=pixels, quality="low")
    quotes = quotes_by_quality(model, request).values()
    low, high = min(quote.low_usd or 0 for quote in quotes), max(quote.high_usd or 0 for quote in quotes)
    return f"${low:.2g} to ${high:.2g} at {pixels}"


WORDS = read_words(
    files("gpt_image_mcp.catalogue").joinpath("models.toml").read_bytes(), WORDS_FILE.read_bytes()
)
