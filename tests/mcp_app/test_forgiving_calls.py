"""Calls as clients and models really send them.

Clients add arguments for themselves, fill every field of a form with an empty text, wrap the arguments, or
split a text over the arguments of a prompt.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from fastmcp import Client
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, TextContent
from PIL import Image

from gpt_image_mcp.mcp_app.prompts import blanks_of
from gpt_image_mcp.mcp_app.recipes import RECIPES
from gpt_image_mcp.server import mcp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from mcp.types import CallToolResult

Arguments: TypeAlias = dict[str, Any]
CHAT = "3f0c6c0e-8a54-4a6e-9d53-5a1c5f1d2b3c"
FOX: Arguments = {"prompt": "a fox", "quality": "low"}
# What n8n, Cline, Cursor, LangChain and others send along.
BOOKKEEPING: Arguments = {
    "toolCallId": "call_1",
    "tool_call_id": "call_2",
    "sessionId": CHAT,
    "task_progress": "- [ ] draw a fox",
    "random_string": "dummy",
    "action": "sendMessage",
    "chatInput": "draw me a fox",
    "_meta": {"progressToken": 1},
    "kwargs": {},
    "config": None,
}


NOTHING: tuple[object, ...] = ("", "null", None, [])
NEAR = {
    "promt": "prompt",
    "Promtp": "prompt",
    "prompts": "prompt",
    "qualtiy": "quality",
    "sizes": "size",
    "modle": "model",
    "outputformat": "output_format",
    "Output Format": "output_format",
    "filename_prefx": "filename_prefix",
    "wait.seconds": "wait_seconds",
}


@pytest.fixture
async def session(sandbox: None) -> AsyncGenerator[ClientSession]:
    """A client of the server."""
    del sandbox
    async with Client(mcp) as client:
        yield client.session


@asynccontextmanager
async def _process() -> AsyncGenerator[ClientSession]:
    """A client of a server that is a process of its own."""
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gpt_image_mcp"], env={**os.environ, "GPT_IMAGE_SANDBOX": "1"}
    )
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def _done(session: ClientSession, tool: str, arguments: Arguments) -> dict[str, Any]:
    result = await session.call_tool(tool, arguments)
    assert not result.is_error, f"{tool} {arguments}: {_text(result)}"
    assert result.structured_content is not None
    return {**result.structured_content, "text": _text(result)}


async def _refused(session: ClientSession, tool: str, arguments: Arguments) -> str:
    result = await session.call_tool(tool, arguments)
    assert result.is_error, f"{tool} {arguments}: {_text(result)}"
    return _text(result)


async def test_what_clients_add_for_themselves_is_dropped_without_a_word(
    project: Path, session: ClientSession
) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    calls: dict[str, Arguments] = {
        "generate_image": FOX,
        "edit_image": {**FOX, "images": ["a.png"]},
        "batch_edit_images": {**FOX, "images": ["a.png"]},
        "estimate_cost": {},
        "get_image": {"ref": "a.png"},
        "export_image": {"ref": "a.png", "output_format": "webp"},
        "find_images": {},
        "list_edit_sessions": {},
    }
    for tool, arguments in calls.items():
        done = await _done(session, tool, {**BOOKKEEPING, **arguments})
        assert "ignored" not in f"{done['text']} {done.get('notes')}", tool


async def test_other_unknown_arguments_are_dropped_with_a_note(session: ClientSession) -> None:
    done = await _done(session, "generate_image", {**FOX, "seed": 7, "guidanceScale": 2, "steps": ""})
    assert done["notes"] == [
        "seed was ignored: generate_image has no such argument.",
        "guidanceScale was ignored: generate_image has no such argument.",
    ]
    assert "seed was ignored" in done["text"]
    found = await _done(session, "find_images", {"color": "red"})
    assert found["notes"] == ["color was ignored: find_images has no such argument."]
    long = await _done(session, "estimate_cost", {"x" * 5000: 1, "junk": "y" * 100_000})
    assert len("".join(long["notes"])) < 400


async def test_a_near_miss_of_a_name_is_refused_with_the_right_one(session: ClientSession) -> None:
    for wrong, right in NEAR.items():
        said = await _refused(session, "generate_image", {**FOX, wrong: "low"})
        assert said.startswith("invalid_argument: ")
        assert f"(did you mean {right}?)" in said, wrong


async def test_a_missing_argument_is_named_together_with_what_was_given_instead(
    session: ClientSession,
) -> None:
    said = await _refused(session, "generate_image", {"text_prompt": "a fox"})
    assert "the argument prompt is missing" in said
    assert "text_prompt was ignored" in said


async def test_the_id_of_a_session_reaches_its_tool_beside_the_id_of_a_chat(
    project: Path, session: ClientSession
) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    ours = (await _done(session, "start_edit_session", {**FOX, "images": "a.png", "sessionId": CHAT}))[
        "session_id"
    ]
    turn = await _done(
        session, "continue_edit_session", {"session_id": ours, "sessionId": CHAT, "prompt": "x"}
    )
    assert turn["turn"] == 2
    assert (await _done(session, "find_images", {"sessionId": CHAT}))["total"] == 2
    assert (await _done(session, "find_images", {"session_id": ours, "sessionId": "chat 7"}))["total"] == 2
    seen = await _done(session, "get_image", {"sessionId": ours})
    assert seen["images"]
    refused = await _refused(session, "generate_image", {**FOX, "sessionId": ours})
    assert "continue_edit_session" in refused
    missing = await _refused(session, "continue_edit_session", {"sessionId": CHAT, "prompt": "x"})
    assert "session_id is missing" in missing
    never = await _refused(session, "continue_edit_session", {"session_id": "edit-1", "prompt": "x"})
    assert never.startswith("not_found: ")
    assert (await _done(session, "end_edit_session", {"sessionId": ours}))["ended"] is True


async def test_arguments_that_are_wrapped_are_unwrapped(session: ClientSession) -> None:
    for wrapper in ("arguments", "input", "params", "kwargs", "toolInput"):
        quoted = await _done(session, "estimate_cost", {wrapper: {"n": 2, "quality": "low", "size": None}})
        assert (quoted["n"], quoted["quality"]) == (2, "low")
    quoted = await _done(session, "estimate_cost", {"input": '{"args": {"n": 3}}', "quality": "low"})
    assert (quoted["n"], quoted["quality"]) == (3, "low")
    quoted = await _done(session, "estimate_cost", {"input": "two of them"})
    assert quoted["notes"] == ["input was ignored: estimate_cost has no such argument."]


async def test_a_form_of_empty_fields_means_the_defaults(project: Path, session: ClientSession) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    given: dict[str, Arguments] = {
        "generate_image": {"prompt": "a fox", "quality": "low"},
        "edit_image": {"prompt": "a fox", "quality": "low", "images": ["a.png"]},
        "batch_edit_images": {"prompt": "a fox", "quality": "low", "images": ["a.png"]},
        "start_edit_session": {"prompt": "a fox", "quality": "low", "images": ["a.png"]},
        "export_image": {"ref": "a.png", "width": 32},
        "estimate_cost": {},
        "find_images": {},
        "get_image": {"ref": "a.png"},
    }
    tools = {tool.name: tool.input_schema["properties"] for tool in (await session.list_tools()).tools}
    for nothing, tool in itertools.product(NOTHING, given):
        done = await _done(session, tool, {**dict.fromkeys(tools[tool], nothing), **given[tool]})
        assert "ignored" not in done["text"]


async def test_values_in_another_form_are_understood(project: Path, session: ClientSession) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    half = '{"shape": "Rectangle", "box": [0, 0, 0.5, 1], "points": [], "unit": "", "invert": "false"}'
    edits: list[Arguments] = [
        {"images": "a.png", "keep_unmasked": "true", "edit_type": "Style Transfer"},
        {"images": '["a.png"]', "keep_unmasked": "False", "regions": half},
        {"images": ["a.png"], "regions": f"[{half}]", "n": "1", "wait_seconds": "30"},
        {"images": {"path": "a.png"}, "mask": [], "n": 1.0, "quality": ["LOW"], "prompt": ["a fox"]},
    ]
    for arguments in edits:
        await _done(session, "edit_image", {**FOX, **arguments})
    await _done(session, "estimate_cost", {"n": "2", "input_images": "1", "size": ["square"]})
    found = await _done(session, "find_images", {"limit": "1", "offset": 0.0, "query": ["fox"]})
    assert len(found["images"]) == 1
    assert (await _done(session, "find_images", {"query": 987654321}))["total"] == 0
    await _done(session, "get_image", {"ref": ["a.png"], "grid": "yes", "max_edge": "64"})
    said = await _refused(session, "generate_image", {**FOX, "n": "two", "moderation": "none"})
    assert "n is 'two'" in said
    assert "moderation is 'none'" in said
    deep = await _refused(session, "edit_image", {**FOX, "images": "[" * 100_000})
    assert deep.startswith("input_rejected: ")


async def test_an_unknown_tool_is_an_error_of_the_protocol_that_names_near_ones(
    session: ClientSession,
) -> None:
    near = {"generate_images": "generate_image", "edit-picture": "edit_image", "x": "get_image"}
    for tool, meant in near.items():
        with pytest.raises(MCPError, match=f"^Unknown tool: .*{meant}") as unknown:
            await session.call_tool(tool, {})
        assert unknown.value.error.code == INVALID_PARAMS


WRONG: list[tuple[str, dict[str, str], str]] = [
    ("logo_icon", {}, "idea is missing"),
    ("logo_icon", {"idea": " "}, "idea is missing"),
    ("logo_icon", {"idea": "x", "colour": "red"}, "no argument colour"),
    ("logo_icon", {"idea": "x", "style": "wild"}, "one of the choices"),
    ("logo_icon", {"idea": "a boat", "quality": "ultra"}, "one of the choices"),
    ("logo_icon", {"idea": "x", "size": "17"}, "17"),
    ("infographic", {"topic": "tea", "facts": ";"}, "lists nothing"),
    ("no_such_prompt", {}, "no_such_prompt"),
]
# Of a prompt that a person types behind its name: the required texts that come of it.
TYPED: list[tuple[str, str, dict[str, str]]] = [
    ("photorealistic", "a red fox", {"subject": "a red fox"}),
    ("photorealistic", "red fox", {"subject": "red fox"}),
    (
        "photorealistic",
        "a high mountain in the snow at night",
        {"subject": "a high mountain in the snow at night"},
    ),
    ("text_poster", "Spring Fair", {"headline": "Spring Fair"}),
    ("product_mockup", "a matt black bottle", {"product": "a matt black bottle"}),
    ("logo_icon", "a paper boat", {"idea": "a paper boat"}),
    ("ui_asset", "an empty inbox", {"asset": "an empty inbox"}),
    ("style_transfer", "a.png woodcut in two colours", {"image": "a.png", "style": "woodcut in two colours"}),
    ("background_swap", "a.png a beach at dusk", {"image": "a.png", "background": "a beach at dusk"}),
    ("photorealistic", "fox high", {"subject": "fox", "quality": "high"}),
]


async def test_a_text_that_was_split_over_the_arguments_of_a_prompt_is_in_one_piece_again(
    session: ClientSession,
) -> None:
    listed = {entry.name: entry for entry in (await session.list_prompts()).prompts}
    for prompt, typed, meant in TYPED:
        names = [argument.name for argument in listed[prompt].arguments or []]
        split = await session.get_prompt(prompt, dict(zip(names, typed.split(), strict=False)))
        assert split == await session.get_prompt(prompt, meant), typed


def test_in_every_form_a_choice_stands_behind_what_is_required() -> None:
    for recipe in RECIPES.values():
        blanks = blanks_of(recipe)
        required = [blank.is_required for blank in blanks]
        first_optional = required.index(False)
        assert not any(required[first_optional:])
        assert blanks[first_optional].choices


async def test_what_is_wrong_about_a_prompt_is_invalid_params(session: ClientSession) -> None:
    for prompt, arguments, words in WRONG:
        with pytest.raises(MCPError, match=words) as refused:
            await session.get_prompt(prompt, arguments)
        assert refused.value.error.code == INVALID_PARAMS


@pytest.mark.timeout(60)
async def test_hundreds_of_unknown_arguments_are_counted_and_a_few_named(session: ClientSession) -> None:
    many = {f"k{number}": number for number in range(900)}
    done = await _done(session, "estimate_cost", {**many, "x" * 2_000_000: 1})
    assert done["notes"][0] == "k0 was ignored: estimate_cost has no such argument."
    assert done["notes"][-1] == "881 more arguments were ignored."
    assert len(done["notes"]) < 25


_MANY = 190_000
_TEXTS = '"a",' * _MANY
_BROAD: dict[str, Arguments] = {
    "arguments": {f"k{number}": 1 for number in range(_MANY)},
    "a list": {"images": ["a"] * _MANY},
    "a list as text": {"images": f"[{'1,' * _MANY}1]"},
    "a list of texts as text": {"images": f'[{_TEXTS}"a"]'},
    "an object": {"regions": [dict.fromkeys(map(str, range(_MANY)), 1)]},
    "points": {"regions": [{"shape": "polygon", "points": [1] * _MANY}]},
    "wrapped arguments": {"arguments": dict.fromkeys(map(str, range(_MANY)), 1)},
    "wrapped arguments as text": {"input": json.dumps(dict.fromkeys(map(str, range(_MANY)), 1))},
}


_LONG = "\N{FOX FACE}" + "a/" * 2_000_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "field", ["prompt", "filename", "size", "output_dir", "images", "mask", "style", "x"]
)
async def test_a_text_longer_than_any_that_is_no_image_is_refused(field: str, session: ClientSession) -> None:
    for text in (_LONG, _LONG[1:]):
        said = await session.call_tool("edit_image", {"prompt": "red", "images": ["a.png"], field: text})
        assert said.is_error
        assert len(_text(said)) < 1_000


@pytest.mark.timeout(60)
async def test_names_and_addresses_of_megabytes_are_refused(session: ClientSession) -> None:
    requests = (
        session.call_tool(_LONG, {}),
        session.get_prompt(_LONG, {}),
        session.get_prompt("logo_icon", {"idea": _LONG}),
        session.get_prompt("logo_icon", {"idea": "a boat", _LONG: "x"}),
        session.read_resource(f"gpt-image://images/{_LONG}"),
    )
    for request in requests:
        with pytest.raises(MCPError, match=r"4,000,\d{3} characters; 100,000 are read") as refused:
            await request
        assert refused.value.error.code == INVALID_PARAMS


@pytest.mark.timeout(60)
async def test_what_is_broader_than_any_tool_takes_is_refused() -> None:
    async with _process() as session:
        for kind, arguments in _BROAD.items():
            said = await _refused(session, "edit_image", {"prompt": "red", **arguments})
            assert said.startswith(("invalid_argument: ", "input_")), kind
            assert len(said) < 1_000, kind


async def test_no_number_however_large_or_small_is_a_defect(project: Path, session: ClientSession) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    picture = str(project / "a.png")
    needed: Arguments = {"prompt": "a fox", "prompts": ["a fox"], "images": [picture], "ref": picture}
    needed |= {"session_id": "20261129-000000-aaaaaa", "refs": [picture], "quality": "low"}
    for tool in (await session.list_tools()).tools:
        fields: Arguments = tool.input_schema["properties"]
        usual = {name: value for name, value in needed.items() if name in fields}
        numbers = [name for name, field in fields.items() if '"number"' in json.dumps(field)]
        for name, value in itertools.product(numbers, (1e308, 1e22, 1e16, 5e-324, -1e308)):
            answer = await session.call_tool(tool.name, {**usual, name: value})
            assert "internal:" not in str(answer.content), (tool.name, name, value)
    speck = await session.call_tool("get_image", {"ref": picture, "crop": "0,0,1e-320,1e-320"})
    assert not speck.is_error
