"""What is transparent is counted; a painted checkerboard and a fringe are noticed, look-alikes are not."""

from __future__ import annotations

import io
from time import perf_counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from gpt_image_mcp.imaging.transparency import LEAST_OPAQUE, MOST_CLEAR, inspect_transparency
from gpt_image_mcp.pillow_errors import DamagedImage

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (1024, 1024)
WHITE, GREY = (255, 255, 255), (204, 204, 204)


def _file(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _squares(
    edge: float,
    light: tuple[int, int, int] = WHITE,
    dark: tuple[int, int, int] = GREY,
    *,
    size: tuple[int, int] = SIZE,
) -> Image.Image:
    """A checkerboard that does not begin with whole squares."""
    image = Image.new("RGB", size, light)
    draw_on = ImageDraw.Draw(image)
    for down in range(int(size[1] / edge) + 2):
        for across in range(down % 2, int(size[0] / edge) + 2, 2):
            left, top = across * edge - 3, down * edge - 3
            draw_on.rectangle((left, top, left + edge - 1, top + edge - 1), fill=dark)
    return image


def _noisy(image: Image.Image, deviation: int) -> Image.Image:
    noise = Image.effect_noise(image.size, deviation).convert("RGB")
    return ImageChops.add(image, noise, 1, -128)


def _pattern(is_light: Callable[[int, int], bool]) -> Image.Image:
    values = (255 if is_light(place % 512, place // 512) else 204 for place in range(512 * 512))
    return Image.frombytes("L", (512, 512), bytes(values)).convert("RGB")


def _with_subject(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    ImageDraw.Draw(image).ellipse(box, fill="firebrick")
    return image


def _is_checkered(image: Image.Image, kind: str = "PNG", **options: int) -> bool:
    return inspect_transparency(_file(image, kind, **options)).is_checkered


def _subject(
    colour: tuple[int, int, int] = (200, 40, 60), *, alpha: int = 255, size: tuple[int, int] = SIZE
) -> Image.Image:
    """A disc with smooth edges, clear around."""
    width, height = size
    big = Image.new("RGBA", (width * 2, height * 2), (0, 0, 0, 0))
    box = (width * 0.4, height * 0.4, width * 1.6, height * 1.6)
    ImageDraw.Draw(big).ellipse(box, fill=(*colour, alpha))
    return big.resize(size, Image.Resampling.LANCZOS)


def _cut_out_of(image: Image.Image, matte: tuple[int, int, int]) -> Image.Image:
    """The picture as it is cut out of a coloured background whose colour is left in the soft pixels."""
    cut = Image.alpha_composite(Image.new("RGBA", image.size, matte), image)
    cut.putalpha(image.getchannel("A"))
    return cut


def _textured(image: Image.Image, texture: Image.Image) -> Image.Image:
    texture.putalpha(image.getchannel("A"))
    return texture


def _fur() -> Image.Image:
    return Image.merge("RGB", [Image.effect_noise(SIZE, 60) for _ in range(3)])


def _behind(image: Image.Image, blur: int, colour: tuple[int, int, int]) -> Image.Image:
    """With a shadow or a glow."""
    behind = Image.new("RGBA", image.size, colour)
    behind.putalpha(image.getchannel("A").filter(ImageFilter.GaussianBlur(blur)))
    return Image.alpha_composite(behind, image)


@given(
    alphas=st.lists(st.integers(0, 255) | st.sampled_from([0, 5, 6, 249, 250, 254]), min_size=1, max_size=60),
    kind=st.sampled_from(["RGBA", "LA"]),
)
def test_the_shares_are_those_of_a_count_and_make_a_whole(alphas: list[int], kind: str) -> None:
    image = Image.new(kind, (len(alphas), 1))
    image.putalpha(Image.frombytes("L", image.size, bytes(alphas)))
    found = inspect_transparency(_file(image))
    clear = sum(alpha <= MOST_CLEAR for alpha in alphas)
    opaque = sum(alpha >= LEAST_OPAQUE for alpha in alphas)
    assert (found.clear, found.opaque) == (clear / len(alphas), opaque / len(alphas))
    assert found.soft == (len(alphas) - clear - opaque) / len(alphas)
    assert found.clear + found.soft + found.opaque == pytest.approx(1)


@given(width=st.integers(1, 40), height=st.integers(1, 40), alpha=st.integers(0, 255))
def test_a_picture_of_any_size_can_be_inspected(width: int, height: int, alpha: int) -> None:
    found = inspect_transparency(_file(Image.new("RGBA", (width, height), (*GREY, alpha))))
    assert found.clear + found.soft + found.opaque == 1
    assert not found.is_checkered
    assert not found.halo


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "I;16"])
def test_a_picture_without_an_alpha_channel_is_opaque(mode: str) -> None:
    found = inspect_transparency(_file(Image.new(mode, (64, 64))))
    assert (found.clear, found.soft, found.opaque) == (0, 0, 1)


def test_a_colour_that_a_palette_calls_transparent_is_clear() -> None:
    image = Image.new("P", (4, 4))
    image.putpixel((0, 0), 1)
    assert inspect_transparency(_file(image, transparency=0)).clear == 15 / 16


@pytest.mark.parametrize("data", [b"", b"no image", _file(_fur())[:5_000]])
def test_what_cannot_be_decoded_is_said_to_be_damaged(data: bytes) -> None:
    with pytest.raises(DamagedImage):
        inspect_transparency(data)


@pytest.mark.parametrize("edge", [8, 10, 12.5, 16, 24, 33.3, 64, 96])
def test_a_checkerboard_is_noticed_with_squares_of_any_usual_size(edge: float) -> None:
    assert _is_checkered(_squares(edge))


CHECKERED: dict[str, Callable[[], Image.Image]] = {
    "greys that are nearly alike": lambda: _squares(16, WHITE, (239, 239, 239)),
    "darker greys": lambda: _squares(16, (204, 204, 204), (153, 153, 153)),
    "noise": lambda: _noisy(_squares(20), 8),
    "blurred edges": lambda: _squares(20).filter(ImageFilter.GaussianBlur(1)),
    "a picture across": lambda: _squares(20, size=(1536, 1024)),
    "4k": lambda: _squares(40, size=(3840, 2160)),
    "a subject in the middle": lambda: _with_subject(_squares(20), (60, 60, 960, 960)),
    "a bust that rises from the bottom": lambda: _with_subject(_squares(20), (60, 420, 960, 2000)),
    "an alpha channel that says nothing": lambda: _squares(20).convert("RGBA"),
    "a hole in the middle": lambda: _textured(ImageChops.invert(_subject((0, 0, 0))), _squares(20)),
}


@pytest.mark.parametrize("case", CHECKERED)
def test_a_checkerboard_is_noticed_in(case: str) -> None:
    assert _is_checkered(CHECKERED[case]())


def test_a_checkerboard_is_noticed_in_a_lossy_file() -> None:
    assert _is_checkered(_squares(20), "JPEG", quality=50)
    assert _is_checkered(_squares(20), "WEBP", quality=50)


NO_CHECKERBOARDS: dict[str, Callable[[], Image.Image]] = {
    "plain grey": lambda: Image.new("RGB", SIZE, GREY),
    "noise on grey": lambda: _noisy(Image.new("RGB", SIZE, GREY), 20),
    "a light gradient": lambda: Image.linear_gradient("L").point([128 + level // 2 for level in range(256)]),
    "a photograph": lambda: _noisy(Image.radial_gradient("L").resize(SIZE).convert("RGB"), 10),
    "a chessboard in the middle": lambda: _framed(_squares(64, size=(512, 512))),
    "a chessboard as the whole picture": lambda: _squares(128),
    "a chessboard in black and white": lambda: _squares(40, WHITE, (0, 0, 0)),
    "squares of a colour": lambda: _squares(16, WHITE, (255, 200, 200)),
    "stripes down": lambda: _pattern(lambda x, y: (x + 0 * y) // 10 % 2 == 0),
    "stripes across": lambda: _pattern(lambda x, y: (0 * x + y) // 10 % 2 == 0),
    "stripes along a diagonal": lambda: _pattern(lambda x, y: (x + y) // 10 % 2 == 0),
    "stripes along the other diagonal": lambda: _pattern(lambda x, y: (x - y) // 10 % 2 == 0),
    "steep stripes": lambda: _pattern(lambda x, y: (x + 2 * y) // 16 % 2 == 0),
    "steeper stripes": lambda: _pattern(lambda x, y: (3 * x - 2 * y) // 6 % 2 == 0),
    "diamonds": lambda: _pattern(lambda x, y: ((x + y) // 14 + (x - y) // 14) % 2 == 0),
    "squared paper": lambda: _pattern(lambda x, y: x % 16 > 1 and y % 16 > 1),
    "dots": lambda: _pattern(lambda x, y: (x % 16 - 8) ** 2 + (y % 16 - 8) ** 2 < 36),
    "tiles": lambda: _pattern(lambda x, y: y % 12 > 1 and (x + y // 12 % 2 * 12) % 24 > 1),
    "colours under clear pixels": lambda: _textured(Image.new("RGBA", SIZE, (0, 0, 0, 0)), _squares(16)),
}


def _framed(image: Image.Image) -> Image.Image:
    whole = Image.new("RGB", SIZE, "#dddddd")
    whole.paste(image, (256, 256))
    return whole


@pytest.mark.parametrize("case", NO_CHECKERBOARDS)
def test_no_checkerboard_is_seen_in(case: str) -> None:
    assert not _is_checkered(NO_CHECKERBOARDS[case]())


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"quality": 80})])
@pytest.mark.parametrize("matte", [(255, 255, 255), (0, 255, 0), (0, 0, 0)], ids=["white", "green", "black"])
@pytest.mark.parametrize("alpha", [255, 254, 250])
def test_a_fringe_of_another_colour_is_noticed(
    matte: tuple[int, int, int], alpha: int, kind: str, options: dict[str, int]
) -> None:
    cut = _cut_out_of(_subject(alpha=alpha), matte)
    halo = inspect_transparency(_file(cut, kind, **options)).halo
    seen = tuple(bytes.fromhex(halo.removeprefix("#")))
    towards = [
        (level - own) * (is_ - own) for level, own, is_ in zip(matte, (200, 40, 60), seen, strict=True)
    ]
    assert sum(towards) > 1000, f"{halo} lies between the subject and the background it was cut out of"


FRINGED: dict[str, Callable[[], Image.Image]] = {
    "a small picture": lambda: _cut_out_of(_subject(size=(96, 96)), WHITE),
    "a large picture": lambda: _cut_out_of(_subject(size=(2048, 1024)), WHITE),
    "a subject with texture": lambda: _cut_out_of(
        _textured(_subject(), _noisy(Image.new("RGB", SIZE, (90, 70, 50)), 12)), WHITE
    ),
}


@pytest.mark.parametrize("case", FRINGED)
def test_a_fringe_is_noticed_in(case: str) -> None:
    assert inspect_transparency(_file(FRINGED[case]())).halo


NO_FRINGES: dict[str, Callable[[], Image.Image]] = {
    "smooth edges": _subject,
    "a subject as light as its background was": lambda: _cut_out_of(_subject((235, 235, 230)), WHITE),
    "a shadow": lambda: _behind(_subject(), 12, (0, 0, 0)),
    "a shadow in a small picture": lambda: _behind(_subject(), 12, (0, 0, 0)).resize((128, 128)),
    "a glow": lambda: _behind(_subject(), 25, (0, 255, 0)),
    "fur": lambda: _textured(_subject(), _fur()),
    "hard edges": lambda: _subject().quantize(2).convert("RGBA"),
    "an outline": lambda: Image.alpha_composite(
        _subject((0, 0, 0)), _centred(_subject((250, 220, 40)), 1008)
    ),
    "a sticker": lambda: Image.alpha_composite(_subject(WHITE), _centred(_subject((20, 20, 90)), 960)),
    "colours under clear pixels": lambda: _textured(
        _subject().getchannel("A").point([0] * 128 + [255] * 128).convert("RGBA"), _squares(16)
    ),
    "nothing at all": lambda: Image.new("RGBA", SIZE, (0, 0, 0, 0)),
    "glass alone": lambda: _subject(alpha=128),
}


def _centred(image: Image.Image, edge: int) -> Image.Image:
    whole = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    whole.paste(image.resize((edge, edge)), ((SIZE[0] - edge) // 2, (SIZE[1] - edge) // 2))
    return whole


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"quality": 60})])
@pytest.mark.parametrize("case", NO_FRINGES)
def test_no_fringe_is_seen_in(case: str, kind: str, options: dict[str, int]) -> None:
    assert not inspect_transparency(_file(NO_FRINGES[case](), kind, **options)).halo


@pytest.mark.parametrize("image", [_subject(), _cut_out_of(_subject(), WHITE), _noisy(_squares(16), 8)])
def test_a_usual_picture_takes_a_fraction_of_a_second(image: Image.Image) -> None:
    data = _file(image)
    durations: list[float] = []
    for _ in range(3):
        started = perf_counter()
        inspect_transparency(data)
        durations.append(perf_counter() - started)
    assert min(durations) < 0.4, "ten times what it takes on a usual machine"
