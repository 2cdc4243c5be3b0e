"""Marks as callers write them, the layer that is drawn of them, and markup of a caller's own."""

from __future__ import annotations

import io
import json
import struct
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from gpt_image_mcp.errors import InputRejected, InvalidArgument, RequestError
from gpt_image_mcp.imaging.marks import MAX_MARKUP_BYTES, Mark, draw_marks, read_markup
from gpt_image_mcp.imaging.shapes import read_shapes

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SIZE = (400, 300)
ARROW = {"shape": "arrow", "points": [[0.2, 0.2], [0.7, 0.2]]}
CIRCLE = {"shape": "circle", "box": [0.25, 0.25, 0.75, 0.75]}
LABEL = {"shape": "label", "points": [[0.5, 0.5]], "text": "keep"}
Pixel = tuple[int, int, int, int]
INK, WHITE = (255, 32, 80, 255), (255, 255, 255, 255)


def layer(*described: dict[str, Any], size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.open(io.BytesIO(draw_marks(read_shapes(Mark, described), size)))
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", size)
    return image


def drawn(*described: dict[str, Any], size: tuple[int, int] = SIZE) -> tuple[int, int, int, int]:
    box = layer(*described, size=size).getchannel("A").getbbox()
    assert box is not None
    return box


def at(image: Image.Image, x: int, y: int) -> Pixel:
    return cast("Pixel", image.getpixel((x, y)))


def near(box: tuple[int, ...], wanted: tuple[int, ...], *, within: int = 4) -> bool:
    return all(abs(one - other) <= within for one, other in zip(box, wanted, strict=True))


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def hints(size: tuple[int, int] = SIZE, mode: str = "RGBA") -> Image.Image:
    """What a user might draw: a red line on nothing."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(image).line((10, 10, size[0] - 10, size[1] - 10), fill=(255, 0, 0, 255), width=5)
    return image.convert(mode)


def test_an_arrow_goes_from_its_first_point_to_its_last_and_has_a_head_there() -> None:
    image = layer(ARROW)
    assert at(image, 100, 60) == INK
    assert at(image, 200, 200) == (0, 0, 0, 0)
    columns = [image.getchannel("A").crop((x, 0, x + 1, 300)).getbbox() for x in (150, 272)]
    (shaft, head) = (box[3] - box[1] for box in columns if box)
    assert head > shaft
    assert near(drawn(ARROW), (78, 54, 282, 66))


def test_an_arrow_of_many_points_points_where_its_end_does() -> None:
    bent = {"shape": "arrow", "points": [[0.2, 0.2], [0.6, 0.2], [0.6, 0.795], [0.6, 0.8]]}
    box = layer(bent).getchannel("A").crop((200, 225, 280, 240)).getbbox()
    assert box is not None
    assert near((box[0], box[2]), (33, 48), within=5)


def test_a_circle_and_a_box_are_strokes_around_what_they_mean() -> None:
    for shape in ("circle", "box"):
        image = layer({"shape": shape, "box": [100, 75, 300, 225], "unit": "px"})
        assert near(image.getchannel("A").getbbox() or (), (97, 72, 303, 228))
        assert at(image, 200, 150)[3] == 0
        assert at(image, 200, 75) == INK
    assert at(layer(CIRCLE), 102, 77)[3] == 0


def test_a_path_follows_its_points() -> None:
    image = layer({"shape": "path", "points": [[0, 0], [0.5, 0.5], [1, 0]]})
    assert [at(image, x, y) for x, y in ((100, 75), (200, 150), (300, 75))] == [INK] * 3
    assert at(image, 200, 250)[3] == 0


def test_a_label_stands_around_its_point_or_in_the_middle_of_its_box() -> None:
    boxed = {"shape": "label", "box": [0.4, 0.4, 0.6, 0.6], "text": "keep"}
    assert drawn(LABEL) == drawn(boxed)
    left, top, right, bottom = drawn(LABEL)
    assert near(((left + right) // 2, (top + bottom) // 2), (200, 150))


def test_a_label_at_the_edge_is_moved_inside_and_a_long_one_is_made_smaller() -> None:
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        corner, middle = drawn({**LABEL, "points": [[x, y]]}), drawn(LABEL)
        assert near(
            (corner[2] - corner[0], corner[3] - corner[1]), (middle[2] - middle[0], middle[3] - middle[1])
        )
    left, _, right, _ = drawn({**LABEL, "text": "W" * 25})
    assert 0 < left < right < SIZE[0]


def test_every_mark_may_have_a_text() -> None:
    for mark in (ARROW, CIRCLE):
        assert layer({**mark, "text": "this"}).tobytes() != layer(mark).tobytes()


def test_strokes_have_an_outline_of_another_brightness_and_grow_with_the_picture() -> None:
    colours = {colour for _, colour in layer(ARROW).getcolors() or []}
    assert colours == {INK, WHITE, (0, 0, 0, 0)}
    heights = [drawn(ARROW, size=size) for size in ((400, 300), (4000, 3000))]
    small, large = (box[3] - box[1] for box in heights)
    assert large > 5 * small


def test_accents_are_left_out_because_the_font_has_none() -> None:
    assert drawn({**LABEL, "text": " Caf\u00e9\n"}) == drawn({**LABEL, "text": "Cafe"})


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ({**ARROW, "points": [[0.5, 0.5]]}, "has 1 different points; it needs two or more"),
        ({**ARROW, "points": [[0.5, 0.5], [0.5, 0.5]]}, "has 1 different points"),
        ({"shape": "path"}, "has 0 different points"),
        ({"shape": "arrow", "box": [0, 0, 1, 1]}, "has 0 different points"),
        ({"shape": "circle", "points": [[0, 0], [1, 1]]}, "a box of 0 numbers; it needs left, top"),
        ({"shape": "box", "box": [0.5, 0, 0.5, 1]}, "right or bottom edge is not beyond"),
        ({**LABEL, "text": "  "}, "has no text"),
        ({**LABEL, "text": "x" * 81}, "text"),
        ({**LABEL, "text": "\u732b"}, "only Latin letters"),
        ({**LABEL, "text": "bell\x07"}, "only Latin letters"),
        ({**LABEL, "text": 5}, "text"),
        ({"shape": "label", "text": "x"}, "a box of 0 numbers"),
        ({**ARROW, "points": [[10, 10], [200, 100]]}, 'for pixels add "unit": "px"'),
        ({**ARROW, "points": [[0, 0]] * 1001}, "points"),
        ({**ARROW, "points": [[0, 0, 0], [1, 1]]}, "points.0"),
        ({**ARROW, "points": [[float("nan"), 0], [1, 1]]}, "points.0.0"),
        ({**ARROW, "unit": "cm"}, "unit"),
        ({**ARROW, "colour": "red"}, "colour"),
        ({**ARROW, "shape": "star"}, "shape"),
        ({"points": [[0, 0], [1, 1]]}, "shape: Field required"),
        ("move this", "no JSON object"),
        (None, "no JSON object"),
    ],
)
def test_a_malformed_mark_is_refused_with_its_number_the_reason_and_an_example(mark: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        read_shapes(Mark, [ARROW, mark])
    assert refusal.value.message.startswith("Mark 2 ")
    assert words in refusal.value.message
    assert '{"shape": ' in refusal.value.next_step


def test_the_examples_of_refusals_are_marks() -> None:
    for shape in ("arrow", "circle", "box", "path", "label", "star"):
        (mark,) = read_shapes(Mark, [json.loads(Mark.example(shape))])
        assert mark.shape == (shape if shape != "star" else "arrow")
        assert drawn(mark.model_dump()) != (0, 0, 0, 0)


def test_more_marks_than_can_be_meant_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="65 marks; at most 64"):
        read_shapes(Mark, [ARROW] * 65)
    assert len(read_shapes(Mark, [ARROW] * 64)) == 64


@pytest.mark.parametrize(
    ("mark", "where"),
    [
        ({**ARROW, "points": [[0.5, 0.5], [1.1, 0.5]]}, "440,150"),
        ({**CIRCLE, "box": [-0.1, 0, 0.5, 0.5]}, "-40,0"),
        ({"shape": "box", "box": [0, 0, 400, 301], "unit": "px"}, "400,301"),
        ({**LABEL, "points": [[0.5, -0.01]]}, "200,-3"),
    ],
)
def test_a_mark_that_is_not_all_inside_is_refused_with_where_it_is(mark: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidArgument, match=r"Mark 2 .*400x300") as refusal:
        layer(ARROW, mark)
    assert where in refusal.value.message
    assert "get_image" in refusal.value.next_step


def test_a_mark_may_touch_all_edges() -> None:
    assert near(drawn({"shape": "box", "box": [0, 0, 1, 1]}), (0, 0, 400, 300))


def test_a_text_on_a_picture_that_is_too_small_for_it_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="4 letters has no room on 20x20"):
        layer(LABEL, size=(20, 20))


def test_marks_that_cover_the_whole_picture_are_refused() -> None:
    with pytest.raises(InputRejected, match="no transparent pixel"):
        layer({**ARROW, "points": [[0, 0], [1, 1]]}, size=(3, 3))


def test_marks_that_would_take_long_to_draw_are_refused_at_once() -> None:
    zigzag = {"shape": "path", "points": [[0, 0], [1, 1]] * 500}
    began = time.monotonic()
    with pytest.raises(InvalidArgument, match="too long to draw"):
        draw_marks(read_shapes(Mark, [zigzag] * 64), (3840, 2160))
    assert time.monotonic() - began < 1


def _marks() -> SearchStrategy[list[dict[str, Any]]]:
    point = st.lists(st.floats(0, 1), min_size=2, max_size=2)
    spans = st.tuples(st.floats(0, 0.5), st.floats(0.51, 1))
    box = st.tuples(spans, spans).map(lambda both: [both[0][0], both[1][0], both[0][1], both[1][1]])
    text = st.text(max_size=6)
    lined = {"shape": st.sampled_from(("arrow", "path")), "points": st.lists(point, max_size=5)}
    boxed = {"shape": st.sampled_from(("circle", "box", "label")), "box": box}
    label = {"shape": st.just("label"), "points": st.lists(point, min_size=1, max_size=2)}
    kinds = [st.fixed_dictionaries({**kind, "text": text}) for kind in (lined, boxed, label)]
    return st.lists(st.one_of(kinds), min_size=1, max_size=4)


@given(_marks(), st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_any_marks_make_a_layer_that_can_be_sent_or_are_refused(
    described: list[dict[str, Any]], size: tuple[int, int]
) -> None:
    try:
        data = draw_marks(read_shapes(Mark, described), size)
    except RequestError as refusal:
        assert refusal.next_step  # noqa: PT017 - some may be refused
        return
    assert read_markup(data, size, source="x") == data


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
_MEMBERS = ("shape", "points", "box", "text", "unit", "colour")


@given(
    st.lists(_ANYTHING | st.dictionaries(st.sampled_from(_MEMBERS), _ANYTHING | st.just("label")), max_size=3)
)
def test_whatever_is_written_as_a_mark_is_read_or_refused_in_words(described: list[Any]) -> None:
    try:
        marks = read_shapes(Mark, described)
    except InvalidArgument as refusal:
        assert refusal.message.startswith("Mark ")  # noqa: PT017 - some may be refused
        return
    assert read_shapes(Mark, marks) == marks


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_markup_of_any_kind_of_png_goes_up_with_eight_bits_and_alpha(mode: str) -> None:
    sent = Image.open(io.BytesIO(read_markup(file_of(hints(mode=mode)), SIZE, source="hints.png")))
    assert (sent.format, sent.mode, sent.size) == ("PNG", "RGBA", SIZE)
    assert at(sent, 200, 150)[3] == 255
    assert at(sent, 300, 20)[3] == 0


def test_no_metadata_of_the_markup_goes_up() -> None:
    info = PngInfo()
    info.add_text("Author", "someone")
    assert b"someone" not in read_markup(file_of(hints(), pnginfo=info), SIZE, source="hints.png")


def _noise() -> Image.Image:
    """Drawing that no PNG can make small."""
    image = Image.effect_noise((2000, 1000), 200)
    layer = Image.merge(
        "RGBA", [image, image.rotate(180), image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), image]
    )
    layer.paste((0, 0, 0, 0), (0, 0, 10, 10))
    return layer


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (file_of(hints().convert("RGB")), "no transparent pixel"),
        (file_of(Image.new("RGBA", SIZE, (255, 0, 0, 120))), "no transparent pixel"),
        (file_of(Image.new("RGBA", SIZE, (255, 0, 0, 0))), "empty"),
        (file_of(hints((401, 300))), "is 401x300, but image 1 is 400x300"),
        (file_of(hints((800, 600))), "is 800x600"),
        (file_of(hints().convert("RGB"), "JPEG"), "is jpeg, not PNG"),
        (file_of(hints().convert("P"), "GIF"), "is gif, not PNG"),
        (file_of(hints(), "WEBP"), "is webp, not PNG"),
        (file_of(hints())[:200], "breaks off"),
        (b"<svg/>", "is an SVG"),
        (b"", "empty"),
    ],
)
def test_markup_that_the_api_would_not_take_is_refused_with_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(InputRejected, match=r"The markup hints\.png") as refusal:
        read_markup(data, SIZE, source="hints.png")
    assert words in refusal.value.message
    assert refusal.value.next_step


def test_markup_of_more_than_four_megabytes_is_refused() -> None:
    with pytest.raises(InputRejected, match=r"has \d\.\d MB as PNG; the API takes less than 4") as refusal:
        read_markup(file_of(_noise()), (2000, 1000), source="hints.png")
    assert "Draw less" in refusal.value.next_step
    assert MAX_MARKUP_BYTES == 4_000_000


def test_markup_that_announces_more_pixels_than_there_is_room_for_is_refused() -> None:
    data = bytearray(file_of(hints()))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(InputRejected, match=r"The markup hints\.png"):
        read_markup(bytes(data), SIZE, source="hints.png")
