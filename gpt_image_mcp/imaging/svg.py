"""SVG files: recognised, measured, and copied without anything that runs, loads or leads elsewhere.

The file as the API returned it is kept as it is; whatever is shown, drawn or exported is made from the copy
of ``sanitise``. That is written anew from a list of what a drawing needs, so that a new kind of element is
left out until somebody has looked at it. Entities are never expanded: a file that declares any is refused.
Elements and attributes: https://www.w3.org/TR/SVG2/, https://www.w3.org/TR/filter-effects-1/.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from gpt_image_mcp.pillow_errors import DamagedImage, Oversized
from gpt_image_mcp.values.pixels import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MIME_TYPE = "image/svg+xml"
LARGEST_EDGE = 4096
MAX_BYTES, MAX_ELEMENTS, MAX_DEPTH = 5_000_000, 100_000, 64
_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)*+<(?:[\w.-]+:)?svg[\s/>]",
    re.DOTALL,
)
_END = re.compile(rb"(?:</(?:[\w.-]+:)?svg\s*|/)>\s*(?:<!--.*?-->\s*)*\Z", re.DOTALL)
_LONGEST_HEAD, _LONGEST_END = 100_000, 10_000
_NAMESPACE, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_XML = "http://www.w3.org/XML/1998/namespace"
_PREFIXES = {"": "", _XLINK: "xlink:", _XML: "xml:"}
_DRAWING = (
    "svg g defs symbol use a switch title desc style path rect circle ellipse line polyline polygon text "
    "tspan textPath image marker pattern mask clipPath linearGradient radialGradient stop filter feBlend "
    "feColorMatrix feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap "
    "feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge "
    "feMergeNode feMorphology feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence"
)
_ELEMENTS = frozenset(_DRAWING.split())
_WITH_PICTURES = ("image", "feImage")
_LEADING_AWAY = ("src", "base", "target", "ping")
_ATTRIBUTE = re.compile(r"[A-Za-z][\w-]*", re.ASCII)
_LOCAL = re.compile(r"#[^\s\"'()<>\\]+")
# The first letters of the base64 say that the file is what its type says.
_RASTER = re.compile(
    r"data:image/(?:png;base64,iVBORw0KGgo|jpe?g;base64,/9j/|gif;base64,R0lGOD|webp;base64,UklGR)[\w+/=\s]*",
    re.ASCII,
)
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
# Of those with blocks inside only these are known to load nothing.
_NESTING = r"@(?!(?:media|supports|container|layer|keyframes|-webkit-keyframes)\b)"
_AT_RULE = re.compile(_NESTING + r"[^;{}]*(?:;|\{[^{}]*\}|\Z|(?=[{}]))", re.IGNORECASE)
_URL = re.compile(r"url\s*\(\s*(?:\"([^\"]*)\"|'([^']*)'|([^)]*))\s*\)?", re.IGNORECASE)
# What could load or run something is left after the above only where it is spelled to deceive.
_DECEIVING = re.compile(
    _NESTING + r"|[\\<]|//|(?:expression|image|image-set|cross-fade|src|element|paint)\s*\(|"
    r"(?:javascript|vbscript|behaviou?r|-moz-binding)\s*:",
    re.IGNORECASE,
)
_LENGTH = re.compile(r"\s*([0-9]{0,9}\.?[0-9]{1,9})\s*(px|pt|mm|cm|in|)\s*")
# CSS Values 4: 96 pixels to the inch.
_PIXELS_OF = {"": 1, "px": 1, "pt": 4 / 3, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96}
# What browsers give a replaced element without a size: CSS 2.2, 10.3.2.
_DEFAULT = (300.0, 150.0)


def is_svg(data: bytes) -> bool:
    """Whether a file begins like an SVG; declarations and comments may stand before its root."""
    return _START.match(data) is not None


def has_end(data: bytes) -> bool:
    """Whether an SVG has the end of its root; what broke off on its way has none."""
    return _END.search(data[-_LONGEST_END:]) is not None


def read_size(data: bytes) -> Pixels:
    """The size of an SVG in whole pixels, with no edge past ``LARGEST_EDGE``.

    Raises:
        DamagedImage: If the bytes are none.
    """
    size = measure(data)
    return scaled_to(size, min(LARGEST_EDGE, max(size)))


def measure(data: bytes) -> tuple[float, float]:
    """Width and height of an SVG in pixels, as it says.

    Raises:
        DamagedImage: If the bytes are none.
    """
    roots: list[Mapping[str, str]] = []
    parser = expat.ParserCreate()  # namespaces would make every attribute as long as the address of its own
    parser.StartElementHandler = lambda _name, attributes: roots.append(attributes)
    with contextlib.suppress(expat.ExpatError, ValueError, LookupError):
        parser.Parse(data[:_LONGEST_HEAD] if is_svg(data) else b"", False)  # noqa: FBT003 - no names there
    if not roots:
        message = "its root cannot be read"
        raise DamagedImage(message)
    return _measured(roots[0])


def scaled_to(size: tuple[float, float], longest_edge: float) -> Pixels:
    """Whole pixels in the shape of a size."""
    width, height = (max(1, round(side * longest_edge / max(size))) for side in size)
    return Pixels(width, height)


def sanitise(data: bytes) -> bytes:
    """A copy of an SVG that only draws: no scripts, events, animations, foreign content or other files.

    For a process of its own: a file of the allowed size may take any time and memory to read.

    Raises:
        DamagedImage: If it cannot be read, or declares entities.
        Oversized: If it has too many bytes or elements, or nests too deep.
    """
    if len(data) > MAX_BYTES:
        message = f"it has {len(data):,} bytes; an SVG is read with at most {MAX_BYTES:,}"
        raise Oversized(message)
    copy = _Copy()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = copy.start, copy.end
    parser.CharacterDataHandler = copy.text
    parser.StartDoctypeDeclHandler = _refuse_declarations
    try:
        parser.Parse(data, True)  # noqa: FBT003 - no names there
    except (expat.ExpatError, ValueError, LookupError) as error:
        message = f"its XML cannot be read: {error}"
        raise DamagedImage(message) from error
    made = "".join(copy.parts).encode()
    if len(made) > MAX_BYTES:
        message = f"its copy would have {len(made):,} bytes; at most {MAX_BYTES:,} are written"
        raise Oversized(message)
    return made


class _Copy:
    """Writes what the parser reads into ``parts``, without what is left out."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._namespace = _NAMESPACE
        self._open: list[str] = []
        self._skipped = self._elements = 0  # the open elements that are left out; all so far
        self._css: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begins an element."""
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._open) + self._skipped >= MAX_DEPTH:
            message = (
                f"it has more than {MAX_ELEMENTS:,} elements, or more than {MAX_DEPTH} inside each other"
            )
            raise Oversized(message)
        namespace, _, local = name.rpartition(" ")
        if not self._open:
            if local != "svg" or namespace not in ("", _NAMESPACE):
                message = "its root is no svg element"
                raise DamagedImage(message)
            self._namespace = namespace  # a root may have forgotten it
        is_drawn = local in _ELEMENTS and namespace == self._namespace and self._open[-1:] != ["style"]
        if self._skipped or not is_drawn:
            self._skipped += 1
            return
        declared = f' xmlns="{_NAMESPACE}" xmlns:xlink="{_XLINK}"' if not self._open else ""
        kept = "".join(f" {key}={quoteattr(value)}" for key, value in _kept(local, attributes))
        self.parts.append(f"<{local}{declared}{kept}>")
        self._open.append(local)

    def end(self, _name: str) -> None:
        """Ends an element."""
        if self._skipped:
            self._skipped -= 1
            return
        local = self._open.pop()
        if local == "style":
            self.parts.append(escape(_clean_css("".join(self._css))))
            self._css.clear()
        self.parts.append(f"</{local}>")

    def text(self, text: str) -> None:
        """Takes text, or a style sheet."""
        if not self._skipped and self._open[-1] == "style":
            self._css.append(text)
        elif not self._skipped:
            self.parts.append(escape(text.replace("\r", "\n")))


def _refuse_declarations(_name: str, _system: str | None, _public: str | None, has_subset: int) -> None:
    """Lets a plain DOCTYPE pass, which is left out, and none that declares anything."""
    if has_subset:
        message = "it declares entities or other things in its DOCTYPE, which are not read"
        raise DamagedImage(message)


def _kept(element: str, attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The attributes of an element that stay, cleaned."""
    for full, raw in attributes.items():
        namespace, _, local = full.rpartition(" ")
        name, lower = f"{_PREFIXES.get(namespace, '-')}{local}", local.lower()
        is_named = namespace in _PREFIXES and _ATTRIBUTE.fullmatch(local)
        if not is_named or lower.startswith("on") or lower in _LEADING_AWAY:
            continue
        value = re.sub(r"\s", " ", raw)
        if lower == "href":
            target = value.strip()
            if _LOCAL.fullmatch(target) or (element in _WITH_PICTURES and _RASTER.fullmatch(target)):
                yield name, target
        elif namespace != _XLINK and (cleaned := _clean_css(value)).strip():
            yield name, cleaned


