"""Deciding an edit: what is sent for the images, the mask and the kind of edit that a caller named."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict, Unpack

from gpt_image_mcp.calls.planning import Plan, as_meant, plan_call
from gpt_image_mcp.catalogue.edit_types import FREE, OUTPAINT, apply_edit_type
from gpt_image_mcp.catalogue.exact_sizes import require_whole_picture
from gpt_image_mcp.catalogue.models import CustomSizes
from gpt_image_mcp.catalogue.prices import quote
from gpt_image_mcp.catalogue.size_rules import UNSEEN_SHARE, own_size, parse_pixels, shape_size
from gpt_image_mcp.catalogue.sizes import AUTO, canvas_size
from gpt_image_mcp.catalogue.validation import (
    MAX_PROMPT_CHARACTERS,
    require_still,
    validate_input_fidelity,
    validate_request,
)
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.encoding import encode, longest_edge
from gpt_image_mcp.imaging.formats import read_picture, room_for
from gpt_image_mcp.imaging.marks import Mark, draw_marks, read_markup
from gpt_image_mcp.imaging.masks import make_mask, place_on_canvas, read_mask
from gpt_image_mcp.imaging.normalise import damage_refused
from gpt_image_mcp.imaging.regions import Area, Region, cover
from gpt_image_mcp.imaging.shapes import read_shapes
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.requests import Backdrop, InputImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.services.inputs import Source
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import Kind
    from gpt_image_mcp.values.options import OutputOptions

MAX_IMAGES = 16
# More of a difference between two ratios than this makes an edited area visibly miss its place.
_VISIBLE_RATIO_DIFFERENCE = 0.02
# More than any model makes, in the shape of which it costs most.
_LARGEST = Pixels(8192, 8192)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditOptions:
    """What a caller says about an edit besides prompt, images and output.

    Attributes:
        mask: A reference to a mask file, as for an image; empty for none.
        regions: Parts to edit.
        edit_type: One of ``catalogue.edit_types.EDIT_TYPES``.
        input_fidelity: ``auto``, ``low`` or ``high``.
        keep_unmasked: Whether the original pixels are put back outside mask and regions.
        markup: A reference to a file with hints drawn on it, as for an image; empty for none.
        marks: Such hints, for us to draw.
    """

    mask: str = ""
    regions: tuple[Region, ...] = ()
    edit_type: str = FREE
    input_fidelity: str = "auto"
    keep_unmasked: bool = True
    markup: str = ""
    marks: tuple[Mark, ...] = ()

    @property
    def plain_type(self) -> str:
        """The edit type, as it is spelled in ``EDIT_TYPES`` if it is one of them."""
        return self.edit_type.strip().lower() or FREE

    @property
    def files(self) -> tuple[str, str]:
        """The mask and the markup, which are inputs like the images."""
        return self.mask, self.markup

    @property
    def without_files(self) -> EditOptions:
        """All but those."""
        return replace(self, mask="", markup="")

    @property
    def has_markup(self) -> bool:
        """Whether hints go along, as a file or as marks."""
        return bool(self.markup.strip() or self.marks)


class PlainOptions(TypedDict, total=False):
    """The fields of ``EditOptions`` that are as the caller wrote them."""

    mask: str
    edit_type: str
    input_fidelity: str
    keep_unmasked: bool
    markup: str


def parse_options(
    *, regions: Sequence[object] = (), marks: Sequence[object] = (), **plain: Unpack[PlainOptions]
) -> EditOptions:
    """The options that a caller's arguments mean; regions and marks may be plain JSON objects.

    Raises:
        InvalidArgument: If a region or a mark is malformed.
    """
    return EditOptions(regions=read_shapes(Region, regions), marks=read_shapes(Mark, marks), **plain)


def plan_edit(
    kind: Kind, prompt: str, call_id: str, *, output: OutputOptions, edit: EditOptions, settings: Settings
) -> Plan:
    """Checks the arguments of an edit against the model and the disk, before any image is read.

    Raises:
        RequestError: If the model, the folder or an argument cannot be used.
    """
    is_outpaint = edit.plain_type == OUTPAINT
    named = {"a mask": edit.mask.strip(), "regions": edit.regions, "edit_type outpaint": is_outpaint}
    parts = [name for name, is_given in named.items() if is_given]
    require_whole_picture(output.exact_size, parts)
    _require_markup_alone(edit, parts)
    shape = _in_unknown_size(output, edit)
    plan = plan_call(kind, prompt, shape, call_id=call_id, settings=settings, has_markup=edit.has_markup)
    if parts:
        require_still(plan.request.output_format, parts[0])
    if is_outpaint:
        canvas_size(plan.model, output.size, Pixels(1, 1))  # only its spelling is checked
    sent = apply_edit_type(plan.prompt, edit.plain_type)
    if len(sent) > MAX_PROMPT_CHARACTERS:
        message = f"With the words for edit_type {edit.plain_type} the prompt has {len(sent):,} characters."
        raise InvalidArgument(message, next_step="Shorten the prompt, or use edit_type free.")
    fidelity = validate_input_fidelity(edit.input_fidelity, plan.model)
    return replace(
        plan,
        request=replace(plan.request, prompt=sent, input_fidelity=fidelity),
        requested=replace(plan.requested, size=output.size) if is_outpaint else plan.requested,
        edit_type=edit.plain_type,
    )


def _require_markup_alone(edit: EditOptions, parts: Sequence[str]) -> None:
    """Refuses markup with marks, or either with what edits a part: the API takes markup or a mask."""
    name = "markup" if edit.markup.strip() else "marks"
    others = [*parts, "marks"] if edit.marks and name == "markup" else parts
    if edit.has_markup and others:
        message = f"{name} cannot be combined with {' and '.join(others)}."
        step = f"Leave {name} out, or let it alone point at what to change."
        raise InvalidArgument(message, next_step=step)


def check_count(images: Sequence[object], *, already: int = 0) -> None:
    """Refuses an edit of no image, or of more than a call takes.

    Args:
        images: Those that the caller passed.
        already: How many more a session brings along.

    Raises:
        InvalidArgument: With the numbers.
    """
    count = len(images) + already
    if count == 0:
        message = "images is empty."
        raise InvalidArgument(message, next_step="Pass 1 to 16 paths, addresses, data URLs or image ids.")
    if count > MAX_IMAGES:
        given = f"{len(images)} images and {already} of the session" if already else f"{count} images"
        message = f"The edit has {given}; at most {MAX_IMAGES} are allowed in one call."
        raise InvalidArgument(message, next_step="Pass fewer; batch_edit_images edits many one by one.")


def complete_plan(
    plan: Plan,
    images: tuple[InputImage, ...],
    *,
    files: tuple[Source | None, Source | None],
    size: str,
    edit: EditOptions,
    host_model: str,
) -> Plan:
    """The plan with its images, its mask or markup, its size and its price. Blocking.

    Args:
        plan: From ``plan_edit``.
        images: In order; the first is the one edited.
        files: The mask and the markup that the caller named.
        size: As the caller wrote it.
        edit: What else the caller said of the edit.
        host_model: The chat model that the Responses route needs; empty for the direct route.

    Raises:
        RequestError: If the mask, the regions or the markup do not fit image 1.
    """
    mask, markup = files
    decoded = (images[0].as_passed,) if plan.edit_type == OUTPAINT or mask or edit.regions else ()
    seen = read_picture(mask.data) if mask else None
    with damage_refused("Image 1"), room_for(*decoded, more_pixels=seen.width * seen.height if seen else 0):
        area = _area(images[0], mask, edit.regions)
        if plan.edit_type == OUTPAINT:
            plan = _outpainted(plan, images, area, size=size, keeps=edit.keep_unmasked)
        else:
            plan = _masked(plan, images, area, keeps=edit.keep_unmasked)
    if edit.has_markup:
        plan = _marked_up(plan, images[0], markup, marks=edit.marks)
    notes = [note for image in images for note in image.notes]
    return replace(plan, quote=quoted(plan, host_model), notes=(*notes, *plan.notes))


def quoted(plan: Plan, host_model: str) -> Quote:
    """The price of a plan that has its images, with that of a host model if there is one."""
    request = plan.request
    # Nobody says what markup costs; it is a picture that the model sees.
    seen = len(request.images) + bool(request.markup)
    return quote(plan.model, request, input_images=seen, host_model=host_model)


def most_quoted(
    prompt: str, *, output: OutputOptions, edit: EditOptions, images: int, host_model: str, settings: Settings
) -> Quote:
    """The most that an edit may cost by either route, before one of its images is read.

    Args:
        prompt: Of the caller.
        output: What the caller said of the result.
        edit: What else the caller said.
        images: How many it has.
        host_model: The chat model that it would need on the Responses route.
        settings: The configuration.

    Raises:
        RequestError: If the model or an argument cannot be used.
    """
    shape = as_meant(_in_unknown_size(output, edit), settings)
    checked = validate_request(
        prompt, shape, moderation="auto", settings=settings, has_markup=edit.has_markup
    )
    model, sent = checked.model, apply_edit_type(checked.request.prompt, edit.plain_type)
    request = replace(checked.request, prompt=sent)
    may_be_large = edit.mask.strip() or edit.regions or edit.plain_type == OUTPAINT
    if request.size == AUTO and may_be_large and model and isinstance(model.sizes, CustomSizes):
        request = replace(request, size=str(own_size(model, _LARGEST)))
    return quote(model, request, input_images=images + edit.has_markup, host_model=host_model)


def _in_unknown_size(output: OutputOptions, edit: EditOptions) -> OutputOptions:
    """The options of an outpaint without its size: what that means depends on image 1."""
    return replace(output, size=AUTO) if edit.plain_type == OUTPAINT else output


def _marked_up(plan: Plan, first: InputImage, markup: Source | None, *, marks: tuple[Mark, ...]) -> Plan:
    """The plan with the markup that is sent."""
    size = (first.width, first.height)
    if markup:
        file, found = read_markup(markup.data, size, source=markup.label), markup.notes
        said = f"The markup {markup.label} was sent as a hint."
    else:
        with damage_refused("Image 1"), room_for(more_pixels=first.width * first.height):
            file, found = draw_marks(marks, size), ()
        said = f"{len(marks)} mark{'s were' if len(marks) > 1 else ' was'} drawn and sent as hints."
    notes = (*plan.notes, *found, said)
    return replace(plan, request=replace(plan.request, markup=file), notes=notes)


def _area(first: InputImage, mask: Source | None, regions: tuple[Region, ...]) -> Area | None:
    """What mask and regions say is to be edited of image 1; None if there are neither."""
    from PIL import ImageChops

    size = (first.width, first.height)
    area = cover(regions, size) if regions else None
    if mask is None:
        return area
    coverage, notes = read_mask(mask.data, size, source=mask.label)
    notes = (*mask.notes, *notes)
    if area is None:
        return Area(coverage, notes)
    return Area(ImageChops.lighter(coverage, area.coverage), (*notes, *area.notes))


def _masked(plan: Plan, images: tuple[InputImage, ...], area: Area | None, *, keeps: bool) -> Plan:
    """The plan of an edit with or without a mask; with one, ``auto`` is image 1's own size."""
    if area is None:
        return _in_shape(replace(plan, request=replace(plan.request, images=images)))
    own = Pixels(images[0].width, images[0].height)
    if keeps:
        _require_fitting(own, plan.request.output_format)
    mask = make_mask(area.coverage, notes=area.notes)
    wanted = parse_pixels(plan.request.size) or own_size(plan.model, own)
    notes = [*mask.notes, *_size_notes(own, wanted, keeps=keeps)]
    backdrop = Backdrop(original=images[0].as_passed, coverage=mask.coverage) if keeps else None
    request = replace(plan.request, images=images, mask=mask.file, size=str(wanted))
    return replace(plan, request=request, backdrop=backdrop, notes=(*plan.notes, *notes))


