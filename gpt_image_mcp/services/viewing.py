"""Small versions of images for an answer: how many bytes and pixels each may have, and making them.

A full image is 1.5 to 2.7 MB of base64, which is more than several clients take and very expensive for a
model. So an answer carries previews within the budget of the settings, or larger ones where the caller asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.imaging.preview_cache import preview_of
from gpt_image_mcp.imaging.previews import View, animation_notes, bytes_within_base64, make_preview
from gpt_image_mcp.imaging.svg import is_svg
from gpt_image_mcp.library.storage import read
from gpt_image_mcp.values.exports import ExportResult
from gpt_image_mcp.values.requests import InputImage
from gpt_image_mcp.values.results import BatchResult, ImageResult
from gpt_image_mcp.values.views import InlineImage, Previews, ViewOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage

_Notes: TypeAlias = tuple[str, ...]
Viewable: TypeAlias = ImageResult | BatchResult | InputImage | ExportResult

# What a larger view may use that a caller asks for: some clients cut results at 1,000,000 characters.
LARGEST_INLINE_CHARACTERS = 700_000
LARGEST_INLINE_EDGE = 4096
# More in one answer would be too small to see.
MOST_BATCH_PREVIEWS = 6
CHECKER = "The light checker in a preview is where the image is transparent."


@dataclass(frozen=True, slots=True)
class _Picture:
    """One image to show; ``read`` gives its file and notes, ``stored`` is None for one from elsewhere."""

    name: str
    read: Callable[[], tuple[bytes, _Notes]]
    stored: StoredImage | None = None


@dataclass(frozen=True, slots=True)
class Viewing:
    """Makes previews for one configuration. Blocking: for a worker thread."""

    settings: Settings
    library: Library

    def show(self, result: Viewable, options: ViewOptions) -> Previews:
        """The previews of a result, or notes why there are none: the result itself is good all the same."""
        pictures = self._pictures(result)
        view = _view(self.settings, options, count=len(pictures))
        if view is None:
            return Previews()
        images: list[InlineImage] = []
        notes: list[str] = []
        for picture in pictures:
            try:
                image, said = self._preview(picture, view, may_be_whole=options.is_plain)
                notes += said
                if len(image.data) <= view.max_bytes:
                    images.append(image)
                else:
                    notes.append(f"No preview of {picture.name}: GPT_IMAGE_INLINE_MAX_BYTES is too small.")
            except (ImageError, OSError) as error:
                reason = error.message if isinstance(error, ImageError) else error
                notes.append(f"No preview of {picture.name}: {reason}")
        if any(image.has_checker for image in images):
            notes.append(CHECKER)
        made = sum(len(entry.images) for entry in result.items) if isinstance(result, BatchResult) else 0
        if made > len(pictures):
            notes.append(f"Previews of the first {len(pictures)} of {made} images; get_image shows any.")
        return Previews(tuple(images), tuple(dict.fromkeys(notes)))

    def thumbnail(self, image: StoredImage) -> InlineImage:
        """The usual preview of an image, also where results carry none.

        Raises:
            NotFound: If its file is gone.
            StorageFailed: If the file cannot be decoded.
        """
        settings = self.settings
        max_bytes = bytes_within_base64(settings.inline_max_bytes)
        view = View(max_bytes=max_bytes, max_edge=settings.inline_max_edge, format=settings.preview_format)
        return preview_of(image, self.library.read(image), view)

    def _pictures(self, result: Viewable) -> list[_Picture]:
        """The images of a result that are shown."""
        if isinstance(result, InputImage):
            return [_Picture(result.name, lambda: (result.data, ()))]
        if isinstance(result, ExportResult):
            path = result.files[0].file_path
            return [_Picture(path.name, lambda: (read(path), ()))]
        if isinstance(result, ImageResult):
            if result.partial:
                return [_Picture("the partial image", lambda: (result.partial, ()))]
            return [self._stored(image) for image in result.images]
        shown = [image for entry in result.items for image in entry.images][:MOST_BATCH_PREVIEWS]
        return [self._stored(image) for image in shown]

    def _stored(self, image: StoredImage) -> _Picture:
        return _Picture(image.id, lambda: self.library.open(image), image)

    def _preview(self, picture: _Picture, view: View, *, may_be_whole: bool) -> tuple[InlineImage, _Notes]:
        data, notes = picture.read()
        moving = animation_notes(data, view)
        if picture.stored is None:
            return make_preview(data, view), (*notes, *moving)
        # Of an animation that is shown as it is, models see the first frame alone; a drawing may run scripts.
        is_whole = may_be_whole and self.settings.inline == "full" and not (notes or moving or is_svg(data))
        if is_whole and len(data) <= view.max_bytes:
            return InlineImage(data, picture.stored.mime_type), notes
        return preview_of(picture.stored, data, view), (*notes, *moving)


def _view(settings: Settings, options: ViewOptions, *, count: int) -> View | None:
    """How each of some previews is made; None where an answer carries none."""
    is_asked_for = bool(options.max_edge) or not options.is_plain
    if not count or (settings.inline == "none" and not is_asked_for):
        return None
    is_large = bool(options.max_edge) or settings.inline == "full"
    characters = LARGEST_INLINE_CHARACTERS if is_large else settings.inline_max_bytes
    usual_edge = LARGEST_INLINE_EDGE if settings.inline == "full" else settings.inline_max_edge
    return View(
        max_bytes=bytes_within_base64(characters // count),
        max_edge=options.max_edge or usual_edge,
        format=settings.preview_format,
        crop=options.crop,
        grid=options.grid,
    )
