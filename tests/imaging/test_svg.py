"""SVG files: what they are, how large they say they are, and a copy of them that does nothing but draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.imaging.formats import announced_format, is_complete, read_picture
from gpt_image_mcp.imaging.svg import LARGEST_EDGE, MAX_BYTES, is_svg, sanitise
from gpt_image_mcp.pillow_errors import DamagedImage, Oversized
from tests.svg_samples import ATTACKS, DRAWING, PNG_URL, SVG, faults, svg

FORBIDDEN = ["billion laughs", "external entity", "parameter entity", "attributes of a DOCTYPE"]
TOO_MUCH = ["deep nesting", "deep nesting left out", "many elements", "many bytes", "many escapes"]
BROKEN = ["no end", "two roots"]


@pytest.mark.parametrize(
    "before",
    [
        *("", "\ufeff", '<?xml version="1.0" encoding="UTF-8"?>\n', "<!-- by > hand -->", " \n\t"),
        '\ufeff<?xml version="1.0"?><!-- a --><!DOCTYPE svg SYSTEM "x.dtd">\n<!--b-->',
    ],
)
def test_an_svg_is_recognised_whatever_stands_before_its_root(before: str) -> None:
    data = before.encode() + DRAWING
    picture = read_picture(data)
    assert picture is not None
    assert (picture.format, picture.mime_type, picture.extension) == ("svg", "image/svg+xml", "svg")
    assert (picture.width, picture.height) == (300, 200)
    assert is_complete(data, picture)
    assert announced_format(data[: len(before.encode()) + 10]) == "svg"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svgx/>",
        b"<html><svg/></html>",
        b"<?xml version='1.0'?><a/>",
        b"svg",
        b"<!--<svg >",
        b"<svg ",
        b"<svg a",
    ],
)
def test_other_text_and_half_a_root_are_no_picture(data: bytes) -> None:
    assert read_picture(data) is None


def test_an_svg_that_breaks_off_is_not_whole() -> None:
    picture = read_picture(DRAWING)
    assert picture is not None
    assert not is_complete(DRAWING[:-3], picture)
    assert is_complete(DRAWING + b"\n<!-- end -->\n", picture)


@pytest.mark.parametrize(
    ("root", "size"),
    [
        ('width="64" height="32"', (64, 32)),
        ('width="64px" height=" 32.4 px "', (64, 32)),
        ('width="1in" height="72pt"', (96, 96)),
        ('width="25.4mm" height="2.54cm"', (96, 96)),
        ('viewBox="0 0 24 12"', (24, 12)),
        ('viewBox="-5,-5, 24 , 12" width="100%" height="100%"', (24, 12)),
        ('viewBox="0 0 24 12" width="240"', (240, 120)),
        ('viewBox="0 0 24 12" height="240"', (480, 240)),
        ('viewBox="0 0 0 12"', (300, 150)),
        ('viewBox="a b c d" width="-3"', (300, 150)),
        ("", (300, 150)),
        ('width="50"', (50, 50)),
        ('width="999999999" height="1"', (LARGEST_EDGE, 1)),
        ('width="8192" height="4096"', (LARGEST_EDGE, 2048)),
        ('width="1e999" height="nan"', (300, 150)),
        (f'width="{"9" * 10_000}" height="9"', (9, 9)),
    ],
)
def test_the_size_follows_from_width_height_and_view_box_and_is_bounded(
    root: str, size: tuple[int, int]
) -> None:
    picture = read_picture(f'<svg xmlns="{SVG}" {root}/>'.encode())
    assert picture is not None
    assert (picture.width, picture.height) == size


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in {*FORBIDDEN, *TOO_MUCH, *BROKEN}])
def test_nothing_that_attacks_is_in_the_copy(name: str) -> None:
    copy = sanitise(ATTACKS[name])
    assert faults(copy) == []
    assert sanitise(copy) == copy


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_file_that_declares_anything_is_refused_and_nothing_is_expanded(name: str) -> None:
    with pytest.raises(DamagedImage, match="DOCTYPE"):
        sanitise(ATTACKS[name])


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_file_that_is_too_much_is_refused(name: str) -> None:
    with pytest.raises(Oversized):
        sanitise(ATTACKS[name])


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_xml_is_damaged(name: str) -> None:
    with pytest.raises(DamagedImage, match="XML"):
        sanitise(ATTACKS[name])


def test_what_draws_is_kept() -> None:
    inside = (
        '<defs><linearGradient id="g"><stop offset="0" stop-color="red"/></linearGradient></defs>'
        "<style>.a &gt; .b{fill:url(#g);stroke:#fff} @media (min-width:1px){.c{fill:blue}}</style>"
        '<g class="a" transform="translate(1,2) scale(2)" style="opacity:.5;fill:url(&quot;#g&quot;)">'
        '<path d="M0 0L9 9z"/><use xlink:href="#g"/><use href="#g"/></g>'
        f'<image href="{PNG_URL}" width="2" height="2"/><text xml:space="preserve">a &lt; b</text>'
    )
    copy = sanitise(svg(inside)).decode()
    for part in (
        *('<stop offset="0" stop-color="red">', ".a &gt; .b{fill:url(#g);stroke:#fff}", ".c{fill:blue}"),
        *('transform="translate(1,2) scale(2)"', 'style="opacity:.5;fill:url(#g)"', '<use xlink:href="#g">'),
        *('d="M0 0L9 9z"', '<use href="#g">', f'href="{PNG_URL}"', 'xml:space="preserve">a &lt; b</text>'),
    ):
        assert part in copy


def test_a_rule_that_loads_something_takes_no_other_rule_with_it() -> None:
    css = '@import "x.css"; .a{fill:red} @font-face{src:url(x)} .b{fill:url(x.svg#a)} @keyframes k{from{x:1}}'
    copy = sanitise(svg(f"<style>{css}</style>")).decode()
    assert ".a{fill:red}" in copy
    assert ".b{fill:none}" in copy
    assert "x.css" not in copy


@pytest.mark.parametrize(
    "data",
    [
        b"<!--" * 1_000_000,
        b"<!DOCTYPE" * 500_000,
        b" " * 5_000_000,
        b"<?" * 2_000_000,
        svg(f"<style>{'/*' * 1_000_000}</style>"),
        svg(f"<style>{'//**//*' * 500_000}</style>"),
        svg(f"<style>{'@' * 1_000_000}</style>"),
        svg(f"<style>{'url(' * 1_000_000}</style>"),
        svg(f'<g style="{"@import " * 200_000}"/>'),
    ],
)
@pytest.mark.timeout(20)
def test_no_file_takes_long(data: bytes) -> None:
    is_svg(data)
    if len(data) <= MAX_BYTES and is_svg(data):
        assert faults(sanitise(data)) == []


_NAMES = st.sampled_from(
    [
        "g",
        "script",
        "s:script",
        "style",
        "a",
        "use",
        "image",
        "set",
        "foreignObject",
        "h:img",
        "title",
        "svg",
        "rect",
    ]
)
_VALUES = st.one_of(
    st.sampled_from(
        [
            *(
                "#a",
                "url(#a)",
                "url(",
                "URL('//x",
                "javascript:a",
                "@import 'a';",
                "/*",
                "*/",
                "\\75rl(x)",
                PNG_URL,
            ),
            *(
                "a{fill:url(x)}",
                "@",
                ";",
                "{",
                "}",
                ")",
                "expression(",
                "image-set('x')",
                "\r\n",
                "\t",
                "&",
                "<",
                '"',
            ),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
)
_TEXTS = st.lists(_VALUES, max_size=6).map("".join)
_KEYS = st.sampled_from(
    ["style", "href", "xlink:href", "fill", "onload", "ONx", "id", "src", "d", "xml:base", "q:href"]
)


def _escaped(text: str) -> str:
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), ('"', "&quot;"), ("\r", "&#13;"), ("\t", "&#9;")):
        text = text.replace(mark, entity)
    return text.replace("\ufffe", "").replace("\uffff", "")


def _element(name: str, attributes: dict[str, str], inside: list[str]) -> str:
    written = "".join(f' {key}="{_escaped(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(inside)}</{name}>"


_TREES = st.recursive(
    _TEXTS.map(_escaped),
    lambda inner: st.builds(
        _element, _NAMES, st.dictionaries(_KEYS, _TEXTS, max_size=3), st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


@given(_TREES)
def test_a_copy_holds_nothing_forbidden_and_is_its_own_copy(inside: str) -> None:
    copy = sanitise(svg(inside, 'xmlns:q="urn:q"'))
    assert faults(copy) == []
    assert sanitise(copy) == copy


@given(st.binary(max_size=200))
def test_any_bytes_become_a_harmless_copy_or_a_refusal(data: bytes) -> None:
    for attempt in (data, b"<svg " + data, DRAWING[:60] + data, svg("")[:-6] + data + b"</svg>"):
        read_picture(attempt)
        try:
            copy = sanitise(attempt)
        except DamagedImage:
            continue
        assert faults(copy) == []