def _require_fitting(own: Pixels, output_format: str) -> None:
    """Refuses to put the pixels of a picture back into a file that cannot have its size."""
    longest = longest_edge(output_format)
    if max(own) > longest:
        message = (
            f"The result would be {own}, as the picture whose pixels are put back; {output_format} files "
            f"have at most {longest:,} pixels along an edge."
        )
        step = "Pass output_format png, or keep_unmasked false to take what the model returns."
        raise InvalidArgument(message, next_step=step)


def _in_shape(plan: Plan) -> Plan:
    """The plan of an edit of the whole picture; ``auto`` keeps the shape of image 1.

    The sizes of an unknown model are not known either, so ``auto`` stays what it makes of it.
    """
    request = plan.request
    if request.size != AUTO or plan.model is None:
        return plan
    own = Pixels(request.images[0].width, request.images[0].height)
    made = shape_size(plan.model, own)
    notes = (*plan.notes, *_shape_notes(own, made, model=request.model))
    return replace(plan, request=replace(request, size=str(made)), notes=notes)


def _shape_notes(own: Pixels, made: Pixels, *, model: str) -> list[str]:
    """What became of the shape of image 1, where its size does not stay."""
    if own == made:
        return []
    if own.share_cut(made) <= UNSEEN_SHARE:
        return [f"Size auto became {made}, in the shape of image 1 ({own})."]
    note = (
        f"Size auto became {made}, what {model} makes nearest to the shape of image 1 ({own}): the shape has "
        "changed."
    )
    return [note]


