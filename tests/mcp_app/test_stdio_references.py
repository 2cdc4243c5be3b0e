"""References as people, models and systems write them, against a real server over real pipes."""

from __future__ import annotations

import base64
import io
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest_asyncio
from PIL import Image

from tests.faults.processes import Server, serve_process
from tests.standin import serve_standin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK: dict[str, Any] = {"quality": "low", "size": "816x816"}
ID = "20200101-000000-abcdef"


def _png(size: tuple[int, int] = (40, 30)) -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(stream, "PNG")
    return stream.getvalue()


def _large_png() -> bytes:
    """A PNG of ten megabytes, which look random, with slashes everywhere in its base64."""
    stream = io.BytesIO()
    channels = [Image.frombytes("L", (1820, 1820), os.urandom(1820 * 1820)) for _ in range(3)]
    Image.merge("RGB", channels).save(stream, "PNG", compress_level=0)
    return stream.getvalue()


PNG = _png()
BASE64 = base64.b64encode(PNG).decode()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """A server as a client starts it."""
    async with serve_standin() as standin, serve_process(standin) as started:
        yield started


def _notes(answer: dict[str, Any]) -> str:
    return " ".join(answer["notes"])


async def test_every_way_to_write_an_image_shows_it(server: Server, project: Path, tmp_path: Path) -> None:
    (project / "a b.png").write_bytes(PNG)
    for name in (f"{ID}.png", ID, "session-1", "job-1", "~shot.png", "C:\\a.png", "www.example.com"):
        (project / name).write_bytes(PNG)
    (tmp_path / "home" / "a.png").write_bytes(PNG)
    refs = [
        *("a b.png", f" '{project}/a b.png' ", f"file://{quote(str(project))}/a%20b.png", "~/a.png"),
        *(f"FILE://LOCALHOST{project}/a b.png", f"{ID}.png", ID, "session-1", "job-1", "~shot.png"),
        *("C:\\a.png", "www.example.com", f"data:image/png;base64,{BASE64}", f"DATA:;BASE64,{BASE64}"),
        *(f'\n"data:;base64,{BASE64}" ', f"data:image/png,{quote(PNG)}", f"data:image/png,{BASE64}"),
        *(quote(f"data:image/png;base64,{BASE64}", safe=""), f"'{BASE64}'", BASE64 + "\n"),
    ]
    for ref in refs:
        answer = await server.call("get_image", ref=ref)
        assert (answer["width"], answer["height"], answer["notes"]) == (40, 30, []), ref


async def test_an_image_of_ours_is_known_by_its_id_with_an_ending_and_by_its_name(server: Server) -> None:
    made = (await server.call("generate_image", prompt="a fox", **QUICK))["images"][0]
    image_id = made["id"]
    for ref in (image_id, f"{image_id}.png", made["filename"], f"GPT-IMAGE://images/{image_id}"):
        answer = await server.call("get_image", ref=ref)
        assert answer["images"][0]["id"] == image_id, ref
        edited = await server.call("edit_image", prompt=f"night {ref}", images=[ref], **QUICK)
        assert edited["status"] == "completed"


async def test_what_cannot_be_read_is_refused_with_the_way_to_write_it(server: Server) -> None:
    said = {
        "www.example.com/x.png": "begins with https://",
        "//example.com/x.png?a=1": "begins with https://",
        "https:/example.com/x.png": "http or https address",
        "C:\\Users\\me\\a.png": "Paths of Windows",
        "file:///C:/Users/me/a.png": "Paths of Windows",
        "\\\\server\\share\\a.png": "Paths of Windows",
        "file://server/share/a.png": "another machine",
        "s3://bucket/a.png": "no image 's3://bucket/a.png'",
        "sandbox:/mnt/data/a.png": "address of a kind that is not read",
        "data:image/png;base64": "no comma",
        "~nobody.png": "There is no file",
        f"{ID}.png": f"no image '{ID}'",
        "session-1": "no edit session",
        "a" * 100_000: "the base64 aaaa",
    }
    for ref, words in said.items():
        text = await server.failing_call("get_image", ref=ref)
        assert words in text, (ref[:100], text)
        assert "Next: " in text
        assert len(text) < 700
    for ref in ("session-1", "job-1"):
        text = await server.failing_call("edit_image", prompt="night", images=[ref])
        assert "get_image" in text, text


async def test_ten_megabytes_of_base64_are_read_like_a_small_image(server: Server) -> None:
    encoded = base64.b64encode(_large_png()).decode()
    url = f"data:image/png;base64,{encoded}"
    for ref in (url, encoded, f' "{url}"', json.dumps([url])):
        answer = await server.call("get_image", ref=ref)
        assert (answer["width"], answer["height"]) == (1820, 1820)
    batch = await server.call("batch_edit_images", prompt="night", images=[encoded], **QUICK)
    assert len(batch["items"][0]["input"]) < 200
    text = await server.failing_call("export_image", ref="x" + url)
    assert len(text) < 700


async def test_a_screenshot_of_macos_is_found_by_the_name_that_people_type(
    server: Server, project: Path
) -> None:
    typed, real = (f"Screenshot 2026-11-28 at 9.41.00{blank}AM.png" for blank in " \u202f")
    (project / real).write_bytes(_png((816, 816)))
    shown = await server.call("get_image", ref=typed)
    edited = await server.call("edit_image", prompt="night", images=[typed], mask=typed, **QUICK)
    batch = await server.call("batch_edit_images", prompt="day", images=[str(project / typed)], **QUICK)
    exported = await server.call("export_image", ref=typed, output_format="jpeg")
    for answer in (shown, edited, batch["items"][0], exported):
        assert str(project / real) in _notes(answer)
    (project / real.replace("\u202f", "\u00a0")).write_bytes(PNG)
    assert real in await server.failing_call("get_image", ref=typed)
