"""Saving the images of a call: whole pictures only, each with how it came to be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.finishing import finish, naming_as_returned, needs_finishing
from gpt_image_mcp.calls.transparency import note_transparency
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.catalogue.prices import cost, quote
from gpt_image_mcp.catalogue.size_rules import makes
from gpt_image_mcp.catalogue.sizes import AUTO
from gpt_image_mcp.errors import OutcomeUnknown
from gpt_image_mcp.imaging.formats import is_complete, read_picture
from gpt_image_mcp.values.images import Applied, Picture, Provenance
from gpt_image_mcp.values.results import ImageResult

if TYPE_CHECKING:
    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.money import Cost
    from gpt_image_mcp.values.requests import ImageRequest
    from gpt_image_mcp.values.responses import GeneratedImages

# Nobody can ask for as many. What comes beyond them is only kept as it came.
MOST_SAVED = 20


def save(plan: Plan, generated: GeneratedImages, library: Library, *, elapsed_seconds: float) -> ImageResult:
    """Saves the images of a call and gives its result. Blocking.

    Raises:
        OutcomeUnknown: If none of them is a whole picture.
        StorageFailed: If an image could not be written to any folder.
    """
    images, pictures, notes = _usable_images(generated, plan)
    spent = cost_of(plan, generated)
    applied = _applied(plan, generated, pictures[0])
    provenance = _provenance(plan, generated, applied, share=_share(spent, len(images)))
    is_unfinished = needs_finishing(plan, pictures)
    naming = naming_as_returned(plan.naming) if is_unfinished else plan.naming
    home = plan.destination.home
    folder = home if is_unfinished else plan.destination.folder
    stored, saving_notes = library.save(
        images, provenance=provenance, naming=naming, folder=folder, home=home
    )
    result = ImageResult(
        status="completed",
        call_id=plan.call_id,
        prompt=plan.prompt,
        model=plan.request.model,
        requested=plan.requested,
        applied=applied,
        images=stored,
        usage=generated.usage,
        cost=spent,
        route=generated.route,
        notes=(*plan.notes, *generated.notes, *_author_notes(generated), *notes, *saving_notes),
        sandbox=plan.sandbox,
        session=plan.session,
        elapsed_seconds=round(elapsed_seconds, 1),
    )
    done = finish(result, plan, library=library) if is_unfinished else result
    return note_transparency(done, plan, library)


def cost_of(plan: Plan, generated: GeneratedImages) -> Cost:
    """What the images cost, whether or not they can be used."""
    request = _as_made(plan, generated)
    quoted = quote(plan.model, request, input_images=len(request.images))
    return cost(plan.model, generated, quote=quoted)


def _author_notes(generated: GeneratedImages) -> list[str]:
    """What the cost leaves out: the tokens of the model that wrote an SVG, where its prices are not known."""
    author = generated.svg_author
    if author is None or load_catalogue().find_host(author.model):
        return []
    return ["The cost leaves out the model that wrote the svg: its prices are not known."]


def _as_made(plan: Plan, generated: GeneratedImages) -> ImageRequest:
    """The request with what the model chose for ``auto`` in its place, as far as that is known.

    A size that the model does not make, as gateways have, says nothing of tokens.
    """
    request = plan.request
    picture = next(filter(None, map(read_picture, generated.images)), None)
    made = f"{picture.width}x{picture.height}" if picture else generated.properties.size
    made = made if made and makes(plan.model, made) else None
    return replace(
        request,
        size=(made or AUTO) if request.size == AUTO else request.size,
        quality=(generated.properties.quality or AUTO) if request.quality == AUTO else request.quality,
        partial_images=request.partial_images if generated.route == "images" else 0,
    )


def _usable_images(generated: GeneratedImages, plan: Plan) -> tuple[list[bytes], list[Picture], list[str]]:
    """The files that are whole images, what they are, and what there is to say.

    Raises:
        OutcomeUnknown: If none is.
    """
    usable: list[bytes] = []
    pictures: list[Picture] = []
    notes: list[str] = []
    for number, data in enumerate(generated.images[:MOST_SAVED], start=1):
        picture = read_picture(data)
        if picture is None or not is_complete(data, picture):
            notes.append(f"Image {number} of {len(generated.images)} arrived damaged and was not kept.")
        else:
            usable.append(data)
            pictures.append(picture)
            if picture.format != plan.request.output_format:
                notes.append(
                    f"The endpoint delivered {picture.format} although {plan.request.output_format} was "
                    "asked; the file has the extension of what it is."
                )
    if not usable:
        message = (
            f"The request was sent and answered, but what came back is not a whole image "
            f"({len(generated.images)} damaged). It was probably billed."
        )
        raise OutcomeUnknown(
            message,
            next_step="Look at the usage page of the account before you call again.",
            request_id=generated.request_id,
        )
    if len(generated.images) != plan.request.n:
        kept = f"; the first {MOST_SAVED} were saved" if len(generated.images) > MOST_SAVED else ""
        notes.append(f"{plan.request.n} images were asked for, {len(generated.images)} came{kept}.")
    return usable, pictures, list(dict.fromkeys(notes))


def _applied(plan: Plan, generated: GeneratedImages, picture: Picture) -> Applied:
    """What took effect: size and format from the bytes, the rest from the answer, else as it was sent."""
    return Applied(
        size=f"{picture.width}x{picture.height}",
        quality=generated.properties.quality or plan.request.quality,
        background=generated.properties.background or plan.request.background,
        output_format=picture.format,
    )


def _provenance(plan: Plan, generated: GeneratedImages, applied: Applied, *, share: Cost) -> Provenance:
    return Provenance(
        kind=plan.kind,
        prompt=plan.prompt,
        model=plan.request.model,
        requested=plan.requested,
        applied=applied,
        cost=share,
        route=generated.route,
        usage=generated.usage,
        parents=tuple(image.image_id for image in plan.request.images if image.image_id),
        edit_type=plan.edit_type,
        call_id=plan.call_id,
        request_id=generated.request_id,
        session_id=plan.session.session_id if plan.session else "",
        turn=plan.session.turn if plan.session else 0,
        project_dir=str(plan.project_dir),
        sandbox=plan.sandbox,
    )


def _share(spent: Cost, images: int) -> Cost:
    return replace(spent, usd=None if spent.usd is None else spent.usd / images)
