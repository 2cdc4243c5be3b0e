"""The sandbox's pictures themselves."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops

from gpt_image_mcp.openai_api.sandbox.drawing import Drawing, draw, draw_edit
from gpt_image_mcp.openai_api.sandbox.failures import FALSE_TRANSPARENCY

DRAWING = Drawing(prompt="a paper boat", model="gpt-image-2", quality="high", width=640, height=480)


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def _changed(**changes: object) -> Drawing:
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


def _file(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _mask(box: tuple[int, int, int, int], size: tuple[int, int] = (640, 480)) -> bytes:
    """A mask that is to be edited inside a box."""
    image = Image.new("RGBA", size, (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), box)
    return _file(image)


PHOTO = _file(Image.effect_noise((640, 480), 60).convert("RGB"))
WHOLE = (0, 0, 640, 480)


def _difference(first: bytes, second: bytes) -> Image.Image:
    return ImageChops.difference(_opened(first).convert("RGB"), _opened(second).convert("RGB"))


def test_the_same_edit_gives_the_same_bytes() -> None:
    assert draw_edit(DRAWING, [PHOTO], _mask(WHOLE)) == draw_edit(DRAWING, [PHOTO], _mask(WHOLE))


@pytest.mark.parametrize("mask", [None, _mask((100, 100, 400, 300))])
@pytest.mark.parametrize("changes", [{"prompt": "another"}, {"number": 2, "of": 2}, {"blur": 40}])
def test_every_part_of_an_edit_shows(mask: bytes | None, changes: dict[str, object]) -> None:
    assert draw_edit(_changed(**changes), [PHOTO], mask) != draw_edit(DRAWING, [PHOTO], mask)


def test_what_is_new_stays_inside_the_mask() -> None:
    box = (100, 100, 400, 300)
    first, other = (draw_edit(_changed(prompt=prompt), [PHOTO], _mask(box)) for prompt in ("a", "b"))
    assert _difference(first, other).getbbox() == box
    untouched = draw_edit(DRAWING, [PHOTO], _mask((0, 0, 0, 0)))
    assert _difference(untouched, first).getbbox() == box


@pytest.mark.parametrize("box", [(5, 5, 6, 6), (300, 0, 301, 480), (0, 200, 640, 201), (0, 0, 40, 30)])
def test_even_a_tiny_or_thin_area_is_filled(box: tuple[int, int, int, int]) -> None:
    untouched = draw_edit(DRAWING, [PHOTO], _mask((0, 0, 0, 0)))
    assert _difference(untouched, draw_edit(DRAWING, [PHOTO], _mask(box))).getbbox() == box


@pytest.mark.parametrize("box", [(0, 0, 1, 3840), (0, 0, 3840, 1)])
def test_a_strip_of_one_pixel_needs_no_huge_drawing(box: tuple[int, int, int, int]) -> None:
    size = (max(box[2], 16), max(box[3], 16))
    photo = _file(Image.new("RGB", size))
    drawing = _changed(width=size[0], height=size[1])
    assert _opened(draw_edit(drawing, [photo], _mask(box, size))).size == size


def test_an_edit_without_a_mask_changes_everything_and_keeps_a_trace() -> None:
    white, black = (
        draw_edit(DRAWING, [_file(Image.new("RGB", (640, 480), colour))], None)
        for colour in ("white", "black")
    )
    assert _difference(white, draw(DRAWING)).getbbox() is not None
    assert _opened(white).convert("L").getpixel((5, 5)) > _opened(black).convert("L").getpixel((5, 5))  # type: ignore[operator]


def test_an_input_of_another_size_is_brought_to_that_of_the_edit() -> None:
    small = _file(Image.new("RGB", (64, 64), "red"))
    assert _opened(draw_edit(DRAWING, [small], _mask((0, 0, 32, 64), (64, 64)))).size == (640, 480)


def test_more_references_than_fit_along_the_edge_are_no_problem() -> None:
    images = [PHOTO] * 16
    assert _opened(draw_edit(DRAWING, images, None)).size == (640, 480)


def test_a_transparent_edit_clears_what_is_not_the_subject() -> None:
    alpha = _opened(draw_edit(_changed(transparent=True), [PHOTO], None)).getchannel("A")
    assert alpha.histogram()[0] > 640 * 480 / 10
    assert alpha.histogram()[255] > 640 * 480 / 10


def test_a_transparent_edit_is_clear_only_inside_its_mask_if_the_original_is_opaque() -> None:
    box = (100, 100, 540, 380)
    edited = _opened(draw_edit(_changed(transparent=True), [PHOTO], _mask(box)))
    alpha = edited.getchannel("A")
    assert alpha.crop(box).getextrema()[0] == 0
    alpha.paste(255, box)
    assert alpha.getextrema() == (255, 255)


def test_what_is_clear_in_the_original_stays_so_outside_the_mask() -> None:
    original = _file(Image.new("RGBA", (640, 480), (9, 9, 9, 0)))
    edited = _opened(draw_edit(_changed(transparent=True), [original], _mask((100, 100, 540, 380))))
    assert edited.getchannel("A").crop((0, 0, 640, 100)).getextrema() == (0, 0)


@pytest.mark.parametrize("directive", FALSE_TRANSPARENCY)
@pytest.mark.parametrize("size", [(640, 480), (333, 501)])
def test_what_goes_wrong_with_transparency_shows_in_generations_and_edits_that_should_have_it(
    directive: str, size: tuple[int, int]
) -> None:
    asked = _changed(transparent=True, width=size[0], height=size[1])
    wrong = replace(asked, directives=(directive,))
    assert _opened(draw(wrong)).size == _opened(draw_edit(wrong, [PHOTO], None)).size == size
    assert draw(wrong) != draw(asked)
    assert draw_edit(wrong, [PHOTO], None) != draw_edit(asked, [PHOTO], None)
    assert draw(replace(wrong, transparent=False)) == draw(replace(asked, transparent=False))
