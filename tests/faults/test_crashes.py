"""Servers that are killed or told to stop at every stage of a call; the next one knows what became of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from gpt_image_mcp.cli.app import EXIT_INTERRUPTED
from gpt_image_mcp.errors import OutcomeUnknown
from gpt_image_mcp.library.clock import CALL_LEASE_SECONDS
from gpt_image_mcp.values.results import ImageResult
from tests.faults.observed import QUICK, calls, database_file, files, spent_usd, studio_for
from tests.faults.processes import environment_of, serve_process
from tests.faults.scripted import (
    document,
    dripping,
    held,
    image_file,
    partial_event,
    serve_script,
    stream,
)

if TYPE_CHECKING:
    from gpt_image_mcp import Studio


# uvx and shells pass on what their whole group was told.
REPEATED = (signal.SIGTERM, signal.SIGTERM)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where images go."""
    return tmp_path / "out"


def _lose_sign_of_life() -> None:
    """Makes the thirty seconds pass after which a silent process is given up."""
    with contextlib.closing(sqlite3.connect(database_file())) as connection, connection:
        connection.execute("UPDATE calls SET alive_until = 1 WHERE status = 'running'")


async def _assert_works(studio: Studio, prompt: str) -> None:
    """A call is made anew and goes well."""
    result = await studio.generate(prompt, **QUICK)
    assert result.images[0].file_path.read_bytes() == image_file()
    assert not any("nothing was paid again" in note for note in result.notes)


async def test_a_server_killed_before_it_sent_anything_leaves_nothing_behind(folder: Path) -> None:
    """The call waits for its turn, behind another that fills the only slot."""
    gate = asyncio.Event()
    settings = {"GPT_IMAGE_MAX_CONCURRENCY": "1", "GPT_IMAGE_OUTPUT_DIR": str(folder)}
    async with serve_script(held(gate)) as endpoint:
        async with serve_process(endpoint, **settings) as server:
            first = await server.call("generate_image", prompt="a fox", wait_seconds=0, **QUICK)
            queued = await server.call("generate_image", prompt="a cat", wait_seconds=0, **QUICK)
            await endpoint.received(posts=1)
            await server.kill()
        assert files(folder) == []
        assert [call.status for call in calls()] == ["running", "running"]
        _lose_sign_of_life()
        async with studio_for(endpoint) as studio:
            for job in (first, queued):
                with pytest.raises(OutcomeUnknown):
                    await studio.get(job["job_id"])
            await _assert_works(studio, "a cat")
        assert len(endpoint.posts) == 2
    assert [call.status for call in calls()] == ["outcome_unknown", "outcome_unknown", "completed"]


@pytest.mark.parametrize("stage", ["drawing", "streaming", "receiving"])
async def test_a_server_killed_in_the_middle_of_a_request_is_known_to_the_next(
    stage: str, folder: Path
) -> None:
    shut = asyncio.Event()
    replies = {
        "drawing": held(shut),
        "streaming": held(shut, stream([partial_event()], is_whole=False)),
        "receiving": dripping(document(), pieces=100, pause_seconds=5),
    }
    settings = {
        "GPT_IMAGE_OUTPUT_DIR": str(folder),
        "GPT_IMAGE_PARTIAL_IMAGES": str(int(stage == "streaming")),
    }
    async with serve_script(replies[stage]) as endpoint:
        async with serve_process(endpoint, **settings) as server:
            job = await server.call("generate_image", prompt="a fox", wait_seconds=0, **QUICK)
            await endpoint.received(posts=1)
            await server.kill()
        assert files(folder) == []
        async with studio_for(endpoint) as studio:
            # Its process is seen to be gone, so nobody waits for its next sign of life.
            with pytest.raises(OutcomeUnknown):
                await studio.get(job["job_id"])
            assert await spent_usd(studio) > 0
            # Nobody is joined to a call that will never end.
            await _assert_works(studio, "a fox")
        assert len(endpoint.posts) == 2
    assert [call.status for call in calls()] == ["outcome_unknown", "completed"]


async def test_a_server_killed_between_the_file_and_its_row_leaves_a_file_that_is_told_of(
    folder: Path,
) -> None:
    """Another program holds the database, so the server waits with the row when the file is there."""
    gate = asyncio.Event()
    settings = {"GPT_IMAGE_OUTPUT_DIR": str(folder)}
    async with serve_script(held(gate)) as endpoint:
        async with serve_process(endpoint, **settings) as server:
            job = await server.call("generate_image", prompt="a fox", wait_seconds=0, **QUICK)
            await endpoint.received(posts=1)
            with contextlib.closing(sqlite3.connect(database_file(), isolation_level=None)) as holder:
                holder.execute("BEGIN IMMEDIATE")
                gate.set()
                async with asyncio.timeout(20):
                    while not list(folder.glob(".metadata/*.json")):  # noqa: ASYNC110 - files tell nobody
                        await asyncio.sleep(0.01)
                await server.kill()
        (name,) = files(folder)
        assert (folder / name).read_bytes() == image_file()
        _lose_sign_of_life()
        async with studio_for(endpoint) as studio:
            with pytest.raises(OutcomeUnknown) as unknown:
                await studio.get(job["job_id"])
            kept = re.search(r"What the API answered is kept in (/\S+\.body)\.", unknown.value.message)
            assert kept
            assert base64.b64encode(image_file()) in Path(kept[1]).read_bytes()
            await _assert_works(studio, "a fox")


