"""The server over Streamable HTTP: a real process, driven by clients of both protocol eras."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import json
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastmcp import Client
from mcp import MCPError
from PIL import Image

import gpt_image_mcp
from gpt_image_mcp.cli.app import run
from gpt_image_mcp.mcp_app.http_middleware import MAX_BODY_BYTES
from tests.mcp_app.http_servers import START_SECONDS, Served, serve
from tests.web import pretend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastmcp.client.client import CallToolResult

ERAS = ("auto", "legacy")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests that leave it as it was; local files are off."""
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running


def _stopped(running: Served) -> tuple[int, str, str]:
    """Exit code and output of a process that was told to stop."""
    out, err = running.process.communicate(timeout=START_SECONDS)
    return running.process.returncode, out, err


async def _call(client: Client[Any], tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


def _answer(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, _text(result)
    assert result.structured_content is not None
    return result.structured_content


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _noise(edge: int) -> bytes:
    """A PNG that does not compress."""
    stream = io.BytesIO()
    Image.frombytes("RGB", (edge, edge), os.urandom(edge * edge * 3)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("era", ERAS)
async def test_an_image_is_made_looked_at_and_read_over_http(served: Served, era: str) -> None:
    async with served.client(era) as client:
        made = _answer(await _call(client, "generate_image", prompt=f"a boat, {era}", quality="low"))
        image = made["images"][0]
        seen = await _call(client, "get_image", ref=image["id"])
        (content,) = await client.read_resource(image["uri"])
    assert Path(image["file_path"]).is_file()
    assert _answer(seen)["images"] == [image]
    assert seen.content[0].type == "image"
    assert base64.b64decode(content.model_dump()["blob"]) == Path(image["file_path"]).read_bytes()


@pytest.mark.parametrize("era", ERAS)
async def test_an_input_larger_than_the_librarys_limit_comes_as_a_data_url(served: Served, era: str) -> None:
    photo = _noise(1280)
    assert len(photo) > 4 * 1024 * 1024
    url = f"data:image/png;base64,{base64.b64encode(photo).decode()}"
    async with served.client(era) as client:
        edited = _answer(await _call(client, "edit_image", prompt=f"at night, {era}", images=[url]))
    assert edited["status"] == "completed"


async def test_health_tells_the_version_and_nothing_else(served: Served) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{served.root}/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "name": "gpt-image-mcp", "version": gpt_image_mcp.__version__}


@pytest.mark.parametrize("path", ["/mcp", "/health"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:8000"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
    ],
)
async def test_requests_of_other_sites_are_refused(
    served: Served, path: str, headers: dict[str, str], status: int
) -> None:
    async with httpx2.AsyncClient() as http:
        answer = await http.post(f"{served.root}{path}", headers=headers, json={})
    assert answer.status_code == status


async def test_a_body_beyond_every_use_is_refused_before_it_is_read(served: Served) -> None:
    host, port = served.root.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    writer.write(head.encode())
    assert b" 413 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_local_files_are_off_unless_folders_are_named(served: Served) -> None:
    private = served.folder / "private.png"
    private.write_bytes(_noise(64))
    async with served.client() as client:
        edited = await _call(client, "edit_image", prompt="at night", images=[str(private)])
        seen = await _call(client, "get_image", ref=str(private))
        missing = await _call(client, "get_image", ref=str(served.folder / "missing.png"))
        batch = await _call(client, "batch_edit_images", prompt="at night", images=[str(served.folder)])
        masked = await _call(
            client,
            "edit_image",
            prompt="at night",
            images=[f"data:image/png;base64,{base64.b64encode(_noise(64)).decode()}"],
            mask=str(private),
        )
    for refused in (edited, masked, batch, seen):
        assert refused.is_error
        assert _text(refused).startswith("input_rejected: ")
        assert "GPT_IMAGE_INPUT_ROOTS" in _text(refused)
    assert _text(seen) == _text(missing).replace("missing", "private")


async def test_a_file_of_ours_is_reached_by_its_id_and_not_by_its_path(served: Served) -> None:
    async with served.client() as client:
        made = _answer(await _call(client, "generate_image", prompt="ours", quality="low"))
        image = made["images"][0]
        by_path = [
            await _call(client, "get_image", ref=image["file_path"]),
            await _call(client, "edit_image", prompt="x", images=[image["file_path"]]),
        ]
        by_id = await _call(client, "edit_image", prompt="x", images=[image["id"]])
    assert all(_text(refused).startswith("input_rejected: ") for refused in by_path)
    assert _answer(by_id)["status"] == "completed"


async def test_files_come_from_the_folders_that_are_named(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "photo.png").write_bytes(_noise(640))
    (tmp_path / "private.png").write_bytes(_noise(64))
    (shared / "way-out.png").symlink_to(tmp_path / "private.png")
    with serve(tmp_path, GPT_IMAGE_INPUT_ROOTS=str(shared)) as running:
        async with running.client() as client:
            allowed = await _call(client, "edit_image", prompt="at night", images=[str(shared / "photo.png")])
            outside = await _call(
                client, "edit_image", prompt="at night", images=[str(shared / "way-out.png")]
            )
    assert _answer(allowed)["status"] == "completed"
    assert _text(outside).startswith("input_rejected: ")
    assert str(shared) in _text(outside)


async def test_files_are_saved_in_the_output_folder_and_the_folders_that_are_named(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "way-out").symlink_to(tmp_path / "private")
    names = ("private", ".git/hooks", ".config/autostart", "shared/way-out", "shared/../private")
    outside = ("~/x", *(str(tmp_path / name) for name in names))
    named = {"GPT_IMAGE_OUTPUT_ROOTS": str(shared)}
    for places in (dict[str, str](), named):
        with serve(tmp_path, **places) as running:
            async with running.client() as client:
                ours = _answer(await _call(client, "generate_image", prompt="ours", quality="low"))
                image = ours["images"][0]
                below = str(Path(image["file_path"]).parent / "below")
                for folder in (below, str(shared / "new"), *outside):
                    drawn = await _call(
                        client, "generate_image", prompt="x", quality="low", output_dir=folder
                    )
                    made = await _call(client, "export_image", ref=image["id"], width=32, output_dir=folder)
                    is_open = folder == below or (folder.endswith("new") and bool(places))
                    for result in (drawn, made):
                        assert result.is_error is not is_open
                        assert is_open or _text(result).startswith("output_rejected: ")
    assert not any((tmp_path / name).exists() for name in ("private", ".git", ".config", "x"))


async def test_two_clients_draw_at_once(served: Served) -> None:
    async with served.client("auto") as one, served.client("legacy") as other:
        results = await asyncio.gather(
            *(
                _call(client, "generate_image", prompt=f"[sandbox:delay=0.3] picture {number}", quality="low")
                for number, client in enumerate((one, other, one, other))
            )
        )
    paths = {image["file_path"] for result in results for image in _answer(result)["images"]}
    assert len(paths) == 4


@pytest.mark.parametrize(("begins", "collects"), [("auto", "legacy"), ("legacy", "auto")])
async def test_a_job_of_one_connection_is_collected_by_another(
    served: Served, begins: str, collects: str
) -> None:
    async with served.client(begins) as client:
        started = _answer(
            await _call(
                client,
                "generate_image",
                prompt=f"[sandbox:delay=0.5] for {collects}",
                quality="low",
                wait_seconds=0,
            )
        )
    assert started["status"] == "running"
    async with served.client(collects) as client:
        collected = _answer(await _call(client, "get_image", ref=started["job_id"], wait_seconds=30))
    assert collected["status"] == "completed"
    assert Path(collected["images"][0]["file_path"]).is_file()


async def _draw(
    client: Client[Any], prompt: str, drawing: asyncio.Event, *, delay_seconds: float = 1.5
) -> CallToolResult:
    """Draws for a while; sets the event when the request has left."""

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        if message and message.startswith("drawing"):
            drawing.set()

    arguments = {"prompt": f"[sandbox:delay={delay_seconds}] {prompt}", "quality": "low"}
    return await client.call_tool("generate_image", arguments, progress_handler=watch, raise_on_error=False)


async def test_calls_that_are_drawing_are_answered_before_the_server_ends(tmp_path: Path) -> None:
    drawing = [asyncio.Event() for _ in ERAS]
    with serve(tmp_path) as running:
        async with running.client("auto") as one, running.client("legacy") as other:
            calls = [
                asyncio.create_task(_draw(client, f"for {event}", event))
                for client, event in zip((one, other), drawing, strict=True)
            ]
            for event in drawing:
                await event.wait()
            answers = asyncio.gather(*calls)
            running.process.send_signal(signal.SIGTERM)
            while not answers.done():  # those who started it pass it on
                running.process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.2)
            results = await answers
        code, out, _ = _stopped(running)
    assert all(Path(_answer(result)["images"][0]["file_path"]).is_file() for result in results)
    assert (code, out) == (0, "")


async def test_who_waits_longer_than_the_grace_period_is_given_the_id_of_the_call(tmp_path: Path) -> None:
    drawing = asyncio.Event()
    with serve(tmp_path, GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="4") as running:
        async with running.client() as client:
            call = asyncio.create_task(_draw(client, "for long", drawing, delay_seconds=6))
            await drawing.wait()
            running.process.send_signal(signal.SIGTERM)
            told = _answer(await call)
        code, out, err = _stopped(running)
    assert (told["status"], code, out) == ("running", 0, "")
    assert "Traceback" not in err
    with serve(tmp_path) as again:
        async with again.client() as client:
            made = _answer(await _call(client, "get_image", ref=told["job_id"]))
    assert made["status"] == "completed"


async def test_a_batch_that_ends_with_the_server_tells_of_each_image_and_the_same_again_makes_the_rest(
    tmp_path: Path,
) -> None:
    begun = asyncio.Event()

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        del progress, total
        if message and message.startswith("1 of 3"):
            begun.set()

    batch = {
        "prompt": "[sandbox:delay=2] at night",
        "images": [f"data:image/png;base64,{base64.b64encode(_noise(32)).decode()}" for _ in range(3)],
        "quality": "low",
        "concurrency": 1,
    }
    with serve(tmp_path, GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="1") as running:
        async with running.client() as client:
            call = asyncio.create_task(client.call_tool("batch_edit_images", batch, progress_handler=watch))
            await begun.wait()
            running.process.send_signal(signal.SIGTERM)
            told = _answer(await call)
        assert _stopped(running)[0] == 0
    with serve(tmp_path) as again:
        async with again.client() as client:
            ended = _answer(await _call(client, "get_image", ref=told["job_id"]))
            whole = _answer(await _call(client, "batch_edit_images", **batch))
            found = _answer(await _call(client, "find_images", limit=0))
    assert (told["status"], [item["status"] for item in told["items"]]) == ("running", ["completed"])
    assert [item["status"] for item in ended["items"]] == ["completed", "failed", "skipped"]
    assert [len(item["images"]) for item in (*ended["items"], *whole["items"])] == [1, 0, 0, 1, 1, 1]
    assert found["total"] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_at_once_after_the_start_ends_the_server_in_good_order(tmp_path: Path, number: int) -> None:
    with serve(tmp_path) as running:
        running.process.send_signal(number)
        code, out, err = _stopped(running)
    assert (code, out) == (0, "")
    assert "Traceback" not in err


async def test_a_client_that_only_listens_does_not_keep_the_server_up(tmp_path: Path) -> None:
    with serve(tmp_path, GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="3600") as running:
        async with running.client("legacy") as client:
            await client.list_tools()
            running.process.send_signal(signal.SIGINT)
            code, out, err = await asyncio.to_thread(_stopped, running)
    assert (code, out) == (0, "")
    assert "Traceback" not in err


async def test_who_insists_does_not_wait_for_those_who_are_answered(tmp_path: Path) -> None:
    drawing = asyncio.Event()
    with serve(tmp_path, GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="5") as running:
        async with running.client() as client:
            call = asyncio.create_task(_draw(client, "for long", drawing, delay_seconds=600))
            await drawing.wait()
            while not (await asyncio.wait({call}, timeout=0.1))[0]:
                running.process.send_signal(signal.SIGINT)
            with pytest.raises((MCPError, httpx2.HTTPError)):
                await call
        code, out, _ = _stopped(running)
    assert (code, out) == (0, "")


def _http(*arguments: str) -> int:
    return run(["serve", "--transport", "http", *arguments])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "0", "192.168.1.20", "2001:db8::1"])  # noqa: S104 - refused
