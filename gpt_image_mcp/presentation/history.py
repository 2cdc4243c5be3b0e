"""The structured content and the text of a search in the history, and of its upkeep."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Literal

from gpt_image_mcp.money import OTHERS
from gpt_image_mcp.object_paths import address_of, location
from gpt_image_mcp.presentation.structured import StructuredContent, dollars
from gpt_image_mcp.presentation.text import cost_text, counted, joined, shortened
from gpt_image_mcp.services.image_search import file_state
from gpt_image_mcp.values.downloads import NO_LINKS, DownloadLinks
from gpt_image_mcp.values.history import FileState, FoundImage
from gpt_image_mcp.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpt_image_mcp.services.maintenance import Pruned, Rebuilt
    from gpt_image_mcp.values.history import CallRecord, FoundImages, Spending
    from gpt_image_mcp.values.images import StoredImage

FOUND_CHARACTERS = 120
_DAYS_SHOWN, _MODELS_SHOWN, _SESSIONS_SHOWN = 31, 20, 20
_IN_A_LINE = 7
_LATEST_CHARACTERS = 80
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~!&])")


class FoundImageContent(StructuredContent):
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
    download_url: str | None = None


class OpenCallContent(StructuredContent):
    """A call that is still running, or whose outcome is unknown."""

    job_id: str
    status: Literal["running", "outcome_unknown"]
    prompt: str
    started_at: str
    cost_usd_reserved: float | None = None


class HistoryContent(StructuredContent):
    """One page of matching images, and what all matching images cost.

    Attributes:
        cost_usd_by_day: The latest 31 days. ``cost_usd_by_model`` and ``cost_usd_by_session`` have the 20
            most expensive ones. The sum of the rest is called ``others``.
        group_cost_usd_total: What the images of the caller's whole group cost, of the same time and model.
    """

    images: list[FoundImageContent]
    total: int
    next_offset: int | None = None
    cost_usd_total: float
    cost_usd_by_day: dict[str, float]
    cost_usd_by_model: dict[str, float]
    cost_usd_by_session: dict[str, float] | None = None
    group_cost_usd_total: float | None = None
    unpaid_in_sandbox_usd: float | None = None
    deleted_images: int | None = None
    open_calls: list[OpenCallContent] | None = None
    next: str


def history_content(found: FoundImages, *, next_step: str, links: DownloadLinks = NO_LINKS) -> HistoryContent:
    """The structured content of one page of a search."""
    spending = found.spending
    return HistoryContent(
        images=[_found_image(hit, links) for hit in found.images],
        total=found.total,
        next_offset=found.next_offset,
        cost_usd_total=float(spending.total_usd),
        cost_usd_by_day=_amounts(spending.by_day, _DAYS_SHOWN),
        cost_usd_by_model=_amounts(spending.by_model, _MODELS_SHOWN),
        cost_usd_by_session=_amounts(spending.by_session, _SESSIONS_SHOWN) or None,
        group_cost_usd_total=dollars(found.group_usd),
        unpaid_in_sandbox_usd=_unpaid(spending),
        deleted_images=spending.deleted or None,
        open_calls=[_open_call(call) for call in found.open_calls] or None,
        next=next_step,
    )


class SpendingContent(StructuredContent):
    """What images cost in US dollars.

    Attributes:
        cost_usd_by_session: The 100 most expensive ones; the sum of the rest is called ``others``.
    """

    cost_usd_total: float
    cost_usd_by_day: dict[str, float]
    cost_usd_by_model: dict[str, float]
    cost_usd_by_session: dict[str, float]
    unpaid_in_sandbox_usd: float | None = None


class PrunedContent(StructuredContent):
    """What was deleted, or what would be deleted."""

    deleted: bool
    images: list[FoundImageContent]
    start_images: list[str]
    answers: list[str]
    kept: list[str]
    failed: list[str]
    freed_bytes: int


class RebuiltContent(StructuredContent):
    """What was restored into the database."""

    images: int
    folders: list[str]
    unreadable: list[str]
    moved: int | None = None
    set_aside: str | None = None


def spending_content(spending: Spending) -> SpendingContent:
    """The structured content of all sums of costs."""
    return SpendingContent(
        cost_usd_total=float(spending.total_usd),
        cost_usd_by_day=_amounts(spending.by_day),
        cost_usd_by_model=_amounts(spending.by_model),
        cost_usd_by_session=_amounts(spending.by_session),
        unpaid_in_sandbox_usd=_unpaid(spending),
    )


def _unpaid(spending: Spending) -> float | None:
    """What images of the sandbox would have cost."""
    return dollars(spending.in_sandbox.total_usd if spending.in_sandbox else None)


def pruned_content(pruned: Pruned) -> PrunedContent:
    """The structured content of what was deleted, or what would be deleted."""
    return PrunedContent(
        deleted=pruned.is_done,
        images=[_found_image(FoundImage(image=image, file=file_state(image))) for image in pruned.images],
        start_images=[location(path) for path in pruned.start_images],
        answers=[location(path) for path in pruned.answers],
        kept=list(pruned.kept),
        failed=list(pruned.failed),
        freed_bytes=pruned.freed_bytes,
    )


def rebuilt_content(rebuilt: Rebuilt) -> RebuiltContent:
    """The structured content of what was restored into the database."""
    return RebuiltContent(
        images=rebuilt.images,
        folders=[location(folder) for folder in rebuilt.folders],
        unreadable=[location(path) for path in rebuilt.unreadable],
        moved=rebuilt.moved or None,
        set_aside=str(rebuilt.set_aside) if rebuilt.set_aside else None,
    )


def history_text(found: FoundImages, next_step: str) -> str:
    """The text of one page of a search."""
    spending = found.spending
    lines = [_count_line(found)]
    lines += [_found_line(hit) for hit in found.images]
    most_alone = 0 if found.is_sums_only else 1  # one day's sum is the total, but which day it was counts
    if len(spending.by_day) > most_alone:
        lines.append(_by("day", spending.by_day))
    if len(spending.by_model) > most_alone:
        lines.append(_by("model", spending.by_model))
    if spending.by_session:
        lines.append(_by("session", spending.by_session))
    if found.group_usd is not None:
        lines.append(f"All people of group {found.group}: {usd_text(found.group_usd)}.")
    if unpaid := spending.in_sandbox:
        lines.append(f"In the sandbox nothing was paid; it would have been {usd_text(unpaid.total_usd)}.")
    lines += [_open_call_line(call) for call in found.open_calls]
    return joined(lines, next_step=next_step)


def latest_markdown(images: Iterable[StoredImage]) -> str:
    """Images for a person to read, one in a line: file, beginning of the prompt, size and cost."""
    lines = [_latest_line(image) for image in images] or ["There is no image yet."]
    return "\n".join(["# Latest images", "", *map(visible, lines)]) + "\n"


def _latest_line(image: StoredImage) -> str:
    made = image.provenance
    cost = f"sandbox, {cost_text(made.cost)} if paid" if made.sandbox else cost_text(made.cost)
    name, prompt = map(_plain, (image.file_path.name, shortened(made.prompt, _LATEST_CHARACTERS)))
    size = f"{image.width}x{image.height}"
    return f"- [{name}]({address_of(image.file_path)}): {prompt} ({size}, {cost}, id {image.id})"


def _plain(text: str) -> str:
    """A text in which Markdown means nothing."""
    return _MARKDOWN.sub(r"\\\1", text)


def next_step_after_search(found: FoundImages) -> str:
    """What to do next with one page of a search, in one sentence."""
    if found.next_offset is not None:
        return f"Pass an id to get_image or edit_image, or offset {found.next_offset} for the next page."
    if found.images:
        return "Pass an id to get_image to see an image, or to edit_image to change it."
    if found.is_sums_only and found.total:
        return "Pass limit 20 to see the images, newest first."
    if found.total:
        return "Pass a smaller offset: this one is behind the last image."
    if found.is_library_empty:
        return "The history has no image yet; what generate_image and edit_image make is found here."
    return "Try fewer or other words, a longer time or another model, or leave all out to see the newest."


def usd_text(usd: Decimal) -> str:
    """An amount of US dollars: ``$0.2107``."""
    return f"${usd:.4f}"


def _count_line(found: FoundImages) -> str:
    cost, deleted = usd_text(found.spending.total_usd), found.spending.deleted
    if not found.total:
        return f"No image matches; {cost} went into deleted ones." if deleted else "No image matches."
    matching = "1 image matches" if found.total == 1 else f"{found.total} images match"
    said = f"{matching}, {cost} in all"
    if deleted:
        said = f"{matching}; with {counted(deleted, 'deleted image')} they cost {cost} in all"
    if found.is_sums_only:
        return f"{said}."
    return f"{said}:" if found.total == 1 else f"{said}; newest first:"


def _found_line(hit: FoundImage) -> str:
    image, made = hit.image, hit.image.provenance
    cost = f"sandbox, {cost_text(made.cost)} if paid" if made.sandbox else cost_text(made.cost)
    cost = f"as returned, paid with {hit.paid_with}" if hit.paid_with else cost
    state = "" if hit.file == "present" else f" (file {hit.file})"
    prompt = shortened(made.prompt, FOUND_CHARACTERS)
    return (
        f"{image.id} {image.created_at.astimezone():%Y-%m-%d %H:%M} {made.model} "
        f'{image.width}x{image.height} {cost} "{prompt}" {image.location}{state}'
    )


def _by(what: str, amounts: dict[str, Decimal]) -> str:
    shown = _cut(amounts, _IN_A_LINE)
    return f"By {what}: " + ", ".join(f"{name} {usd_text(usd)}" for name, usd in shown.items())


def _open_call_line(call: CallRecord) -> str:
    status = "still runs" if call.status == "running" else "has an unknown outcome"
    return (
        f'Job {call.id} {status}: "{shortened(call.prompt, FOUND_CHARACTERS)}", '
        f"{usd_text(call.reserved_usd)} reserved."
    )


def _found_image(hit: FoundImage, links: DownloadLinks = NO_LINKS) -> FoundImageContent:
    image, made = hit.image, hit.image.provenance
    return FoundImageContent(
        id=image.id,
        file_path=image.location,
        file=hit.file,
        prompt=shortened(made.prompt, FOUND_CHARACTERS),
        model=made.model,
        width=image.width,
        height=image.height,
        created_at=image.created_at.astimezone().isoformat(timespec="seconds"),
        cost_usd_estimated=None if made.sandbox or hit.paid_with else dollars(made.cost.usd),
        parents=list(made.parents) or None,
        session_id=made.session_id or None,
        turn=made.turn or None,
        sandbox=made.sandbox or None,
        download_url=links.of_image(image) or None,
    )


def _open_call(call: CallRecord) -> OpenCallContent:
    return OpenCallContent(
        job_id=call.id,
        status="running" if call.status == "running" else "outcome_unknown",
        prompt=shortened(call.prompt, FOUND_CHARACTERS),
        started_at=call.started_at.astimezone().isoformat(timespec="seconds"),
        cost_usd_reserved=None if call.sandbox else dollars(call.reserved_usd),
    )


def _amounts(amounts: dict[str, Decimal], most: int | None = None) -> dict[str, float]:
    shown = amounts if most is None else _cut(amounts, most)
    return {name: float(usd) for name, usd in shown.items()}


def _cut(amounts: dict[str, Decimal], most: int) -> dict[str, Decimal]:
    """The first amounts, and the sum of the others under one name."""
    named = {name: usd for name, usd in amounts.items() if name != OTHERS}
    shown = dict(islice(named.items(), most))
    rest = sum(amounts.values(), Decimal(0)) - sum(shown.values(), Decimal(0))
    return {**shown, OTHERS: rest} if rest else shown
