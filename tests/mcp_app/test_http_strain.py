"""The server over HTTP among clients that owe it something, send too much or never leave."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import socket
import ssl
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.exceptions import HTTPException

from gpt_image_mcp.mcp_app.http_middleware import MAX_BODY_BYTES, bodies_on_disk
from tests.certificates import write_certificate
from tests.mcp_app.http_servers import Served, serve, serve_by_fastmcp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from contextlib import AbstractContextManager

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE_SECONDS = 90
HOST = b"Host: 127.0.0.1\r\n"
POST = (
    b"POST /mcp HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    b"Accept: application/json, text/event-stream\r\n"
)
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
LISTEN = b"GET /mcp HTTP/1.1\r\n" + HOST + b"Accept: text/event-stream\r\n"
# What a client sends, and what it goes on sending, a little at a time, while it waits.
OWING = {
    "nothing at all": (b"", b""),
    "half a line": (b"GET /hea", b""),
    "half a head": (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b", b""),
    "a head that drips in": (b"GET /health HTTP/1.1\r\nA: ", b"b"),
    "half a second head": (HEALTH + b"GET /health HTTP/1.1\r\n", b""),
    "half a small body": (POST + b"Content-Length: 100\r\n\r\n{", b""),
    "half a large body": (POST + b"Content-Length: 9000000\r\n\r\n" + b"a" * 500_000, b""),
    "half a chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", b""),
    "a body that drips in": (POST + b"Content-Length: 9000000\r\n\r\n{", b"a"),
    "a body after a 100": (POST + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n", b""),
    "a body nobody reads": (HEALTH[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests that leave it as it was."""
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running


