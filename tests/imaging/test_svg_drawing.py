"""Drawing SVG files: the right picture at the size asked for, within bounds, or a word on what is missing."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, TypeVar

import psutil
import pytest
from PIL import Image

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.imaging.contact_sheet import make_entry
from gpt_image_mcp.imaging.previews import View, make_preview, thumbnail
from gpt_image_mcp.imaging.svg import LARGEST_EDGE
from gpt_image_mcp.imaging.svg_drawing import rasterised, sanitised
from gpt_image_mcp.pillow_errors import DamagedImage, Oversized
from gpt_image_mcp.values.pixels import Pixels
from gpt_image_mcp.values.views import Crop
from tests.svg_samples import ATTACKS, DRAWING, PNG_URL, svg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
RED, CLEAR, BLUE = (255, 0, 0, 255), (0, 0, 0, 0), (0, 0, 255, 255)


def _drawn(data: bytes, edge: int = 300) -> Image.Image:
    image = Image.open(io.BytesIO(rasterised(data, edge)))
    image.load()
    return image.convert("RGBA")


@pytest.mark.parametrize("edge", [3, 30, 768, 4096])
def test_a_drawing_is_drawn_at_the_edge_asked_for_and_not_enlarged_from_another(edge: int) -> None:
    image = _drawn(DRAWING, edge)
    assert image.size == (edge, round(edge * 2 / 3))
    assert image.getpixel((edge // 2, 0)) == RED
    assert image.getpixel((edge // 2, image.height - 1)) == CLEAR
    colours = image.getcolors()
    assert colours is not None
    assert len(colours) <= 3  # sharp: red, clear, and the line between if it is within a pixel


@pytest.mark.parametrize("edge", [7, 64, 100, 333, 768, 1001, 4096])
@pytest.mark.parametrize(
    "root", ['width="3in" height="2in"', 'viewBox="0 0 3 2"', 'width="333.3" height="97.7"']
)
def test_a_drawing_that_fills_its_frame_fills_the_picture_to_its_edges(root: str, edge: int) -> None:
    image = _drawn(f'<svg {root}><rect width="100%" height="100%" fill="red"/></svg>'.encode(), edge)
    assert image.getcolors() == [(image.width * image.height, RED)]


def test_the_shape_of_a_view_box_is_kept_in_a_frame_of_another() -> None:
    image = _drawn(
        b'<svg width="300" height="100" viewBox="0 0 1 1"><rect width="1" height="1" fill="red"/></svg>'
    )
    assert image.getpixel((50, 50)) == CLEAR
    assert image.getpixel((150, 50)) == RED


def test_no_more_is_drawn_than_the_largest_edge() -> None:
    assert max(_drawn(DRAWING, 16_383).size) == LARGEST_EDGE


def test_files_of_pixels_are_given_back_as_they_are() -> None:
    assert rasterised(b"\x89PNG\r\n\x1a\n", 10) == b"\x89PNG\r\n\x1a\n"


def test_a_drawing_without_view_box_or_namespace_fills_the_picture_too() -> None:
    image = _drawn(b'<svg width="20" height="10"><rect width="20" height="10" fill="red"/></svg>', 100)
    assert image.size == (100, 50)
    assert image.getcolors() == [(5000, RED)]


def test_style_sheets_and_pictures_inside_are_drawn() -> None:
    inside = '<style>.a{fill:red}</style><rect class="a" width="100" height="100"/>'
    image = _drawn(svg(f'{inside}<image x="100" width="100" height="100" href="{PNG_URL}"/>'), 200)
    assert image.getpixel((50, 50)) == RED
    assert image.getpixel((150, 50)) == BLUE


def test_another_file_is_never_drawn(tmp_path: Path) -> None:
    secret = tmp_path / "secret.svg"
    secret.write_bytes(DRAWING)
    names = (str(secret), secret.as_uri(), secret.name)
    inside = "".join(f'<image href="{name}" width="200" height="100"/><use href="{name}"/>' for name in names)
    assert _drawn(svg(inside), 200).getcolors() == [(20_000, CLEAR)]


@pytest.mark.parametrize("name", ["no end", "billion laughs", "external entity"])
def test_what_cannot_be_read_is_damaged(name: str) -> None:
    with pytest.raises(DamagedImage):
        rasterised(ATTACKS[name], 100)


def _uses(levels: int) -> bytes:
    """A drawing whose parts are each ten of the one before."""
    uses = [f'<use href="#g{level}"/>' * 10 for level in range(levels)]
    groups = "".join(f'<g id="g{level}">{inside}</g>' for level, inside in enumerate(uses, start=1))
    return svg(f'<g id="g0"><rect width="1" height="1"/></g>{groups}')


@pytest.mark.parametrize(
    "data",
    [
        svg(
            '<filter id="f"><feTurbulence numOctaves="9999999" baseFrequency=".1"/></filter>'
            '<rect width="200" height="100" filter="url(#f)"/>'
        ),
        svg("<g opacity='.5'>" * 60 + '<rect x="-99" y="-99" width="9999" height="9999"/>' + "</g>" * 60),
        _uses(12),
    ],
    ids=["filter", "layers", "uses"],
)
def test_a_drawing_that_takes_too_much_is_given_up_and_holds_nobody_up(data: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(DamagedImage):
        rasterised(data, 4096)
    assert time.monotonic() - began < 30


def test_a_drawing_of_more_memory_than_there_is_is_refused() -> None:
    script = (
        "from gpt_image_mcp.memory import MEMORY\nfrom gpt_image_mcp.imaging.svg_drawing import rasterised\n"
        "from tests.svg_samples import DRAWING\nMEMORY.limit_bytes = 10_000_000\nrasterised(DRAWING, 256)\n"
        "try:\n    rasterised(DRAWING, 4096)\nexcept Exception as error:\n    print(repr(error))"
    )
    assert "Oversized('it would take" in _run(script)


def test_previews_parts_sheets_and_thumbnails_are_made_from_the_drawing() -> None:
    whole = make_preview(DRAWING, View(max_bytes=50_000, max_edge=600))
    assert Image.open(io.BytesIO(whole.data)).size == (600, 400)
    assert whole.has_checker
    part = make_preview(
        DRAWING, View(max_bytes=50_000, max_edge=600, crop=Crop(0, 0, 0.2, 0.2), format="png")
    )
    image = Image.open(io.BytesIO(part.data)).convert("RGBA")
    assert image.size == (600, 400)
    assert image.getcolors() == [(240_000, RED)]
    ruled = make_preview(DRAWING, View(max_bytes=50_000, max_edge=600, grid=True))
    assert ruled.data != whole.data
    assert max(Image.open(io.BytesIO(thumbnail(DRAWING, 1280))).size) == 1280
    assert make_entry(DRAWING, Pixels(300, 200), label=("a",), count=2).image.width > 300


def test_a_damaged_drawing_has_no_preview() -> None:
    with pytest.raises(StorageFailed, match="cannot be decoded"):
        make_preview(ATTACKS["no end"], View(max_bytes=50_000, max_edge=600))


def _run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=_root()
    )
    return done.stdout


def _root() -> str:
    return __file__.rpartition("/tests/")[0]


def test_without_the_library_the_file_is_kept_and_the_error_says_what_to_install() -> None:
    script = (
        "import sys\nsys.modules['resvg_py'] = None  # as if it were not installed\n"
        "from gpt_image_mcp.errors import StorageFailed\n"
        "from gpt_image_mcp.imaging.formats import read_picture\n"
        "from gpt_image_mcp.imaging.previews import View, make_preview\n"
        "from tests.svg_samples import DRAWING\n"
        "print(read_picture(DRAWING).format)\n"
        "try:\n    make_preview(DRAWING, View(max_bytes=9, max_edge=9))\nexcept StorageFailed as error:\n"
        "    print(error)"
    )
    said = _run(script)
    assert said.startswith("svg\n")
    assert "The file is kept, and cannot be shown here" in said
    assert "Next: Install gpt-image-mcp-server[svg]" in said


def test_the_size_wanted_counts_and_not_the_size_said() -> None:
    huge = b'<svg width="999999" height="999999"><rect width="9" height="9"/></svg>'
    assert _drawn(huge, 64).size == (64, 64)


def test_an_oversized_file_is_not_drawn() -> None:
    with pytest.raises(Oversized):
        rasterised(ATTACKS["deep nesting"], 64)


@pytest.mark.parametrize("letters", [500, 100_000])
def test_a_long_address_of_a_namespace_costs_this_process_nothing(letters: int) -> None:
    attributes = " ".join(f'x:a{number}=""' for number in range(40_000))
    data = svg(f'<g xmlns:x="{"u" * letters}"><rect {attributes}/></g>')
    tracemalloc.start()
    try:
        with contextlib.suppress(DamagedImage, Oversized):
            rasterised(data, 64)
        with contextlib.suppress(DamagedImage, Oversized):
            sanitised(data)
        assert tracemalloc.get_traced_memory()[1] < 5 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_a_drawing_does_not_outlive_the_server(tmp_path: Path) -> None:
    slow = tmp_path / "slow.svg"
    blur = '<filter id="f"><feGaussianBlur stdDeviation="900"/></filter>'
    many = "<g filter='url(#f)'>" * 40 + '<rect width="9" height="9"/>' + "</g>" * 40
    slow.write_bytes(svg(f"{blur}{many}"))
    code = (
        "import sys; from gpt_image_mcp.imaging.svg_drawing import rasterised; "
        "rasterised(open(sys.argv[1], 'rb').read(), 4096)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(slow)]) as parent:
        child = _until(lambda: _children(parent.pid))[0]
        parent.kill()
    _until(lambda: not _is_running(child))


def _until(condition: Callable[[], T], seconds: float = 8) -> T:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]


def _is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
