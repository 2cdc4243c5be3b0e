"""What is sent: nothing newer than the client's protocol, on one line, pictures that it can show."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any, cast

import httpx2
import pytest
from fastmcp import Client
from mcp.types import ImageContent, TextContent
from PIL import Image

from gpt_image_mcp.mcp_app.outgoing import on_one_line
from gpt_image_mcp.server import mcp
from tests.faults.processes import INITIALIZE, Nowhere, Server, serve_process
from tests.mcp_app.http_servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

# By the schemas of the specification: the fields of what is sent here, and the version that brought each.
BROUGHT = {
    "2025-03-26": {"annotations", "completions", "message"},
    "2025-06-18": {"_meta", "outputSchema", "structuredContent", "title"},
    "2025-11-25": {"execution", "icons", "websiteUrl"},
    "2026-07-28": {"cacheScope", "extensions", "resultType", "ttlMs"},
}
VERSIONS = ["2024-11-05", *BROUGHT][:4]
# Every character that some language takes for the end of a line, and JSON lets stand.
BREAKS = "\x80\x85\x9f\u2028\u2029"
QUICK = {"quality": "low", "size": "816x816"}


def _sandbox(version: str = "2025-06-18", **settings: str) -> AbstractAsyncContextManager[Server]:
    return serve_process(Nowhere(), protocol_version=version, GPT_IMAGE_SANDBOX="1", **settings)


def _fields(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each field of a message, but those within what is the program's own."""
    if isinstance(value, dict):
        for name, part in cast("dict[str, Any]", value).items():
            yield (*path, name)
            if name not in {"structuredContent", "inputSchema", "outputSchema", "_meta"}:
                yield from _fields(part, (*path, name))
    elif isinstance(value, list):
        for part in cast("list[object]", value):
            yield from _fields(part, path)


async def _ask_everything(server: Server) -> dict[str, dict[str, Any]]:
    """The answer to one request of each kind."""
    read = {"uri": "gpt-image://models"}
    prompt = {"name": "photorealistic", "arguments": {"subject": "a fox"}}
    complete = {
        "ref": {"type": "ref/prompt", "name": "photorealistic"},
        "argument": {"name": "light", "value": "g"},
    }
    asked: dict[str, dict[str, Any]] = {
        **{f"{kind}/list": {} for kind in ("tools", "prompts", "resources", "resources/templates")},
        "resources/read": read,
        "prompts/get": prompt,
        "completion/complete": complete,
        "ping": {},
    }
    answers = {
        method: await server.answer(await server.send(method, params)) for method, params in asked.items()
    }
    drawn = {"name": "generate_image", "arguments": {"prompt": "a fox", "n": 2, **QUICK}}
    answers["tools/call"] = await server.answer(
        await server.send("tools/call", {**drawn, "_meta": {"progressToken": 1}})
    )
    refused = await server.send("tools/call", {**drawn, "arguments": {"prompt": ""}})
    answers["refused"] = await server.answer(refused)
    return answers


@pytest.mark.parametrize("version", VERSIONS)
async def test_no_client_is_sent_a_field_or_content_newer_than_its_protocol(version: str) -> None:
    async with _sandbox(version, GPT_IMAGE_RESOURCE_LINKS="1") as server:
        answers = await _ask_everything(server)
        messages = [json.loads(line) for line in server.lines]
    newer = {name for since, names in BROUGHT.items() if since > version for name in names}
    assert messages[0]["result"]["protocolVersion"] == version
    found = {path for message in messages for path in _fields(message)}
    # An error's message, and the _meta of a result as a whole, have been there from the first version on.
    wrong = {path for path in found if path[-1] in newer} - {("error", "message"), ("result", "_meta")}
    assert wrong == set()
    kinds = [block["type"] for block in answers["tools/call"]["content"]]
    assert kinds == ["image", "image", "text", *["resource_link"] * (2 if version >= "2025-06-18" else 0)]
    assert ("structuredContent" in answers["tools/call"]) == (version >= "2025-06-18")
    assert any(message.get("method") == "notifications/progress" for message in messages)
    assert answers["refused"]["_meta"]["gpt-image-mcp/error"]["code"] == "invalid_argument"
    text = answers["tools/call"]["content"][2]["text"]
    assert "Next: " in text
    assert "id 20" in text


@pytest.mark.parametrize("links", ["", "0"])
async def test_no_links_are_sent_unless_a_setting_asks_for_them(links: str) -> None:
    async with _sandbox("2025-11-25", GPT_IMAGE_RESOURCE_LINKS=links) as server:
        answers = await _ask_everything(server)
    assert [block["type"] for block in answers["tools/call"]["content"]] == ["image", "image", "text"]
    assert answers["tools/call"]["structuredContent"]["images"][0]["uri"] in str(answers["tools/call"])


async def _shown(client: Client[Any], tool: str, **arguments: Any) -> tuple[str, list[ImageContent]]:
    """The text of a result and its pictures, each of them what it says it is."""
    result = await client.call_tool(tool, arguments)
    pictures = [block for block in result.content if isinstance(block, ImageContent)]
    for block in pictures:
        with Image.open(io.BytesIO(base64.b64decode(block.data))) as picture:
            assert block.mime_type == f"image/{str(picture.format).lower()}"
    most = 700_000 if "max_edge" in arguments else 98_304
    assert sum(len(block.data) for block in pictures) <= most
    return next(block.text for block in result.content if isinstance(block, TextContent)), pictures


