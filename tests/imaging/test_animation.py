"""Animations: found, read frame by frame, shown side by side, and never more work than is allowed."""

from __future__ import annotations

import io
import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.animation import find_animation
from gpt_image_mcp.imaging.formats import is_complete, read_picture
from gpt_image_mcp.imaging.previews import View, animation_notes, make_preview
from gpt_image_mcp.memory import MEMORY
from gpt_image_mcp.pillow_errors import DamagedImage
from gpt_image_mcp.values.views import Crop

SIZE = (60, 40)
VIEW = View(max_bytes=70_000, max_edge=768, format="png")


def _colour(number: int) -> tuple[int, int, int]:
    return (number * 12 % 256, 255 - number * 12 % 256, 40)


def _saved(count: int, kind: str = "GIF", size: tuple[int, int] = SIZE, **options: Any) -> bytes:
    frames = [Image.new("RGB", size, _colour(number)) for number in range(count)]
    stream = io.BytesIO()
    options = {"duration": 120, "loop": 0, **options}
    if kind == "WEBP":
        options["lossless"] = True
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:], **options)
    return stream.getvalue()


def _hostile(frames: int, edge: int) -> bytes:
    """A GIF of tiny frames on a large canvas, all of which is put together for each."""
    frame = b"!\xf9\x04\0\1\0\0\0," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", edge, edge, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_frames_come_in_order_with_their_durations(kind: str) -> None:
    durations = [100, 250, 40, 100]
    animation = find_animation(_saved(4, kind, duration=durations))
    assert animation
    assert (animation.count, animation.size) == (4, SIZE)
    frames = list(animation.frames())
    assert [milliseconds for _, milliseconds in frames] == durations
    for number, (frame, _) in enumerate(frames):
        assert frame.getpixel((5, 5))[:3] == _colour(number)  # type: ignore[index]


@pytest.mark.parametrize(("kind", "count"), [("GIF", 1), ("WEBP", 1), ("PNG", 4), ("TIFF", 4), ("PNG", 1)])
def test_stills_and_other_files_of_several_pictures_are_no_animations(kind: str, count: int) -> None:
    assert find_animation(_saved(count, kind)) is None


@given(st.integers(2, 40), st.integers(1, 40))
def test_of_many_frames_as_many_as_wanted_are_chosen_evenly_from_the_first_on(count: int, most: int) -> None:
    animation = find_animation(_saved(count, size=(2, 2)))
    assert animation
    reds: list[int] = [frame.tobytes()[0] for frame, _ in animation.frames(most)]
    chosen = [round(red / 12) for red in reds] if count <= 21 else reds
    assert len(chosen) == min(count, most)
    assert chosen[0] == 0
    if count <= 21:
        gaps = {after - before for before, after in pairwise(chosen)}
        assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("kind", "said", "loops"),
    [("GIF", {"loop": 0}, 0), ("GIF", {"loop": 2}, 3), ("GIF", {"loop": None}, 1), ("WEBP", {"loop": 2}, 2)],
)
def test_how_often_it_is_played_means_the_same_for_both_formats(
    kind: str, said: dict[str, Any], loops: int
) -> None:
    animation = find_animation(_saved(3, kind, **said))
    assert animation
    assert animation.loops == loops


@pytest.mark.parametrize(("frames", "edge"), [(60_000, 1), (100, 3_000), (10, 6_500), (40, 2_000)])
@pytest.mark.timeout(30)
def test_more_work_than_is_allowed_makes_it_a_still_of_its_first_frame(frames: int, edge: int) -> None:
    data = _hostile(frames, edge)
    assert find_animation(data) is None
    assert Image.open(io.BytesIO(make_preview(data, VIEW).data)).size == (min(edge, 768),) * 2
    assert animation_notes(data, VIEW) == ()


