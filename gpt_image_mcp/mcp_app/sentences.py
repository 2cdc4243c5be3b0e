"""Sentences of prompts: put together, quoted, spelled."""

from __future__ import annotations

import re

from gpt_image_mcp.errors import InvalidArgument, quoted
from gpt_image_mcp.visible_text import normalized

_HARD_WORD = 9
_LETTERS = re.compile(r"[^\W\d_]+")
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"))
_ENDINGS = tuple(".!?:\"'”»」。…")


def sentences(*parts: str) -> str:
    """The parts that are not empty, each ending like a sentence."""
    return " ".join(part if part.endswith(_ENDINGS) else f"{part}." for part in parts if part)


def items_of(name: str, text: str) -> list[str]:
    """What a text lists, separated by semicolons.

    Raises:
        InvalidArgument: If it lists nothing.
    """
    items = [item.strip() for item in text.split(";") if item.strip()]
    if not items:
        message = f"{name} is {quoted(text)}, which lists nothing."
        raise InvalidArgument(message, next_step=f"Pass {name} separated by semicolons.")
    return items


def one_by_one(name: str, items: list[str], beginning: str) -> str:
    """What to do with each of several items when the first picture is finished, which all are made from."""
    listed = " ".join(f"({number}) {item}" for number, item in enumerate(items, start=1))
    return sentences(
        f"Call edit_image once for each {name}, with the id of the finished one as the only image: {listed}",
        f"Begin each prompt with: {in_quotes(beginning)}",
        f"Each {name} is paid for like the first picture: tell the user the sum first",
    )


def in_quotes(text: str) -> str:
    """A text in quotation marks that it does not hold itself, so that it is clear where it ends."""
    opening, closing = next((pair for pair in _QUOTES if not set(pair) & set(text)), _QUOTES[0])
    return f"{opening}{text}{closing}"


def used_for(use: str) -> str:
    """What a picture is for, as the last sentence of its prompt; empty where that is not known."""
    return f"Intended use: {use}" if use else ""


def empty_background(background: str) -> str:
    """The sentence for a background that is transparent or opaque."""
    return "The background is transparent and empty" if background == "transparent" else "A plain background"


def spelled(text: str) -> str:
    """The letters of long words one by one, which models get right more often."""
    # An accent is a letter of its own until it is put together with the one below it.
    words = dict.fromkeys(_LETTERS.findall(normalized("NFC", text)))
    return "".join(f" ({word} is spelled {'-'.join(word)})" for word in words if len(word) >= _HARD_WORD)
