"""Comparison: pictures of any origin on one contact sheet, labelled with what is known of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypedDict

from gpt_image_mcp.errors import (
    PATH_CHARACTERS,
    ImageError,
    InvalidArgument,
    RequestError,
    StorageFailed,
    cut,
)
from gpt_image_mcp.imaging.contact_sheet import LARGEST_EDGE, Entry, make_entry, make_sheet
from gpt_image_mcp.imaging.preview_cache import quick_file
from gpt_image_mcp.imaging.previews import View, animation_notes, bytes_within_base64
from gpt_image_mcp.imaging.source_type import AI_EDITED
from gpt_image_mcp.references import classify
from gpt_image_mcp.services.viewing import CHECKER
from gpt_image_mcp.threads import in_drawing
from gpt_image_mcp.values.comparisons import MOST_COMPARED, ComparedPicture, Comparison
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.requests import InputImage
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from typing import Unpack

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.views import PreviewFormat, ViewOptions

_Found: TypeAlias = ImageResult | BatchResult | InputImage
_Drawn: TypeAlias = tuple[ComparedPicture, Entry, tuple[str, ...]]

_AT_ONCE = 4
_SHEET = View(max_bytes=0, max_edge=LARGEST_EDGE)


class SheetArguments(TypedDict, total=False):
    """What the file of a sheet is like; without, as an answer carries it: its bytes at most, its format."""

    max_bytes: int
    output_format: PreviewFormat


class _Find(Protocol):
    """``Studio.get``."""

    def __call__(self, ref: str, *, wait_seconds: float | None) -> Awaitable[_Found]: ...


@dataclass(frozen=True, slots=True)
class Comparing:
    """Makes comparisons for one configuration."""

    settings: Settings
    library: Library
    find: _Find

    async def run(
        self, refs: Sequence[str], options: ViewOptions, **sheet: Unpack[SheetArguments]
    ) -> Comparison:
        """Compares up to 12 pictures; of a finished job all that it made, of a session its last.

        Args:
            refs: As ``edit`` takes them, and sessions and jobs. The same may come twice.
            options: How large the sheet is; parts and rulers are for single pictures.
            **sheet: What its file is like.

        Raises:
            ImageError: If one cannot be shown; says which by its number.
        """
        _require_possible(refs, options)
        drawn = [picture for pictures in await self._all(refs) for picture in pictures]
        if len(drawn) > MOST_COMPARED:
            raise _too_many(f"These references have {len(drawn)} pictures together")
        view = View(
            max_bytes=sheet.get("max_bytes") or bytes_within_base64(self.settings.inline_max_bytes),
            max_edge=options.max_edge or LARGEST_EDGE,
            format=sheet.get("output_format") or self.settings.preview_format,
            source_type=AI_EDITED if any(picture.image for picture, _, _ in drawn) else "",
        )
        made = await in_drawing(make_sheet, [entry for _, entry, _ in drawn], view)
        notes = [note for _, _, said in drawn for note in said]
        if any(entry.has_checker for _, entry, _ in drawn):
            notes.append(CHECKER)
        if made is None:
            notes.append("There is no sheet: GPT_IMAGE_INLINE_MAX_BYTES is too small for it.")
        return Comparison(
            pictures=tuple(picture for picture, _, _ in drawn), sheet=made, notes=tuple(dict.fromkeys(notes))
        )

    async def _all(self, refs: Sequence[str]) -> list[list[_Drawn]]:
        """The pictures of each reference; few at once, because each may be a file of megabytes."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def drawn(number: int, ref: str) -> list[_Drawn]:
            async with slots:
                try:
                    found = await self.find(ref, wait_seconds=0)
                    _require_finished(found)
                    return await in_drawing(self._drawn, ref, found, len(refs))
                except ImageError as error:
                    raise _numbered(
                        error, f"Picture {number} of {len(refs)} ({classify(ref).shown})"
                    ) from error

        drawing = [asyncio.create_task(drawn(number, ref)) for number, ref in enumerate(refs, start=1)]
        try:
            return await asyncio.gather(*drawing)
        finally:
            for task in drawing:
                task.cancel()

    def _drawn(self, ref: str, found: _Found, count: int) -> list[_Drawn]:
        """What a reference led to, small enough for a sheet of so many."""
        named = classify(ref)
        ref = cut(named.text, PATH_CHARACTERS) if named.kind == "path" else named.shown
        if isinstance(found, InputImage):
            size = Pixels(found.width, found.height)
            picture = ComparedPicture(
                ref=ref, source=found.source, width=size.width, height=size.height, image=None
            )
            notes = (*found.notes, *animation_notes(found.data, _SHEET))
            return [(picture, make_entry(found.data, size, label=picture.facts, count=count), notes)]
        results = [found] if isinstance(found, ImageResult) else found.items
        return [self._of_library(ref, image, count) for result in results for image in result.images]

    def _of_library(self, ref: str, image: StoredImage, count: int) -> _Drawn:
        data, notes = self.library.open(image)
        picture = ComparedPicture(ref=ref, source="", width=image.width, height=image.height, image=image)
        quick, size = quick_file(image, data), Pixels(image.width, image.height)
        notes = (*notes, *animation_notes(data, _SHEET))
        return picture, make_entry(quick, size, label=picture.facts, count=count), notes


def _require_possible(refs: Sequence[str], options: ViewOptions) -> None:
    if not refs:
        message = "The list of references is empty."
        raise InvalidArgument(message, next_step=f"Pass 2 to {MOST_COMPARED} ids, paths or URLs.")
    if len(refs) > MOST_COMPARED:
        raise _too_many(f"The list has {len(refs)} references")
    if not options.is_plain:
        message = "crop and grid are for one picture, and ref is a list."
        raise InvalidArgument(message, next_step="Leave them out, or pass one ref.")


def _require_finished(found: _Found) -> None:
    if not isinstance(found, InputImage) and found.status == "running":
        message = "the job still runs, so there is nothing to compare yet."
        raise InvalidArgument(
            message,
            next_step=f"Collect it with get_image and ref {found.call_id} alone, then compare.",
            retryable=True,
        )


def _too_many(what: str) -> InvalidArgument:
    message = f"{what}; one sheet shows at most {MOST_COMPARED}."
    return InvalidArgument(message, next_step=f"Compare in groups of up to {MOST_COMPARED}.")


def _numbered(error: ImageError, which: str) -> ImageError:
    """The error of one reference, with its number; of a job that failed, that it shows nothing."""
    kind = type(error) if isinstance(error, RequestError | StorageFailed) else InvalidArgument
    return kind(f"{which}: {error.message}", next_step=error.next_step, retryable=error.retryable)