def _outpainted(
    plan: Plan, images: tuple[InputImage, ...], inside: Area | None, *, size: str, keeps: bool
) -> Plan:
    """The plan of an edit that extends image 1 to a canvas and masks the new area."""
    first = images[0]
    own = Pixels(first.width, first.height)
    canvas = canvas_size(plan.model, size, own)
    if canvas == own:
        message = f"Image 1 already has the size {canvas}, so there is nothing to extend."
        raise InvalidArgument(message, next_step="Pass a larger size or another ratio.")
    if keeps:
        _require_fitting(canvas, plan.request.output_format)
    decoded = decode(first.as_passed)
    extended, area = place_on_canvas(
        decoded.image, canvas, inside.coverage if inside else None, may_enlarge=parse_pixels(size) is None
    )
    if area.getbbox() is None:
        message = f"Image 1 fills the canvas of {canvas}, so there is nothing to extend."
        raise InvalidArgument(message, next_step="Pass another ratio, or a larger size.")
    mask = make_mask(area, notes=inside.notes if inside else ())
    data = encode(extended, "PNG", profile=decoded.profile, compress_level=4)
    sent = replace(
        first,
        name="image-1.png",
        data=data,
        mime_type="image/png",
        width=canvas.width,
        height=canvas.height,
        original=b"",
    )
    notes = [f"Image 1 ({own}) was placed on a canvas of {canvas}; the new area is masked.", *mask.notes]
    if own.width > canvas.width or own.height > canvas.height:
        notes.append("It was scaled down to fit.")
    backdrop = Backdrop(original=data, coverage=mask.coverage) if keeps else None
    request = replace(plan.request, images=(sent, *images[1:]), mask=mask.file, size=str(canvas))
    return replace(plan, request=request, backdrop=backdrop, notes=(*plan.notes, *notes))


def _size_notes(own: Pixels, wanted: Pixels, *, keeps: bool) -> list[str]:
    """What to say where the model cannot make image 1's own size."""
    notes: list[str] = []
    if abs(math.log(own.ratio / wanted.ratio)) > _VISIBLE_RATIO_DIFFERENCE:
        notes.append(
            f"Image 1 is {own} and the model makes {wanted}, which is another ratio: the edited area may not "
            "line up."
        )
    if keeps and own != wanted:
        notes.append(f"Made at {wanted}, the result has image 1's size {own}.")
    return notes
