"""The structured content of tool results: the field names and types that clients rely on.

Several clients show the model nothing else, so it has all that is needed to go on: paths, ids, sizes, cost,
notes and what to do next. It never contains image data, because base64 would be charged as text.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, model_serializer

from gpt_image_mcp.money import CostBasis
from gpt_image_mcp.presentation.text import batch_cost, shortened
from gpt_image_mcp.values.downloads import NO_LINKS, DownloadLinks
from gpt_image_mcp.values.responses import Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SerializerFunctionWrapHandler

    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.responses import TokenUsage
    from gpt_image_mcp.values.results import BatchEntry, BatchResult, ImageResult
    from gpt_image_mcp.values.sessions import EndedSession, SessionSummary

_MICRO = Decimal("0.000001")


class StructuredContent(BaseModel):
    """Base class: a field that is None is left out of the JSON."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _without_missing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class RequestedContent(StructuredContent):
    """The options that the caller asked for."""

    size: str
    quality: str
    n: int
    format: str
    background: str


class AppliedContent(StructuredContent):
    """The options that the API used, read from its response."""

    size: str
    quality: str
    background: str
    output_format: str


class UsageContent(StructuredContent):
    """The tokens that the API reported."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens_details: dict[str, int]


class StoredImageContent(StructuredContent):
    """One saved image."""

    id: str
    file_path: str
    filename: str
    uri: str
    size_bytes: int
    mime_type: str
    width: int
    height: int
    download_url: str | None = None


class ImagesContent(StructuredContent):
    """The result of a call that makes or shows images."""

    status: Literal["completed", "running"]
    model: str
    prompt: str
    requested: RequestedContent
    applied: AppliedContent | None = None
    images: list[StoredImageContent]
    usage: UsageContent | None = None
    cost_usd_estimated: float | None = None
    cost_basis: CostBasis
    route: Route
    notes: list[str]
    sandbox: bool
    next: str
    session_id: str | None = None
    turn: int | None = None
    parent_turn: int | None = None
    job_id: str | None = None
    elapsed_seconds: float | None = None
    expected_seconds: float | None = None


class BatchItemContent(StructuredContent):
    """One input of a batch, with its images or its error."""

    input: str
    status: Literal["completed", "failed", "skipped"]
    images: list[StoredImageContent]
    cost_usd_estimated: float | None = None
    notes: list[str] | None = None
    error: str | None = None


class BatchContent(StructuredContent):
    """The result of a batch; ``items`` are in the order of the inputs."""

    status: Literal["completed", "running"]
    model: str
    prompt: str
    requested: RequestedContent
    items: list[BatchItemContent]
    total: int
    cost_usd_estimated: float | None = None
    notes: list[str]
    sandbox: bool
    next: str
    job_id: str | None = None
    elapsed_seconds: float | None = None


class SessionContent(StructuredContent):
    """One edit session."""

    session_id: str
    status: Literal["open", "closed"]
    created_at: str
    updated_at: str
    turns: int
    last_prompt: str
    last_image_id: str
    last_image_path: str | None = None
    sandbox: bool


class SessionsContent(StructuredContent):
    """The sessions that can be continued."""

    sessions: list[SessionContent]
    next: str


class InputContent(StructuredContent):
    """An image from a file or an address, which this program did not make, as an edit would read it."""

    status: Literal["completed"]
    source: str
    width: int
    height: int
    mime_type: str
    size_bytes: int
    notes: list[str]
    next: str


class EndedSessionContent(StructuredContent):
    """A session that was ended."""

    ended: bool
    session_id: str
    turns: int
    next: str


class QuoteContent(StructuredContent):
    """The price of a call: one number, a range, or neither where it is not known."""

    cost_usd_estimated: float | None = None
    cost_range_usd: list[float] | None = None


def dollars(amount: Decimal | None) -> float | None:
    """An amount of US dollars as a JSON number, rounded to a millionth."""
    return None if amount is None else float(amount.quantize(_MICRO))


def images_content(result: ImageResult, *, next_step: str, links: DownloadLinks = NO_LINKS) -> ImagesContent:
    """The structured content of an image result."""
    is_running = result.status == "running"
    spent = result.cost
    return ImagesContent(
        status=result.status,
        model=result.model,
        prompt=shortened(result.prompt),
        requested=RequestedContent.model_validate(result.requested, from_attributes=True),
        applied=_applied(result),
        images=[stored_image_content(image, links) for image in result.images],
        usage=None if result.usage is None else usage_content(result.usage),
        cost_usd_estimated=dollars(spent.usd) if spent else None,
        cost_basis=spent.basis if spent else "unknown",
        route=result.route,
        notes=list(result.notes),
        sandbox=result.sandbox,
        next=next_step,
        session_id=result.session.session_id if result.session else None,
        turn=result.session.turn if result.session else None,
        parent_turn=result.session.parent_turn if result.session else None,
        job_id=result.call_id if is_running else None,
        elapsed_seconds=result.elapsed_seconds if is_running else None,
        expected_seconds=result.expected_seconds if is_running else None,
    )


def batch_content(result: BatchResult, *, next_step: str, links: DownloadLinks = NO_LINKS) -> BatchContent:
    """The structured content of a batch."""
    is_running = result.status == "running"
    return BatchContent(
        status=result.status,
        model=result.model,
        prompt=shortened(result.prompt),
        requested=RequestedContent.model_validate(result.requested, from_attributes=True),
        items=[_batch_item(entry, links) for entry in result.items],
        total=result.total,
        cost_usd_estimated=dollars(batch_cost(result)),
        notes=list(result.notes),
        sandbox=result.sandbox,
        next=next_step,
        job_id=result.call_id if is_running else None,
        elapsed_seconds=result.elapsed_seconds if is_running else None,
    )


def _batch_item(entry: BatchEntry, links: DownloadLinks) -> BatchItemContent:
    return BatchItemContent(
        input=entry.input,
        status=entry.status,
        images=[stored_image_content(image, links) for image in entry.images],
        cost_usd_estimated=dollars(entry.cost.usd) if entry.cost else None,
        notes=list(entry.notes) or None,
        error=entry.error or None,
    )


def sessions_content(listed: Sequence[SessionSummary], *, next_step: str) -> SessionsContent:
    """The structured content of a list of sessions."""
    return SessionsContent(sessions=[_session(session) for session in listed], next=next_step)


def _session(session: SessionSummary) -> SessionContent:
    image = session.last_image
    return SessionContent(
        session_id=session.id,
        status=session.status,
        created_at=session.created_at.isoformat(timespec="seconds"),
        updated_at=session.updated_at.isoformat(timespec="seconds"),
        turns=session.turns,
        last_prompt=shortened(session.last_prompt),
        last_image_id=session.last_image_id,
        last_image_path=image.location if image else None,
        sandbox=session.sandbox,
    )


def input_content(image: InputImage, *, next_step: str) -> InputContent:
    """The structured content of an image that this program did not make."""
    return InputContent(
        status="completed",
        source=image.source,
        width=image.width,
        height=image.height,
        mime_type=image.mime_type,
        size_bytes=len(image.as_passed),
        notes=list(image.notes),
        next=next_step,
    )


def ended_session_content(ended: EndedSession, *, next_step: str) -> EndedSessionContent:
    """The structured content of an ended session."""
    return EndedSessionContent(ended=True, session_id=ended.id, turns=ended.turns, next=next_step)


def _applied(result: ImageResult) -> AppliedContent | None:
    if result.applied is None:
        return None
    return AppliedContent.model_validate(result.applied, from_attributes=True)


def stored_image_content(image: StoredImage, links: DownloadLinks = NO_LINKS) -> StoredImageContent:
    """The structured content of one saved image."""
    return StoredImageContent(
        id=image.id,
        file_path=image.location,
        filename=image.file_path.name,
        uri=image.uri,
        size_bytes=image.size_bytes,
        mime_type=image.mime_type,
        width=image.width,
        height=image.height,
        download_url=links.of_image(image) or None,
    )


def usage_content(usage: TokenUsage) -> UsageContent:
    """The structured content of token counts, named as the API names them."""
    return UsageContent(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        input_tokens_details=_known(
            text_tokens=usage.input_text_tokens,
            image_tokens=usage.input_image_tokens,
            cached_text_tokens=usage.cached_text_tokens,
            cached_image_tokens=usage.cached_image_tokens,
        ),
        output_tokens_details=_known(
            text_tokens=usage.output_text_tokens, image_tokens=usage.output_image_tokens
        ),
    )


def quote_content(quote: Quote) -> QuoteContent:
    """The structured content of a price: a number if it is exact, a range if not, neither if unknown."""
    if quote.expected_usd is not None:
        return QuoteContent(cost_usd_estimated=dollars(quote.expected_usd))
    if quote.low_usd is None or quote.high_usd is None:
        return QuoteContent()
    return QuoteContent(
        cost_range_usd=[float(quote.low_usd.quantize(_MICRO)), float(quote.high_usd.quantize(_MICRO))]
    )


def _known(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count is not None}
