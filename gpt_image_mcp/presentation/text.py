"""The text of tool results, for models and people who see nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from gpt_image_mcp.values.downloads import NO_LINKS, DownloadLinks
from gpt_image_mcp.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpt_image_mcp.money import Cost, Quote
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import (
        BatchEntry,
        BatchResult,
        ImageResult,
        RelatedImage,
        TurnImage,
    )
    from gpt_image_mcp.values.sessions import SessionSummary

PROMPT_CHARACTERS, TURN_CHARACTERS = 200, 120
_PARTIAL = " The picture shown is a partial image."
_KILO, _MEGA = 1_000, 1_000_000


def joined(lines: Iterable[str], *, notes: Iterable[str] = (), next_step: str) -> str:
    """A text that ends, as every result does, with notes and what to do next; no prompt begins a line."""
    return "\n".join(map(visible, [*lines, *(f"Note: {note}" for note in notes), f"Next: {next_step}"]))


def images_text(result: ImageResult, next_step: str, *, links: DownloadLinks = NO_LINKS) -> str:
    """The text of an image result."""
    lines = [_headline(result)]
    for number, image in enumerate(result.images, start=1):
        lines += [_image_line(number, image), *download_line(links.of_image(image))]
    if result.status == "completed":
        lines.append(_cost_line(result))
    if result.session:
        turn = result.session
        lines.append(f"Session {turn.session_id}, turn {turn.turn} (from turn {turn.parent_turn}).")
    lines += [f"Made from {_related(parent)}." for parent in result.parents or ()]
    lines += [_turn_line(turn) for turn in result.turns]
    return joined(lines, notes=result.notes, next_step=next_step)


def _related(image: RelatedImage) -> str:
    if image.file == "deleted":
        return f"{image.id}, which was deleted"
    state = "" if image.file == "present" else f" (file {image.file})"
    return f"{image.id}, {image.location}{state}"


def _turn_line(turn: TurnImage) -> str:
    origin = f"turn {turn.parent_turn}" if turn.parent_turn else "the start images"
    prompt = shortened(turn.prompt, TURN_CHARACTERS)
    return f'Turn {turn.turn} (from {origin}): "{prompt}", {_related(turn.image)}.'


def batch_text(result: BatchResult, next_step: str, *, links: DownloadLinks = NO_LINKS) -> str:
    """The text of a batch: one line for each image."""
    done = sum(entry.status == "completed" for entry in result.items)
    where = _where(sandbox=result.sandbox)
    lines = [
        f'{done} of {result.total} images edited with {result.model}{where}, "{shortened(result.prompt)}".'
    ]
    if result.status == "running":
        known = f"{len(result.items)} of {result.total} images done" if result.total else "in another server"
        lines = [f"Not finished yet: job {result.call_id}, {known}{where}."]
    for number, entry in enumerate(result.items, start=1):
        lines.append(_batch_line(number, entry))
        lines += [line for image in entry.images for line in download_line(links.of_image(image))]
    total = batch_cost(result)
    so_far = "so far" if result.status == "running" else "in all"
    cost = _cost(sandbox=result.sandbox)
    lines.append(f"{cost}: unknown." if total is None else f"{cost}: ${total:.4f} {so_far}.")
    return joined(lines, notes=result.notes, next_step=next_step)


def _batch_line(number: int, entry: BatchEntry) -> str:
    if entry.status == "failed":
        return f"{number}. {entry.input}: failed: {entry.error}"
    made = ", ".join(
        f"{image.location} (id {image.id}, {image.width}x{image.height})" for image in entry.images
    )
    cost = f", {cost_text(entry.cost)}" if entry.cost else ""
    notes = f" Note: {' '.join(entry.notes)}" if entry.notes else ""
    return f"{number}. {entry.input}: {made or entry.status}{cost}{notes}"


def batch_cost(result: BatchResult) -> Decimal | None:
    """The sum of the costs of a batch; None if one of them is unknown."""
    costs = [entry.cost.usd if entry.cost else None for entry in result.items if entry.status == "completed"]
    known = [usd for usd in costs if usd is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def next_step_after_batch(result: BatchResult, links: DownloadLinks = NO_LINKS) -> str:
    """What to do next with a batch, in one sentence."""
    if result.status == "running":
        return (
            "The images are being made and paid for one by one: do not repeat the call; call get_image with "
            f'ref "{result.call_id}" to collect them.'
        )
    if all(entry.status == "completed" for entry in result.items):
        if links.are_given:
            return (
                "Show the user the download_urls, which end after five minutes; get_image shows any of the "
                "images, with another address."
            )
        return "Show the user the file paths; get_image shows any of them."
    return "Correct what the failed ones say and call batch_edit_images again with those only."


def input_text(image: InputImage, next_step: str) -> str:
    """The text of an image that this program did not make."""
    size = readable_size(len(image.as_passed))
    lines = [f"{image.source}: {image.width}x{image.height}, {image.mime_type}, {size}."]
    return joined(lines, notes=image.notes, next_step=next_step)


def sessions_text(sessions: Sequence[SessionSummary], next_step: str) -> str:
    """The text of a list of sessions."""
    lines = [_session_line(session) for session in sessions] or ["There is no edit session."]
    return joined(lines, next_step=next_step)


def _session_line(session: SessionSummary) -> str:
    image = session.last_image
    path = image.location if image else "file unknown"
    state = f"{session.status}, sandbox" if session.sandbox else session.status
    return (
        f"{session.id} ({state}): {session.turns} turn(s), last "
        f'{session.updated_at:%Y-%m-%d %H:%M} UTC "{shortened(session.last_prompt)}", {path} '
        f"(id {session.last_image_id})"
    )


def quote_text(quote: Quote) -> str:
    """A price: ``$0.2107``, ``$0.0059 to $0.2107``, ``up to $0.0499`` or ``unknown``."""
    if quote.expected_usd is not None:
        return f"${quote.expected_usd:.4f}"
    if quote.low_usd is None or quote.high_usd is None:
        return "unknown"
    return (
        f"${quote.low_usd:.4f} to ${quote.high_usd:.4f}" if quote.low_usd else f"up to ${quote.high_usd:.4f}"
    )


def _headline(result: ImageResult) -> str:
    where = _where(sandbox=result.sandbox)
    if result.status == "running":
        usual = "" if result.expected_seconds is None else f", usually {result.expected_seconds:.0f} s"
        return (
            f"Not finished yet: job {result.call_id} with {result.model}{where}, running for "
            f"{result.elapsed_seconds:.0f} s{usual}.{_PARTIAL if result.partial else ''}"
        )
    applied = result.applied
    settings = (
        f", {applied.size}, quality {applied.quality}, {applied.output_format}, background "
        f"{applied.background}"
        if applied
        else ""
    )
    count = len(result.images)
    images = "1 image" if count == 1 else f"{count} images"
    # Whoever looks an image up wants all of its prompt.
    prompt = shortened(result.prompt) if result.parents is None else result.prompt
    return f'{images} with {result.model}{where}{settings}, for "{prompt}".'


def _cost(*, sandbox: bool) -> str:
    return "Cost outside the sandbox" if sandbox else "Cost"


def _where(*, sandbox: bool) -> str:
    return " in the sandbox (no real image, no cost)" if sandbox else ""


def _image_line(number: int, image: StoredImage) -> str:
    return (
        f"{number}. {image.location} (id {image.id}, {image.width}x{image.height}, {image.mime_type}, "
        f"{readable_size(image.size_bytes)})"
    )


def _cost_line(result: ImageResult) -> str:
    usage = result.usage
    tokens = f"Tokens: {usage.input_tokens} in, {usage.output_tokens} out. " if usage else ""
    return f"{tokens}{_cost(sandbox=result.sandbox)}: {cost_text(result.cost)}."


def next_step_after_images(result: ImageResult, links: DownloadLinks = NO_LINKS) -> str:
    """What to do next with an image result, in one sentence."""
    if result.status == "running":
        return (
            "The image is being made: do not repeat the call, but call get_image with ref "
            f'"{result.call_id}" to collect it.'
        )
    if result.session:
        return (
            f"Show the user the {links.shown}; to change it further, call continue_edit_session with "
            f'session_id "{result.session.session_id}".'
        )
    return (
        f"Show the user the {links.shown}; to change it, call edit_image with its id; get_image looks closer."
    )


def download_line(url: str) -> list[str]:
    """The line about where a file is fetched; none where it is not."""
    return [f"   Download for five minutes: {url}"] if url else []


def readable_size(size_bytes: int) -> str:
    """A file size: ``12 kB``, ``1.5 MB``."""
    if size_bytes >= _MEGA:
        return f"{size_bytes / _MEGA:.1f} MB"
    return f"{max(min(1, size_bytes), round(size_bytes / _KILO))} kB"


def counted(count: int, what: str) -> str:
    """A number with its noun: ``1 image``, ``3 images``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def cost_text(cost: Cost | None) -> str:
    """A cost and where it comes from: ``$0.2107 (from usage)``."""
    if cost is None or cost.usd is None:
        return "unknown"
    return f"${cost.usd:.4f} (from {cost.basis})"


def shortened(prompt: str, characters: int = PROMPT_CHARACTERS) -> str:
    """A prompt, cut off with an ellipsis where it is long."""
    return prompt if len(prompt) <= characters else prompt[: characters - 1] + "…"
