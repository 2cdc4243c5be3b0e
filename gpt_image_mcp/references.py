"""What a text that stands for an image is: decided once, by its beginning, before anything is done with it.

A ``data:`` URL may have many megabytes, and code for paths would take minutes over one. So such code is given
nothing but paths, and nothing here looks at more than the beginning of a long text.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import unquote

from gpt_image_mcp.coercion import whole_characters
from gpt_image_mcp.errors import OutputRejected, cut
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.paths import is_within, unquoted
from gpt_image_mcp.redaction import without_password

if TYPE_CHECKING:
    from gpt_image_mcp.settings import Settings

ReferenceKind: TypeAlias = Literal[
    "image", "object", "session", "job", "upload", "data", "web", "address", "path"
]

# How base64 of a PNG, JPEG, WebP, GIF or AVIF begins, in either alphabet; in JSON, slashes may be escaped.
BASE64_SIGNATURE = r"(?:iVBORw0KG|\\?[/_]9j\\?[/_]|UklGR|R0lGOD|AAAA[\w+/-]GZ0eXB)"
# A longer text without a scheme can only be data.
_LONGEST_PATH = 4_096
_AROUND = " \t\r\n\"'`"
_ID = r"\d{8}-\d{6}-[0-9a-f]{6}"
_PATTERNS: tuple[tuple[ReferenceKind, re.Pattern[str]], ...] = (
    ("data", re.compile(rf"(?i:data(?::|%3a))|{BASE64_SIGNATURE}[\w+/=\s-]{{40}}", re.ASCII)),
    ("web", re.compile(r"https?:", re.IGNORECASE)),
    ("path", re.compile(r"file:", re.IGNORECASE)),
    ("session", re.compile(r"session-[\w-]+\Z")),
    ("job", re.compile(r"job-[\w-]+\Z")),
    ("upload", re.compile(rf"upload-{_ID}\Z")),
    ("image", re.compile(r"gpt-image://images/([^/]+)(?:/preview|/metadata)?/?\Z", re.IGNORECASE)),
    # As our files are called without a label, or by the id alone.
    ("image", re.compile(rf"(?:(?:image|edit|session|batch)-)?({_ID})(?:\.\w+)?\Z", re.IGNORECASE)),
    # As completion shows an image: the file name and the prompt behind the id.
    ("image", re.compile(rf"({_ID}) [^/\\]*\Z", re.IGNORECASE)),
    ("object", re.compile(r"(?:s3|gs|az)://", re.IGNORECASE)),
    ("address", re.compile(r"[a-z][a-z0-9+.-]{1,60}:/", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A text that stands for an image.

    Attributes:
        kind: An ``image``, ``session``, ``job`` or ``upload`` is meant by our id or address, an ``object`` by
            its address in a store, ``data`` are in the text, ``web`` is an http address, ``address`` one of a
            kind that is not read; all else is a ``path``.
        text: Without the blanks and quotes around it.
        image_id: The id of an ``image``.
    """

    kind: ReferenceKind
    text: str = field(repr=False)
    image_id: str = ""

    @property
    def shown(self) -> str:
        """The text for a message, shortened; of an address without user, password and query."""
        is_address = self.kind in ("address", "object", "web")
        return whole_characters(cut(without_password(self.text) if is_address else self.text))

    @property
    def stem(self) -> str:
        """What its file is called, without folders and ending; empty for data."""
        path = unquote(self.shown) if ":" in self.shown else self.text
        return "" if self.kind == "data" else PurePath(path.replace("\\", "/")).stem


def classify(text: str) -> Reference:
    """What a text is by itself."""
    is_long = len(text) > _LONGEST_PATH
    text = text.strip(_AROUND) if is_long else unquoted(text)
    for kind, pattern in _PATTERNS:
        if found := pattern.match(text):
            return Reference(kind, text, found[1].lower() if kind == "image" else "")
    return Reference("data" if is_long else "path", text)


def reference_to(text: str, settings: Settings) -> Reference:
    """What a text is in the project: a file of exactly this name wins over an id. Blocking."""
    ref = classify(text)
    if ref.kind in ("image", "session", "job", "upload") and "/" not in ref.text:
        with contextlib.suppress(OutputRejected):
            path = project_folder(settings) / ref.text
            if is_within(path, settings.input_roots) and os.path.isfile(path):
                return replace(ref, kind="path")
    return ref
