"""Finding the images in an answer, however it writes them.

OpenAI puts base64 into ``data[].b64_json``. Gateways use other fields, ``data:`` URLs, links, one object in
the place of a list, or text with an image in Markdown. An answer is paid for, so all of these are read.

In an object, the fields that are named after image data are asked first, then those that contain further
values, then those named after links: one picture is often given in several ways. A field of another name
counts only if its value can be nothing but an image.
"""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

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
# What went into the request, or is about it, is no result.
_IGNORED_NAMES = frozenset(
    (
        *("usage", "error", "errors", "input", "inputs", "inputimage", "inputimages", "request", "prompt"),
        *("revisedprompt", "mask", "tools", "thumbnail", "thumbnails", "preview", "previews", "urls"),
        *("referenceimage", "referenceimages", "sourceimage", "originalimage", "initimage", "webhook"),
        *("statusurl", "pollingurl", "icon", "avatar", "logs"),
    )
)
LONGEST_LINK_CHARACTERS = 8_000
_MOST_NESTED = 20
_SIGNATURE = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a|....ftyp(avi[fs]|hei|hev|mif1|msf1)", re.DOTALL
)
# The same in either alphabet of base64; in JSON, slashes may be escaped.
BASE64_SIGNATURE = r"(?:iVBORw0KG|\\?[/_]9j\\?[/_]|UklGR|R0lGOD|AAAA[\w+/-]GZ0eXB)"
_BASE64_IMAGE = re.compile(BASE64_SIGNATURE)
_DATA_URL = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
_WEB_LINK = re.compile(r"(https?:)?//[^/]", re.IGNORECASE)
_ROOTED_LINK = re.compile(r"\.{0,2}/")
_NAMED_LIKE_A_PICTURE = re.compile(r"\.(png|jpe?g|webp|gif|avif|heic|bmp|tiff?)($|[?#])", re.IGNORECASE)
_MARKDOWN_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)")


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


def begins_like_an_image(data: bytes) -> bool:
    """Whether the first bytes are those of a picture."""
    return _SIGNATURE.match(data) is not None


def extract_images(value: object) -> ExtractedImages:
    """The images in a value of parsed JSON, or in a text. CPU work."""
    return _extract(value, "", 0)


def decode_image(text: str) -> bytes:
    """The bytes of a ``data:`` URL or of base64, URL-safe or not, padded or not, with blanks and line breaks.

    Raises:
        NotBase64: If it is something else.
    """
    text = text.strip("\ufeff \t\r\n\"'")
    if _DATA_URL.match(text):
        head, _, text = text.partition(",")
        if not head.rstrip().lower().endswith("base64"):
            return unquote_to_bytes(text)
    # Each of these would cost a copy of megabytes, so it is made only where there is something to change.
    if "%" in text:
        text = unquote(text)
    if "\\" in text:
        text = text.replace("\\n", "").replace("\\r", "").replace("\\/", "/")
    if len(pieces := text.split()) > 1:
        text = "".join(pieces)
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
    fields = {_plain(name): field for name, field in value.items()}
    damaged = _NOTHING
    for name in (*_BASE64_NAMES, *_CONTAINER_NAMES, *_LINK_NAMES):
        if name in fields:
            found = _extract(fields.pop(name), name, depth + 1)
            if found.is_usable:
                return found
            damaged = damaged if damaged.images else found
    others = {name: field for name, field in fields.items() if not _is_ignored(name)}
    found = _joined(_extract(field, name, depth + 1) for name, field in others.items()).distinct()
    return found if found.is_usable else damaged


def _in_text(text: str, name: str, depth: int) -> ExtractedImages:
    if _DATA_URL.match(text) or _BASE64_IMAGE.match(text):
        return ExtractedImages(images=(_decoded(text),))
    if marked := _MARKDOWN_IMAGE.findall(text):
        return _joined(_extract(link, "url", depth + 1) for link in marked)
    if _is_link(text, name):
        return ExtractedImages(links=(text,))
    if name in _BASE64_NAMES and text:
        return ExtractedImages(images=(_decoded(text),))
    return _in_json(text, depth) if text.startswith(("{", "[")) else _NOTHING


def _in_json(text: str, depth: int) -> ExtractedImages:
    """The images of a text that holds JSON once more."""
    try:
        return _extract(json.loads(text, strict=False), "", depth + 1)
    except (ValueError, RecursionError):
        return _NOTHING


def _is_link(text: str, name: str) -> bool:
    """Whether a text leads to an image; what a field is called decides how much it must look like that."""
    if not text or len(text) > LONGEST_LINK_CHARACTERS or len(text.split()) > 1:
        return False
    if name in _LINK_NAMES:
        return "/" in text or "." in text
    if name in _BASE64_NAMES or name in _CONTAINER_NAMES:
        return bool(_WEB_LINK.match(text) or _ROOTED_LINK.match(text) or _NAMED_LIKE_A_PICTURE.search(text))
    return bool(_NAMED_LIKE_A_PICTURE.search(text) and "/" in text)


def _decoded(text: str) -> bytes:
    """One image; empty if it is damaged, so that the others, which are paid for, are kept."""
    try:
        return decode_image(text)
    except NotBase64:
        return b""


def _joined(parts: Iterable[ExtractedImages]) -> ExtractedImages:
    found = list(parts)
    return ExtractedImages(
        images=tuple(image for part in found for image in part.images),
        links=tuple(link for part in found for link in part.links),
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _is_ignored(name: str) -> bool:
    return name in _IGNORED_NAMES or "partial" in name
