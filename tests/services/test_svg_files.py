"""SVG files from answer to export: kept as they came, shown and exported from a copy, refused as inputs."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio
from fastmcp import Client
from mcp.types import BlobResourceContents, ImageContent
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.gallery.page import write_gallery
from gpt_image_mcp.errors import ImageError, InputRejected, InvalidArgument
from gpt_image_mcp.library.sidecars import read_metadata
from gpt_image_mcp.server import mcp
from gpt_image_mcp.values.views import Crop, ViewOptions
from tests.standin import CannedTransport, serve_standin
from tests.svg_samples import SVG, faults

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from gpt_image_mcp.values.images import StoredImage

# Red above, clear below; and what must neither be shown nor be taken out of the file.
ANSWER = (
    f'<?xml version="1.0"?>\n<!-- by hand -->\n<svg xmlns="{SVG}" viewBox="0 0 300 200" onload="alert(1)">'
    '<script>alert(1)</script><rect width="300" height="100" fill="#ff0000"/></svg>\n'
).encode()


@asynccontextmanager
async def _standin(tmp_path: Path) -> AsyncGenerator[str]:
    file = tmp_path / "answer.svg"
    file.write_bytes(ANSWER)
    async with serve_standin(CannedTransport(file)) as standin:
        yield standin.base_url


@pytest_asyncio.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    """A studio whose API answers every request with an SVG."""
    async with _standin(tmp_path) as address:
        settings = Settings.model_validate({"api_key": "sk-test", "base_url": address})
        async with Studio(settings) as opened:
            yield opened


def _is_red(image: Image.Image, place: tuple[int, int]) -> bool:
    red, green, blue, alpha = cast("tuple[int, ...]", image.getpixel(place))
    return red > 250 and green + blue < 10 and alpha == 255


async def _made(studio: Studio) -> StoredImage:
    return (await studio.generate("a flag", quality="low")).images[0]


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGBA")


async def test_the_file_is_kept_byte_for_byte_with_its_type_and_its_metadata_beside_it(
    studio: Studio,
) -> None:
    image = await _made(studio)
    assert image.file_path.suffix == ".svg"
    assert image.file_path.read_bytes() == ANSWER
    assert (image.mime_type, image.width, image.height) == ("image/svg+xml", 300, 200)
    (sidecar,) = (image.file_path.parent / ".metadata").glob("*.json")
    assert read_metadata(sidecar) == image


async def test_metadata_are_never_embedded(tmp_path: Path) -> None:
    async with _standin(tmp_path) as address:
        wanted = {"api_key": "sk-test", "base_url": address, "embed_metadata": True}
        async with Studio(Settings.model_validate(wanted)) as studio:
            assert (await _made(studio)).file_path.read_bytes() == ANSWER


async def test_a_rebuilt_history_knows_it(studio: Studio) -> None:
    image = await _made(studio)
    renamed = image.file_path.with_name("renamed.svg")
    image.file_path.rename(renamed)
    assert (await studio.history.rebuild()).images == 1
    assert (await studio.find(image.id)).file_path == renamed
    assert (await studio.find(image.id)).mime_type == "image/svg+xml"


async def test_previews_are_drawn_from_the_copy(studio: Studio) -> None:
    result = await studio.generate("a flag", quality="low")
    previews = await studio.preview(result, ViewOptions(max_edge=600))
    (shown,) = previews.images
    assert shown.mime_type == "image/jpeg"
    assert _opened(shown.data).size == (600, 400)
    (part,) = (await studio.preview(result, ViewOptions(crop=Crop(0, 0, 1, 0.25), grid=True))).images
    assert _opened(part.data).size[0] == studio.settings.inline_max_edge


async def test_the_file_itself_is_never_shown_even_where_whole_files_are(tmp_path: Path) -> None:
    async with _standin(tmp_path) as address:
        wanted = {"api_key": "sk-test", "base_url": address, "inline": "full"}
        async with Studio(Settings.model_validate(wanted)) as studio:
            (shown,) = (await studio.preview(await studio.generate("a flag"))).images
    assert shown.mime_type == "image/jpeg"


async def test_a_sheet_shows_it(studio: Studio) -> None:
    image = await _made(studio)
    compared = await studio.compare([image.id, image.id])
    assert compared.sheet is not None
    assert compared.sheet.mime_type == "image/jpeg"


async def test_a_file_from_elsewhere_can_be_looked_at(studio: Studio, project: Path) -> None:
    (project / "logo.svg").write_bytes(ANSWER)
    found = await studio.get("logo.svg")
    (shown,) = (await studio.preview(found)).images
    assert shown.mime_type == "image/jpeg"


async def test_the_gallery_shows_a_thumbnail_and_never_leads_to_the_file(
    studio: Studio, tmp_path: Path
) -> None:
    image = await _made(studio)
    page, text = tmp_path / "gallery.html", ""
    for allowed in (0, 30):  # without the time for a thumbnail, and with it
        await write_gallery([image], page, allowed_seconds=allowed)
        text = page.read_text()
        assert image.file_path.as_uri() not in text
        assert '"shows_file":false' in text
        assert "alert(1)" not in text
    assert "data:image/webp" in text


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "ico"])
async def test_an_export_is_drawn_at_the_size_asked_for(studio: Studio, kind: str) -> None:
    image = await _made(studio)
    edge = 256 if kind == "ico" else 1500
    result = await studio.export(image.id, output_format=kind, width=edge, height=edge, fit="cover")
    (file,) = result.files
    assert (file.width, file.height) == (edge, edge)
    drawn = _opened(file.file_path.read_bytes())
    assert _is_red(drawn, (edge // 2, edge // 2 - 10))
    assert not _is_red(drawn, (edge // 2, edge // 2 + 10))
    assert not any("Enlarged" in note for note in result.notes)


async def test_without_a_format_the_export_is_a_png_of_its_own_size(studio: Studio) -> None:
    result = await studio.export((await _made(studio)).id)
    (file,) = result.files
    assert (file.mime_type, file.width, file.height) == ("image/png", 300, 200)
    assert any("output_format svg" in note for note in result.notes)


@pytest.mark.parametrize("preset", ["favicon", "app_icon", "social"])
async def test_each_picture_of_a_preset_is_sharp(studio: Studio, preset: str) -> None:
    result = await studio.export((await _made(studio)).id, preset=preset, background="#ffffff")
    assert len(result.files) >= 3
    assert not any("Enlarged" in note for note in result.notes)
    for file in result.files:
        colours = _opened(file.file_path.read_bytes()).convert("RGB").getcolors(1_000_000)
        assert colours is not None
        assert len(colours) <= 4  # red, white, and the line between


async def test_an_exported_svg_is_the_cleaned_copy(studio: Studio) -> None:
    result = await studio.export((await _made(studio)).id, filename="flag.svg")
    (file,) = result.files
    assert (file.file_path.name, file.mime_type) == ("flag.svg", "image/svg+xml")
    assert (file.width, file.height) == (300, 200)
    assert faults(file.file_path.read_bytes()) == []
    assert b"#ff0000" in file.file_path.read_bytes()
    assert any("copy without scripts" in note for note in result.notes)


@pytest.mark.parametrize("option", ["width", "height", "quality", "max_kb"])
async def test_an_svg_is_not_exported_in_pixels(studio: Studio, option: str) -> None:
    wanted: dict[str, Any] = {option: 50}
    with pytest.raises(InvalidArgument, match=option):
        await studio.export((await _made(studio)).id, output_format="svg", **wanted)


async def test_pixels_become_no_svg(studio: Studio, project: Path) -> None:
    Image.new("RGB", (9, 9)).save(project / "a.png")
    with pytest.raises(InvalidArgument, match="pixels become no drawing"):
        await studio.export("a.png", output_format="svg")
    assert list(project.iterdir()) == [project / "a.png"]


async def test_a_damaged_svg_is_not_exported(studio: Studio, project: Path) -> None:
    (project / "bad.svg").write_bytes(ANSWER[:-20])
    with pytest.raises(InputRejected, match="damaged"):
        await studio.export("bad.svg", output_format="png")


def _data_url() -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(ANSWER).decode()}"


@pytest.mark.parametrize("where", ["id", "file", "data URL", "reference", "mask"])
async def test_as_an_input_it_is_refused_with_the_advice_to_export_it(
    studio: Studio, project: Path, where: str
) -> None:
    image = await _made(studio)
    (project / "logo.svg").write_bytes(ANSWER)
    Image.new("RGB", (1024, 1024)).save(project / "a.png")
    refs = {
        "id": [image.id],
        "file": ["logo.svg"],
        "data URL": [_data_url()],
        "reference": ["a.png", "logo.svg"],
    }
    mask = "logo.svg" if where == "mask" else ""
    with pytest.raises(InputRejected, match=r"(?s)is an SVG.*export_image.*png") as caught:
        await studio.edit("x", refs.get(where, ["a.png"]), mask=mask)
    assert len(str(caught.value)) < 600


async def test_in_sessions_and_batches_it_is_refused_too(studio: Studio, project: Path) -> None:
    image = await _made(studio)
    Image.new("RGB", (1024, 1024)).save(project / "a.png")
    with pytest.raises(InputRejected, match="export_image"):
        await studio.start_session("x", [image.id])
    with pytest.raises(ImageError, match="export_image"):
        await studio.batch_edit("x", [image.id])
    with pytest.raises(ImageError, match="export_image"):
        await studio.batch_edit("x", [str(project / "a.png")], references=[image.id])


async def test_a_client_reads_the_file_as_returned_and_its_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _standin(tmp_path) as address:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        async with Client(mcp) as client:
            result = await client.call_tool("generate_image", {"prompt": "a flag"})
            assert result.structured_content is not None
            (image,) = result.structured_content["images"]
            (file,) = await client.read_resource(image["uri"])
            (preview,) = await client.read_resource(f"{image['uri']}/preview")
            looked = await client.call_tool("get_image", {"ref": image["id"], "max_edge": 512})
    assert image["mime_type"] == "image/svg+xml"
    assert isinstance(file, BlobResourceContents)
    assert isinstance(preview, BlobResourceContents)
    assert (base64.b64decode(file.blob), file.mime_type) == (ANSWER, "image/svg+xml")
    assert _opened(base64.b64decode(preview.blob)).width > 300
    shown = [block for block in (*result.content, *looked.content) if isinstance(block, ImageContent)]
    assert [block.mime_type for block in shown] == ["image/jpeg", "image/jpeg"]


async def test_without_the_library_the_result_says_so_and_the_file_is_kept(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, sys\nsys.modules['resvg_py'] = None  # as if it were not installed\n"
        "from fastmcp import Client\nfrom gpt_image_mcp.server import mcp\n"
        "async def main():\n"
        "    async with Client(mcp) as client:\n"
        "        made = await client.call_tool('generate_image', {'prompt': 'a flag'})\n"
        "        ref = made.structured_content['images'][0]['file_path']\n"
        "        png = {'ref': ref, 'output_format': 'png'}\n"
        "        exported = await client.call_tool('export_image', png, raise_on_error=False)\n"
        "        copied = await client.call_tool('export_image', {'ref': ref, 'output_format': 'svg'})\n"
        "    print(ref, made.content[-1].text, exported.content[-1].text, copied.is_error, sep='\\n---\\n')\n"
        "asyncio.run(main())"
    )
    async with _standin(tmp_path) as address:
        done = await _in_process(script, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=address)
    path, made, exported, copied = done.split("\n---\n")
    assert Path(path).read_bytes() == ANSWER
    assert "The file is kept, and cannot be shown here" in made
    assert "gpt-image-mcp-server[svg]" in made
    assert "cannot be drawn" in exported
    assert "gpt-image-mcp-server[svg]" in exported
    assert copied.strip() == "False"


async def _in_process(script: str, **environment: str) -> str:
    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **environment},
        ).stdout

    return await asyncio.to_thread(run)
