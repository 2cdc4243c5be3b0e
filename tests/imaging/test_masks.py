"""Masks in every convention, and images on wider canvases."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from gpt_image_mcp.errors import InputRejected
from gpt_image_mcp.imaging.masks import MAX_MASK_BYTES, EditMask, make_mask, place_on_canvas, read_mask

SIZE = (60, 40)
BOX = (10, 10, 29, 29)
OPAQUE_NOTE = "read as black and white: white is edited"


def png(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def transparent_in_box(size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.new("RGBA", size, (90, 120, 200, 255))
    ImageDraw.Draw(image).rectangle(BOX, fill=(0, 0, 0, 0))
    return image


def white_in_box(mode: str = "L", *, size: tuple[int, int] = SIZE, white: int = 255) -> Image.Image:
    image = Image.new(mode, size, 0)
    ImageDraw.Draw(image).rectangle(BOX, fill=white)
    return image


def expected() -> bytes:
    return white_in_box().tobytes()


def alpha_of(mask: EditMask) -> Image.Image:
    return Image.open(io.BytesIO(mask.file)).getchannel("A")


def test_the_file_that_is_sent_is_black_and_clear_exactly_where_the_edit_goes() -> None:
    mask = make_mask(white_in_box())
    sent = Image.open(io.BytesIO(mask.file))
    expected_pixels = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    expected_pixels.paste((0, 0, 0, 0), (*BOX[:2], BOX[2] + 1, BOX[3] + 1))
    assert (sent.mode, sent.tobytes()) == ("RGBA", expected_pixels.tobytes())
    kept = Image.open(io.BytesIO(mask.coverage))
    assert (kept.mode, kept.tobytes()) == ("L", expected())


def test_alpha_decides() -> None:
    coverage, notes = read_mask(png(transparent_in_box()), SIZE, source="m.png")
    assert coverage.tobytes() == expected()
    assert notes == ()


def test_alpha_decides_even_over_black_and_white() -> None:
    image = Image.new("LA", SIZE, (255, 255))
    image.paste((0, 0), (*BOX[:2], BOX[2] + 1, BOX[3] + 1))
    assert read_mask(png(image), SIZE, source="m.png")[0].tobytes() == expected()


def test_a_palette_with_a_transparent_colour_is_a_mask() -> None:
    palette = Image.new("P", SIZE, 1)
    palette.putpalette([0, 0, 0, 200, 40, 40])
    ImageDraw.Draw(palette).rectangle(BOX, fill=0)
    assert read_mask(png(palette, transparency=0), SIZE, source="m.png")[0].tobytes() == expected()


def test_soft_alpha_stays_soft() -> None:
    image = transparent_in_box()
    image.putpixel((40, 20), (0, 0, 0, 200))
    assert read_mask(png(image), SIZE, source="m.png")[0].getpixel((40, 20)) == 55


@pytest.mark.parametrize("mode", ["L", "1"])
def test_a_black_and_white_mask_is_edited_where_it_is_white(mode: str) -> None:
    coverage, notes = read_mask(png(white_in_box(mode)), SIZE, source="m.png")
    assert coverage.tobytes() == expected()
    assert OPAQUE_NOTE in notes[0]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_mask_without_transparent_pixels_is_read_as_black_and_white(mode: str) -> None:
    coverage, notes = read_mask(png(white_in_box().convert(mode)), SIZE, source="m.png")
    assert coverage.tobytes() == expected()
    assert OPAQUE_NOTE in notes[0]


def test_sixteen_bits_keep_dark_greys_dark() -> None:
    image = white_in_box("I;16", white=65535)
    image.putpixel((50, 30), 10_000)
    coverage, _ = read_mask(png(image), SIZE, source="m.png")
    assert coverage.getpixel((15, 15)) == 255
    assert coverage.getpixel((50, 30)) == 10_000 >> 8


def test_a_jpeg_mask_is_understood() -> None:
    stream = io.BytesIO()
    white_in_box().save(stream, "JPEG", quality=95)
    coverage, _ = read_mask(stream.getvalue(), SIZE, source="m.jpg")
    assert coverage.point([0] * 128 + [255] * 128).tobytes() == expected()


def test_the_orientation_of_a_mask_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = white_in_box().transpose(Image.Transpose.ROTATE_90)
    assert read_mask(png(turned, exif=exif), SIZE, source="m.png")[0].tobytes() == expected()


def test_an_opaque_photograph_is_no_mask() -> None:
    photo = Image.new("RGB", SIZE, (220, 40, 30))
    with pytest.raises(InputRejected, match=r"m\.png") as refusal:
        read_mask(png(photo), SIZE, source="m.png")
    assert "regions" in refusal.value.next_step


@pytest.mark.parametrize("size", [(120, 80), (30, 20), (600, 399)])
def test_a_mask_of_the_same_ratio_is_scaled_and_that_is_said(size: tuple[int, int]) -> None:
    mask = white_in_box().resize(size, Image.Resampling.NEAREST)
    coverage, notes = read_mask(png(mask), SIZE, source="m.png")
    assert coverage.size == SIZE
    assert coverage.getpixel((20, 20)) == 255
    assert coverage.getpixel((50, 35)) == 0
    assert f"scaled from {size[0]}x{size[1]} to image 1's size" in notes[-1]


@pytest.mark.parametrize("size", [(40, 60), (60, 60), (62, 40)])
def test_a_mask_of_another_ratio_is_refused_with_both_sizes(size: tuple[int, int]) -> None:
    mask = transparent_in_box(size)
    with pytest.raises(InputRejected, match=rf"m\.png .*{size[0]}x{size[1]}.*60x40"):
        read_mask(png(mask), SIZE, source="m.png")


@pytest.mark.parametrize("data", [b"", b"no image", png(transparent_in_box())[:-40]])
def test_what_is_no_whole_image_is_refused(data: bytes) -> None:
    with pytest.raises(InputRejected, match=r"m\.png"):
        read_mask(data, SIZE, source="m.png")


def test_a_damaged_mask_is_refused() -> None:
    data = bytearray(png(Image.effect_noise(SIZE, 90)))
    data[60:400] = bytes(340)
    with pytest.raises(InputRejected, match=r"m\.png"):
        read_mask(bytes(data), SIZE, source="m.png")


def test_a_mask_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    header = Image.new("1", (10_000, 9_000))
    with pytest.raises(InputRejected, match="10000x9000"):
        read_mask(png(header), SIZE, source="m.png")


def test_a_mask_with_nothing_to_edit_is_refused() -> None:
    with pytest.raises(InputRejected):
        make_mask(Image.new("L", SIZE, 127))


def test_a_mask_of_the_whole_image_is_noted() -> None:
    mask = make_mask(Image.new("L", SIZE, 128), notes=("first",))
    assert mask.notes == ("first", "The mask covers the whole image, so everything may change.")
    assert alpha_of(mask).getextrema() == (0, 0)


def test_a_mask_file_is_hard_and_its_coverage_soft() -> None:
    coverage = Image.linear_gradient("L")
    mask = make_mask(coverage)
    assert alpha_of(mask).getpixel((5, 127)) == 255
    assert alpha_of(mask).getpixel((5, 128)) == 0
    assert Image.open(io.BytesIO(mask.coverage)).tobytes() == coverage.tobytes()
    assert mask.notes == ()


def test_a_mask_of_noise_is_smoothed_until_it_is_small_enough() -> None:
    noise = Image.frombytes("L", (2400, 2400), random.Random(1).randbytes(2400 * 2400))  # noqa: S311 - no secret
    mask = make_mask(noise)
    assert len(mask.file) < MAX_MASK_BYTES
    assert alpha_of(mask).getextrema() == (0, 255)


@given(st.binary(min_size=48, max_size=48))
def test_black_and_white_and_alpha_say_the_same_in_opposite_values(values: bytes) -> None:
    grey = Image.frombytes("L", (8, 6), bytes(255 * (value > 127) for value in values))
    cut = Image.new("RGBA", grey.size, (9, 9, 9, 255))
    cut.putalpha(grey.point(lambda value: 255 - value))
    by_white, _ = read_mask(png(grey), grey.size, source="m")
    by_alpha, _ = read_mask(png(cut), grey.size, source="m")
    if grey.getextrema() != (0, 0):
        assert by_white.tobytes() == by_alpha.tobytes() == grey.tobytes()


@given(st.binary(min_size=48, max_size=48).filter(lambda values: 0 < sum(v > 127 for v in values) < 48))
def test_inverting_a_mask_file_inverts_its_coverage(values: bytes) -> None:
    alpha = Image.frombytes("L", (8, 6), bytes(255 * (value > 127) for value in values))
    cut, opposite = Image.new("RGBA", alpha.size), Image.new("RGBA", alpha.size)
    cut.putalpha(alpha)
    opposite.putalpha(alpha.point(lambda value: 255 - value))
    coverage, inverted = (read_mask(png(image), alpha.size, source="m")[0] for image in (cut, opposite))
    assert coverage.tobytes() == inverted.point(lambda value: 255 - value).tobytes()


@given(st.binary(min_size=48, max_size=48).filter(lambda values: max(values) > 127))
def test_a_mask_file_reads_back_as_itself(values: bytes) -> None:
    made = make_mask(Image.frombytes("L", (8, 6), values))
    coverage, _ = read_mask(made.file, (8, 6), source="m")
    assert make_mask(coverage).file == made.file


def test_an_image_is_placed_unscaled_in_the_middle_of_its_canvas() -> None:
    image = Image.effect_noise((40, 30), 90).convert("RGB")
    canvas, area = place_on_canvas(image, (60, 40), None, may_enlarge=False)
    assert (canvas.mode, canvas.size, area.size) == ("RGBA", (60, 40), (60, 40))
    assert canvas.crop((10, 5, 50, 35)).convert("RGB").tobytes() == image.tobytes()
    assert canvas.getpixel((0, 0)) == (0, 0, 0, 0)
    assert area.point(lambda value: 255 - value).getbbox() == (10, 5, 50, 35)


def test_a_larger_image_is_scaled_down_to_fit() -> None:
    _, area = place_on_canvas(Image.new("RGB", (400, 100)), (60, 40), None, may_enlarge=False)
    assert area.point(lambda value: 255 - value).getbbox() == (0, 12, 60, 27)


def test_a_line_that_would_vanish_keeps_one_pixel() -> None:
    _, area = place_on_canvas(Image.new("RGB", (400, 1)), (60, 40), None, may_enlarge=False)
    assert area.point(lambda value: 255 - value).getbbox() == (0, 19, 60, 20)


@pytest.mark.parametrize(
    ("size", "may_enlarge", "shown"), [((20, 20), True, 40), ((20, 20), False, 20), ((38, 38), True, 38)]
)
def test_only_a_much_smaller_image_is_enlarged_and_only_if_it_may_be(
    size: tuple[int, int], *, may_enlarge: bool, shown: int
) -> None:
    _, area = place_on_canvas(Image.new("RGB", size), (60, 40), None, may_enlarge=may_enlarge)
    box = area.point(lambda value: 255 - value).getbbox()
    assert box is not None
    assert (box[2] - box[0], box[3] - box[1]) == (shown, shown)


def test_what_was_to_be_edited_inside_the_image_moves_with_it() -> None:
    coverage = Image.new("L", (40, 30), 0)
    coverage.putpixel((0, 0), 255)
    _, area = place_on_canvas(Image.new("RGB", (40, 30)), (60, 40), coverage, may_enlarge=False)
    assert area.getpixel((10, 5)) == 255
    assert area.getpixel((11, 5)) == 0


_EDGES = st.integers(1, 120)


@given(size=st.tuples(_EDGES, _EDGES), canvas=st.tuples(_EDGES, _EDGES), may_enlarge=st.booleans())
def test_any_image_fits_on_any_canvas(
    size: tuple[int, int], canvas: tuple[int, int], *, may_enlarge: bool
) -> None:
    extended, area = place_on_canvas(Image.new("RGB", size), canvas, None, may_enlarge=may_enlarge)
    assert extended.size == area.size == canvas
    assert extended.getchannel("A").tobytes() == area.point(lambda value: 255 - value).tobytes()
    assert extended.getchannel("A").getbbox() is not None
