"""The session tools through a real client."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp.types import TextContent
from PIL import Image

from gpt_image_mcp.library.store import Library
from gpt_image_mcp.server import mcp
from gpt_image_mcp.settings import Settings
from tests.standin import serve_standin

if TYPE_CHECKING:
    from fastmcp.client.client import CallToolResult

QUICK: dict[str, Any] = {"quality": "low", "size": "816x816"}


@pytest.fixture
def photo(project: Path) -> str:
    """A picture of the user's."""
    Image.linear_gradient("L").resize((512, 512)).convert("RGB").save(project / "photo.png")
    return "photo.png"


async def _call(client: Client[Any], tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _answer(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, _text(result)
    assert result.structured_content is not None
    return result.structured_content


async def _start(client: Client[Any], photo: str, **arguments: Any) -> dict[str, Any]:
    arguments = {"prompt": "make it red", "images": [photo], **QUICK, **arguments}
    return _answer(await _call(client, "start_edit_session", **arguments))


async def _continue(client: Client[Any], session_id: str, prompt: str, **arguments: Any) -> CallToolResult:
    return await _call(client, "continue_edit_session", session_id=session_id, prompt=prompt, **arguments)


def _parents(image: dict[str, Any]) -> list[str]:
    document = Path(image["file_path"]).parent / ".metadata" / f"{image['id']}.json"
    return list(json.loads(document.read_text())["image"]["provenance"]["parents"])


async def test_each_turn_edits_the_image_of_the_turn_before(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo)
    assert (first["turn"], first["parent_turn"]) == (1, 0)
    assert "continue_edit_session" in first["next"]
    second = _answer(await _continue(client, first["session_id"], "add a bird"))
    third = _answer(await _continue(client, first["session_id"], "add a cat"))
    assert [(answer["turn"], answer["parent_turn"]) for answer in (second, third)] == [(2, 1), (3, 2)]
    assert _parents(second["images"][0]) == [first["images"][0]["id"]]
    assert _parents(third["images"][0]) == [second["images"][0]["id"]]
    assert third["images"][0]["filename"].startswith("session-")
    assert "-t3" in third["images"][0]["filename"]
    branch = await _continue(client, first["session_id"], "x", from_turn=2)
    assert f"Session {first['session_id']}, turn 4 (from turn 2)" in _text(branch)


async def test_a_look_at_a_session_says_where_it_goes_on(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo)
    session = first["session_id"]
    await _continue(client, session, "add a bird")
    seen = _answer(await _call(client, "get_image", ref=session))
    assert (seen["session_id"], seen["turn"], seen["parent_turn"]) == (session, 2, 1)
    assert "continue_edit_session" in seen["next"]
    earlier = _answer(await _call(client, "get_image", ref=first["images"][0]["id"]))
    assert "edit_image" in earlier["next"]


async def test_a_look_at_a_session_lists_all_its_turns(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo, prompt="make it red, " * 20)
    session = first["session_id"]
    second = _answer(await _continue(client, session, "add a bird"))
    branch = _answer(await _continue(client, session, "add a fish", from_turn=1))
    await _call(client, "end_edit_session", session_id=session)
    result = await _call(client, "get_image", ref=session)
    turns = _answer(result)["turns"]
    assert [(turn["turn"], turn["parent_turn"]) for turn in turns] == [(1, 0), (2, 1), (3, 1)]
    images = [answer["images"][0] for answer in (first, second, branch)]
    assert [(turn["id"], turn["file_path"]) for turn in turns] == [
        (image["id"], image["file_path"]) for image in images
    ]
    assert [turn["parents"] for turn in turns] == [[], [images[0]["id"]], [images[0]["id"]]]
    assert len(turns[0]["prompt"]) == 120
    assert turns[2]["prompt"] == "add a fish"
    assert f'Turn 3 (from turn 1): "add a fish", {images[2]["id"]}, {images[2]["file_path"]}.' in _text(
        result
    )
    assert 'Turn 1 (from the start images): "make it red' in _text(result)


async def test_a_session_without_its_last_image_shows_the_one_before(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo)
    last = _answer(await _continue(client, first["session_id"], "add a bird"))["images"][0]["id"]
    with closing(Library(Settings())) as library:
        library.images.remove_image(last)
    seen = _answer(await _call(client, "get_image", ref=first["session_id"]))
    assert seen["images"] == first["images"]
    assert [turn["file"] for turn in seen["turns"]] == ["present", "deleted"]
    Path(first["images"][0]["file_path"]).unlink()
    gone = await _call(client, "get_image", ref=first["session_id"])
    assert _text(gone).startswith("not_found: ")


async def test_from_turn_branches_from_an_earlier_image(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo)
    session = first["session_id"]
    await _continue(client, session, "add a bird")
    branch = _answer(await _continue(client, session, "add a fish", from_turn=1))
    assert (branch["turn"], branch["parent_turn"]) == (3, 1)
    assert _parents(branch["images"][0]) == [first["images"][0]["id"]]
    afresh = _answer(await _continue(client, session, "make it green", from_turn=0))
    assert (afresh["turn"], afresh["parent_turn"]) == (4, 0)
    assert _parents(afresh["images"][0]) == []


async def test_later_turns_inherit_the_output_choices(client: Client[Any], photo: str, project: Path) -> None:
    first = await _start(
        client, photo, output_format="webp", output_dir=str(project / "out"), filename_prefix="red"
    )
    second = _answer(await _continue(client, first["session_id"], "add a bird"))
    image = second["images"][0]
    assert Path(image["file_path"]).parent == project / "out"
    assert image["mime_type"] == "image/webp"
    assert image["filename"].endswith("-t2-red.webp")
    assert (image["width"], image["height"]) == (816, 816)
    changed = _answer(await _continue(client, first["session_id"], "larger", size="square"))
    assert changed["images"][0]["width"] == 1024


async def test_references_of_the_start_come_along_and_extra_ones_join(
    monkeypatch: pytest.MonkeyPatch, photo: str, project: Path
) -> None:
    Image.new("RGB", (64, 64), "red").save(project / "style.png")
    Image.new("RGB", (32, 32), "blue").save(project / "extra.png")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    async with serve_standin() as standin:
        monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
        async with Client(mcp) as client:
            first = await _start(client, photo, images=[photo, "style.png"])
            (project / "photo.png").unlink()
            (project / "style.png").unlink()
            await _continue(client, first["session_id"], "a bird", images="extra.png")
            await _continue(client, first["session_id"], "from the start", from_turn=0)
    sent = [
        [Image.open(io.BytesIO(file.data)).size for file in request.form.files]
        for request in standin.posts
        if request.form
    ]
    assert sent == [
        [(512, 512), (64, 64)],
        [(816, 816), (64, 64), (32, 32)],
        [(512, 512), (64, 64)],
    ]


async def test_a_mask_on_a_turn_keeps_the_rest_of_the_image(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo)
    region = {"shape": "ellipse", "box": [0.1, 0.1, 0.4, 0.4]}
    second = _answer(await _continue(client, first["session_id"], "a sun", regions=[region]))
    assert any("outside the mask" in note for note in second["notes"])
    before = Image.open(first["images"][0]["file_path"]).convert("RGB")
    after = Image.open(second["images"][0]["file_path"]).convert("RGB")
    assert before.crop((400, 400, 816, 816)).tobytes() == after.crop((400, 400, 816, 816)).tobytes()


async def test_two_continues_at_once_follow_each_other(client: Client[Any], photo: str) -> None:
    session = (await _start(client, photo))["session_id"]
    prompts = [f"step {number} [sandbox:delay=0.1]" for number in range(4)]
    answers = [_answer(r) for r in await asyncio.gather(*(_continue(client, session, p) for p in prompts))]
    turns = sorted((answer["turn"], answer["parent_turn"]) for answer in answers)
    assert turns == [(2, 1), (3, 2), (4, 3), (5, 4)]


async def test_a_failed_turn_leaves_the_session_as_it_was(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo)
    session = first["session_id"]
    refused = await _continue(client, session, "no [sandbox:moderation_blocked]")
    assert _text(refused).startswith("moderation_blocked: ")
    for bad in ({"from_turn": 7}, {"mask": "gone.png"}, {"images": ["x.png"] * 17}, {"size": "1x1"}):
        assert (await _continue(client, session, "x", **bad)).is_error
    second = _answer(await _continue(client, session, "a bird"))
    assert (second["turn"], second["parent_turn"]) == (2, 1)


async def test_a_start_that_fails_leaves_no_session(client: Client[Any], photo: str) -> None:
    failed = await _call(
        client, "start_edit_session", prompt="no [sandbox:insufficient_quota]", images=[photo], **QUICK
    )
    assert _text(failed).startswith("quota_exhausted: ")
    assert _answer(await _call(client, "list_edit_sessions"))["sessions"] == []


async def test_sessions_are_listed_ended_and_then_gone(client: Client[Any], photo: str) -> None:
    first, second = await _start(client, photo), await _start(client, photo, prompt="make it blue")
    listed = _answer(await _call(client, "list_edit_sessions"))["sessions"]
    assert [entry["session_id"] for entry in listed] == [second["session_id"], first["session_id"]]
    assert listed[0]["last_image_path"] == second["images"][0]["file_path"]
    assert (listed[0]["status"], listed[0]["turns"], listed[0]["last_prompt"]) == ("open", 1, "make it blue")
    for _ in range(2):
        ended = _answer(await _call(client, "end_edit_session", session_id=first["session_id"]))
        assert (ended["ended"], ended["session_id"]) == (True, first["session_id"])
    assert Path(first["images"][0]["file_path"]).is_file()
    gone = await _continue(client, first["session_id"], "a bird")
    assert _text(gone).startswith("not_found: ")
    assert first["images"][0]["id"] in _text(gone)
    listed = _answer(await _call(client, "list_edit_sessions"))["sessions"]
    assert [entry["session_id"] for entry in listed] == [second["session_id"]]


@pytest.mark.parametrize("tool", ["continue_edit_session", "end_edit_session"])
@pytest.mark.parametrize("session_id", ["", "nothing", "session-20200101-000000-abcdef", "sessiön"])
async def test_an_unknown_session_is_not_found(client: Client[Any], tool: str, session_id: str) -> None:
    arguments = {"prompt": "x"} if tool == "continue_edit_session" else {}
    result = await _call(client, tool, session_id=session_id, **arguments)
    assert _text(result).startswith("not_found: ")
    assert "list_edit_sessions" in _text(result)


async def test_old_and_surplus_sessions_are_closed_and_open_again_when_continued(
    monkeypatch: pytest.MonkeyPatch, sandbox: None, photo: str
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_SESSION_MAX", "1")
    async with Client(mcp) as client:
        first, second = await _start(client, photo), await _start(client, photo)
        listed = _answer(await _call(client, "list_edit_sessions"))["sessions"]
        assert {entry["session_id"]: entry["status"] for entry in listed} == {
            second["session_id"]: "open",
            first["session_id"]: "closed",
        }
        _answer(await _continue(client, first["session_id"], "a bird"))
        listed = _answer(await _call(client, "list_edit_sessions"))["sessions"]
        assert [(entry["session_id"], entry["status"]) for entry in listed] == [
            (first["session_id"], "open"),
            (second["session_id"], "closed"),
        ]
    monkeypatch.setenv("GPT_IMAGE_SESSION_TTL_MS", "1")
    async with Client(mcp) as client:
        listed = _answer(await _call(client, "list_edit_sessions"))["sessions"]
        assert {entry["status"] for entry in listed} == {"closed"}


async def test_a_session_goes_on_in_another_server(sandbox: None, photo: str) -> None:
    del sandbox
    async with Client(mcp) as client:
        session = (await _start(client, photo))["session_id"]
    async with Client(mcp) as client:
        assert _answer(await _continue(client, session, "a bird"))["turn"] == 2


async def test_a_missing_image_of_a_turn_is_said_with_a_way_out(client: Client[Any], photo: str) -> None:
    first = await _start(client, photo)
    Path(first["images"][0]["file_path"]).unlink()
    result = await _continue(client, first["session_id"], "a bird")
    assert _text(result).startswith("input_not_found: ")
    assert "from_turn" in _text(result)
    assert _answer(await _continue(client, first["session_id"], "a bird", from_turn=0))["parent_turn"] == 0


async def test_a_session_in_the_sandbox_model_stays_there(
    monkeypatch: pytest.MonkeyPatch, photo: str
) -> None:
    monkeypatch.delenv("GPT_IMAGE_SANDBOX", raising=False)
    async with Client(mcp) as client:
        first = await _start(client, photo, model="sandbox")
        second = _answer(await _continue(client, first["session_id"], "a bird"))
    assert second["sandbox"] is True
