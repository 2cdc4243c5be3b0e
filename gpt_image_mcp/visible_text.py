"""Texts of strangers, in which nothing is obeyed or unseen: no escape sequence, no line of their own."""

from __future__ import annotations

import logging
import re
import traceback
import unicodedata
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gpt_image_mcp.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Collection

Form: TypeAlias = Literal["NFC", "NFKD"]
# Control characters but the tab, separators of lines, embeddings, overrides and isolates of direction, halves
# of characters, and tags, which spell words that no person sees. Marks between letters, which Persian, Arabic
# and emoji need, stay.
_OBEYED = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0001-\U000e007f]")
# The tags of a flag, such as that of Scotland, belong to a picture that is seen.
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{3,6}\U000e007f")
# What is not shown, though Unicode calls it a letter, mark or symbol; the rest of it is of category Cf.
# Source: https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2028\u2029\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
_LONGEST_LINE = 4_000
_PIECES = re.compile(r"\s+|\S{1,1000}")


def normalized(form: Form, text: str) -> str:
    """A text in a normal form of Unicode, word by word, and words without end in parts.

    The time for marks over one letter grows with the square of their number, and nothing else runs meanwhile.
    """
    return "".join(unicodedata.normalize(form, piece) for piece in _PIECES.findall(text))


def visible(text: str) -> str:
    """A text on one line, with what would be obeyed written as JSON writes it; the rest stays."""
    if _FLAG.search(text):
        flags, others = _FLAG.findall(text), _FLAG.split(text)
        return "".join(map("".join, zip(map(visible, others), [*flags, ""], strict=True)))
    return _OBEYED.sub(lambda found: "\\n" if found[0] == "\n" else _escaped(found[0]), text)


def _escaped(letter: str) -> str:
    """A character as JSON writes it: one beyond 16 bits in two halves."""
    halves = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{halves[start : start + 4]}" for start in range(0, len(halves), 4))


def visible_lines(text: str) -> str:
    """The same for a text whose line feeds are ours, such as a JSON document, which means the same after."""
    return "\n".join(map(visible, text.split("\n")))


def without_unseen(name: str) -> str:
    """A name without the characters that nobody sees, among them all marks of direction."""
    return "".join(letter for letter in _UNSEEN.sub("", name) if unicodedata.category(letter) != "Cf")


def log_visibly(secrets: Collection[str]) -> None:
    """Logs what strangers say visibly from now on, unless the program has log records of its own.

    Args:
        secrets: What is hidden wherever it occurs, besides everything that looks like a key or a token.
    """
    if logging.getLogRecordFactory() is logging.LogRecord:
        logging.setLogRecordFactory(partial(_Record, secrets=secrets))


class _Record(logging.LogRecord):
    """A line of the log that nobody's words can end, or fill; a traceback follows indented."""

    def __init__(self, *args: Any, secrets: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._secrets = secrets
        if self.exc_info and (error := self.exc_info[1]):  # handlers take this for the text of the error
            lines = "".join(traceback.format_exception(error)).splitlines()
            self.exc_text = "\n".join(f"  {self._shown(line)}" for line in lines)

    def getMessage(self) -> str:  # noqa: N802 - the standard library's name
        return self._shown(super().getMessage())

    def _shown(self, line: str) -> str:
        # FastMCP draws its log, in a time that grows with the square of a word.
        shown = visible(without_secrets(line[:_LONGEST_LINE], self._secrets))  # which may be longer
        is_whole = max(len(line), len(shown)) <= _LONGEST_LINE
        return shown if is_whole else f"{shown[:_LONGEST_LINE]}…"