def test_an_address_that_others_can_reach_is_refused(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _http("--host", host) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "GPT_IMAGE_AUTH" in shown.err
    assert "Next: " in shown.err


def test_a_name_is_refused_if_any_of_its_addresses_is_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, {"mixed.example": [["127.0.0.1", "192.168.1.20"]]}, {})
    assert _http("--host", "mixed.example") == 2
    assert "192.168.1.20" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--host", "a..b"), "not known"),
        (("--port", "65536"), "65535"),
        (("--port=-1",), "65535"),
        (("--path", "mcp"), "slash"),
        (("--path", "/health/"), "/health"),
        (("--path", "/"), "slash"),
        (("--path", "/a\nb"), "slash"),
        (("--path", "/a?b"), "slash"),
        (("--path", "/a#b"), "slash"),
        (("--path", "/{x"), "slash"),
        (("--path", "/{x}"), "slash"),
        (("--path", "/a b"), "slash"),
        (("--path", "/a//b"), "slash"),
        (("--path", "/ä"), "slash"),
        (("--path", "/a/../b"), "slash"),
    ],
)
def test_malformed_addresses_are_usage_errors(
    arguments: tuple[str, ...], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _http(*arguments) == 2
    shown = capsys.readouterr().err
    assert word in shown
    assert "Next: " in shown


def test_addresses_are_not_for_stdio(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--port", "9000"]) == 2
    assert "--transport http" in capsys.readouterr().err


def test_a_malformed_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPT_IMAGE_TOOLS", "core,everything")
    assert _http() == 2
    assert "GPT_IMAGE_TOOLS" in capsys.readouterr().err


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert _http("--port", str(port)) == 1
    shown = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 cannot be listened on: {os.strerror(errno.EADDRINUSE)}." in shown
    assert "--port" in shown


async def test_the_server_listens_on_ipv6_too(tmp_path: Path) -> None:
    with serve(tmp_path, "--host", "::1", "--path", "/images") as running:
        assert running.url.startswith("http://[::1]:")
        async with Client(running.url) as client:
            assert json.dumps([tool.name for tool in await client.list_tools()]).count("image") > 1
        running.process.send_signal(signal.SIGTERM)
        assert _stopped(running)[0] == 0
