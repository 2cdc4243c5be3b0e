"""The streams of a server over stdio: only protocol on stdout, nobody waits for stderr, every end is one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.mcp_app.raw_client import PATIENCE_SECONDS, call, initialize, ping, raw_client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mcp_app.raw_client import RawClient

CALLS = 500
# What a library may do as soon as the server has its streams; 10,000 lines are more than a pipe holds.
NOISE = """
import ctypes, faulthandler, logging, os, subprocess, sys, threading, time, warnings
def noise():
    while sys.stdout is not sys.stderr:
        time.sleep(0.001)
    for number in range(2_000):
        os.write(2, b"to the descriptor of stderr\\n")
        os.write(1, b"to the descriptor of stdout\\n")
        print("printed")
        logging.getLogger("a.library").warning("logged")
        warnings.warn(f"warned {number}", stacklevel=1)
    faulthandler.dump_traceback()
    subprocess.run([sys.executable, "-c", "print('by another process')"])
    ctypes.CDLL(None).puts(b"by a library in C")
    ctypes.CDLL(None).fflush(None)
    open("done", "w").close()
threading.Thread(target=noise, daemon=True).start()
"""
AT_EXIT = """
import atexit, os
atexit.register(print, "printed at the end")
atexit.register(os.write, 1, b"written at the end")
"""
NOISE_AT_IMPORT = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("fastmcp", "openai", "PIL.Image", "sqlalchemy"):
            print("printed by", name)
            os.write(1, b"written by the import\\n")
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("nobody", ["reads", "is there"])
def test_calls_are_answered_though_nobody_reads_what_they_log(nobody: str) -> None:
    with raw_client(stderr=subprocess.PIPE) as client:
        assert client.process.stderr is not None
        if nobody == "is there":
            client.process.stderr.close()
        client.send(*(call(number, n="many") for number in range(CALLS)))
        answers = [client.next() for _ in range(CALLS)]
        assert {answer["id"] for answer in answers} == set(range(CALLS))
        assert all(answer["result"]["isError"] for answer in answers)
        assert client.leave() == 0


def test_a_log_that_is_read_is_whole() -> None:
    with raw_client(stderr=subprocess.PIPE, FASTMCP_ENABLE_RICH_LOGGING="0") as client:
        assert client.process.stderr is not None
        for number in range(20):
            client.ask(call(number, n="many"))
        assert client.leave() == 0
        assert client.process.stderr.read().count(b"Invalid arguments for tool") == 20


def test_whatever_writes_to_stderr_or_stdout_neither_stops_the_server_nor_reaches_the_client(
    project: Path,
) -> None:
    with raw_client(code=NOISE, stderr=subprocess.PIPE, PYTHONFAULTHANDLER="1") as client:
        number = 0
        while not (project / "done").exists():
            number += 1
            assert client.ask(ping(number))["id"] == number
        assert client.leave() == 0


def test_what_a_library_prints_goes_to_stderr() -> None:
    with raw_client(code=NOISE_AT_IMPORT, stderr=subprocess.PIPE) as client:
        assert client.process.stderr is not None
        assert (
            "images" in client.ask(call(1, "generate_image", prompt="a fox"))["result"]["structuredContent"]
        )
        assert client.leave() == 0
        said = client.process.stderr.read().decode()
    for name in ("fastmcp", "openai", "PIL.Image", "sqlalchemy"):
        assert f"printed by {name}\n" in said
    assert "written by the import\n" in said


def test_what_is_printed_when_the_process_ends_does_not_reach_the_client() -> None:
    with raw_client(code=AT_EXIT) as client:
        assert client.process.stdout is not None
        client.ask(ping(1))
        assert client.leave() == 0
        assert client.process.stdout.read() == b""


def test_the_trace_of_a_crash_reaches_stderr() -> None:
    with raw_client(stderr=subprocess.PIPE, PYTHONFAULTHANDLER="1") as client:
        assert client.process.stderr is not None
        client.process.send_signal(signal.SIGABRT)
        assert client.process.wait(PATIENCE_SECONDS) == -signal.SIGABRT
        assert b"Fatal Python error: Aborted" in client.process.stderr.read()


def test_a_client_that_no_longer_reads_ends_the_server_quietly() -> None:
    with raw_client(stderr=subprocess.PIPE) as client:
        assert client.process.stdout is not None
        assert client.process.stderr is not None
        client.process.stdout.close()
        client.send(ping(1))
        assert client.process.wait(PATIENCE_SECONDS) == 0
        assert client.process.stderr.read() == b""


def _idle(client: RawClient) -> None:
    assert client.ask(ping(1))["id"] == 1


def _full_stderr(client: RawClient) -> None:
    client.send(*(call(number, n="many") for number in range(CALLS)))
    for _ in range(CALLS):
        client.next()


def _unread_answers(client: RawClient) -> None:
    client.send(*(ping("x" * 1_000_000) for _ in range(25)))


def _unread_answers_and_unread_requests(client: RawClient) -> None:
    """So many that the server reads no more, and the end of its input comes behind what it has not read."""
    client.send(*(ping(f"{number:0>65000}") for number in range(250 + 256)), *map(ping, range(500)))


def _unread_errors(client: RawClient) -> None:
    client.send(*("no JSON" for _ in range(2_000)))


def _half_a_line(client: RawClient) -> None:
    assert client.process.stdin is not None
    client.process.stdin.write(ping(1).encode()[:-5])
    client.process.stdin.flush()


def _running_call(client: RawClient) -> None:
    client.ask(call(1, "generate_image", prompt="a fox [sandbox:delay=50]", wait_seconds=0))


def _noise(client: RawClient) -> None:
    client.send(*(call(number, n="many") for number in range(50)), "no JSON", "\ufeff[]")


STATES = [
    _idle,
    _full_stderr,
    _unread_answers,
    _unread_answers_and_unread_requests,
    _unread_errors,
    _half_a_line,
    _running_call,
    _noise,
]


@pytest.mark.parametrize(
    "number", [None, signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["EOF", "TERM", "INT", "HUP"]
)
@pytest.mark.parametrize("reach", STATES)
def test_a_server_can_be_ended_in_every_state(
    reach: Callable[[RawClient], None], number: signal.Signals | None
) -> None:
    with raw_client(stderr=subprocess.PIPE, GPT_IMAGE_SHUTDOWN_GRACE_SECONDS="0.1") as client:
        reach(client)
        if number is None:
            assert client.leave() == 0
        else:
            client.process.send_signal(number)
            assert client.process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("closed", ["2>&-", "2</dev/null", "2>/dev/full"])
def test_a_server_without_a_stderr_works(closed: str) -> None:
    command = f'GPT_IMAGE_SANDBOX=1 exec "$0" -m gpt_image_mcp {closed}'
    lines = [initialize(), call(1, "generate_image", prompt="a fox"), *(call(n, n="many") for n in (2, 3))]
    with subprocess.Popen(
        ["/bin/sh", "-c", command, sys.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join([*lines, ""]).encode())
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in lines]
        process.stdin.close()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert {answer["id"] for answer in answers} == {0, 1, 2, 3}
    (made,) = [answer["result"]["structuredContent"] for answer in answers if answer["id"] == 1]
    assert made["status"] == "completed"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-", "</dev/null", ">/dev/full"])
def test_a_server_without_a_client_ends(closed: str) -> None:
    command = f'exec "$0" -m gpt_image_mcp {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable],
        input=f"{initialize()}\n".encode(),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_settings_that_stop_the_start_are_said_without_a_stderr_too() -> None:
    command = 'exec "$0" -m gpt_image_mcp 2>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable],
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env={"GPT_IMAGE_WAIT_SECONDS": "soon", "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stdout) == (2, b"")
