"""The structured content and the text of a comparison: which number on the sheet is which picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gpt_image_mcp.object_paths import location
from gpt_image_mcp.presentation.structured import StructuredContent, dollars
from gpt_image_mcp.presentation.text import TURN_CHARACTERS, joined, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.comparisons import ComparedPicture, Comparison


class ComparedContent(StructuredContent):
    """A picture of a contact sheet; of one from elsewhere only ``ref`` and its size are known."""

    number: int
    ref: str
    width: int
    height: int
    id: str | None = None
    file_path: str | None = None
    model: str | None = None
    quality: str | None = None
    prompt: str | None = None
    cost_usd_estimated: float | None = None
    sandbox: bool | None = None


class ComparisonContent(StructuredContent):
    """A contact sheet: its pictures in the order of their numbers; with a path if it is kept as a file."""

    status: Literal["completed"]
    images: list[ComparedContent]
    file_path: str | None = None
    notes: list[str]
    next: str


def comparison_content(
    compared: Comparison, *, next_step: str, file_path: Path | None = None
) -> ComparisonContent:
    """The structured content of a comparison."""
    return ComparisonContent(
        status="completed",
        images=[_content(number, picture) for number, picture in enumerate(compared.pictures, start=1)],
        file_path=None if file_path is None else location(file_path),
        notes=list(compared.notes),
        next=next_step,
    )


def comparison_text(compared: Comparison, next_step: str) -> str:
    """The text of a comparison: a line for each picture."""
    lines = [_line(number, picture) for number, picture in enumerate(compared.pictures, start=1)]
    return joined([f"{len(lines)} pictures on one sheet:", *lines], notes=compared.notes, next_step=next_step)


def _content(number: int, picture: ComparedPicture) -> ComparedContent:
    ref, image = shortened(picture.ref), picture.image
    if image is None:
        return ComparedContent(number=number, ref=ref, width=picture.width, height=picture.height)
    made = image.provenance
    return ComparedContent(
        number=number,
        ref=ref,
        width=picture.width,
        height=picture.height,
        id=image.id,
        file_path=image.location,
        model=made.model,
        quality=made.applied.quality,
        prompt=shortened(made.prompt, TURN_CHARACTERS),
        cost_usd_estimated=None if made.sandbox else dollars(made.cost.usd),
        sandbox=made.sandbox or None,
    )


def _line(number: int, picture: ComparedPicture) -> str:
    facts = ", ".join(picture.facts)
    if picture.image is None:
        return f"{number}. {facts}: {picture.source}"
    prompt = shortened(picture.image.provenance.prompt, TURN_CHARACTERS)
    return f'{number}. {facts}, "{prompt}", {picture.image.location}'