@pytest.mark.parametrize(("count", "edge", "columns"), [(16, 720, 4), (9, 960, 3), (2, 480, 2), (40, 50, 4)])
def test_a_preview_shows_up_to_16_frames_in_rows(count: int, edge: int, columns: int) -> None:
    data = _saved(count, size=(edge, edge))
    sheet = Image.open(io.BytesIO(make_preview(data, VIEW).data)).convert("RGB")
    shown = min(count, 16)
    across = sheet.width // columns
    assert max(sheet.size) <= 768
    for position in range(shown):
        row, column = divmod(position, columns)
        middle = (column * across + across // 2, row * across + across // 2)
        wanted = _colour(position * count // shown)
        seen = sheet.getpixel(middle)
        assert all(abs(a - b) < 8 for a, b in zip(seen, wanted, strict=True))  # type: ignore[arg-type]
    (note,) = animation_notes(data, VIEW)
    assert note.startswith(f"The preview shows {shown} frames side by side; ")
    assert note.endswith(f"; the file is an animation of {count} frames, 120 ms each.")


@given(st.integers(2, 20), st.integers(1, 200), st.integers(1, 200), st.integers(32, 900))
def test_a_strip_stays_within_the_edge_whatever_the_frames_are(
    count: int, width: int, height: int, edge: int
) -> None:
    data = _saved(count, size=(width, height))
    made = make_preview(data, View(max_bytes=20_000, max_edge=edge))
    assert max(Image.open(io.BytesIO(made.data)).size) <= max(edge, 20)


def test_a_part_is_one_of_the_first_frame_and_says_so() -> None:
    data, view = _saved(5), View(max_bytes=70_000, max_edge=768, format="png", crop=Crop(0, 0, 0.5, 1))
    part = Image.open(io.BytesIO(make_preview(data, view).data)).convert("RGB")
    assert part.size == (30, 40)
    assert part.getpixel((10, 10)) == _colour(0)
    assert animation_notes(data, view)[0].startswith("The preview shows the first frame; the file is an")


def test_transparency_of_the_frames_is_shown_on_the_checker() -> None:
    frames = [Image.new("RGBA", (40, 40), (0, 0, 0, 0)) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (number * 10, 0, number * 10 + 10, 40))
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], disposal=2)
    made = make_preview(stream.getvalue(), View(max_bytes=70_000, max_edge=768))
    assert made.has_checker


def test_durations_that_differ_are_said_as_a_range() -> None:
    assert "3 frames, 40 to 250 ms each." in animation_notes(_saved(3, duration=[40, 250, 100]), VIEW)[0]


@given(st.sampled_from(["GIF", "WEBP"]), st.lists(st.integers(2, 65_000), min_size=2, max_size=6))
def test_durations_are_told_without_decoding_as_decoding_tells_them(kind: str, tens: list[int]) -> None:
    animation = find_animation(_saved(len(tens), kind, size=(9, 7), duration=[10 * ten for ten in tens]))
    assert animation
    assert animation.durations_ms() == [lasting_ms for _, lasting_ms in animation.frames()]


def test_a_cut_gif_is_whole_only_with_its_first_frame() -> None:
    data = _saved(3, size=(300, 300))
    picture = read_picture(data)
    assert picture
    assert (picture.format, picture.mime_type, picture.extension) == ("gif", "image/gif", "gif")
    assert is_complete(data, picture)
    assert is_complete(data + bytes(20), picture)
    assert is_complete(data[:-1], picture)
    noise = io.BytesIO()
    Image.effect_noise((300, 300), 90).save(noise, "GIF")
    assert not is_complete(noise.getvalue()[:20_000], picture)


def test_the_strip_is_drawn_within_the_memory_that_there_is() -> None:
    whole, data = MEMORY.limit_bytes, _saved(16, size=(100, 100))
    MEMORY.limit_bytes = 3_000_000
    try:
        with pytest.raises(StorageFailed, match="GPT_IMAGE_MEMORY_MB allows 3"):
            make_preview(data, View(max_bytes=70_000, max_edge=768))
        assert make_preview(data, View(max_bytes=70_000, max_edge=200)).data
    finally:
        MEMORY.limit_bytes = whole


@given(st.sampled_from(["GIF", "WEBP"]), st.data())
def test_a_cut_or_flipped_animation_is_read_or_damaged(kind: str, chosen: st.DataObject) -> None:
    data = bytearray(_saved(3, kind, size=(16, 16)))
    data[chosen.draw(st.integers(0, len(data) - 1))] ^= chosen.draw(st.integers(0, 255))
    for file in (bytes(data), bytes(data[: chosen.draw(st.integers(0, len(data)))])):
        try:
            animation = find_animation(file)
            assert len(animation_notes(file, VIEW)) == bool(animation)
            for _ in animation.frames() if animation else ():
                pass
        except DamagedImage:
            continue