def _clean_css(text: str) -> str:
    """A style sheet or a value without what loads or runs anything; empty if that cannot be told apart."""
    for _ in range(3):
        cleaned = _URL.sub(_clean_url, _AT_RULE.sub("", _COMMENT.sub(" ", text.replace("\r", "\n"))))
        if cleaned == text:
            return "" if _DECEIVING.search(_URL.sub("", text)) else text
        text = cleaned
    return ""


def _clean_url(match: re.Match[str]) -> str:
    target = next((part for part in match.groups() if part), "").strip()
    return f"url({target})" if _LOCAL.fullmatch(target) or _RASTER.fullmatch(target) else "none"


def _measured(attributes: Mapping[str, str]) -> tuple[float, float]:
    """Width and height of a root; what is missing or a percentage follows from the viewBox."""
    width, height = (_pixels(attributes.get(name, "")) for name in ("width", "height"))
    box = [_pixels(part) for part in re.split(r"[\s,]+", attributes.get("viewBox", "")[:200].strip())[2:]]
    across, down = box if len(box) == 2 and all(box) else (0, 0)  # noqa: PLR2004 - its width and height
    if not (width or height):
        return (across, down) if across else _DEFAULT
    ratio = across / down if down else 1
    return width or height * ratio, height or width / ratio


def _pixels(length: str) -> float:
    """A length in pixels; 0 for none, and for one that depends on the page."""
    match = _LENGTH.fullmatch(length[:50])
    return float(match[1]) * _PIXELS_OF[match[2]] if match else 0.0
