"""The sandbox's animations: real GIFs whose frames differ, and on which everything stays legible."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops, ImageSequence

from gpt_image_mcp.openai_api.sandbox.animation import draw_animation
from gpt_image_mcp.openai_api.sandbox.drawing import Drawing, draw

DRAWING = Drawing(prompt="a paper boat", model="gpt-image-2.6-flare", quality="low", width=480, height=480)


def _frames(data: bytes) -> list[Image.Image]:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "GIF"
        return [frame.convert("RGBA") for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize(
    ("count", "size"),
    [(2, (480, 480)), (9, (960, 960)), (16, (720, 720)), (8, (960, 1072)), (16, (208, 208))],
)
def test_an_animation_has_the_frames_and_the_size_that_were_asked_for(
    count: int, size: tuple[int, int]
) -> None:
    frames = _frames(
        draw_animation(
            replace(DRAWING, width=size[0], height=size[1]), frame_count=count, frame_duration_ms=200
        )
    )
    assert len(frames) == count
    assert {frame.size for frame in frames} == {size}
    assert len({frame.tobytes() for frame in frames}) == count


@pytest.mark.parametrize(
    ("asked", "made"), [(200, 200), (204, 200), (205, 210), (10, 10), (655_350, 655_350), (700_000, 655_350)]
)
def test_it_is_played_for_ever_with_durations_in_tens_of_milliseconds(asked: int, made: int) -> None:
    data = draw_animation(DRAWING, frame_count=3, frame_duration_ms=asked)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["loop"] == 0
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(image)] == [made] * 3


def test_the_same_request_gives_the_same_file() -> None:
    first, second = (draw_animation(DRAWING, frame_count=4, frame_duration_ms=100) for _ in range(2))
    assert first == second


def test_the_card_with_the_prompt_is_the_same_on_every_frame_and_that_of_the_still() -> None:
    still = Image.open(io.BytesIO(draw(DRAWING))).convert("RGB")
    card = (0, 300, 480, 480)
    for frame in _frames(draw_animation(DRAWING, frame_count=9, frame_duration_ms=100)):
        difference = ImageChops.difference(frame.convert("RGB").crop(card), still.crop(card)).convert("L")
        assert sum(difference.histogram()[60:]) < 50


@pytest.mark.parametrize("is_edit", [False, True])
def test_a_transparent_pixel_is_clear_or_opaque_and_nothing_stays_where_the_ball_was(
    is_edit: bool,  # noqa: FBT001 - pytest passes it
) -> None:
    clear = replace(DRAWING, transparent=True)
    pictures = [draw(replace(clear, prompt="another"))] if is_edit else []
    frames = _frames(draw_animation(clear, frame_count=5, frame_duration_ms=100, pictures=pictures))
    areas = [frame.getchannel("A").histogram() for frame in frames]
    for area in areas:
        assert area[0] > 1000
        assert area[0] + area[255] == 480 * 480
    assert max(area[255] for area in areas) - min(area[255] for area in areas) < 5000


def test_an_edit_shows_its_inputs() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (480, 480), "red").save(stream, "PNG")
    frames = _frames(
        draw_animation(DRAWING, frame_count=3, frame_duration_ms=100, pictures=[stream.getvalue()] * 2)
    )
    for frame in frames:
        red, green, blue, _ = frame.getpixel((20, 20))  # type: ignore[misc]
        assert (red > 200, green < 60, blue < 60) == (True, True, True)
