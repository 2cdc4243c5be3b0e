"""A drawing, and files that want to do more than draw."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
# The upper half red, the lower half clear.
DRAWING = (
    f'<svg xmlns="{SVG}" width="300" height="200" viewBox="0 0 30 20">'
    '<rect width="30" height="10" fill="#ff0000"/></svg>'
).encode()


def _png() -> str:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2), (0, 0, 255)).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


PNG_URL = _png()


def svg(inside: str, root: str = "") -> bytes:
    """An SVG of 200x100 with something in it."""
    names = f'xmlns="{SVG}" xmlns:xlink="{XLINK}" xmlns:h="http://www.w3.org/1999/xhtml" xmlns:s="{SVG}"'
    return f'<svg {names} width="200" height="100" {root}>{inside}</svg>'.encode()


EVIL = "https://evil.example/x"
SVG_URL = f"data:image/svg+xml;base64,{base64.b64encode(svg('<script>alert(1)</script>')).decode()}"
# Each is refused, or becomes a copy in which ``faults`` finds nothing.
ATTACKS = {
    "script": svg("<script>alert(1)</script>"),
    "script of a prefix": svg("<s:script>alert(1)</s:script>"),
    "script of HTML": svg("<h:script>alert(1)</h:script>"),
    "script in capitals": svg("<SCRIPT>alert(1)</SCRIPT>"),
    "script in CDATA": svg("<script><![CDATA[alert(1)]]></script>"),
    "script elsewhere": svg(f'<script xlink:href="{EVIL}.js"/><script href="{EVIL}.js"/>'),
    "script in a script": svg("<script><script>a</script></script><g><script/></g>"),
    "script in a title": svg("<title><script>a</script>&lt;script&gt;a&lt;/script&gt;</title>"),
    "script in no namespace": f'<s:svg xmlns:s="{SVG}"><script>alert(1)</script><s:g/></s:svg>'.encode(),
    "a namespace in entities": svg('<x:script xmlns:x="http://www.w3.org/2000/&#115;vg">alert(1)</x:script>'),
    "root without namespace": b"<svg><script>alert(1)</script><rect onload='a' width='9' height='9'/></svg>",
    "in UTF-8 with BOM": b"\xef\xbb\xbf" + svg("<script>alert(1)</script>"),
    "in Latin-1": b'<?xml version="1.0" encoding="iso-8859-1"?>' + svg("<script>\xe9</script>"),
    "onload of the root": svg("", 'onload="alert(1)"'),
    "events in capitals": svg('<g ONCLICK="a" OnMouseOver="b" onbegin="c" onend="d"/>'),
    "events with entities": svg('<g onclick="&#97;lert(1)"/>'),
    "javascript": svg('<a xlink:href="javascript:alert(1)"><rect/></a>'),
    "javascript with tabs": svg('<a href="java&#9;script:alert(1)"/><a href="java\tscript:a"/>'),
    "javascript with entities": svg('<a xlink:href="&#x6A;avascript&#x3a;alert(1)"/><a href=" &#32;x"/>'),
    "javascript in capitals": svg('<a HREF=" JaVaScRiPt:alert(1)"/><use Href="javascript:a"/>'),
    "href of another prefix": svg(f'<a xmlns:q="{XLINK}" q:href="javascript:alert(1)"/>'),
    "foreignObject": svg("<foreignObject><h:body><h:script>a</h:script></h:body></foreignObject>"),
    "foreignObject of a prefix": svg(
        '<s:foreignObject><h:iframe src="https://e.example"/></s:foreignObject>'
    ),
    "HTML": svg(f'<h:img src="{EVIL}" onerror="a"/><h:iframe/><h:style>@import "{EVIL}";</h:style>'),
    "external use": svg(f'<use href="{EVIL}.svg#a"/><use xlink:href="other.svg#a"/>'),
    "external image": svg(f'<image href="{EVIL}.png"/><image xlink:href="//evil.example/x.png"/>'),
    "local file": svg('<image href="file:///etc/passwd"/><image href="/etc/passwd"/><image href="a.png"/>'),
    "external filter image": svg(f'<filter id="f"><feImage href="{EVIL}"/></filter>'),
    "external gradient": svg(f'<linearGradient id="a" href="{EVIL}#b"/><pattern xlink:href="{EVIL}"/>'),
    "SVG in an image": svg(f'<image href="{SVG_URL}"/><image href="data:image/svg+xml,%3Csvg/%3E"/>'),
    "HTML in an image": svg('<image href="data:text/html,&lt;script&gt;a&lt;/script&gt;"/>'),
    "SVG said to be PNG": svg(f'<image href="{SVG_URL.replace("svg+xml", "png")}"/>'),
    "data in a use": svg(f'<use href="{SVG_URL}#a"/><use href="{PNG_URL}"/>'),
    "base": svg('<a href="x"/>', f'xml:base="{EVIL}"'),
    "url of a style": svg(f"<rect style=\"fill:url({EVIL}#a);background:URL('{EVIL}')\"/>"),
    "url of an attribute": svg(
        f'<rect fill="url({EVIL}#a)" filter="url( &quot;{EVIL}&quot; )" mask="url(a.svg#b)"/>'
    ),
    "url that breaks off": svg(f'<rect style="fill:url({EVIL}" fill="url(&quot;{EVIL}"/>'),
    "url in escapes": svg(f'<rect style="fill:\\75rl({EVIL})" fill="u\\72 l({EVIL})"/>'),
    "url in comments": svg(f"<style>a{{fill:url(/**/{EVIL})}} b{{fill:u/**/rl({EVIL})}}</style>"),
    "import": svg(f"<style>@import \"{EVIL}.css\"; @import url({EVIL});@IMPORT '{EVIL}'</style>"),
    "import in comments": svg(f'<style>@im/**/port "{EVIL}"; @/**/import "{EVIL}"; /*</style>'),
    "import in CDATA": svg(f'<style><![CDATA[@import "{EVIL}";]]></style>'),
    "import in escapes": svg(f'<style>@\\69mport "{EVIL}"; @im\\70ort "{EVIL}"</style>'),
    "import hidden in an import": svg(f'<style>@@import "a";import "{EVIL}";</style>'),
    "import in a media query": svg(f'<style>@media all {{@import "{EVIL}"; a{{fill:red}}}}</style>'),
    "font": svg(
        f'<style>@font-face{{font-family:a;src:url({EVIL}.woff)}}</style><font-face-uri href="{EVIL}"/>'
    ),
    "image-set": svg(
        f'<style>a{{background:image-set("{EVIL}" 1x);mask:-webkit-image-set("{EVIL}")}}</style>'
    ),
    "expression": svg('<rect style="width:expression(alert(1))"/><style>a{x:eXpression(a)}</style>'),
    "behaviour": svg(f"<style>a{{behavior:url({EVIL});-moz-binding:url({EVIL})}}</style>"),
    "end of a style": svg("<style>&lt;/style&gt;&lt;script&gt;a&lt;/script&gt;</style>"),
    "element in a style": svg("<style><g onload='a'/><script>a</script>a{fill:red}</style>"),
    "animated href": svg('<a><animate attributeName="href" to="javascript:alert(1)"/></a>'),
    "set href": svg('<a><set attributeName="xlink:href" to="javascript:a"/></a>'),
    "animations": svg(
        '<animateTransform onbegin="a"/><animateMotion/><animateColor/><s:set to="a"/><discard/>'
    ),
    "handlers": svg(
        '<handler>a</handler><listener event="load"/><ev:l xmlns:ev="http://www.w3.org/2001/xml-events"/>'
    ),
    "nested": svg(f'<svg onload="a"><script/><svg xlink:href="{EVIL}"><use href="{EVIL}"/></svg></svg>'),
    "other media": svg(
        f'<audio href="{EVIL}"/><video src="{EVIL}"/><iframe src="{EVIL}"/><cursor href="{EVIL}"/>'
    ),
    "processing instructions": b'<?xml-stylesheet href="https://evil.example/x.css"?>' + svg("<?php a?><g/>"),
    "DOCTYPE of another file": f'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "{EVIL}.dtd">'.encode()
    + svg("&nope;"),
    "billion laughs": b'<!DOCTYPE svg [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>'
    + svg("<text>&b;</text>"),
    "external entity": b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg("<text>&x;</text>"),
    "parameter entity": b'<!DOCTYPE svg [<!ENTITY % p SYSTEM "http://evil.example/x"> %p;]>' + svg(""),
    "attributes of a DOCTYPE": b'<!DOCTYPE svg [<!ATTLIST rect onload CDATA "alert(1)">]>' + svg("<rect/>"),
    "deep nesting": svg("<g>" * 50_000 + "</g>" * 50_000),
    "deep nesting left out": svg("<metadata>" * 500 + "</metadata>" * 500),
    "many elements": svg("<g/>" * 200_000),
    "many bytes": svg(f"<text>{'a' * 6_000_000}</text>"),
    "many escapes": svg(f"<text>{'>' * 2_000_000}</text>"),
    "no end": svg("<g>")[:-6],
    "two roots": svg("") + svg("<script/>"),
}
_LETHAL = "script foreignobject set handler listener iframe audio video font-face-uri cursor metadata discard"
_URL = re.compile(r"url\s*\(\s*[\"']?([^)\"']*)", re.IGNORECASE)


def faults(copy: bytes) -> list[str]:
    """What a sanitised copy must not hold; read by another parser than the one that made it."""
    found = [mark for mark in ("<!", "<?") if mark in copy.decode()]
    for element in ET.fromstring(copy).iter():  # noqa: S314 - it has no DOCTYPE
        namespace, _, name = element.tag.removeprefix("{").rpartition("}")
        is_lethal = name.lower() in _LETHAL.split() or name.lower().startswith("animate")
        found += [f"<{element.tag}>"] if namespace != SVG or is_lethal else []
        found += [f"{name}: {fault}" for fault in _of_attributes(name, element.attrib)]
        found += list(_of_css(element.text or "")) if name == "style" else []
    return found


def _of_attributes(element: str, attributes: dict[str, str]) -> Iterator[str]:
    for full, value in attributes.items():
        name = full.rpartition("}")[2].lower()
        if name.startswith("on") or name in {"src", "base"}:
            yield full
        is_picture = element in {"image", "feImage"} and value.startswith("data:image/png;base64,iVBOR")
        if name == "href" and not value.startswith("#") and not is_picture:
            yield f"{full}={value}"
        yield from _of_css(value) if name != "href" else ()


def _of_css(text: str) -> Iterator[str]:
    yield from (
        target for target in _URL.findall(text) if not target.startswith(("#", "data:image/png;base64,iVB"))
    )
    rest = _URL.sub("", text).lower()
    marks = (
        "evil",
        "@import",
        "@font-face",
        "\\",
        "expression(",
        "javascript:",
        "image-set",
        "behavior",
        "<",
        "//",
    )
    yield from (mark for mark in marks if mark in rest)
