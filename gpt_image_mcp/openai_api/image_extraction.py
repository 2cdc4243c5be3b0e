"""Finding the images in an answer, however it writes them.

OpenAI puts base64 into ``data[].b64_json``. Gateways use other fields, ``data:`` URLs, links, one object in
the place of a list, or text with an image in Markdown. An answer is paid for, so all of these are read.

In an object, the fields that are named after image data are asked first, then those that contain further
values, then those named after links: one picture is often given in several ways. A field of another name
counts only if its value can be nothing but an image.
"""

from __future__ import annotations

import binascii
import contextlib
import html
import json
import re
import string
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote_to_bytes

from gpt_image_mcp.openai_api.answer_documents import has_too_many_values
from gpt_image_mcp.references import BASE64_SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The names are compared in lower case, without what separates their words.
_BASE64_NAMES = (
    *("b64json", "b64", "base64", "imagebase64", "base64image", "imageb64", "b64image", "base64data"),
    *("imagebytes", "bytesbase64encoded", "imagedata"),
)
_CONTAINER_NAMES = (
    *("data", "images", "image", "output", "outputs", "result", "results", "response", "generatedimages"),
    *("generations", "artifacts", "predictions", "candidates", "choices", "message", "content", "parts"),
    *("inlinedata", "files", "item", "items"),
)
_LINK_NAMES = (
    *("url", "imageurl", "imageurls", "downloadurl", "fileurl", "signedurl", "cdnurl", "uri", "imageuri"),
    *("fileuri", "href", "src", "link", "imagelink", "location", "path", "filepath", "file"),
)
_LINK_ENDINGS = ("url", "urls", "uri", "uris", "link", "links")
# With one of these words in its name, a field is what went into the request, or about it, and no result.
_NO_RESULT = frozenset(
    (
        *("input", "inputs", "init", "source", "src", "reference", "references", "original", "request"),
        *("prompt", "param", "params", "parameters", "payload", "args", "control", "mask", "tools"),
        *("messages", "usage", "thumbnail", "thumbnails", "preview", "previews", "partial", "placeholder"),
        *("lqip", "thought", "icon", "logo", "avatar", "user", "brand", "profile", "captcha", "qrcode", "qr"),
        *("error", "errors", "logs", "webhook", "callback", "status", "polling", "cancel"),
    )
)
_ADDRESSES_OF_JOBS = ("urls",)
_LONGEST_NAME = 200
_WORD_BREAK = re.compile(r"[_\W]+|(?<=[a-z0-9])(?=[A-Z])")
LONGEST_LINK_CHARACTERS = 8_000
_MOST_NESTED = 20
# A text that is JSON again counts for so many, since each holds a copy of the one inside.
_NESTED_BY_TEXT = 5
_MOST_EMBEDDED = 1_000
_PIECE = 65_536
# Characters written as %XX of a data URL; decoding takes seconds for more.
MOST_ESCAPES = 3_000_000
_FTYP = rb"ftyp(?:avi[fs]|hei|hev|mif1|msf1)"
_SIGNATURES = (rb"\x89PNG\r\n\x1a\n", rb"\xff\xd8\xff", rb"RIFF....WEBP", rb"GIF8[79]a")
_SIGNATURE = re.compile(b"|".join((*_SIGNATURES, b"...." + _FTYP)), re.DOTALL)
# A pattern that begins with letters is found fifty times as fast. What it finds begins so much before them.
_SEARCHED = ((_FTYP, 4), *((signature, 0) for signature in _SIGNATURES))
_SEARCHES = tuple((re.compile(pattern, re.DOTALL), before) for pattern, before in _SEARCHED)
_BASE64_IMAGE = re.compile(BASE64_SIGNATURE)
# Within other words, or in a text that is cut. Words that follow at once become bytes after its end.
_EMBEDDED_REST = r"[A-Za-z0-9+/_\-\s\\]{40,}+={0,2}"
# The same as BASE64_SIGNATURE: letters to look for, what has to stand around them, and how far before them.
_EMBEDDED = (
    *(("iVBORw0KG", "", 0), ("UklGR", "", 0), ("R0lGOD", "", 0), ("9j", r"(?<=[/_]9j)\\?[/_]", 1)),
    ("GZ0eXB", r"(?<=AAAA[\w+/-]GZ0eXB)", 5),
)
_EMBEDDED_IMAGES = tuple(
    (letters, re.compile(letters + around + _EMBEDDED_REST), before) for letters, around, before in _EMBEDDED
)
_BASE64_PREFIX = re.compile(r".{0,200}base64[,:]", re.IGNORECASE | re.DOTALL)
_BLANKS = dict.fromkeys(map(ord, string.whitespace))
_NO_BASE64 = bytes(set(range(256)) - set((string.ascii_letters + string.digits + "+/").encode()))
_DATA_URL = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_WEB_LINK = re.compile(r"(https?:)?//[^/]", re.IGNORECASE)
_ROOTED_LINK = re.compile(r"\.{0,2}/")
# Of a whole PNG and JPEG.
_LAST_BYTES = (b"IEND\xaeB`\x82", b"\xff\xd9")
_NAMED_LIKE_A_PICTURE = re.compile(r"\.(png|jpe?g|webp|gif|avif|heic|bmp|tiff?)($|[?#])", re.IGNORECASE)
_AROUND_LINKS = "<>\"'"
_MARKDOWN_IMAGE = re.compile(r"!\[[^\[\]]*+\]\(\s*+<?([^)\s>]++)")


