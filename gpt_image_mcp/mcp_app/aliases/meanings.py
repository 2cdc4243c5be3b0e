"""Rules of arguments that mean something else here than their name says.

What they did before is in the facts about the two predecessor servers: most had no effect at all.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.coercion import as_list
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.mcp_app.aliases.drafts import Draft, Rule, Rules, apply, fold, shown, snake_case, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLES = {
    "vivid": "Style: vivid, saturated colours and strong contrast.",
    "natural": "Style: natural, true-to-life colours.",
}
_ON_ERROR = {"continue_on_error": "continue", "fail_fast": "stop", "retry_failed": "continue"}
_WORD = re.compile(r"[^\W\d_]{2,}")
_FILE = re.compile(
    r"(https?|data|file|gpt-image):|.*\.(png|webp|jpe?g)$|\d{8}-\d{6}-[0-9a-f]{6}$", re.IGNORECASE
)
_WIDE = ("16:9", "9:16")


def read_aspect_ratio(draft: Draft, said: str, value: object) -> None:
    """A size; 16:9 was 3:2 in the first predecessor, and is 16:9 here."""
    draft.put("size", value, said=said)
    if value in _WIDE:
        draft.notes.append(
            f"{said} {value} gives a true {value} here; the 3:2 that an older server made of it is size "
            "landscape or portrait."
        )


def read_style(draft: Draft, said: str, value: object) -> None:
    """Words for the prompt; the API has no such parameter any more."""
    style = text_of(said, value)
    if style:
        fold(draft, said, _STYLES.get(style.lower(), f"Style: {style.rstrip('.')}."))


def read_remove_background(draft: Draft, said: str, value: object) -> None:
    """A transparent background, drawn by the model."""
    del value
    draft.put("background", "transparent", said=said)
    draft.notes.append(f'{said} is background "transparent" here.')


def read_mask_area(draft: Draft, said: str, value: object) -> None:
    """Words for the prompt, a file that is the mask, or regions; the predecessor sent none of them."""
    if isinstance(value, list | dict):
        draft.put("regions", cast("object", value), said=said)
        return
    text = text_of(said, value)
    if _FILE.match(text):
        draft.put("mask", text, said=said)
    elif _WORD.search(text):
        fold(draft, said, f"Change only this part: {text.rstrip('.')}. Keep everything else as it is.")
    elif text:
        message = f"{said} is {shown(value)}, which is neither words nor a file."
        raise InvalidArgument(
            message,
            next_step='Pass regions [{"shape": "rectangle", "box": [left, top, right, bottom]}] in fractions '
            "of the image; get_image with grid shows them.",
        )


def read_naming_strategy(draft: Draft, said: str, value: object) -> None:
    """The prompt as the label of the name; every name has date, time and a unique part anyway."""
    strategy, prompt = text_of(said, value).lower(), draft.arguments.get("prompt")
    is_named = draft.arguments.get("filename") or draft.arguments.get("filename_prefix")
    if strategy == "prompt" and isinstance(prompt, str) and not is_named:
        draft.put("filename_prefix", prompt, said=said)
    if strategy == "hash":
        draft.notes.append(f"{said} hash has no effect: names hold the date, the time and a unique part.")


def read_organize_by(draft: Draft, said: str, value: object) -> None:
    """Folders by subject are not made here."""
    if text_of(said, value).lower() not in ("none", ""):
        message = f"{draft.tool} was given {said} {shown(value)}: it makes no subfolders."
        raise InvalidArgument(
            message,
            next_step="Leave it out (names begin with the date, find_images searches by date, model and "
            'words), or pass the subfolder itself as output_dir, such as "/home/me/images/2026-11-21".',
        )


def read_error_handling(draft: Draft, said: str, value: object) -> None:
    """What a batch does after a failure."""
    mode = text_of(said, value).lower()
    draft.put("on_error", _ON_ERROR.get(mode, mode), said=said)
    if mode == "retry_failed":
        draft.notes.append(
            f"{said} retry_failed is on_error continue here: what can be sent again without paying twice "
            "always is; call again with the failed images only."
        )


def read_max_concurrent(draft: Draft, said: str, value: object) -> None:
    """How many at once; the predecessor also took 2.5."""
    draft.put("concurrency", int(value) if isinstance(value, float) else value, said=said)


def run_one_by_one(draft: Draft, said: str, value: object) -> None:
    """One image after the other, whatever else was said about how many at once."""
    del said, value
    draft.arguments["concurrency"] = 1


def read_batch_settings(rules: Rules) -> Rule:
    """An object of settings, each with a rule of its own."""

    def rule(draft: Draft, said: str, value: object) -> None:
        given = {snake_case(name): [(f"{said}.{name}", part)] for name, part in _object(said, value).items()}
        if unknown := sorted(given.keys() - rules.keys()):
            message = f"{said} holds {', '.join(unknown)}, which is not known."
            raise InvalidArgument(message, next_step="Pass concurrency and on_error instead.")
        apply(rules, given, draft)

    return rule


def count_images(draft: Draft, said: str, value: object) -> None:
    """The number of input images, of the images themselves."""
    listed = as_list(value)
    number = len(cast("list[object]", listed)) if isinstance(listed, list) else value
    draft.put("input_images", number, said=said)


def _object(said: str, value: object) -> Mapping[str, object]:
    """A JSON object, also as text.

    Raises:
        InvalidArgument: If it is none.
    """
    parsed = value
    if isinstance(value, str):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
    if isinstance(parsed, dict):
        return cast("dict[str, object]", parsed)
    message = f"{said} is {shown(value)}, which is not an object."
    raise InvalidArgument(message, next_step="Pass concurrency and on_error instead.")
