"""The words that a text is found by, in every script.

Case, width and diacritics do not matter. Text in a script without spaces between words (Chinese, Japanese,
Thai and others) is cut into characters and pairs of characters, so that any part of a phrase is found.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from gpt_image_mcp.visible_text import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator

# Combining marks of Latin, Greek and Cyrillic; the marks of other scripts are part of their words.
_IGNORED = dict.fromkeys(range(0x300, 0x370))
_IGNORED[0xFE0F] = None  # asks for the coloured form of the emoji before it
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese syllables and signs
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
)
_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]")
_LONGEST_WORD = 64


def indexed_words(text: str) -> list[str]:
    """The words under which a text is found, each once, in the order of the text."""
    found: dict[str, None] = {}
    for run, is_spaced in _runs(text):
        found.update(dict.fromkeys([run] if is_spaced else [*run, *_pairs(run)]))
    return list(found)


def wanted_words(query: str) -> list[str]:
    """The words that a text must have to be found, each at least as the beginning of one of its words."""
    found: dict[str, None] = {}
    for run, is_spaced in _runs(query):
        found.update(dict.fromkeys([run] if is_spaced or len(run) == 1 else _pairs(run)))
    # A word that is the beginning of another need not be asked for; in sorted order the other follows it.
    implied = {word for word, following in itertools.pairwise(sorted(found)) if following.startswith(word)}
    return [word for word in found if word not in implied]


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Each run of letters and digits, and whether its script puts spaces between words."""
    folded = normalized("NFKD", text.casefold()).translate(_IGNORED)
    folded = normalized("NFC", folded.casefold())
    for word in "".join(char if _belongs_to_words(char) else " " for char in folded).split():
        for run in _RUNS.findall(word):
            is_spaced = not _UNSPACED_RUN.match(run)
            yield run[:_LONGEST_WORD] if is_spaced else run, is_spaced


@cache
def _belongs_to_words(char: str) -> bool:
    """Letters, marks and digits; and symbols, because prompts hold emoji."""
    category = unicodedata.category(char)
    return category[0] in "LMN" or category == "So"


def _pairs(run: str) -> list[str]:
    return [first + second for first, second in itertools.pairwise(run)]