async def test_a_server_killed_after_its_reply_has_lost_nothing(folder: Path) -> None:
    settings = {"GPT_IMAGE_OUTPUT_DIR": str(folder)}
    async with serve_script() as endpoint:
        async with serve_process(endpoint, **settings) as server:
            made = await server.call("generate_image", prompt="a fox", **QUICK)
            await server.kill()
        async with studio_for(endpoint) as studio:
            found = await studio.find(made["images"][0]["id"])
            assert str(found.file_path) == made["images"][0]["file_path"]
            assert await studio.history.read(found) == image_file()
            await _assert_works(studio, "a fox")
        assert len(endpoint.posts) == 2
    assert [call.status for call in calls()] == ["completed", "completed"]


@pytest.mark.parametrize(
    "number",
    [None, signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
    ids=["stdin closed", "TERM", "INT", "HUP"],
)
async def test_a_server_that_is_told_to_stop_lets_its_request_finish(
    number: signal.Signals | None, folder: Path
) -> None:
    gate = asyncio.Event()
    settings = {"GPT_IMAGE_OUTPUT_DIR": str(folder)}
    async with serve_script(held(gate)) as endpoint:
        async with serve_process(endpoint, **settings) as server:
            job = await server.call("generate_image", prompt="a fox", wait_seconds=0, **QUICK)
            await endpoint.received(posts=1)
            stopping = asyncio.create_task(server.end(number))
            for again in REPEATED:
                done, _ = await asyncio.wait({stopping}, timeout=0.3)
                assert not done
                server.tell(again)
            gate.set()
            assert await stopping == 0
        async with studio_for(endpoint) as studio:
            collected = await studio.get(job["job_id"])
        assert isinstance(collected, ImageResult)
        assert files(folder) == [collected.images[0].file_path.name]
        assert len(endpoint.posts) == 1
    assert [call.status for call in calls()] == ["completed"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_command_that_is_told_to_stop_lets_its_request_finish(
    number: signal.Signals, folder: Path
) -> None:
    gate = asyncio.Event()
    options = ("--quality", "low", "--size", "1024x1024", "--output-dir", str(folder))
    async with serve_script(held(gate)) as endpoint:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gpt_image_mcp", "generate", "a fox", *options),
            env=environment_of(endpoint),
            stderr=asyncio.subprocess.PIPE,
        )
        await endpoint.received(posts=1)
        process.send_signal(number)
        told = asyncio.create_task(process.communicate())
        for again in REPEATED:
            await asyncio.wait({told}, timeout=0.3)
            process.send_signal(again)
        gate.set()
        _, errors = await told
        assert b"Traceback" not in errors
        assert len(endpoint.posts) == 1
    assert len(files(folder)) == 1
    assert [call.status for call in calls()] == ["completed"]


async def test_who_insists_ends_a_command_at_once(folder: Path) -> None:
    gate = asyncio.Event()
    async with serve_script(held(gate)) as endpoint:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gpt_image_mcp", "generate", "a fox", "--output-dir", str(folder)),
            env=environment_of(endpoint, GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="3600"),
            stderr=asyncio.subprocess.PIPE,
        )
        await endpoint.received(posts=1)
        told = asyncio.create_task(process.communicate())
        while not (await asyncio.wait({told}, timeout=0.1))[0]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        _, errors = await told
        gate.set()
    assert process.returncode in {EXIT_INTERRUPTED, -signal.SIGINT}
    assert b"Traceback" not in errors


