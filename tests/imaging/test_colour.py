"""Colours and transparency on every path that writes pixels: what is seen stays what it was."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.imaging import colour
from gpt_image_mcp.imaging.compositing import composite
from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.normalise import decode_input, normalise
from gpt_image_mcp.imaging.previews import View, make_preview, thumbnail
from gpt_image_mcp.values.requests import Backdrop
from tests.imaging.colours import (
    alpha_at,
    cmyk_profile,
    grey_profile,
    is_near,
    opened,
    png,
    rgb_profile,
    saved,
    shown,
    srgb_profile,
    with_tag,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (40, 20)
LEFT, RIGHT = (4, 4), (36, 4)
PALE, GREEN = (190, 120, 90), (40, 160, 60)
FORMATS = ("png", "webp", "jpeg")
P3 = rgb_profile()
PROFILES = (b"", P3, rgb_profile("swapped"), srgb_profile(), grey_profile(1.8), cmyk_profile())


def _halves(left: Any, right: Any, mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, SIZE, left)
    image.paste(right, (SIZE[0] // 2, 0, *SIZE))
    return image


def _composed(original: bytes, edited: bytes, output_format: str = "png") -> bytes:
    """The edit on the left, the original on the right."""
    backdrop = Backdrop(original=original, coverage=saved(_halves(255, 0, "L")))
    return composite(edited, backdrop, output_format=output_format).data


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("profile", [P3, rgb_profile("swapped"), srgb_profile()])
def test_a_composite_shows_the_original_as_its_profile_says_and_the_edit_in_its_own_colours(
    profile: bytes, output_format: str
) -> None:
    original = saved(Image.new("RGB", SIZE, PALE), icc_profile=profile)
    done = _composed(original, saved(Image.new("RGB", SIZE, GREEN)), output_format)
    assert is_near(shown(done, RIGHT), shown(original, RIGHT))
    assert is_near(shown(done, LEFT), GREEN)
    assert opened(done).info["icc_profile"] == profile


def test_outside_the_mask_a_wide_colour_stays_wide() -> None:
    """The strongest green of Display P3 has no equal in sRGB, so only the profile itself can keep it."""
    original = saved(Image.new("RGB", SIZE, (0, 255, 0)), icc_profile=P3)
    done = opened(_composed(original, saved(Image.new("RGB", SIZE, GREEN))))
    assert (done.getpixel(RIGHT), done.info["icc_profile"]) == ((0, 255, 0), P3)


def test_an_edit_with_a_profile_is_brought_to_an_original_without() -> None:
    edited = saved(Image.new("RGB", SIZE, PALE), icc_profile=P3)
    done = _composed(saved(Image.new("RGB", SIZE, GREEN)), edited)
    assert is_near(shown(done, LEFT), shown(edited, LEFT))
    assert opened(done).getpixel(RIGHT) == GREEN


def test_a_profile_alone_is_no_change_outside_the_mask() -> None:
    original = saved(Image.new("RGB", SIZE, PALE), icc_profile=P3)
    edited = saved(Image.new("RGB", SIZE, shown(original, LEFT)))
    backdrop = Backdrop(original=original, coverage=saved(_halves(255, 0, "L")))
    assert composite(edited, backdrop, output_format="png").changed_share == 0.0


@pytest.mark.parametrize(
    "broken", [P3[:200], b"x" * 300, cmyk_profile(), srgb_profile().replace(b"RGB ", b"Lab ", 1)]
)
def test_a_profile_that_cannot_be_applied_is_left_out(broken: bytes) -> None:
    original = saved(Image.new("RGB", SIZE, PALE), icc_profile=broken)
    done = opened(_composed(original, saved(Image.new("RGB", SIZE, GREEN))))
    assert done.getpixel(RIGHT) == PALE
    assert "icc_profile" not in done.info


@pytest.mark.timeout(60)
@pytest.mark.parametrize("tag", [b"D2B0", b"D2B1", b"D2B3", b"B2D0", b"A2B0"])
def test_a_profile_that_does_a_step_a_hundred_thousand_times_is_left_out(tag: bytes) -> None:
    steps = 100_000
    matrix = b"matf" + struct.pack(">4xHH12f", 3, 3, *(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0))
    body = (
        b"mpet" + struct.pack(">4xHHI", 3, 3, steps) + struct.pack(">II", 16 + 8 * steps, len(matrix)) * steps
    )
    endless = with_tag(P3, tag, body + matrix)
    photo = saved(Image.new("RGB", SIZE, PALE), "TIFF", icc_profile=endless)
    assert decode(photo).profile == b""
    assert is_near(shown(thumbnail(photo, 64), (1, 1)), PALE)


def test_a_profile_of_many_megabytes_is_left_out() -> None:
    padded = P3 + b"\0" * 12_000_000
    assert decode(saved(Image.new("RGB", SIZE, PALE), "TIFF", icc_profile=padded)).profile == b""


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_print_colours_become_srgb_by_their_profile(kind: str) -> None:
    ink = saved(Image.new("CMYK", SIZE, (255, 0, 0, 0)), kind, icc_profile=cmyk_profile())
    sent = normalise(ink, source="photo", is_first=True).data
    red, green, blue = shown(sent, RIGHT)
    assert max(red, green, blue) - min(red, green, blue) < 12, "without the profile it would be cyan"
    assert colour.is_srgb(opened(sent).info["icc_profile"])
    assert is_near(shown(_composed(ink, saved(Image.new("RGB", SIZE, GREEN))), RIGHT), (red, green, blue))


def test_print_colours_without_a_profile_become_the_usual_ones() -> None:
    ink = saved(Image.new("CMYK", SIZE, (255, 0, 0, 0)), "TIFF")
    assert shown(normalise(ink, source="photo", is_first=True).data, RIGHT) == (0, 255, 255)


@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize(("gamma", "level"), [(1.0, 168), (2.2, 100), (3.0, 69)])
def test_grey_becomes_srgb_by_its_profile(mode: str, gamma: float, level: int) -> None:
    data = saved(Image.new("L", SIZE, 100).convert(mode), icc_profile=grey_profile(gamma))
    for made in (
        normalise(data, source="photo", is_first=True).data,
        _composed(data, saved(Image.new("RGB", SIZE, GREEN))),
    ):
        assert is_near(shown(made, RIGHT), (level, level, level))
        assert "icc_profile" in opened(made).info


def test_grey_with_a_profile_for_colours_keeps_both() -> None:
    data = saved(Image.new("L", SIZE, 100), icc_profile=P3)
    sent = normalise(data, source="photo", is_first=True).data
    assert opened(sent).info["icc_profile"] == P3
    assert opened(sent).getpixel(RIGHT) == (100, 100, 100)


@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_sixteen_bits_of_grey_follow_their_profile_too(gamma: float) -> None:
    image = Image.new("I;16", SIZE, 100 * 257)
    sent = normalise(saved(image, icc_profile=grey_profile(gamma)), source="photo", is_first=True).data
    level = {1.0: 168, 2.2: 100}[gamma]
    assert is_near(shown(sent, RIGHT), (level, level, level))


def _keyed(mode: str, left: Any, right: Any, key: Any) -> bytes:
    return saved(_halves(left, right, mode), transparency=key)


def _palette() -> Image.Image:
    image = _halves(1, 2, "P")
    image.putpalette(_PALETTE)
    return image


def _rows(left: bytes, right: bytes) -> bytes:
    return (b"\0" + left * (SIZE[0] // 2) + right * (SIZE[0] // 2)) * SIZE[1]


_RED_16, _GREY_16 = struct.pack(">3H", 0xC801, 0x1402, 0x1403), struct.pack(">H", 0x6455)
# Each is opaque on the left and transparent on the right.
_PALETTE = [0, 0, 0, *PALE, *GREEN, 9, 9, 9]
TRANSPARENT: dict[str, Callable[[], bytes]] = {
    "RGBA": lambda: saved(_halves((*PALE, 255), (*GREEN, 0), "RGBA")),
    "LA": lambda: saved(_halves((90, 255), (60, 0), "LA")),
    "PA": lambda: saved(_halves((*PALE, 255), (*GREEN, 0), "RGBA").quantize(4)),
    "palette with an index": lambda: saved(_palette(), transparency=2),
    "palette with an alpha for each": lambda: saved(_palette(), transparency=b"\xff\xff\x00"),
    "RGB with a colour key": lambda: _keyed("RGB", PALE, GREEN, GREEN),
    "L with a key": lambda: _keyed("L", 90, 60, 60),
    "1 with a key": lambda: _keyed("1", 0, 255, 1),
    "2 bits with a key": lambda: png(
        SIZE, depth=2, colour=0, rows=(b"\0" + b"\x55" * 5 + b"\xaa" * 5) * SIZE[1], transparent=b"\0\x02"
    ),
    "4 bits with a key": lambda: png(
        SIZE, depth=4, colour=0, rows=(b"\0" + b"\x33" * 10 + b"\x99" * 10) * SIZE[1], transparent=b"\0\x09"
    ),
    "16 bits of grey with a key": lambda: png(
        SIZE, depth=16, colour=0, rows=_rows(b"\x20\x00", _GREY_16), transparent=_GREY_16
    ),
    "16 bits of colour with a key": lambda: png(
        SIZE, depth=16, colour=2, rows=_rows(b"\x20\x00" * 3, _RED_16), transparent=_RED_16
    ),
    "16 bits of grey and alpha": lambda: png(
        SIZE, depth=16, colour=4, rows=_rows(b"\x20\x00\xff\xff", b"\x20\x00\x00\x00")
    ),
    "16 bits of colour and alpha": lambda: png(
        SIZE, depth=16, colour=6, rows=_rows(b"\x20\x00" * 3 + b"\xff\xff", _RED_16 + b"\0\0")
    ),
    "GIF": lambda: saved(_palette(), "GIF", transparency=2),
    "TIFF": lambda: saved(_halves((*PALE, 255), (*GREEN, 0), "RGBA"), "TIFF"),
    "WebP": lambda: saved(_halves((*PALE, 255), (*GREEN, 0), "RGBA"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("form", TRANSPARENT)
def test_every_form_of_transparency_is_kept_on_every_path(form: str) -> None:
    data = TRANSPARENT[form]()
    backdrop = Backdrop(original=data, coverage=saved(Image.new("L", SIZE, 0)))
    view = View(max_bytes=100_000, max_edge=400, format="webp")
    written = {
        "upload": normalise(data, source="photo", is_first=True).data,
        **{
            f"composite as {kind}": composite(
                saved(Image.new("RGB", SIZE)), backdrop, output_format=kind
            ).data
            for kind in ("png", "webp")
        },
        "export": saved(decode_input(data, source="photo").image),
        "preview": make_preview(data, view).data,
        "thumbnail": thumbnail(data, 400),
    }
    wanted = (255, 0)
    assert {
        name: tuple(alpha_at(made, at) for at in (LEFT, RIGHT)) for name, made in written.items()
    } == dict.fromkeys(written, wanted)


@pytest.mark.parametrize("form", TRANSPARENT)
def test_a_later_image_shows_paper_where_it_was_transparent(form: str) -> None:
    sent = normalise(TRANSPARENT[form](), source="photo", is_first=False).data
    assert opened(sent).mode == "RGB"
    assert shown(sent, RIGHT) in {(255, 255, 255), (64, 64, 64)}


def test_a_colour_key_is_found_before_the_colours_are_converted() -> None:
    data = saved(_halves(PALE, GREEN), icc_profile=P3, transparency=GREEN)
    decoded = decode_input(data, source="photo")
    assert decoded.image.getchannel("A").getpixel(RIGHT) == 0
    assert is_near(shown(saved(decoded.image), LEFT), shown(data, LEFT))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_previews_show_the_colours_of_the_profile(kind: str) -> None:
    data = saved(Image.new("RGB", SIZE, PALE), kind, icc_profile=P3)
    for seen in (make_preview(data, View(max_bytes=90_000, max_edge=400)).data, thumbnail(data, 400)):
        assert "icc_profile" not in opened(seen).info
        assert is_near(shown(seen, RIGHT), shown(data, RIGHT), 6)


@given(
    mode=st.sampled_from(("RGB", "RGBA", "L", "LA", "P", "CMYK")),
    kind=st.sampled_from(("PNG", "TIFF", "WEBP", "JPEG", "AVIF")),
    profile=st.sampled_from(PROFILES),
    pixel=st.tuples(*[st.integers(0, 255)] * 3),
    output_format=st.sampled_from(FORMATS),
)
def test_a_composite_that_edits_nothing_looks_like_what_was_uploaded(
    mode: str, kind: str, profile: bytes, pixel: tuple[int, int, int], output_format: str
) -> None:
    image = Image.new("RGB", SIZE, pixel)
    image = image.quantize(4) if mode == "P" else image.convert(mode)  # which would dither
    try:
        data = saved(image, kind, icc_profile=profile)
    except (OSError, ValueError):
        return  # a format that has no such mode
    uploaded = normalise(data, source="photo", is_first=True).data
    backdrop = Backdrop(original=uploaded, coverage=saved(Image.new("L", SIZE, 0)))
    done = composite(saved(Image.new("RGB", SIZE)), backdrop, output_format=output_format).data
    assert is_near(shown(done, RIGHT), shown(uploaded, RIGHT), 6)
    exported = decode_input(data, source="photo").image
    assert is_near(shown(saved(exported), RIGHT), shown(uploaded, RIGHT), 6)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pixels_in_rgb_are_not_touched_by_decoding(mode: str) -> None:
    data = saved(Image.effect_noise(SIZE, 90).convert(mode), icc_profile=P3)
    assert decode(data).image.tobytes() == opened(data).tobytes()
