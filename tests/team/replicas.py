"""Several servers of one library as real processes: one PostgreSQL database, a home for each."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from tenacity import retry, stop_after_delay, wait_fixed

from tests.mcp_app.http_servers import START_SECONDS, Served, serve
from tests.programs import required

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

_LIBRARIES = Path("/usr/lib")


def readiness(served: Served) -> tuple[int, dict[str, Any]]:
    """What ``/ready`` says: status and body."""
    answer = httpx2.get(f"{served.root}/ready", timeout=START_SECONDS)
    return answer.status_code, answer.json()


@retry(stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.1), reraise=True)
def wait_until(served: Served, *missing: str) -> None:
    """Waits until it says that these parts are missing and nothing else; opening a database takes a while."""
    ready = (200, {"status": "ready"})
    assert readiness(served) == ((503, {"status": "not ready", "parts": list(missing)}) if missing else ready)


@contextmanager
def replicas(
    folder: Path, count: int, *, database_url: str, clocks: Sequence[int] = (), **settings: str
) -> Generator[list[Served]]:
    """Starts replicas in the sandbox, each on a free port of loopback; ends those that still run.

    Args:
        folder: Gets a home for each, so that they have no file in common.
        count: How many.
        database_url: The database of all of them.
        clocks: By how many seconds the clock of each is ahead of this machine's, if any is.
        settings: Environment variables of all; ``GPT_IMAGE_SANDBOX="0"`` turns the sandbox off.
    """
    with ExitStack() as running:
        started: list[Served] = []
        for number in range(1, count + 1):
            home = folder / f"replica-{number}"
            home.mkdir(parents=True)
            clock = _clock(clocks[number - 1]) if clocks else {}
            served = serve(home, GPT_IMAGE_DATABASE_URL=database_url, **settings, **clock)
            started.append(running.enter_context(served))
        yield started


def _clock(seconds_ahead: int) -> dict[str, str]:
    """Variables that give a process another clock; what it measures durations with is left alone."""
    library = required(next(_LIBRARIES.glob("*/faketime/libfaketime.so.1"), None), "libfaketime")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds_ahead:+}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else each wait of a thread for the interpreter ends at once, and its core is busy with waiting.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
