"""The sandbox's pictures themselves."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from gpt_image_mcp.sandbox.drawing import Drawing, draw

DRAWING = Drawing(prompt="a paper boat", model="gpt-image-2", quality="high", width=640, height=480)


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _changed(**changes: object) -> Drawing:
    from dataclasses import replace

    return replace(DRAWING, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "another"},
        {"model": "gpt-image-2.5-flare"},
        {"quality": "low"},
        {"number": 2, "of": 2},
        {"blur": 40},
        {"transparent": True},
        {"output_format": "webp"},
    ],
)
def test_every_part_of_a_request_shows(changes: dict[str, object]) -> None:
    assert draw(_changed(**changes)) != draw(DRAWING)


@pytest.mark.parametrize("size", [(816, 816), (2016, 672), (672, 2016), (1536, 1024)])
def test_every_proportion_can_be_drawn(size: tuple[int, int]) -> None:
    image = _opened(draw(_changed(width=size[0], height=size[1], prompt="long words " * 80)))
    assert image.size == size


def test_compression_makes_a_smaller_file() -> None:
    best, worst = (draw(_changed(output_format="jpeg", output_compression=percent)) for percent in (100, 10))
    assert len(worst) < len(best)


def test_a_jpeg_has_no_transparency() -> None:
    assert _opened(draw(_changed(output_format="jpeg", transparent=True))).mode == "RGB"
