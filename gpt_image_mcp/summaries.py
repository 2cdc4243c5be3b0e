"""Results in words, for a model or a person who sees nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_image_mcp.money import Cost, Estimate, Quote
    from gpt_image_mcp.values import ImageResult, StoredImage

PROMPT_CHARACTERS = 200
_KILO, _MEGA = 1_000, 1_000_000


def describe(result: ImageResult, next_step: str) -> str:
    """An image result in words."""
    lines = [_headline(result)]
    lines += [_image_line(number, image) for number, image in enumerate(result.images, start=1)]
    if result.status == "completed":
        lines.append(_cost_line(result))
    lines += [f"Note: {note}" for note in result.notes]
    lines.append(f"Next: {next_step}")
    return "\n".join(lines)


def describe_estimate(estimate: Estimate, next_step: str) -> str:
    """A quote in words."""
    budget = estimate.budget
    lines = [
        (
            f"{estimate.n} image(s) with {estimate.model}, size {estimate.size}, quality {estimate.quality}, "
            f"{estimate.input_images} input image(s): {describe_quote(estimate.quote)}."
        ),
        f"Basis: {estimate.quote.basis}",
        "By quality: "
        + ", ".join(f"{name} {describe_quote(quote)}" for name, quote in estimate.by_quality.items()),
        f"Spent today: ${budget.spent_today_usd:.4f}"
        + ("" if budget.left_today_usd is None else f", left today: ${budget.left_today_usd:.4f}")
        + ("" if budget.per_call_usd is None else f", at most ${budget.per_call_usd:.4f} a call"),
    ]
    lines += [f"Note: {note}" for note in estimate.notes]
    return "\n".join([*lines, f"Next: {next_step}"])


def describe_quote(quote: Quote) -> str:
    """A quote in words: ``$0.2107``, ``$0.0059 to $0.2107`` or ``unknown``."""
    if quote.expected_usd is not None:
        return f"${quote.expected_usd:.4f}"
    if quote.low_usd is None or quote.high_usd is None:
        return "unknown"
    return f"${quote.low_usd:.4f} to ${quote.high_usd:.4f}"


def _headline(result: ImageResult) -> str:
    where = " in the sandbox (no real image, no cost)" if result.sandbox else ""
    if result.status == "running":
        usual = "" if result.expected_seconds is None else f", usually {result.expected_seconds:.0f} s"
        return (
            f"Not finished yet: job {result.call_id} with {result.model}{where}, running for "
            f"{result.elapsed_seconds:.0f} s{usual}."
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
    return f'{images} with {result.model}{where}{settings}, for "{shortened(result.prompt)}".'


def _image_line(number: int, image: StoredImage) -> str:
    return (
        f"{number}. {image.file_path} (id {image.id}, {image.width}x{image.height}, {image.mime_type}, "
        f"{_readable(image.size_bytes)})"
    )


def _cost_line(result: ImageResult) -> str:
    usage = result.usage
    tokens = f"Tokens: {usage.input_tokens} in, {usage.output_tokens} out. " if usage else ""
    return f"{tokens}Cost: {describe_cost(result.cost)}."


def next_step_after(result: ImageResult) -> str:
    """What a caller should do with a result, in one sentence."""
    if result.status == "running":
        return (
            "The image is being made and already paid for: do not repeat the call; call get_image with ref "
            f'"{result.call_id}" to collect it.'
        )
    return "Show the user the file_path; to look closer, call get_image with the id."


def _readable(size_bytes: int) -> str:
    if size_bytes >= _MEGA:
        return f"{size_bytes / _MEGA:.1f} MB"
    return f"{max(1, round(size_bytes / _KILO))} kB"


def describe_cost(cost: Cost | None) -> str:
    """A cost in words: ``$0.2107 (from usage)``."""
    if cost is None or cost.usd is None:
        return "unknown"
    return f"${cost.usd:.4f} (from {cost.basis})"


def shortened(prompt: str) -> str:
    """A prompt as results repeat it."""
    return prompt if len(prompt) <= PROMPT_CHARACTERS else prompt[: PROMPT_CHARACTERS - 1] + "…"
