"""Pictures that are reduced and cut to a size to the pixel."""

from __future__ import annotations

import pytest
from PIL import Image

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.cutting import Cutting, cut_to
from gpt_image_mcp.imaging.source_type import AI_MADE, find_source_type
from gpt_image_mcp.values.pixels import Pixels
from tests.imaging.colours import is_near, opened, rgb_profile, saved, shown

RED, BLUE, GREEN = (220, 30, 30), (30, 30, 220), (30, 160, 30)


def _cut(image: Image.Image, size: tuple[int, int], output_format: str = "png", **saving: object) -> Cutting:
    data = saved(image, "PNG", **saving)
    return cut_to(data, Pixels(*size), output_format=output_format, quality=None, source_type=AI_MADE)


def _striped() -> Image.Image:
    """A green picture with a red stripe along its left edge and a blue one along its right."""
    image = Image.new("RGB", (300, 100), GREEN)
    image.paste(RED, (0, 0, 50, 100))
    image.paste(BLUE, (250, 0, 300, 100))
    return image


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", [(64, 64), (100, 100), (99, 31), (16, 48)])
def test_the_size_is_exact_and_the_file_is_labelled(output_format: str, size: tuple[int, int]) -> None:
    made = _cut(_striped(), size, output_format)
    with opened(made.data) as image:
        assert (image.size, image.format) == (size, output_format.upper())
    assert find_source_type(made.data) == AI_MADE
    assert (made.returned, made.is_enlarged) == (Pixels(300, 100), False)


def test_what_juts_out_is_cut_off_on_both_sides() -> None:
    made = _cut(_striped(), (100, 50))
    assert is_near(shown(made.data, (50, 25)), GREEN)
    # Of 300 pixels the middle 200 are left, so both stripes are gone.
    assert is_near(shown(made.data, (3, 25)), GREEN)
    assert is_near(shown(made.data, (96, 25)), GREEN)
    whole = _cut(_striped(), (150, 50))
    assert is_near(shown(whole.data, (3, 25)), RED)
    assert is_near(shown(whole.data, (146, 25)), BLUE)


def test_a_picture_that_is_too_small_is_enlarged_and_said_to_be() -> None:
    made = _cut(_striped(), (600, 200))
    assert made.is_enlarged
    with opened(made.data) as image:
        assert image.size == (600, 200)


def test_colours_of_clear_pixels_do_not_bleed_into_the_edge() -> None:
    image = Image.new("RGBA", (200, 200), (*BLUE, 0))
    image.paste((*RED, 255), (0, 0, 101, 200))
    with opened(_cut(image, (100, 100)).data) as made:
        assert made.mode == "RGBA"
        pixel = made.getpixel((50, 50))
        assert isinstance(pixel, tuple)
        assert 0 < pixel[3] < 255
        assert pixel[2] < pixel[0] / 4
        assert made.getchannel("A").getextrema() == (0, 255)
    with opened(_cut(image, (100, 100), "jpeg").data) as flat:
        assert flat.mode == "RGB"


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_the_colour_profile_stays(output_format: str) -> None:
    profile = rgb_profile()
    made = _cut(_striped(), (100, 50), output_format, icc_profile=profile)
    with opened(made.data) as image:
        assert image.info["icc_profile"] == profile


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
def test_the_quality_asked_for_is_kept(output_format: str) -> None:
    data = saved(Image.effect_noise((400, 400), 80).convert("RGB"), "PNG")
    sizes = [
        len(
            cut_to(
                data, Pixels(200, 200), output_format=output_format, quality=quality, source_type=AI_MADE
            ).data
        )
        for quality in (20, 60, None)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_what_cannot_be_cut_is_said() -> None:
    with pytest.raises(StorageFailed, match="64x64") as failure:
        cut_to(b"no picture", Pixels(64, 64), output_format="png", quality=None, source_type=AI_MADE)
    assert "as it was returned" in failure.value.next_step