async def _made(client: Client[Any], **arguments: Any) -> dict[str, Any]:
    """The structured content of a picture that is made."""
    return cast("dict[str, Any]", (await client.call_tool("generate_image", arguments)).structured_content)


@pytest.mark.parametrize("kind", ["", "JPG", "webp", "png"])
async def test_every_path_shows_its_pictures_in_the_format_of_the_setting(
    kind: str, sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_PREVIEW_FORMAT", kind)
    mime_type = f"image/{kind or 'jpeg'}".replace("JPG", "jpeg")
    pictures: list[ImageContent] = []
    async with Client(mcp) as client:
        made = await _made(client, prompt="a fox", output_format="webp", **QUICK)
        ref = made["images"][0]["id"]
        calls: dict[str, dict[str, Any]] = {
            "generate_image": {"prompt": "two foxes", "n": 4, **QUICK},
            "edit_image": {"prompt": "red", "images": [ref], **QUICK},
            "batch_edit_images": {"prompt": "red", "images": [ref], **QUICK},
            "start_edit_session": {"prompt": "red", "images": [ref], **QUICK},
            "export_image": {"ref": ref, "output_format": "png"},
        }
        for tool, arguments in calls.items():
            pictures += (await _shown(client, tool, **arguments))[1]
        views: list[dict[str, Any]] = [{}, {"max_edge": 700}, {"crop": "0,0,0.5,0.5"}, {"grid": True}]
        for view in views:
            pictures += (await _shown(client, "get_image", ref=ref, **view))[1]
        path = made["images"][0]["file_path"]
        pictures += (await _shown(client, "get_image", ref=path))[1]
    assert len(pictures) == 13
    assert {block.mime_type for block in pictures} == {mime_type}


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
async def test_a_checker_in_a_preview_is_said_in_text_and_structured_content(
    kind: str, sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_PREVIEW_FORMAT", kind)
    arguments = {"prompt": "a fox", "background": "transparent", "quality": "low"}
    async with Client(mcp) as client:
        text, _ = await _shown(client, "generate_image", **arguments)
        made = await _made(client, **arguments)
    is_said = kind == "jpeg"
    assert any("light checker" in note for note in made["notes"]) == is_said
    assert ("light checker" in text) == is_said


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
async def test_the_smallest_budget_holds_for_many_pictures_and_what_is_missing_is_said(
    kind: str, sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_PREVIEW_FORMAT", kind)
    monkeypatch.setenv("GPT_IMAGE_INLINE_MAX_BYTES", "2048")
    async with Client(mcp) as client:
        text, pictures = await _shown(client, "generate_image", prompt="foxes", n=10, **QUICK)
    assert sum(len(block.data) for block in pictures) <= 2048
    assert text.count("Note: No preview of ") == 10 - len(pictures)


async def test_a_line_break_of_unicode_never_stands_in_a_line_and_comes_back_as_it_was() -> None:
    prompt = f"a fox{BREAKS}x"
    async with _sandbox() as server:
        made = await server.call("generate_image", prompt=prompt, **QUICK)
        found = await server.call("find_images", query="fox")
        refused = await server.failing_call("get_image", ref=f"/a{BREAKS}.png")
        unknown = await server.call("estimate_cost", **{f"si{BREAKS}ze": BREAKS})
    assert made["prompt"] == found["images"][0]["prompt"] == prompt
    assert "There is no file" in refused
    assert any(BREAKS in note for note in unknown["notes"])
    for line in server.lines:
        assert len(line.decode().splitlines()) == 1
        assert not any(character in line.decode() for character in BREAKS)


def test_only_line_breaks_are_escaped_and_json_reads_them_back() -> None:
    text = "".join(chr(code) for code in range(0xD800)) + "".join(
        chr(code) for code in range(0xE000, 0x11000)
    )
    line = on_one_line(json.dumps(text, ensure_ascii=False).encode())
    assert json.loads(line) == text
    assert len(line.decode().splitlines()) == 1
    assert "é \u00a0…" in on_one_line("é \u00a0…".encode()).decode()


async def test_event_streams_over_http_are_as_careful(tmp_path: Path) -> None:
    prompt = f"a fox{BREAKS}x"
    with serve(tmp_path) as running:
        async with httpx2.AsyncClient(headers={"Accept": "application/json, text/event-stream"}) as client:

            async def ask(method: str, params: dict[str, Any]) -> tuple[str, Mapping[str, str]]:
                message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                response = await client.post(running.url, json=message, timeout=30)
                return response.content.decode(), response.headers

            _, headers = await ask("initialize", {**INITIALIZE, "protocolVersion": "2024-11-05"})
            client.headers["mcp-session-id"] = headers["mcp-session-id"]
            arguments = {"prompt": prompt, **QUICK}
            body, headers = await ask("tools/call", {"name": "generate_image", "arguments": arguments})
    assert headers["content-type"].startswith("text/event-stream")
    assert not any(character in body for character in BREAKS)
    (data,) = [line for line in body.splitlines() if line.startswith("data: {")]
    result = json.loads(data.removeprefix("data: "))["result"]
    assert "a fox\\u0080\\u0085\\u009f\\u2028\\u2029x" in result["content"][1]["text"]
    assert set(result) == {"content", "isError"}
