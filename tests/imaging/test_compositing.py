"""Original pixels back outside a mask, and how much had changed there."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.compositing import composite
from gpt_image_mcp.values.requests import Backdrop

if TYPE_CHECKING:
    from gpt_image_mcp.imaging.compositing import Composite

SIZE = (40, 20)
RED, BLUE = (200, 30, 30), (30, 30, 200)
FORMATS = {"png": "PNG", "webp": "WEBP", "jpeg": "JPEG"}


def file_of(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def left_half(size: tuple[int, int] = SIZE) -> Image.Image:
    """The coverage of an edit of the left half."""
    coverage = Image.new("L", size, 0)
    coverage.paste(255, (0, 0, size[0] // 2, size[1]))
    return coverage


def composited(
    original: Image.Image,
    edited: Image.Image,
    *,
    coverage: Image.Image | None = None,
    output_format: str = "png",
) -> Composite:
    area = coverage or left_half(original.size)
    backdrop = Backdrop(original=file_of(original), coverage=file_of(area))
    return composite(file_of(edited), backdrop, output_format=output_format)


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_the_edit_stays_inside_the_mask_and_the_original_outside(output_format: str) -> None:
    done = composited(Image.new("RGB", SIZE, RED), Image.new("RGB", SIZE, BLUE), output_format=output_format)
    image = opened(done.data)
    assert (image.format, image.mode, image.size) == (FORMATS[output_format], "RGB", SIZE)
    assert [image.getpixel((x, 5)) for x in (0, 19, 20, 39)] == [BLUE, BLUE, RED, RED]


def test_a_jpeg_comes_close_to_the_original() -> None:
    done = composited(Image.new("RGB", SIZE, RED), Image.new("RGB", SIZE, BLUE), output_format="jpeg")
    image = opened(done.data)
    assert image.format == "JPEG"
    pixel = image.getpixel((36, 5))
    assert isinstance(pixel, tuple)
    assert max(abs(value - wanted) for value, wanted in zip(pixel, RED, strict=True)) < 8


def test_clear_pixels_of_the_original_are_white_in_a_jpeg() -> None:
    clear = Image.new("RGBA", SIZE, (200, 30, 30, 0))
    image = opened(composited(clear, Image.new("RGB", SIZE, BLUE), output_format="jpeg").data)
    pixel = image.getpixel((36, 5))
    assert isinstance(pixel, tuple)
    assert min(pixel) > 247


def test_an_image_of_another_size_is_brought_to_the_originals() -> None:
    done = composited(Image.new("RGB", SIZE, RED), Image.new("RGB", (80, 48), BLUE))
    assert opened(done.data).size == SIZE
    assert opened(done.data).getpixel((5, 5)) == BLUE


def test_soft_coverage_mixes_both() -> None:
    done = composited(
        Image.new("RGB", SIZE, (0, 0, 0)),
        Image.new("RGB", SIZE, (250, 250, 250)),
        coverage=Image.new("L", SIZE, 51),
    )
    assert opened(done.data).getpixel((5, 5)) == (50, 50, 50)


def test_transparency_of_either_is_kept() -> None:
    clear = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    outside = opened(composited(clear, Image.new("RGB", SIZE, BLUE)).data)
    assert [outside.getpixel((x, 5)) for x in (0, 39)] == [(*BLUE, 255), (0, 0, 0, 0)]
    inside = opened(composited(Image.new("RGB", SIZE, BLUE), clear).data)
    assert [inside.getpixel((x, 5)) for x in (0, 39)] == [(0, 0, 0, 0), (*BLUE, 255)]


@pytest.mark.parametrize(
    ("edited", "share"),
    [
        (RED, 0.0),
        ((216, 30, 30), 0.0),  # at the limit of what counts as visible
        ((217, 30, 30), 1.0),
        ((200, 30, 13), 1.0),
    ],
)
def test_only_visible_changes_outside_the_mask_are_counted(
    edited: tuple[int, int, int], share: float
) -> None:
    assert composited(Image.new("RGB", SIZE, RED), Image.new("RGB", SIZE, edited)).changed_share == share


def test_the_share_is_of_the_pixels_outside_the_mask_alone() -> None:
    edited = Image.new("RGB", SIZE, RED)
    edited.paste(BLUE, (0, 0, 25, 20))
    assert composited(Image.new("RGB", SIZE, RED), edited).changed_share == 5 / 20


def test_nothing_outside_the_mask_means_nothing_changed() -> None:
    everything = Image.new("L", SIZE, 255)
    done = composited(Image.new("RGB", SIZE, RED), Image.new("RGB", SIZE, BLUE), coverage=everything)
    assert done.changed_share == 0.0


def test_another_colour_under_clear_pixels_is_no_change() -> None:
    original, edited = Image.new("RGBA", SIZE, (255, 255, 255, 0)), Image.new("RGBA", SIZE, (0, 0, 0, 0))
    assert composited(original, edited).changed_share == 0.0
    assert composited(original, Image.new("RGB", SIZE, RED)).changed_share == 1.0


@pytest.mark.parametrize("data", [b"", b"no image", file_of(Image.effect_noise((60, 60), 90))[:900]])
def test_a_file_that_cannot_be_decoded_is_a_failure_with_a_way_out(data: bytes) -> None:
    backdrop = Backdrop(original=file_of(Image.new("RGB", SIZE)), coverage=file_of(left_half()))
    with pytest.raises(StorageFailed):
        composite(data, backdrop, output_format="png")


def test_what_does_not_fit_together_is_an_error_of_ours() -> None:
    with pytest.raises(StorageFailed):
        composited(Image.new("RGB", SIZE), Image.new("RGB", SIZE), coverage=left_half((8, 8)))


def _noise(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    chance = random.Random(seed)  # noqa: S311 - pictures, not secrets
    return Image.frombytes(mode, size, chance.randbytes(size[0] * size[1] * len(mode)))


@given(
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    modes=st.tuples(st.sampled_from(("RGB", "RGBA")), st.sampled_from(("RGB", "RGBA"))),
    seed=st.integers(0, 2**32),
    output_format=st.sampled_from(("png", "webp")),
)
def test_where_nothing_was_to_be_edited_every_pixel_is_the_originals(
    size: tuple[int, int], modes: tuple[str, str], seed: int, output_format: str
) -> None:
    original, edited = _noise(modes[0], size, seed), _noise(modes[1], size, seed + 1)
    coverage = _noise("L", size, seed + 2).point([0] * 128 + list(range(128, 256)))
    done = composited(original, edited, coverage=coverage, output_format=output_format)
    kept = coverage.point([255] + [0] * 255)
    black = Image.new("RGBA", size)
    expected, found = (
        Image.composite(image.convert("RGBA"), black, kept).tobytes()
        for image in (original, opened(done.data))
    )
    assert found == expected
    assert 0 <= done.changed_share <= 1
