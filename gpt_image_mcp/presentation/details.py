"""The JSON of resources: one image with its parents and children, and the catalogue of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.models import FixedSizes
from gpt_image_mcp.catalogue.prices import quotes_by_quality
from gpt_image_mcp.money import CostBasis  # noqa: TC001 - as above
from gpt_image_mcp.presentation.structured import (
    AppliedContent,
    QuoteContent,
    RequestedContent,
    StoredImageContent,
    StructuredContent,
    UsageContent,
    dollars,
    quote_content,
    stored_image_content,
    usage_content,
)
from gpt_image_mcp.values.downloads import NO_LINKS, DownloadLinks
from gpt_image_mcp.values.history import FileState  # noqa: TC001 - pydantic evaluates the annotations
from gpt_image_mcp.values.images import Kind  # noqa: TC001 - as above
from gpt_image_mcp.values.requests import ImageRequest
from gpt_image_mcp.values.responses import Route  # noqa: TC001 - as above

if TYPE_CHECKING:
    from datetime import date

    from gpt_image_mcp.catalogue.models import ImageModel, ModelCatalogue
    from gpt_image_mcp.services.lineage import Lineage

PRICED_SIZE = "1024x1024"


class ImageDetails(StoredImageContent):
    """Everything known about one image.

    Attributes:
        file: Whether the file is present, missing or changed.
        c2pa: Whether it carries signed provenance.
        parents: Ids of the images it was made from; ``children`` those made from it.
        deleted_parents: Those of the parents that a user deleted.
        cost_usd_estimated: Its share of the cost of its call.
    """

    file: FileState
    sha256: str
    c2pa: bool
    created_at: str
    kind: Kind
    prompt: str
    model: str
    route: Route
    requested: RequestedContent
    applied: AppliedContent
    usage: UsageContent | None = None
    cost_usd_estimated: float | None = None
    cost_basis: CostBasis
    parents: list[str]
    deleted_parents: list[str] | None = None
    children: list[str]
    edit_type: str
    session_id: str
    turn: int
    call_id: str
    request_id: str | None = None
    project_dir: str
    sandbox: bool


class ModelDetails(StructuredContent):
    """What a model accepts and costs.

    Attributes:
        status: ``available``, or with the date on which the model will end.
        sizes: The allowed sizes, or the rules for them.
        transparency: ``yes``, ``no``, or ``unknown``, which is sent and may be refused.
        prices_1024x1024: US dollars of one image by quality; empty where they are not known.
    """

    name: str
    status: str
    successor: str | None = None
    sizes: list[str]
    qualities: list[str]
    formats: list[str]
    transparency: str
    markup: bool
    complexity: bool
    input_fidelity: list[str]
    max_input_images: int
    max_n: int
    prices_1024x1024: dict[str, QuoteContent]


class CatalogueDetails(StructuredContent):
    """All models that live, what became of the others, and the day on which this list was checked."""

    checked: str
    default: str
    models: list[ModelDetails]
    ended: list[str]
    note: str | None = None


def image_details(lineage: Lineage, links: DownloadLinks = NO_LINKS) -> ImageDetails:
    """The details of an image with its parents and children."""
    image, made = lineage.image, lineage.image.provenance
    return ImageDetails(
        **stored_image_content(image, links).model_dump(),
        file=lineage.file,
        sha256=image.sha256,
        c2pa=image.c2pa,
        created_at=image.created_at.astimezone().isoformat(timespec="seconds"),
        kind=made.kind,
        prompt=made.prompt,
        model=made.model,
        route=made.route,
        requested=RequestedContent.model_validate(made.requested, from_attributes=True),
        applied=AppliedContent.model_validate(made.applied, from_attributes=True),
        usage=None if made.usage is None else usage_content(made.usage),
        cost_usd_estimated=dollars(made.cost.usd),
        cost_basis=made.cost.basis,
        parents=list(made.parents),
        deleted_parents=[parent.image_id for parent in lineage.parents if parent.is_deleted] or None,
        children=[child.image_id for child in lineage.children],
        edit_type=made.edit_type,
        session_id=made.session_id,
        turn=made.turn,
        call_id=made.call_id,
        request_id=made.request_id,
        project_dir=made.project_dir,
        sandbox=made.sandbox,
    )


def catalogue_details(catalogue: ModelCatalogue, *, default: str, today: date) -> CatalogueDetails:
    """The details of the models, as of a given day; dated snapshots of them are left out."""
    return CatalogueDetails(
        checked=catalogue.checked.isoformat(),
        default=default,
        models=[_model_details(model) for model in catalogue.offered(today)],
        ended=catalogue.endings(today),
        note=catalogue.age_note(today) or None,
    )


def _model_details(model: ImageModel) -> ModelDetails:
    request = ImageRequest(prompt="", model=model.name, size=PRICED_SIZE, quality="auto")
    return ModelDetails(
        name=model.name,
        status=_status(model),
        successor=model.shutdown.instead if model.shutdown else None,
        sizes=_sizes(model),
        qualities=list(model.qualities),
        formats=[*model.formats, *model.extra_formats],
        transparency=model.transparency,
        markup=model.markup,
        complexity=model.complexity,
        input_fidelity=list(model.input_fidelity),
        max_input_images=model.max_input_images,
        max_n=model.max_n,
        prices_1024x1024={
            quality: quote_content(quote) for quality, quote in quotes_by_quality(model, request).items()
        },
    )


def _status(model: ImageModel) -> str:
    if model.shutdown is None:
        return "available"
    return f"available, announced to end on {model.shutdown.date}"


def _sizes(model: ImageModel) -> list[str]:
    rule = model.sizes
    if isinstance(rule, FixedSizes):
        return list(rule.allowed)
    return [
        f"multiples of {rule.multiple}",
        f"edges up to {rule.max_edge}",
        f"ratio up to {rule.max_ratio}:1",
        f"{rule.min_pixels} to {rule.max_pixels} pixels",
    ]
