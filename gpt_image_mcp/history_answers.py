"""A page of the history as structured content, and in words."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Literal

from gpt_image_mcp.answers import Answer, dollars
from gpt_image_mcp.finding import FileState, FoundImage
from gpt_image_mcp.summaries import describe_cost, shortened
from gpt_image_mcp.values import StoredImage  # noqa: TC001 - pydantic evaluates the annotation

if TYPE_CHECKING:
    from decimal import Decimal

    from gpt_image_mcp.finding import FoundImages
    from gpt_image_mcp.library.calls import CallRecord
    from gpt_image_mcp.library.search import Spending
    from gpt_image_mcp.lineage import Lineage, Relative
    from gpt_image_mcp.upkeep import Pruned

FOUND_CHARACTERS = 120
_DAYS_SHOWN, _OTHERS_SHOWN = 31, 20
_IN_A_LINE = 7


class HitAnswer(Answer):
    """One image of the history."""

    id: str
    file_path: str
    file: FileState
    prompt: str
    model: str
    width: int
    height: int
    created_at: str
    cost_usd_estimated: float | None = None
    parents: list[str] | None = None
    session_id: str | None = None
    turn: int | None = None
    sandbox: bool | None = None


class OpenCallAnswer(Answer):
    """A call that runs, or whose outcome is unknown."""

    job_id: str
    status: Literal["running", "outcome_unknown"]
    prompt: str
    started_at: str
    cost_usd_reserved: float | None = None


class FoundAnswer(Answer):
    """A page of the history with what all that matches cost."""

    images: list[HitAnswer]
    total: int
    next_offset: int | None = None
    cost_usd_total: float
    cost_usd_by_day: dict[str, float]
    cost_usd_by_model: dict[str, float]
    cost_usd_by_session: dict[str, float] | None = None
    open_calls: list[OpenCallAnswer] | None = None
    next: str


def found_answer(found: FoundImages, *, next_step: str) -> FoundAnswer:
    """The structured content of a page of the history."""
    spending = found.spending
    return FoundAnswer(
        images=[_hit(hit) for hit in found.images],
        total=found.total,
        next_offset=found.next_offset,
        cost_usd_total=float(spending.total_usd),
        cost_usd_by_day=_amounts(spending.by_day, _DAYS_SHOWN),
        cost_usd_by_model=_amounts(spending.by_model, _OTHERS_SHOWN),
        cost_usd_by_session=_amounts(spending.by_session, _OTHERS_SHOWN) or None,
        open_calls=[_open_call(call) for call in found.open_calls] or None,
        next=next_step,
    )


class RelativeAnswer(Answer):
    """An image of a lineage with those on its far side."""

    id: str
    file_path: str | None = None
    prompt: str | None = None
    beyond: list[RelativeAnswer] | None = None


class LineageAnswer(Answer):
    """Everything known about an image."""

    image: StoredImage
    file: FileState
    parents: list[RelativeAnswer]
    children: list[RelativeAnswer]


class SpendingAnswer(Answer):
    """What images cost in US dollars."""

    cost_usd_total: float
    cost_usd_by_day: dict[str, float]
    cost_usd_by_model: dict[str, float]
    cost_usd_by_session: dict[str, float]


class PrunedAnswer(Answer):
    """What was deleted, or would be."""

    deleted: bool
    images: list[HitAnswer]
    kept: list[str]
    freed_bytes: int


def lineage_answer(lineage: Lineage) -> LineageAnswer:
    """The structured form of a lineage."""
    return LineageAnswer(
        image=lineage.image,
        file=lineage.file,
        parents=[_relative(relative) for relative in lineage.parents],
        children=[_relative(relative) for relative in lineage.children],
    )


def spending_answer(spending: Spending) -> SpendingAnswer:
    """All sums of what images cost."""
    return SpendingAnswer(
        cost_usd_total=float(spending.total_usd),
        cost_usd_by_day=_amounts(spending.by_day),
        cost_usd_by_model=_amounts(spending.by_model),
        cost_usd_by_session=_amounts(spending.by_session),
    )


def pruned_answer(pruned: Pruned) -> PrunedAnswer:
    """The structured form of what was deleted, or would be."""
    return PrunedAnswer(
        deleted=pruned.is_done,
        images=[_hit(FoundImage(image=image, file="present")) for image in pruned.images],
        kept=list(pruned.kept),
        freed_bytes=pruned.freed_bytes,
    )


def describe_found(found: FoundImages, next_step: str) -> str:
    """A page of the history in words."""
    spending = found.spending
    lines = [f"{found.total} image(s) match, {describe_usd(spending.total_usd)} in all; newest first:"]
    lines += [_found_line(hit) for hit in found.images]
    if len(spending.by_day) > 1:
        lines.append(_by("day", spending.by_day))
    if len(spending.by_model) > 1:
        lines.append(_by("model", spending.by_model))
    if spending.by_session:
        lines.append(_by("session", spending.by_session))
    lines += [_open_call_line(call) for call in found.open_calls]
    return "\n".join([*lines, f"Next: {next_step}"])


def next_step_after_search(found: FoundImages) -> str:
    """What a caller should do with a page of the history, in one sentence."""
    if found.next_offset is not None:
        return f"Pass an id to get_image or edit_image, or offset {found.next_offset} for the next page."
    if found.images:
        return "Pass an id to get_image to see an image, or to edit_image to change it."
    return "Try fewer or other words, or leave all out to see the newest."


def describe_usd(usd: Decimal) -> str:
    """An amount in words."""
    return f"${usd:.4f}"


def _found_line(hit: FoundImage) -> str:
    image, made = hit.image, hit.image.provenance
    cost = "sandbox" if made.sandbox else describe_cost(made.cost)
    state = "" if hit.file == "present" else f" (file {hit.file})"
    prompt = shortened(made.prompt, FOUND_CHARACTERS)
    return (
        f"{image.id} {image.created_at.astimezone():%Y-%m-%d %H:%M} {made.model} "
        f'{image.width}x{image.height} {cost} "{prompt}" {image.file_path}{state}'
    )


def _by(what: str, amounts: dict[str, Decimal]) -> str:
    shown = list(amounts.items())[:_IN_A_LINE]
    more = f" and {len(amounts) - len(shown)} more" if len(amounts) > len(shown) else ""
    return f"By {what}: " + ", ".join(f"{name} {describe_usd(usd)}" for name, usd in shown) + more


def _open_call_line(call: CallRecord) -> str:
    status = "still runs" if call.status == "running" else "has an unknown outcome"
    return (
        f'Job {call.id} {status}: "{shortened(call.prompt, FOUND_CHARACTERS)}", '
        f"{describe_usd(call.reserved_usd)} reserved; get_image tells more."
    )


def _hit(hit: FoundImage) -> HitAnswer:
    image, made = hit.image, hit.image.provenance
    return HitAnswer(
        id=image.id,
        file_path=str(image.file_path),
        file=hit.file,
        prompt=shortened(made.prompt, FOUND_CHARACTERS),
        model=made.model,
        width=image.width,
        height=image.height,
        created_at=image.created_at.astimezone().isoformat(timespec="seconds"),
        cost_usd_estimated=dollars(made.cost.usd),
        parents=list(made.parents) or None,
        session_id=made.session_id or None,
        turn=made.turn or None,
        sandbox=made.sandbox or None,
    )


def _relative(relative: Relative) -> RelativeAnswer:
    image = relative.image
    return RelativeAnswer(
        id=relative.image_id,
        file_path=str(image.file_path) if image else None,
        prompt=shortened(image.provenance.prompt, FOUND_CHARACTERS) if image else None,
        beyond=[_relative(further) for further in relative.beyond] or None,
    )


def _open_call(call: CallRecord) -> OpenCallAnswer:
    return OpenCallAnswer(
        job_id=call.id,
        status="running" if call.status == "running" else "outcome_unknown",
        prompt=shortened(call.prompt, FOUND_CHARACTERS),
        started_at=call.started_at.astimezone().isoformat(timespec="seconds"),
        cost_usd_reserved=None if call.sandbox else dollars(call.reserved_usd),
    )


def _amounts(amounts: dict[str, Decimal], most: int | None = None) -> dict[str, float]:
    return {name: float(usd) for name, usd in islice(amounts.items(), most)}
