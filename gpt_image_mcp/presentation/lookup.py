"""The structured content of an image that was looked up: its whole prompt, its parents, a session's turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gpt_image_mcp.presentation.structured import ImagesContent, StructuredContent, images_content
from gpt_image_mcp.presentation.text import TURN_CHARACTERS, shortened
from gpt_image_mcp.values.downloads import NO_LINKS, DownloadLinks

if TYPE_CHECKING:
    from gpt_image_mcp.values.results import ImageResult, RelatedImage, TurnImage


class RelatedContent(StructuredContent):
    """An image that belongs to another; ``file`` is ``deleted`` where the library knows it no more."""

    id: str
    file: Literal["present", "missing", "changed", "deleted"]
    file_path: str | None = None


class TurnContent(RelatedContent):
    """A turn of a session with its result; ``parent_turn`` is 0 for the start images."""

    turn: int
    parent_turn: int
    prompt: str
    parents: list[str]


class LookupContent(ImagesContent):
    """An image of the library; ``prompt`` is whole."""

    parents: list[RelatedContent]
    turns: list[TurnContent] | None = None


def lookup_content(result: ImageResult, *, next_step: str, links: DownloadLinks = NO_LINKS) -> LookupContent:
    """The structured content of an image that was looked up."""
    found: dict[str, Any] = images_content(result, next_step=next_step, links=links).model_dump()
    found["prompt"] = result.prompt
    return LookupContent(
        **found,
        parents=[RelatedContent(**_related(parent)) for parent in result.parents or ()],
        turns=[_turn(turn) for turn in result.turns] or None,
    )


def _turn(turn: TurnImage) -> TurnContent:
    return TurnContent(
        **_related(turn.image),
        turn=turn.turn,
        parent_turn=turn.parent_turn,
        prompt=shortened(turn.prompt, TURN_CHARACTERS),
        parents=list(turn.parents),
    )


def _related(image: RelatedImage) -> dict[str, Any]:
    return {
        "id": image.id,
        "file": image.file,
        "file_path": image.location if image.file_path else None,
    }