async def test_who_insists_ends_a_server_at_once(folder: Path) -> None:
    gate = asyncio.Event()
    settings = {"GPT_IMAGE_OUTPUT_DIR": str(folder), "GPT_IMAGE_SHUTDOWN_GRACE_SECONDS": "3600"}
    async with serve_script(held(gate)) as endpoint, serve_process(endpoint, **settings) as server:
        await server.call("generate_image", prompt="a fox", wait_seconds=0, **QUICK)
        await endpoint.received(posts=1)
        stopping = asyncio.create_task(server.end(signal.SIGTERM))
        while not (await asyncio.wait({stopping}, timeout=0.1))[0]:
            with contextlib.suppress(ProcessLookupError):
                server.tell(signal.SIGINT)
        assert await stopping == -signal.SIGINT
        gate.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_server_hears_signals_that_its_parent_had_blocked(number: signal.Signals) -> None:
    script = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals());"
        "serve = ['-m', 'gpt_image_mcp', 'serve', '--transport', 'http', '--port', '0'];"
        "os.execv(sys.executable, [sys.executable, *serve])"
    )
    with subprocess.Popen((sys.executable, "-c", script), stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert b"serves MCP" in process.stderr.readline()
            process.send_signal(number)
            assert process.wait(50) == 0
        finally:
            process.kill()


async def test_a_command_under_nohup_goes_on_when_its_terminal_closes(folder: Path) -> None:
    gate = asyncio.Event()
    command = f'trap "" HUP; exec "$0" -m gpt_image_mcp generate "a fox" --output-dir "{folder}"'
    async with serve_script(held(gate)) as endpoint:
        shell = ("/bin/sh", "-c", command, sys.executable)
        process = await asyncio.create_subprocess_exec(*shell, env=environment_of(endpoint))
        await endpoint.received(posts=1)
        process.send_signal(signal.SIGHUP)
        gate.set()
        assert await process.wait() == 0
    assert len(files(folder)) == 1


async def test_a_client_that_hangs_up_while_it_waits_gets_its_image_later(folder: Path) -> None:
    gate = asyncio.Event()
    settings = {"GPT_IMAGE_OUTPUT_DIR": str(folder)}
    async with serve_script(held(gate)) as endpoint:
        async with serve_process(endpoint, **settings) as server:
            await server.start("generate_image", prompt="a fox", **QUICK)
            await endpoint.received(posts=1)
            stopping = asyncio.create_task(server.end())
            gate.set()
            assert await stopping == 0
        async with serve_process(endpoint, **settings) as server:
            again = await server.call("generate_image", prompt="a fox", **QUICK)
        assert any("nothing was paid again" in note for note in again["notes"])
        assert files(folder) == [again["images"][0]["filename"]]
        assert len(endpoint.posts) == 1


async def test_a_server_that_is_told_to_stop_does_not_wait_longer_than_the_grace(folder: Path) -> None:
    settings = {"GPT_IMAGE_OUTPUT_DIR": str(folder), "GPT_IMAGE_SHUTDOWN_GRACE_SECONDS": "0.2"}
    async with serve_script(held(asyncio.Event())) as endpoint:
        async with serve_process(endpoint, **settings) as server:
            job = await server.call("generate_image", prompt="a fox", wait_seconds=0, **QUICK)
            await endpoint.received(posts=1)
            assert await server.end(signal.SIGTERM) == 0
        assert [call.status for call in calls()] == ["outcome_unknown"]
        assert files(folder) == []
        async with studio_for(endpoint) as studio:
            with pytest.raises(OutcomeUnknown):
                await studio.get(job["job_id"])


async def test_a_server_that_was_frozen_sends_no_more_of_what_counts_as_lost(
    folder: Path, project: Path
) -> None:
    photos = [str(project / f"{name}.png") for name in ("a", "b", "c")]
    for photo in photos:
        Image.new("RGB", (256, 256), "navy").save(photo)
    gate = asyncio.Event()
    settings = {"GPT_IMAGE_MAX_CONCURRENCY": "1", "GPT_IMAGE_OUTPUT_DIR": str(folder)}
    async with serve_script(held(gate)) as endpoint, serve_process(endpoint, **settings) as server:
        batch = await server.call(
            "batch_edit_images", prompt="warmer", images=photos, wait_seconds=0, **QUICK
        )
        await endpoint.received(posts=1)
        queued = await server.call("generate_image", prompt="a cat", wait_seconds=0, **QUICK)
        server.tell(signal.SIGSTOP)
        await asyncio.sleep(CALL_LEASE_SECONDS + 1)
        async with studio_for(endpoint, output_dir=str(folder)) as studio:
            for job in (batch, queued):
                with pytest.raises(OutcomeUnknown):
                    await studio.get(job["job_id"])
            gate.set()
            server.tell(signal.SIGCONT)
            said = await server.failing_call("get_image", ref=queued["job_id"])
            assert said.startswith("cancelled: ")
            made = await server.call("get_image", ref=batch["job_id"])
            assert [item["status"] for item in made["items"]].count("completed") == 1
            assert "counted as lost" in " ".join(made["notes"])
            assert len(endpoint.posts) == 1
            again = await studio.batch_edit("warmer", photos, **QUICK)
            assert [item.status for item in again.items] == ["completed"] * 3
            assert len(endpoint.posts) == 3
