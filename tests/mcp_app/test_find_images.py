"""``find_images``, and ``get_image`` of what is not in the library, through a real client."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp.types import ImageContent, TextContent
from PIL import Image

if TYPE_CHECKING:
    from fastmcp import Client
    from fastmcp.client.client import CallToolResult


async def _call(client: Client[Any], tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _structured(result: CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None, _text(result)
    return result.structured_content


async def _make(client: Client[Any], prompt: str) -> dict[str, Any]:
    made = await _call(client, "generate_image", prompt=prompt, quality="low", size="816x816")
    image: dict[str, Any] = _structured(made)["images"][0]
    return image


async def test_an_image_is_found_again_by_a_word_of_its_prompt(client: Client[Any]) -> None:
    fox = await _make(client, "a red fox in the snow")
    await _make(client, "a paper boat")
    result = await _call(client, "find_images", query="FOX")
    (hit,) = _structured(result)["images"]
    assert (hit["id"], hit["file_path"], hit["file"]) == (fox["id"], fox["file_path"], "present")
    assert (hit["width"], hit["height"], hit["prompt"]) == (816, 816, "a red fox in the snow")
    assert _structured(result)["total"] == 1
    assert fox["file_path"] in _text(result)
    assert _text(result).endswith(_structured(result)["next"])


async def test_pages_say_where_the_next_begins(client: Client[Any]) -> None:
    for number in range(3):
        await _make(client, f"fox {number}")
    first = _structured(await _call(client, "find_images", limit=2))
    assert (len(first["images"]), first["total"], first["next_offset"]) == (2, 3, 2)
    last = _structured(await _call(client, "find_images", limit=2, offset=2))
    assert len(last["images"]) == 1
    assert "next_offset" not in last


async def test_without_a_limit_only_the_sums_are_told(client: Client[Any]) -> None:
    for number in range(2):
        await _make(client, f"fox {number}")
    result = await _call(client, "find_images", limit=0)
    told = _structured(result)
    assert (told["images"], told["total"]) == ([], 2)
    assert "next_offset" not in told
    assert "smaller offset" not in told["next"]
    assert _text(result).startswith("2 images match, $0.0000 in all.\n")
    assert "fox" not in _text(result)
    assert [block.type for block in result.content] == ["text"]


async def test_the_sums_of_nothing_say_how_to_find_something(client: Client[Any]) -> None:
    empty = _structured(await _call(client, "find_images", limit=0))
    assert "has no image yet" in empty["next"]
    await _make(client, "a fox")
    none = _structured(await _call(client, "find_images", limit=0, query="whale"))
    assert (none["total"], none["cost_usd_total"]) == (0, 0)
    assert "fewer or other words" in none["next"]


async def test_an_edit_names_its_parents_and_a_session_its_turn(client: Client[Any]) -> None:
    fox = await _make(client, "a fox")
    started = _structured(
        await _call(client, "start_edit_session", prompt="night", images=fox["id"], quality="low")
    )
    found = _structured(await _call(client, "find_images", session_id=started["session_id"]))
    (hit,) = found["images"]
    assert (hit["parents"], hit["turn"]) == ([fox["id"]], 1)


async def test_a_call_that_still_runs_is_listed(client: Client[Any]) -> None:
    started = _structured(
        await _call(
            client, "generate_image", prompt="a fox [sandbox:delay=1]", size="816x816", wait_seconds=0
        )
    )
    result = await _call(client, "find_images", since="today")
    assert [call["job_id"] for call in _structured(result)["open_calls"]] == [started["job_id"]]
    assert "still runs" in _text(result)
    await _call(client, "get_image", ref=started["job_id"])


async def test_an_empty_history_says_so(client: Client[Any]) -> None:
    result = await _call(client, "find_images", query="wolf")
    assert "no image yet" in _structured(result)["next"]


async def test_nothing_found_says_what_to_try(client: Client[Any]) -> None:
    await _make(client, "a fox")
    result = await _call(client, "find_images", query="wolf", since="7d", until="today", model="gpt-image-2")
    assert (_structured(result)["images"], _structured(result)["total"]) == ([], 0)
    assert "other words" in _structured(result)["next"]


@pytest.mark.parametrize(
    "arguments", [{"since": "soon"}, {"limit": -1}, {"limit": 101}, {"offset": -1}, {"query": "x " * 16_001}]
)
async def test_malformed_searches_are_refused_with_the_value(
    arguments: dict[str, Any], client: Client[Any]
) -> None:
    result = await _call(client, "find_images", **arguments)
    assert result.is_error
    assert _text(result).startswith("invalid_argument")


async def test_any_image_file_can_be_looked_at(client: Client[Any], project: Path) -> None:
    Image.new("RGB", (640, 480), "teal").save(project / "photo.bmp")
    result = await _call(client, "get_image", ref="photo.bmp", grid=True)
    seen = _structured(result)
    assert (seen["width"], seen["height"], seen["status"]) == (640, 480, "completed")
    assert any(isinstance(block, ImageContent) for block in result.content)
    assert "not in the library" in _text(result)


async def test_what_is_looked_at_stays_what_it_is_and_stands_upright(
    client: Client[Any], project: Path
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (64, 32), "teal").save(project / "turned.tif", exif=turned)
    Image.new("I;16", (64, 32), 40_000).save(project / "deep.png")
    Image.new("CMYK", (64, 32), (200, 0, 0, 0)).save(project / "ink.jpg")
    for name, size in {"turned.tif": (32, 64), "deep.png": (64, 32), "ink.jpg": (64, 32)}.items():
        result = await _call(client, "get_image", ref=name)
        seen = _structured(result)
        assert (seen["width"], seen["height"]) == size
        (shown,) = [block for block in result.content if isinstance(block, ImageContent)]
        with Image.open(BytesIO(b64decode(shown.data))) as preview:
            assert preview.size == size
    (project / "cut.tif").write_bytes((project / "turned.tif").read_bytes()[:300])
    cut = await _call(client, "get_image", ref="cut.tif")
    assert _text(cut).startswith("input_rejected")


@pytest.mark.parametrize(("name", "code"), [("notes.png", "input_rejected"), ("none.png", "not_found")])
async def test_what_is_no_image_cannot_be_looked_at(
    name: str, code: str, client: Client[Any], project: Path
) -> None:
    Path(project / "notes.png").write_text("not an image")
    result = await _call(client, "get_image", ref=name)
    assert result.is_error
    assert _text(result).startswith(code)


async def test_a_session_shows_its_last_image(client: Client[Any]) -> None:
    fox = await _make(client, "a fox")
    started = _structured(
        await _call(client, "start_edit_session", prompt="night", images=fox["id"], quality="low")
    )
    seen = _structured(await _call(client, "get_image", ref=started["session_id"]))
    assert seen["images"] == started["images"]


async def test_a_picture_as_returned_is_listed_as_paid_with_the_finished_one(client: Client[Any]) -> None:
    await client.call_tool("generate_image", {"prompt": "a fox", "exact_size": "500x300", "quality": "low"})
    found = await client.call_tool("find_images", {})
    first, second = _text(found).split("\n")[1:3]
    assert "if paid" in first
    assert f"as returned, paid with {first.split()[0]}" in second
    assert "if paid" not in second
