"""Finishing on this machine what the API returned: the original pixels put back, or a size to the pixel.

The file as returned stays in the library, as the parent of the finished one, and has a name of its own: the
caller's belongs to the finished picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.imaging.formats import read_picture
from gpt_image_mcp.imaging.source_type import source_type_of
from gpt_image_mcp.imaging.xmp import has_c2pa
from gpt_image_mcp.library.naming import numbered_path, without_extension

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.library.naming import Naming
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.images import Applied, Picture, StoredImage
    from gpt_image_mcp.values.pixels import Pixels
    from gpt_image_mcp.values.requests import Backdrop
    from gpt_image_mcp.values.results import ImageResult

_AS_RETURNED = "as-returned"


@dataclass(frozen=True, slots=True)
class _Finished:
    """A finished file, and what there is to say of it."""

    data: bytes
    note: str


def needs_finishing(plan: Plan, returned: Iterable[Picture]) -> bool:
    """Whether what was returned is not yet what was asked for."""
    if plan.exact_size:
        return any((picture.width, picture.height) != plan.exact_size for picture in returned)
    return plan.backdrop is not None


def naming_as_returned(naming: Naming) -> Naming:
    """The name of what the API returned, where the caller's own name belongs to the finished image."""
    label = naming.label or without_extension(naming.filename)
    return replace(naming, label=f"{label}-{_AS_RETURNED}".lstrip("-"), filename="")


def finish(result: ImageResult, plan: Plan, *, library: Library) -> ImageResult:
    """The result with each image replaced by the finished one. Blocking.

    An image that cannot be finished stays as it was returned, and a note says why.
    """
    notes: list[str] = []
    images: list[StoredImage] = []
    for number, image in enumerate(result.images, start=1):
        try:
            made, said = _replaced(
                image, plan, library=library, number=number if len(result.images) > 1 else 0
            )
        except ImageError as error:
            wish = "exact_size" if plan.exact_size else "keep_unmasked"
            notes.append(f"{wish} failed, so this is the picture as returned: {error.message}")
            images.append(image)
            continue
        images.append(made)
        notes += said
    applied = images[0].provenance.applied
    return replace(result, images=tuple(images), applied=applied, notes=(*result.notes, *notes))


def _replaced(
    image: StoredImage, plan: Plan, *, library: Library, number: int
) -> tuple[StoredImage, list[str]]:
    """The finished image, saved as the child of the one that was returned, and what there is to say."""
    data = library.read(image)
    if plan.exact_size:
        done = _cut(data, plan, plan.exact_size)
    elif plan.backdrop:
        done = _put_back(data, plan, plan.backdrop)
    else:
        return image, []
    stored, notes = library.save(
        [done.data],
        provenance=replace(
            image.provenance, parents=(image.id,), applied=_applied(done.data, image.provenance.applied)
        ),
        naming=replace(plan.naming, filename=numbered_path(plan.naming.filename, number)),
        folder=plan.destination.folder,
        home=plan.destination.home,
    )
    returned = f"{done.note} As returned by the API: {image.location} (id {image.id})."
    return stored[0], [returned, *_provenance_notes(image, plan.backdrop), *notes]


def _applied(data: bytes, returned: Applied) -> Applied:
    """The settings that took effect, with the size and the format of the finished file."""
    made = read_picture(data)
    if made is None:
        return returned
    return replace(returned, size=f"{made.width}x{made.height}", output_format=made.format)


def _put_back(returned: bytes, plan: Plan, backdrop: Backdrop) -> _Finished:
    """The original pixels outside the mask, in the size of the original."""
    from gpt_image_mcp.imaging.compositing import composite

    output_format = plan.request.output_format
    done = composite(returned, backdrop, output_format=output_format)
    lossy = " JPEG cannot keep them exactly; png and webp do." if output_format == "jpeg" else ""
    changed = (
        f"{done.changed_share:.1%} of the pixels outside the mask had changed; the original ones are back."
    )
    return _Finished(done.data, f"{changed}{lossy}")


def _cut(returned: bytes, plan: Plan, size: Pixels) -> _Finished:
    """The picture in exactly the size that was asked for."""
    from gpt_image_mcp.imaging.cutting import cut_to

    request = plan.request
    done = cut_to(
        returned,
        size,
        output_format=request.output_format,
        quality=request.output_compression,
        source_type=source_type_of(plan.kind),
    )
    became = "enlarged" if done.is_enlarged else "reduced"
    share = done.returned.share_cut(size)
    cut = f"{share:.1%} of it was cut off" if share else "nothing was cut off"
    return _Finished(done.data, f"Made at {done.returned} and {became} to exactly {size}; {cut}.")


def _provenance_notes(returned: StoredImage, backdrop: Backdrop | None) -> list[str]:
    """What a finished picture has lost of the C2PA provenance of the pictures that it was made from."""
    notes: list[str] = []
    kind = "composite" if backdrop else "finished picture"
    if returned.c2pa:
        notes.append(f"Signed C2PA provenance is lost in the {kind}, and kept in the file as returned.")
    if backdrop and has_c2pa(backdrop.original):
        notes.append("The original carries signed C2PA provenance, which is lost in the composite.")
    return notes
