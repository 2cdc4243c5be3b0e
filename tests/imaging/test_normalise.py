"""What goes up untouched, what is converted and into what, and what is refused."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import sys
import zlib
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gpt_image_mcp.errors import InputRejected
from gpt_image_mcp.imaging.decoding import decode
from gpt_image_mcp.imaging.formats import read_picture
from gpt_image_mcp.imaging.limits import MAX_PIXELS
from gpt_image_mcp.imaging.normalise import normalise

if TYPE_CHECKING:
    from gpt_image_mcp.imaging.normalise import Normalised

SIZE = (36, 24)
ORIENTATION = 0x0112
RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)
# Where the red corner of a picture must lie, for the camera to have meant it at the top left.
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _scene(mode: str = "RGB") -> Image.Image:
    """A green picture with a red quarter at the top left."""
    image = Image.new("RGB", SIZE, GREEN)
    image.paste(RED, (0, 0, SIZE[0] // 2, SIZE[1] // 2))
    return image.convert(mode)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _animation(kind: str) -> bytes:
    others = [Image.new("RGB", SIZE, BLUE), Image.new("RGB", SIZE, GREEN)]
    return _saved(_scene(), kind, save_all=True, append_images=others)


def _heic(image: Image.Image, **options: Any) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, **options)
    return stream.getvalue()


def _profile() -> bytes:
    """An ICC profile of RGB colours."""
    return ImageCms.ImageCmsProfile(cast("Any", ImageCms).createProfile("sRGB")).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, depth: int, colour: int, pixels: bytes) -> bytes:
    """A PNG of a kind that Pillow does not write, or of a false size."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(pixels)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _made(data: bytes, *, is_first: bool = True) -> Normalised:
    return normalise(data, source="photo", is_first=is_first)


def _opened(converted: Normalised) -> Image.Image:
    """The result, after a look at whether its description is true."""
    picture = read_picture(converted.data)
    assert picture is not None
    assert picture == converted.picture
    assert picture.format in {"png", "jpeg", "webp"}
    image = Image.open(io.BytesIO(converted.data))
    image.load()
    assert image.size == (picture.width, picture.height)
    assert image.mode in {"RGB", "RGBA"}
    assert getattr(image, "n_frames", 1) == 1
    return image


def _is_near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    pixel = image.convert("RGB").getpixel(at)
    assert isinstance(pixel, tuple)
    return all(abs(found - wanted) < 30 for found, wanted in zip(pixel, colour, strict=True))


def _refusal(data: bytes) -> InputRejected:
    with pytest.raises(InputRejected) as caught:
        _made(data)
    assert "photo" in caught.value.message
    assert caught.value.next_step
    return caught.value


