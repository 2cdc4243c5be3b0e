"""Pictures beside each other on one contact sheet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import cut

if TYPE_CHECKING:
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.views import InlineImage

MOST_COMPARED = 12
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPicture:
    """A picture of a contact sheet; its number there is its place in the comparison, from 1.

    Attributes:
        ref: How the caller called it.
        source: What it is called otherwise, if it is not of the library.
        image: What the library knows of it; None for a picture from elsewhere.
    """

    ref: str
    source: str
    width: int
    height: int
    image: StoredImage | None

    @property
    def facts(self) -> tuple[str, ...]:
        """What tells it from the others: id or name, model, quality, size and cost."""
        size = f"{self.width}x{self.height}"
        if self.image is None:
            return cut(PurePath(self.source).name, _LONGEST_NAME), "from elsewhere", size
        made = self.image.provenance
        cost = "cost unknown" if made.cost.usd is None else f"${made.cost.usd:.4f}"
        quality = f"quality {made.applied.quality}"
        return (
            self.image.id,
            cut(made.model, _LONGEST_NAME),
            quality,
            size,
            "sandbox" if made.sandbox else cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Pictures in the order in which they were named, and the sheet that shows them.

    Attributes:
        sheet: None if there is no room for one, which a note says.
        notes: What the caller should know, a sentence each.
    """

    pictures: tuple[ComparedPicture, ...]
    sheet: InlineImage | None
    notes: tuple[str, ...]
