"""``get_image`` with a list: one sheet to compare, through a client of each protocol era."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp.types import ImageContent, TextContent
from PIL import Image

from gpt_image_mcp.server import mcp
from tests.faults.scripted import final_event, image_file, partial_event, serve_script, stream

if TYPE_CHECKING:
    from fastmcp.client.client import CallToolResult

QUICK: dict[str, Any] = {"quality": "low", "size": "816x816"}
INLINE_CHARACTERS = 98_304


async def _call(client: Client[Any], tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _answer(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, _text(result)
    assert result.structured_content is not None
    return result.structured_content


def _sheet(result: CallToolResult) -> Image.Image:
    (block,) = [block for block in result.content if isinstance(block, ImageContent)]
    assert len(block.data) <= INLINE_CHARACTERS
    return Image.open(io.BytesIO(base64.b64decode(block.data)))


async def _made(client: Client[Any], prompt: str = "a fox", **arguments: Any) -> list[dict[str, Any]]:
    made = await _call(client, "generate_image", prompt=prompt, **QUICK, **arguments)
    return list(_answer(made)["images"])


async def _compared(client: Client[Any], refs: object, **arguments: Any) -> CallToolResult:
    return await _call(client, "get_image", ref=refs, **arguments)


async def test_pictures_of_any_origin_are_on_one_sheet_in_their_order(
    client: Client[Any], project: Path
) -> None:
    (fox,), (boat,) = await _made(client), await _made(client, "a boat")
    Image.new("RGBA", (300, 200), (0, 0, 255, 100)).save(project / "mine.png")
    started = await _call(
        client, "start_edit_session", prompt="make it red", images=[fox["id"]], **QUICK, wait_seconds=0
    )
    job = _answer(started)["job_id"]
    turn = _answer(await _call(client, "get_image", ref=job, wait_seconds=30))
    refs = [boat["file_path"], "mine.png", fox["id"], turn["session_id"], job, fox["id"]]
    result = await _compared(client, refs)
    told = _answer(result)
    assert [image["number"] for image in told["images"]] == [1, 2, 3, 4, 5, 6]
    assert [image["ref"] for image in told["images"]] == refs
    last = turn["images"][0]["id"]
    assert [image.get("id") for image in told["images"]] == [
        *(boat["id"], None, fox["id"], last, last, fox["id"])
    ]
    first = told["images"][0]
    assert (first["model"], first["quality"], first["width"], first["height"]) == (
        "gpt-image-2",
        "low",
        816,
        816,
    )
    assert (first["prompt"], first["file_path"], first["sandbox"]) == ("a boat", boat["file_path"], True)
    assert (told["images"][1]["width"], told["images"][1]["height"]) == (300, 200)
    assert 1000 < _sheet(result).width <= 1536
    text = _text(result)
    assert (
        f'1. {boat["id"]}, gpt-image-2, quality low, 816x816, sandbox, "a boat", {boat["file_path"]}' in text
    )
    assert f"2. mine.png, from elsewhere, 300x200: {project / 'mine.png'}" in text
    assert any("light checker" in note for note in told["notes"])
    assert "edit_image" in told["next"]


async def test_a_list_may_be_json_text_or_objects(client: Client[Any]) -> None:
    (fox,), (boat,) = await _made(client), await _made(client, "a boat")
    ids = [fox["id"], boat["id"]]
    for refs in (json.dumps(ids), [fox, boat], json.dumps([fox, boat])):
        told = _answer(await _compared(client, refs))
        assert [image["id"] for image in told["images"]] == ids
    alias = await _call(client, "get_image", image_ids=ids)
    assert [image["id"] for image in _answer(alias)["images"]] == ids


async def test_a_list_of_one_is_the_one_picture_as_usual(client: Client[Any]) -> None:
    (fox,) = await _made(client)
    for refs in ([fox["id"]], json.dumps([fox["id"]])):
        result = await _compared(client, refs, crop="0,0,0.5,0.5")
        assert _answer(result)["images"] == [fox]
        assert _sheet(result).size == (408, 408)


async def test_of_a_finished_job_all_pictures_are_on_the_sheet(client: Client[Any]) -> None:
    started = await _call(client, "generate_image", prompt="a fox", n=3, **QUICK, wait_seconds=0)
    job = _answer(started)["job_id"]
    await _call(client, "get_image", ref=job, wait_seconds=30)
    (boat,) = await _made(client, "a boat")
    told = _answer(await _compared(client, [boat["id"], job]))
    assert [image["number"] for image in told["images"]] == [1, 2, 3, 4]
    assert [image["ref"] for image in told["images"]] == [boat["id"], job, job, job]
    assert len({image["id"] for image in told["images"]}) == 4
    many = await _compared(client, [job] * 5)
    assert _text(many).startswith("invalid_argument: These references have 15 pictures together; ")


async def test_the_sheet_is_as_wide_as_asked_and_no_wider_than_it_can_be(client: Client[Any]) -> None:
    (fox,) = await _made(client)
    for max_edge, width in ((800, 800), (4000, 1536)):
        assert _sheet(await _compared(client, [fox["id"]] * 2, max_edge=max_edge)).width == width


async def test_twelve_pictures_fit_and_thirteen_are_refused(client: Client[Any]) -> None:
    (fox,) = await _made(client)
    assert len(_answer(await _compared(client, [fox["id"]] * 12))["images"]) == 12
    many = await _compared(client, [fox["id"]] * 13)
    assert _text(many).startswith("invalid_argument: The list has 13 references; one sheet shows at most 12.")
    assert "Next: Compare in groups of up to 12." in _text(many)


@pytest.mark.parametrize("refs", [[], "[]"])
async def test_an_empty_list_is_refused(client: Client[Any], refs: object) -> None:
    result = await _compared(client, refs)
    assert _text(result).startswith("invalid_argument: ")
    assert "empty" in _text(result)
    assert "Next: Pass" in _text(result)


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("missing.png", "not_found"),
        ("20200101-000000-abcdef", "not_found"),
        ("session-20200101-000000-abcdef", "not_found"),
        ("job-20200101-000000-abcdef", "not_found"),
        ("notes.txt", "input_rejected"),
        ("", "invalid_argument"),
    ],
)
async def test_what_cannot_be_shown_among_others_is_named_by_number_and_value(
    client: Client[Any], project: Path, ref: str, code: str
) -> None:
    (project / "notes.txt").write_text("no picture")
    (fox,) = await _made(client)
    result = await _compared(client, [fox["id"], fox["id"], ref])
    assert _text(result).startswith(f"{code}: Picture 3 of 3 ({ref}): ")
    assert "Next: " in _text(result)


async def test_a_changed_or_missing_file_of_ours_is_named_too(client: Client[Any]) -> None:
    (fox,), (boat,) = await _made(client), await _made(client, "a boat")
    Image.new("RGB", (300, 200), "red").save(fox["file_path"])
    told = _answer(await _compared(client, [boat["id"], fox["id"]]))
    assert told["notes"] == [f"The file of image {fox['id']} was changed since it was made; this is it now."]
    Path(fox["file_path"]).unlink()
    result = await _compared(client, [boat["id"], fox["id"]])
    assert _text(result).startswith(
        f"not_found: Picture 2 of 2 ({fox['id']}): The file of image {fox['id']} is "
    )


@pytest.mark.parametrize("view", [{"crop": "0,0,0.5,0.5"}, {"crop": [0, 0, 1, 0.5]}, {"grid": True}])
async def test_parts_and_rulers_are_for_one_picture(client: Client[Any], view: dict[str, Any]) -> None:
    result = await _compared(client, ["a.png", "b.png"], **view)
    assert _text(result).startswith("invalid_argument: crop and grid are for one picture, and ref is a list.")


async def test_a_job_that_still_runs_is_said_to_be(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    Image.new("RGB", (64, 64)).save(project / "mine.png")
    finished = asyncio.Event()
    events = [partial_event(image_file("blue")), final_event(image_file("red"))]
    async with serve_script(stream(events, before_last=finished)) as endpoint:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("GPT_IMAGE_PARTIAL_IMAGES", "1")
        async with Client(mcp) as client:
            started = await _call(client, "generate_image", prompt="a fox", **QUICK, wait_seconds=0)
            job = _answer(started)["job_id"]
            text = _text(await _compared(client, ["mine.png", job]))
            assert text.startswith(f"invalid_argument: Picture 2 of 2 ({job}): the job still runs")
            assert "The same call can succeed later." in text
            assert f"ref {job} alone" in text
            finished.set()
            await _call(client, "get_image", ref=job, wait_seconds=20)
            assert len(_answer(await _compared(client, ["mine.png", job]))["images"]) == 2


async def test_no_room_for_a_sheet_is_said_and_the_pictures_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    monkeypatch.setenv("GPT_IMAGE_INLINE_MAX_BYTES", "2048")
    async with Client(mcp) as client:
        (fox,) = await _made(client)
        result = await _compared(client, [fox["id"]] * 2)
    assert [block.type for block in result.content] == ["text"]
    assert len(_answer(result)["images"]) == 2
    assert "GPT_IMAGE_INLINE_MAX_BYTES is too small" in _answer(result)["notes"][0]


async def test_the_published_type_stays_text(client: Client[Any]) -> None:
    tool = next(tool for tool in await client.list_tools() if tool.name == "get_image")
    schema = tool.input_schema["properties"]["ref"]
    assert schema["type"] == "string"
    assert "anyOf" not in schema
    assert "2-12" in schema["description"]