UNTOUCHED = {
    "png": _saved(_scene(), "PNG"),
    "png with alpha": _saved(_scene("RGBA"), "PNG"),
    "png with text": _saved(_scene(), "PNG", dpi=(72, 72)) + b"\n",
    "jpeg": _saved(_scene(), "JPEG"),
    "progressive jpeg": _saved(_scene(), "JPEG", progressive=True),
    "jpeg with exif": _saved(_scene(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "webp": _saved(_scene(), "WEBP"),
    "lossless webp": _saved(_scene("RGBA"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_what_the_api_takes_goes_up_byte_for_byte(kind: str) -> None:
    converted = _made(UNTOUCHED[kind])
    assert converted.data == UNTOUCHED[kind]
    assert converted.notes == ()
    assert (converted.picture.width, converted.picture.height) == SIZE


@pytest.mark.parametrize("trailer", [b"\0" * 5000, b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40])
def test_a_photo_with_a_film_behind_its_end_goes_up_byte_for_byte(trailer: bytes) -> None:
    assert _made(UNTOUCHED["jpeg"] + trailer).data == UNTOUCHED["jpeg"] + trailer


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "AVIF"])
def test_other_formats_are_converted_with_a_note(kind: str) -> None:
    converted = _made(_saved(_scene(), kind))
    image = _opened(converted)
    assert image.size == SIZE
    assert _is_near(image, (2, 2), RED)
    assert _is_near(image, (30, 20), GREEN)
    assert len(converted.notes) == 1
    assert f"photo was converted: {kind.lower()} is not a format of the API" in converted.notes[0]


def test_heic_is_converted_to_jpeg() -> None:
    converted = _made(_heic(_scene()))
    assert converted.picture.format == "jpeg"
    assert _is_near(_opened(converted), (2, 2), RED)
    assert "heic is not a format of the API" in converted.notes[0]


def test_without_its_package_heic_is_refused_with_the_name_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = _heic(_scene())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    assert "pillow-heif" in _refusal(data).message


def test_of_a_jpeg_of_several_pictures_the_first_is_sent() -> None:
    converted = _made(_animation("MPO"))
    image = _opened(converted)
    assert converted.picture.format == "jpeg"
    assert image.format == "JPEG"
    assert _is_near(image, (2, 2), RED)
    assert "several pictures" in converted.notes[0]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_of_several_frames_the_first_is_sent(kind: str) -> None:
    converted = _made(_animation(kind))
    assert _is_near(_opened(converted), (2, 2), RED)
    assert "several frames, of which the first is used" in converted.notes[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_orientation_of_the_camera_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    converted = _made(_saved(_scene().transpose(TURNED[orientation]), kind, exif=exif))
    image = _opened(converted)
    assert image.size == SIZE
    assert _is_near(image, (2, 2), RED)
    assert _is_near(image, (30, 20), GREEN)
    assert image.getexif().get(ORIENTATION, 1) == 1
    assert "its orientation was applied" in converted.notes[0]


@pytest.mark.parametrize("orientation", [0, 1, 9, 60_000])
def test_an_upright_or_senseless_orientation_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = _saved(_scene(), "JPEG", exif=exif)
    assert _made(data).data == data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("head", [b"", b"Exif\0\0", b"Exif\0\0Exif\0\0"])
def test_an_orientation_is_read_in_each_way_that_programs_write_it(
    order: str, kind: int, head: bytes
) -> None:
    value = struct.pack(f"{order}H2x" if kind == 3 else f"{order}I", 6)
    maker = struct.pack(f"{order}HHI4s", 0x010F, 2, 2, b"A")
    names = maker + struct.pack(f"{order}HHI", ORIENTATION, kind, 1)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = head + mark + struct.pack(f"{order}IH", 8, 2) + names + value + bytes(4)
    assert decode(_saved(_scene(), "WEBP", exif=exif)).image.size == SIZE[::-1]


@pytest.mark.parametrize("written", [b'tiff:Orientation="6"', b"<tiff:Orientation>6</tiff:Orientation>"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_an_orientation_that_only_xmp_names_is_applied(kind: str, written: bytes) -> None:
    assert decode(_saved(_scene(), kind, xmp=b"<x:xmpmeta>%b</x:xmpmeta>" % written)).image.size == SIZE[::-1]


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0"])
def test_a_photo_whose_camera_data_are_nonsense_is_taken_as_it_is(exif: bytes) -> None:
    data = _saved(_scene(), "JPEG", exif=exif)
    assert _made(data).data == data


def test_camera_data_that_cannot_be_read_at_all_change_nothing() -> None:
    data = _saved(_scene(), "WEBP", exif=b"garbage")
    assert _made(data).data == data


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("CMYK", "TIFF"),
    ],
)
def test_other_colour_modes_become_rgb_and_keep_their_looks(mode: str, kind: str) -> None:
    converted = _made(_saved(_scene(mode), kind))
    image = _opened(converted)
    assert image.mode == "RGB"
    assert f"its colour mode was {mode}" in converted.notes[0]
    before, after = _scene(mode).convert("L"), image.convert("L")
    for at in ((2, 2), (30, 20)):
        found, wanted = after.getpixel(at), before.getpixel(at)
        assert isinstance(found, int | float)
        assert isinstance(wanted, int | float)
        assert abs(found - wanted) < 30


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (6, 4)])
def test_sixteen_bits_a_channel_become_eight(colour: int, channels: int) -> None:
    row = b"\0" + struct.pack(">H", 0x8040) * channels * 4
    converted = _made(_png(4, 3, 16, colour, row * 3))
    image = _opened(converted)
    assert converted.data[24] == 8
    assert _is_near(image, (1, 1), (128, 128, 128))
    assert "it had 16 bits a channel" in converted.notes[0]


@pytest.mark.parametrize(("highest", "expected"), [(65535, 255), (32768, 128), (200, 1)])
def test_sixteen_bit_grey_keeps_its_brightness(highest: int, expected: int) -> None:
    row = b"\0" + struct.pack(">H", highest) * 4
    image = _opened(_made(_png(4, 3, 16, 0, row * 3)))
    assert _is_near(image, (1, 1), (expected, expected, expected)) is True
    assert abs(image.convert("L").getextrema()[1] - expected) <= 1  # type: ignore[operator]


@pytest.mark.parametrize(("mode", "full"), [("F", 1.0), ("F", 255.0), ("I", 65535)])
def test_the_range_of_a_scientific_image_becomes_black_to_white(mode: str, full: float) -> None:
    image = Image.new(mode, SIZE, 0)
    image.paste(full, (0, 0, 18, 24))
    made = _opened(_made(_saved(image, "TIFF")))
    assert made.convert("L").getextrema() == (0, 255)


def test_the_first_image_keeps_its_transparency() -> None:
    image = _scene("RGBA")
    image.putalpha(128)
    assert _opened(_made(_saved(image, "TIFF"))).getchannel("A").getextrema() == (128, 128)


def test_a_later_image_loses_its_transparency_with_a_note() -> None:
    image = _scene("RGBA")
    image.putalpha(Image.new("L", SIZE, 0))
    image.paste((*RED, 255), (0, 0, 6, 6))
    converted = _made(_saved(image, "PNG"), is_first=False)
    made = _opened(converted)
    assert made.mode == "RGB"
    assert _is_near(made, (2, 2), RED)
    assert _is_near(made, (30, 20), (255, 255, 255))
    assert "only the first image may be transparent" in converted.notes[0]


@pytest.mark.parametrize("shade", [250, 5])
def test_what_is_visible_stays_visible_on_the_new_background(shade: int) -> None:
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image.paste((shade, shade, shade, 255), (0, 0, 6, 6))
    made = _opened(_made(_saved(image, "PNG"), is_first=False)).convert("L")
    thing, ground = made.getpixel((2, 2)), made.getpixel((30, 20))
    assert abs(thing - ground) > 100  # type: ignore[operator]


def test_a_wholly_transparent_later_image_becomes_white_paper() -> None:
    made = _opened(_made(_saved(Image.new("RGBA", SIZE), "PNG"), is_first=False))
    assert made.getextrema() == ((255, 255), (255, 255), (255, 255))


def test_the_colour_profile_survives_a_conversion() -> None:
    profile = _profile()  # made once: it carries the second in which it is made
    for data in (_heic(_scene(), icc_profile=profile), _saved(_scene(), "AVIF", icc_profile=profile)):
        assert _opened(_made(data)).info["icc_profile"] == profile


def test_the_profile_of_another_colour_space_is_left_out() -> None:
    profile = _profile().replace(b"RGB ", b"CMYK", 1)
    data = _saved(_scene("CMYK"), "JPEG", icc_profile=profile)
    assert "icc_profile" not in _opened(_made(data)).info


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "0 bytes"),
        (b"hello, I am a picture", "text, 21 bytes"),
        (b"  <svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><p>404", "HTML"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\1\2\3" * 9, "unknown"),
    ],
)
def test_what_is_no_image_is_refused_with_what_it_looks_like(data: bytes, named: str) -> None:
    error = _refusal(data)
    assert error.code == "input_rejected"
    assert named in error.message


