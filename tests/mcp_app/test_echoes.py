"""What a caller sent is repeated in a hundred characters at most, whatever it was and whoever repeats it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.errors import cut, quoted
from gpt_image_mcp.server import mcp
from tests.faults.processes import Nowhere, Server, serve_process

if TYPE_CHECKING:
    import mcp_types

LONG = "x" * 20_000
# A prompt is shown with 200 characters, and the name of a file that was made may have 255.
TOO_MUCH = re.compile("x{256}")
MOST_CHARACTERS = 10_000
KINDS: dict[str, Any] = {
    "word": LONG,
    "path": f"/tmp/{LONG}/{LONG}.png",
    "folder": f"{LONG}/a.png",
    "names": "/".join(["x" * 190] * 100),
    "address": f"https://example.invalid/{LONG}",
    "data URL": f"data:{LONG}",
    "object": {LONG: LONG},
    "list": [LONG, LONG],
    "number": 10**4000,
    "size": f"{LONG}x16",
}
OTHER_SPELLINGS = ("style", "negative_prompt", "strength", "mask_area", "region", "format", "job_id")
IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
    "RU5ErkJggg=="
)
NEEDED: dict[str, dict[str, object]] = {
    "generate_image": {"prompt": "a fox", "size": "816x816", "quality": "low"},
    "edit_image": {"prompt": "red", "images": [IMAGE], "size": "816x816", "quality": "low"},
    "batch_edit_images": {"prompt": "red", "images": [IMAGE], "size": "816x816", "quality": "low"},
    "start_edit_session": {"prompt": "red", "images": [IMAGE], "size": "816x816", "quality": "low"},
    "continue_edit_session": {"prompt": "red", "session_id": "session-20260101-000000-abcdef"},
    "end_edit_session": {"session_id": "session-20260101-000000-abcdef"},
    "get_image": {"ref": IMAGE},
    "find_images": {"limit": 1},
    "export_image": {"ref": IMAGE},
}


def _said(result: mcp_types.Result) -> str:
    """All of a result but its pictures."""
    content = [block for block in getattr(result, "content", ()) if block.type != "image"]
    return str(result.model_copy(update={"content": content}))


@pytest.mark.parametrize("kind", KINDS)
async def test_no_tool_repeats_a_long_argument(sandbox: None, kind: str) -> None:
    del sandbox
    wrong: list[str] = []
    async with Client(mcp) as client:
        for tool in await client.list_tools():
            for name in (*tool.input_schema["properties"], *OTHER_SPELLINGS):
                arguments = {**NEEDED.get(tool.name, {}), name: KINDS[kind]}
                said = _said(await client.session.call_tool(tool.name, arguments))
                if TOO_MUCH.search(said) or len(said) > MOST_CHARACTERS:
                    wrong.append(f"{tool.name} {name}: {said[:500]}")
    assert wrong == []


MB = 1_000_000


async def _answer(server: Server, method: str, **params: Any) -> bytes:
    """The line that answers a request, with a result or an error."""
    await server.message(await server.send(method, params))
    return server.lines[-1]


LARGE: list[tuple[str, dict[str, Any]]] = [
    ("estimate_cost", {"x" * 12 * MB: 1}),
    ("estimate_cost", {"size" + "x" * MB: "auto"}),
    ("estimate_cost", {"foo": "x" * 12 * MB}),
    ("estimate_cost", {"model": "x" * MB}),
    ("generate_image", {"prompt": "a fox", "size": "x" * MB}),
    ("generate_image", {"prompt": "x" * 12 * MB}),
    ("find_images", {"query": "a b" * 12 * MB}),
    ("delete_image", {"ref": f"{'é' * 200}.png"}),
    ("edit_image", {"prompt": "red", "regions": [{"x" * MB: 1}], "images": [IMAGE]}),
    ("get_image", {"ref": "x" * 12 * MB}),
    ("get_image", {"ref": "/x" * 6 * MB}),
    ("get_image", {"ref": "data:image/png;base64," + "x" * 12 * MB}),
    ("x" * MB, {}),
]


async def test_a_process_answers_megabytes_in_a_few_words() -> None:
    async with serve_process(Nowhere(), GPT_IMAGE_SANDBOX="1") as server:
        for tool, arguments in LARGE:
            line = await _answer(server, "tools/call", name=tool, arguments=arguments)
            assert not TOO_MUCH.search(line.decode())
            assert len(line) <= MOST_CHARACTERS


async def test_errors_of_the_protocol_are_as_short() -> None:
    async with serve_process(Nowhere(), GPT_IMAGE_SANDBOX="1") as server:
        lines = [
            await _answer(server, "x" * MB),
            await _answer(server, "prompts/get", name="x" * MB),
            await _answer(server, "prompts/get", name="photorealistic", arguments={"x" * MB: "a"}),
            await _answer(
                server, "prompts/get", name="photorealistic", arguments={"subject": "a", "light": "x" * MB}
            ),
            await _answer(server, "resources/read", uri=f"gpt-image://images/{'x' * MB}"),
            await _answer(server, "resources/read", uri=f"foo://{'x' * MB}"),
            await _answer(server, "logging/setLevel", level="x" * MB),
        ]
    for line in lines:
        assert b'"error"' in line
        assert len(line) <= 1_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a fox", "'a fox'"),
        ("/Users/me/" + "x" * 200 + "/cat.png", "'/Users/me/" + "x" * 48 + "…" + "x" * 31 + "/cat.png'"),
        (["a", 1], "['a', 1]"),
        ("a\n\u2028", "'a\\n\\u2028'"),
    ],
)
def test_a_long_value_keeps_its_beginning_and_its_end(value: object, shown: str) -> None:
    assert quoted(value) == shown


@given(st.text(max_size=300))
def test_no_value_is_shown_with_more_than_a_hundred_characters(text: str) -> None:
    assert len(cut(text)) == min(len(text), 100)
    assert len(quoted(text)) <= 100