@asynccontextmanager
async def _connected(
    running: Served, first: bytes = b""
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = running.root.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    try:
        writer.write(first)
        yield reader, writer
    finally:
        writer.close()


async def _until_cut_off(running: Served, first: bytes, then: bytes) -> None:
    async with _connected(running, first) as (reader, writer), asyncio.timeout(PATIENCE_SECONDS):
        with suppress(ConnectionError):
            while True:
                with suppress(TimeoutError):
                    if not await asyncio.wait_for(reader.read(1 << 16), 0.5):
                        return
                writer.write(then)


async def _status(running: Served, request: bytes) -> int:
    """The status that answers a request; 0 if the connection ends without an answer."""
    async with _connected(running, request) as (reader, _), asyncio.timeout(PATIENCE_SECONDS):
        with suppress(ConnectionError):
            if line := await reader.readline():
                return int(line.split()[1])
    return 0


def _with_body(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _memory_mb(running: Served, which: str) -> float:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    found = re.search(rf"{which}:\s*(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


async def _unread(running: Served) -> None:
    """Ends when a client is cut off that asks much and reads nothing."""
    host, port = running.root.removeprefix("http://").split(":")
    with socket.socket() as quiet:
        quiet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        quiet.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(quiet, (host, int(port)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionError):
                while True:
                    await loop.sock_sendall(quiet, HEALTH * 1000)


async def test_clients_that_owe_something_are_cut_off_and_an_honest_one_is_not(served: Served) -> None:
    async def honest(done: asyncio.Event) -> int:
        answers = 0
        async with _connected(served) as (reader, writer):
            while not done.is_set():
                writer.write(HEALTH)
                await reader.readuntil(b"}")
                answers += 1
                with suppress(TimeoutError):
                    await asyncio.wait_for(done.wait(), 0.3)
        return answers

    done = asyncio.Event()
    beside = asyncio.create_task(honest(done))
    await asyncio.gather(*(_until_cut_off(served, *sent) for sent in OWING.values()), _unread(served))
    done.set()
    assert await beside > 1


@pytest.mark.parametrize("start", [serve, serve_by_fastmcp])
async def test_one_connection_too_many_is_refused_and_those_before_it_are_answered(
    tmp_path: Path, start: Callable[..., AbstractContextManager[Served]]
) -> None:
    with start(tmp_path, GPT_IMAGE_HTTP_MAX_CONNECTIONS="2") as running:
        async with _connected(running) as (reader, writer):
            async with _connected(running, HEALTH) as (other, _):
                assert b" 200 " in await other.readline()
                assert await _status(running, HEALTH) == 503
                writer.write(HEALTH)
                assert b" 200 " in await reader.readline()
            await reader.readuntil(b"}")
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await _status(running, HEALTH) != 200:
                    pass


async def test_handshakes_that_nobody_finishes_are_bounded_in_number_and_time(tmp_path: Path) -> None:
    settings, trusted = _with_tls(tmp_path)
    with serve(tmp_path, **settings, GPT_IMAGE_HTTP_MAX_CONNECTIONS="2") as running:
        host, port = running.root.removeprefix("https://").split(":")
        async with AsyncExitStack() as opened, asyncio.timeout(30):  # asyncio by itself gives them a minute
            ends: set[asyncio.Task[None]] = set()
            for _ in range(3):
                reader, writer = await asyncio.open_connection(host, int(port))
                opened.callback(writer.close)
                ends.add(asyncio.create_task(_end_of(reader)))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            assert sum(end.done() for end in ends) == 1
            await asyncio.wait(ends)
        assert httpx2.get(f"{running.root}/health", verify=trusted).status_code == 200


def test_a_connection_with_tls_that_ended_is_no_error_when_it_is_looked_at(tmp_path: Path) -> None:
    settings, trusted = _with_tls(tmp_path)
    with serve(tmp_path, **settings) as running, httpx2.Client(verify=trusted) as client:
        assert httpx2.get(f"{running.root}/health", verify=trusted).status_code == 200
        looked_at = monotonic() + 1.5  # each is, once a second
        while monotonic() < looked_at:
            assert client.get(f"{running.root}/health").status_code == 200
        running.process.terminate()
        assert running.process.stderr is not None
        assert "Traceback" not in running.process.stderr.read()


def _with_tls(folder: Path) -> tuple[dict[str, str], ssl.SSLContext]:
    """Settings of a server with a certificate, and what trusts it."""
    path = write_certificate(folder / "both.pem", expires=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    settings = {"GPT_IMAGE_TLS_CERT": str(path), "GPT_IMAGE_TLS_KEY": str(path)}
    return settings, ssl.create_default_context(cafile=str(path))


async def _end_of(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
async def test_bodies_that_are_half_sent_wait_on_disk_and_whole_ones_are_answered(tmp_path: Path) -> None:
    half = 15_000_000
    head = POST + b"Content-Length: %d\r\n\r\n" % (2 * half)
    with serve(tmp_path) as running:
        assert await _status(running, HEALTH) == 200
        before = _memory_mb(running, "VmRSS")

        async def upload(halves: asyncio.Barrier) -> bytes:
            async with _connected(running, head) as (reader, writer), asyncio.timeout(PATIENCE_SECONDS):
                writer.write(b"a" * half)
                await writer.drain()
                await halves.wait()
                await halves.wait()
                writer.write(b"a" * half)
                return await reader.readline()

        halves = asyncio.Barrier(9)
        uploads = [asyncio.create_task(upload(halves)) for _ in range(8)]
        await halves.wait()
        assert await _status(running, HEALTH) == 200
        between = _memory_mb(running, "VmRSS")
        await halves.wait()
        answers = await asyncio.gather(*uploads)
        peak = _memory_mb(running, "VmHWM")
    assert all(b" 400 " in line for line in answers)
    assert between - before < 4 * 8
    assert peak - before < 5 * MAX_BODY_BYTES / 1e6


@pytest.mark.parametrize(
    "request_",
    [
        _with_body(POST, b"[" + b"[]," * 1_500_000 + b"[]]"),
        _with_body(POST, b'{"a":[' + b"{}," * 1_500_000 + b"{}]}"),
        _with_body(LISTEN, b"a" * 100_000),
        _with_body(POST + b"Mcp-Method: subscriptions/listen\r\n", b"a" * 100_000),
        LISTEN + b"Transfer-Encoding: chunked\r\n\r\n" + b"fffff\r\n" + b"a" * 0xFFFFF,
    ],
    ids=["lists", "objects", "a body to listen with", "in the newer way", "in chunks"],
)
async def test_a_body_that_would_fill_the_memory_is_refused(served: Served, request_: bytes) -> None:
    assert await _status(served, request_) == 413


async def test_a_body_in_crumbs_is_not_taken_and_one_in_chunks_is(served: Served) -> None:
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    crumbs = b"1\r\na\r\n" * 20_000
    assert await _status(served, chunked + crumbs + b"0\r\n\r\n") == 0
    assert await _status(served, chunked + b"1000\r\n%s\r\n" % (b"a" * 4096) * 50 + b"0\r\n\r\n") == 400


def test_a_process_whose_threads_work_on_is_gone_after_its_grace() -> None:
    code = (
        "import threading, time; from gpt_image_mcp.signals import leave_within;"
        "threading.Thread(target=time.sleep, args=(3600,)).start(); leave_within(-5)"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0


async def test_a_large_body_waits_for_those_before_it_and_is_refused_in_the_end() -> None:
    held, release = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        held.set()
        await release.wait()

    app = bodies_on_disk(slow, patience_seconds=0.2)
    first = asyncio.create_task(_post(app, MAX_BODY_BYTES - 10))
    await held.wait()
    with pytest.raises(HTTPException, match="503: Other large requests"):
        await _post(app, MAX_BODY_BYTES - 10)
    held.clear()
    small = asyncio.create_task(_post(app, 100))
    await asyncio.wait_for(held.wait(), PATIENCE_SECONDS)
    release.set()
    await asyncio.gather(first, small)


async def _post(app: ASGIApp, size: int) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"a" * size}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await app({"type": "http", "method": "POST", "headers": []}, receive, send)


async def _begun_session(running: Served) -> bytes:
    """A new session; the header that names it."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}).encode()
    async with _connected(running, POST + b"Content-Length: %d\r\n\r\n" % len(body) + body) as (reader, _):
        head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"mcp-session-id: \S+\r\n", head, re.IGNORECASE)
    assert found, head
    return found[0]


async def test_a_session_that_ends_while_it_is_asked_leaves_no_traceback(tmp_path: Path) -> None:
    body = b'{"jsonrpc": "2.0", "id": 2, "method": "tools/list"}'
    end = b"DELETE /mcp HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n"
    with serve(tmp_path) as running:
        for _ in range(20):
            session = await _begun_session(running)
            asked = POST + session + b"Content-Length: %d\r\n\r\n" % len(body) + body
            async with (
                _connected(running, asked),
                _connected(running, end + session + b"\r\n") as (reader, _),
            ):
                assert b" 200 " in await reader.readline()
        running.process.terminate()
        _, errors = await asyncio.to_thread(running.process.communicate, timeout=PATIENCE_SECONDS)
    assert "Traceback" not in errors, errors