@pytest.mark.parametrize(
    ("start", "name"),
    [
        *((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF89a", "gif"), (b"II*\0", "tiff")),
        *((b"BM", "bmp"), (b"RIFF\0\0\0\0WEBP", "webp"), (b"\0\0\0\x1cftypavif", "avif")),
    ],
)
def test_a_file_of_which_only_the_start_is_left_is_refused_by_the_name_of_its_format(
    start: bytes, name: str
) -> None:
    assert name in _refusal(start).message


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (MAX_PIXELS + 1, 1)])
def test_a_decompression_bomb_is_refused_with_its_numbers(width: int, height: int) -> None:
    error = _refusal(_png(width, height, 8, 2, b""))
    assert f"{width}x{height}" in error.message
    assert "89,478,485" in error.message


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_a_file_that_breaks_off_is_refused(kind: str, share: float) -> None:
    noise = Image.effect_noise((300, 200), 90).convert("RGB")
    data = _saved(noise, kind)
    error = _refusal(data[: int(len(data) * share)])
    assert kind in error.message


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "AVIF", "MPO"])
def test_a_file_to_be_converted_that_breaks_off_is_refused(kind: str) -> None:
    data = _saved(Image.effect_noise((300, 200), 90).convert("RGB"), kind)
    assert _refusal(data[: len(data) // 2]).code == "input_rejected"


def test_a_png_with_a_flipped_bit_is_refused_as_damaged() -> None:
    data = bytearray(_saved(Image.effect_noise((64, 64), 90).convert("RGB"), "PNG"))
    data[len(data) // 2] ^= 1
    assert _refusal(bytes(data)).code == "input_rejected"


def test_what_is_over_fifty_megabytes_after_conversion_is_refused_with_the_number() -> None:
    # Noise, which does not compress, and wider than WebP allows.
    size = (18_000, 950)
    noise = random.Random(1).randbytes(size[0] * size[1] * 3)  # noqa: S311 - noise, not secrets
    data = _saved(Image.frombytes("RGB", size, noise), "BMP")
    error = _refusal(data)
    assert all(number in error.message for number in ("51 MB", "50"))


FRAGILE = {
    **UNTOUCHED,
    **{kind: _saved(_scene(), kind) for kind in ("GIF", "BMP", "TIFF", "AVIF")},
    **{f"animated {kind}": _animation(kind) for kind in ("GIF", "PNG", "WEBP", "TIFF", "MPO")},
}


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
@settings(max_examples=300)
@given(
    st.sampled_from(list(FRAGILE)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.data(),
)
def test_a_damaged_file_is_made_acceptable_or_refused(
    kind: str, damage: list[tuple[float, int]], data: st.DataObject
) -> None:
    broken = bytearray(FRAGILE[kind])
    for place, value in damage:
        # More of the damage goes to the beginning, where the structure is.
        broken[int(place * place * (len(broken) - 1))] = value
    with contextlib.suppress(InputRejected):
        converted = normalise(bytes(broken), source="photo", is_first=data.draw(st.booleans()))
        assert converted.picture == read_picture(converted.data)