class NotBase64(ValueError):
    """A text that should be an image and cannot be decoded."""


@dataclass(frozen=True, slots=True)
class ExtractedImages:
    """What was found, in order.

    Attributes:
        images: Decoded files; empty where one is damaged.
        links: Links as they were written, which may be relative.
    """

    images: tuple[bytes, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether an image or a link is among them."""
        return bool(self.links) or any(self.images)

    def distinct(self) -> ExtractedImages:
        """The same without what was found twice."""
        return ExtractedImages(tuple(dict.fromkeys(self.images)), tuple(dict.fromkeys(self.links)))


_NOTHING = ExtractedImages()


def find_image(data: bytes) -> bytes:
    """What begins like a picture in a body, such as a part of a multipart one; empty if nothing does."""
    searched = ((search.search(data, before), before) for search, before in _SEARCHES)
    starts = [found.start() - before for found, before in searched if found]
    return data[min(starts) :] if starts else b""


def begins_like_an_image(data: bytes) -> bool:
    """Whether the first bytes are those of a picture."""
    return _SIGNATURE.match(data) is not None


def extract_images(value: object) -> ExtractedImages:
    """The images in a value of parsed JSON, or in a text. CPU work."""
    return _extract(value, "", 0)


def decode_image(text: str) -> bytes:
    """The bytes of a ``data:`` URL or of base64, URL-safe or not, padded or not, with blanks and line breaks.

    Raises:
        NotBase64: If it is something else, or has too many escapes.
    """
    if text.count("%") > MOST_ESCAPES:
        message = f"the image data has more than {MOST_ESCAPES:,} characters written as %XX"
        raise NotBase64(message)
    text = text.strip("\ufeff \t\r\n\"'")
    if _DATA_URL.match(text):
        head, _, text = text.partition(",")
        # Some write base64 without saying so.
        if not head.rstrip().lower().endswith("base64") and not _BASE64_IMAGE.match(text):
            return without_escapes(text)
    # Each of these would cost a copy of megabytes, so it is made only where there is something to change.
    if "%" in text:
        text = without_escapes(text).decode(errors="replace")
    if "\\" in text:
        text = text.replace("\\n", "").replace("\\r", "").replace("\\/", "/")
    if text.isascii() and len(text.split(maxsplit=1)) > 1:
        text = text.translate(_BLANKS)
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    if len(text) % 4 or text.endswith("==="):
        text = text.rstrip("=")
        text += "=" * (-len(text) % 4)
    try:
        # base64.b64decode(validate=True) first runs a regular expression over the whole text.
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        message = "the image data is not valid base64"
        raise NotBase64(message) from error


def without_escapes(text: str) -> bytes:
    """The bytes of a text in which some are written as %XX, piece by piece: at once, each would take 240."""
    found, start = bytearray(), 0
    while start < len(text):
        end = start + _PIECE
        # No escape is cut in two.
        percent = text.rfind("%", end - 2, end)
        end = percent if percent > 0 else end
        found += unquote_to_bytes(text[start:end])
        start = end
    return bytes(found)


def _extract(value: object, name: str, depth: int) -> ExtractedImages:
    if depth > _MOST_NESTED:
        return _NOTHING
    if isinstance(value, str):
        return _in_text(value.strip(), name, depth)
    if isinstance(value, list):
        return _joined(_extract(item, name, depth + 1) for item in cast("list[object]", value))
    if isinstance(value, dict):
        return _in_object(cast("dict[str, object]", value), depth)
    return _NOTHING


def _in_object(value: dict[str, object], depth: int) -> ExtractedImages:
    """The images of the first field that has some; of the fields of no known name, those of all."""
    if value.get("thought") is True:  # a draft of a model that thinks in pictures
        return _NOTHING
    fields = {_plain(name): field for name, field in value.items() if _may_be_result(name)}
    damaged = _NOTHING
    for name in (*_BASE64_NAMES, *_CONTAINER_NAMES, *_LINK_NAMES):
        if name in fields:
            found = _extract(fields.pop(name), name, depth + 1)
            if found.is_usable:
                return found
            damaged = damaged if damaged.images else found
    found = _joined(_extract(field, name, depth + 1) for name, field in fields.items()).distinct()
    return found if found.is_usable else damaged


def _in_text(text: str, name: str, depth: int) -> ExtractedImages:
    if _DATA_URL.match(text) or _BASE64_IMAGE.match(text):
        return ExtractedImages(images=(_decoded(text),))
    if marked := _MARKDOWN_IMAGE.findall(text):
        return _joined(_extract(link, "url", depth + 1) for link in marked).distinct()
    if _is_link(text, name):
        return ExtractedImages(links=(html.unescape(text.strip(_AROUND_LINKS)),))
    if name in _BASE64_NAMES and text:
        return ExtractedImages(images=(_decoded(text),))
    if text.startswith(("{", "[")) and not has_too_many_values(text):
        with contextlib.suppress(ValueError, RecursionError):
            return _extract(json.loads(text, strict=False), "", depth + _NESTED_BY_TEXT)
    return ExtractedImages(images=tuple(_embedded(text))).distinct()


def _embedded(text: str) -> Iterator[bytes]:
    """The images among the words of a text; not one that is cut off with it."""
    spans = [
        (found.start() - before, found.end())
        for letters, pattern, before in _EMBEDDED_IMAGES
        if letters in text
        for found in islice(pattern.finditer(text), _MOST_EMBEDDED)
    ]
    end = 0
    for start, stop in sorted(spans):
        if start < end:  # letters of the image before that look like the begin of another
            continue
        end = stop
        image = _decoded(text[start:end])
        if end < len(text) or image.rstrip(b"\0").endswith(_LAST_BYTES):
            yield image


def _is_link(text: str, name: str) -> bool:
    """Whether a text leads to an image; what a field is called decides how much it must look like that."""
    if not text or len(text) > LONGEST_LINK_CHARACTERS or len(text.split()) > 1:
        return False
    if name in _LINK_NAMES or name.endswith(_LINK_ENDINGS):
        return "/" in text or "." in text
    if name in _BASE64_NAMES or name in _CONTAINER_NAMES:
        return bool(_WEB_LINK.match(text) or _ROOTED_LINK.match(text) or _NAMED_LIKE_A_PICTURE.search(text))
    return bool(_NAMED_LIKE_A_PICTURE.search(text) and "/" in text)


def _decoded(text: str) -> bytes:
    """One image; empty if it is damaged, so that the others, which are paid for, are kept."""
    try:
        return decode_image(text)
    except NotBase64:
        return _decoded_leniently(text)


def _decoded_leniently(text: str) -> bytes:
    """The image in base64 among other signs, or behind a prefix such as ``image/png;base64:``; else empty."""
    prefix = _BASE64_PREFIX.match(text)
    text = text[prefix.end() :] if prefix else text
    data = text.encode("ascii", "ignore").translate(None, _NO_BASE64)
    with contextlib.suppress(ValueError):
        image = binascii.a2b_base64(data + b"=" * (-len(data) % 4))
        return image if begins_like_an_image(image) else b""
    return b""


def _joined(parts: Iterable[ExtractedImages]) -> ExtractedImages:
    found = list(parts)
    return ExtractedImages(
        images=tuple(image for part in found for image in part.images),
        links=tuple(link for part in found for link in part.links),
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _may_be_result(name: str) -> bool:
    """Whether a field can hold what was made, and not what was asked for, or something about it."""
    if len(name) > _LONGEST_NAME:
        return False
    words = {word.lower() for word in _WORD_BREAK.split(name)}
    return name not in _ADDRESSES_OF_JOBS and (name == "src" or words.isdisjoint(_NO_RESULT))
