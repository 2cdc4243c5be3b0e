"""A library that a team is served by three replicas: ``uv run python tests/benchmarks/team.py``.

PostgreSQL, the stand-in for the API and the replicas are processes on loopback. People are raw HTTP clients,
so that the time measured is the servers'. Each answer is checked: a call that fails ends the benchmark.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from gpt_image_mcp.team.tokens import hashed
from tests.benchmarks.harness import http_server, photo, report, standin
from tests.postgresql import find_postgresql, make_database, postgresql
from tests.programs import required

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence

REPLICAS, PEOPLE, SPENDERS, CALLS = 3, 200, 50, 120
UPSTREAM_SECONDS = 1.0
PROTOCOL = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": PROTOCOL,
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
# Of four pictures as the stand-in bills them.
BUDGET = Decimal("0.90")
# A day of 10,000 people: five pictures and five other calls each in eight hours, and six times that at noon.
NOON_CALLS_A_SECOND = 10_000 * 10 / (8 * 3600) * 6
RATES = (5.0, 10.0, NOON_CALLS_A_SECOND, 40.0)
RATE_SECONDS = 15
BOAT = {"prompt": "a boat", "size": "1024x1024", "quality": "high"}
DATABASES = (f"team_{number}" for number in itertools.count(1))


@dataclass(frozen=True)
class Team:
    """A running team server.

    Attributes:
        addresses: Where the replicas are.
        processes: Their processes.
        tokens: A token for each person.
    """

    addresses: Sequence[str]
    processes: Sequence[psutil.Process]
    tokens: Sequence[str]
    turns: Iterator[int] = field(default_factory=itertools.count)

    def processor_seconds(self) -> float:
        """What the replicas have computed so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    async def call(self, client: httpx2.AsyncClient, token: str, tool: str, arguments: Any) -> dict[str, Any]:
        """One tool call of a person, at the next replica; its structured content, or its error as text."""
        address = self.addresses[next(self.turns) % len(self.addresses)]
        params = {"name": tool, "arguments": arguments, "_meta": META}
        answer = await client.post(
            address,
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/json, text/event-stream",
                "MCP-Protocol-Version": PROTOCOL,
                "Mcp-Method": "tools/call",
                "Mcp-Name": tool,
            },
        )
        assert answer.status_code == 200, (answer.status_code, answer.text[:300])
        line = next(line for line in answer.text.splitlines() if line.startswith(("data: {", "{")))
        result = json.loads(line.removeprefix("data: "))["result"]
        return (
            {"error": result["content"][0]["text"]} if result.get("isError") else result["structuredContent"]
        )


@contextlib.contextmanager
def team(
    folder: Path, databases: str, base_url: str, *, replicas: int = REPLICAS, people: int, **settings: str
) -> Generator[Team]:
    """Replicas with homes of their own and one database, and people with tokens."""
    database = next(DATABASES)
    tokens_file = folder / f"{database}.toml"
    tokens = make_tokens(tokens_file, people)
    common = {
        "OPENAI_API_KEY": "sk-benchmark",
        "OPENAI_BASE_URL": base_url,
        "GPT_IMAGE_AUTH": "tokens",
        "GPT_IMAGE_AUTH_TOKENS_FILE": str(tokens_file),
        "GPT_IMAGE_DATABASE_URL": make_database(databases, database),
        "GPT_IMAGE_MAX_CONCURRENCY": "64",
        "GPT_IMAGE_INLINE": "none",
        **settings,
    }
    with contextlib.ExitStack() as running:
        started: list[tuple[subprocess.Popen[str], str]] = []
        for number in range(replicas):
            home = folder / f"{database}-{number}"
            home.mkdir(exist_ok=True)
            started.append(running.enter_context(http_server(home, **common)))
        processes = [psutil.Process(process.pid) for process, _address in started]
        yield Team([address for _process, address in started], processes, tokens)


def make_tokens(path: Path, people: int) -> list[str]:
    """Tokens of that many people, ten to a group."""
    tokens = [f"token-of-person-{number}" for number in range(people)]
    entries = [
        f'[[token]]\nname = "person-{number}"\nsha256 = "{hashed(token)}"\n'
        f'groups = ["group-{number // 10}"]\nmade = {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n'
        for number, token in enumerate(tokens)
    ]
    path.write_text("\n".join(entries))
    path.chmod(0o600)
    return tokens


def visitor() -> httpx2.AsyncClient:
    """A client with as many connections as are asked for."""
    return httpx2.AsyncClient(
        timeout=120, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    )


async def measured(work: Awaitable[dict[str, Any]]) -> tuple[float, dict[str, Any]]:
    """Seconds of a call, and its answer."""
    started = time.perf_counter()
    answer = await work
    return time.perf_counter() - started, answer


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


async def processor_seconds(team_of: Callable[..., contextlib.AbstractContextManager[Team]]) -> None:
    """What a call costs in processor seconds with three replicas, against one."""
    spent: dict[int, float] = {}
    for replicas in (1, REPLICAS):
        with team_of(replicas=replicas, people=8, GPT_IMAGE_INLINE="preview") as served:
            async with visitor() as client:

                async def some(
                    count: int, served: Team = served, client: httpx2.AsyncClient = client
                ) -> None:
                    async def one_after_another(token: str) -> None:
                        for number in range(count):
                            arguments = {**BOAT, "prompt": f"boat {number}"}
                            answer = await served.call(client, token, "generate_image", arguments)
                            assert answer.get("status") == "completed", answer

                    await asyncio.gather(*map(one_after_another, served.tokens))

                await some(3)  # each replica imports what it needs
                before = served.processor_seconds()
                await some(CALLS // len(served.tokens))
                spent[replicas] = (served.processor_seconds() - before) / CALLS * 1000
    report("processor time of a call, 3 replicas / 1", spent[REPLICAS], spent[1], unit="ms", reach=1.15)


async def everybody_at_once(team_of: Callable[..., contextlib.AbstractContextManager[Team]]) -> None:
    """200 people with one call each at the same time."""
    for inline, reach in (("none", 2.5), ("preview", None)):
        with team_of(people=PEOPLE, GPT_IMAGE_INLINE=inline) as served:
            async with visitor() as client:
                for _ in range(2 * REPLICAS):
                    await served.call(client, served.tokens[0], "generate_image", BOAT)
                calls = [
                    measured(served.call(client, token, "generate_image", BOAT)) for token in served.tokens
                ]
                before = served.processor_seconds()
                found = await asyncio.gather(*calls)
                computed = (served.processor_seconds() - before) / PEOPLE * 1000
            assert all(answer.get("status") == "completed" for _seconds, answer in found), found
            seconds = p95([seconds for seconds, _answer in found])
            verdict = "" if reach is None else f"(reach {reach} s)  {'ok' if seconds <= reach else 'MISSED'}"
            print(f"{f'{PEOPLE} people at once, inline {inline}, p95':44} {seconds:8.2f} s  {verdict}")
            print(f"{'  of which the replicas computed':44} {computed:8.1f} ms a call")


async def budgets_hold(team_of: Callable[..., contextlib.AbstractContextManager[Team]]) -> None:
    """50 people over three replicas, each with more calls at once than the budget allows."""
    with team_of(people=SPENDERS, GPT_IMAGE_USER_DAILY_USD=str(BUDGET)) as served:
        async with visitor() as client:

            async def spend(token: str) -> tuple[int, Decimal]:
                wanted = [
                    served.call(client, token, "generate_image", {**BOAT, "prompt": f"boat {number}"})
                    for number in range(12)
                ]
                answers = await asyncio.gather(*wanted)
                refused = [answer["error"] for answer in answers if "error" in answer]
                assert all(error.startswith("budget_exceeded") for error in refused), refused
                sums = await served.call(client, token, "find_images", {"limit": 0})
                return len(refused), Decimal(str(sums["cost_usd_total"]))

            found = await asyncio.gather(*map(spend, served.tokens))
    most = max(spent for _refused, spent in found)
    refused = sum(refused for refused, _spent in found)
    verdict = "ok" if most <= BUDGET and refused else "MISSED"
    print(f"{'most that one of 50 people spent':44} {most:8} of {BUDGET} ({refused} refused)  {verdict}")


async def sign_in_costs(team_of: Callable[..., contextlib.AbstractContextManager[Team]]) -> None:
    """What knowing who calls adds to a call, against a server for anybody on the machine."""
    milliseconds: dict[str, list[float]] = {"none": [], "tokens": []}
    with (
        team_of(replicas=1, people=PEOPLE) as signed,
        team_of(replicas=1, people=1, GPT_IMAGE_AUTH="none") as anybody,
    ):
        async with visitor() as client:
            for number in range(400):
                for name, served in (("none", anybody), ("tokens", signed)):
                    token = served.tokens[number % len(served.tokens)]
                    seconds, answer = await measured(served.call(client, token, "find_images", {"limit": 1}))
                    assert "total" in answer, answer
                    milliseconds[name].append(seconds * 1000)
    medians = {name: statistics.median(values[100:]) for name, values in milliseconds.items()}
    added = medians["tokens"] - medians["none"]
    verdict = "ok" if added <= 2 else "MISSED"
    print(f"{'sign-in and owner add to a call':44} {added:8.2f} ms  (reach 2 ms)  {verdict}")


async def a_day(team_of: Callable[..., contextlib.AbstractContextManager[Team]]) -> None:
    """Calls at the rates of a day of 10,000 people: half of them pictures, half searches."""
    with team_of(people=1000) as served:
        async with visitor() as client:
            for token in served.tokens[: 4 * REPLICAS]:
                await served.call(client, token, "generate_image", BOAT)
            for rate in RATES:
                await _at_rate(served, client, rate)


async def _at_rate(served: Team, client: httpx2.AsyncClient, rate: float) -> None:
    """Calls that come at a steady rate, whether or not the earlier ones are answered."""
    before, running = served.processor_seconds(), list[asyncio.Task[tuple[float, dict[str, Any]]]]()
    started = time.perf_counter()
    for number in range(int(rate * RATE_SECONDS)):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        token = served.tokens[number % len(served.tokens)]
        tool, arguments = (
            ("generate_image", {**BOAT, "prompt": f"boat {number}"})
            if number % 2
            else ("find_images", {"query": "boat"})
        )
        running.append(asyncio.create_task(measured(served.call(client, token, tool, arguments))))
    found = await asyncio.gather(*running)
    busy = (served.processor_seconds() - before) / (time.perf_counter() - started)
    failed = sum("error" in answer for _seconds, answer in found)
    pictures = p95([seconds for seconds, answer in found if "status" in answer] or [0.0, 0.0])
    searches = p95([seconds for seconds, answer in found if "total" in answer] or [0.0, 0.0])
    print(
        f"{f'{rate:.0f} calls a second: p95 of a picture':44} {pictures:8.2f} s, of a search "
        f"{searches:.2f} s, {failed} failed, {busy:.2f} processors busy"
    )


async def main() -> None:
    """Runs all, or those that are named."""
    benchmarks = (processor_seconds, everybody_at_once, budgets_hold, sign_in_costs, a_day)
    wanted = sys.argv[1:] or [benchmark.__name__ for benchmark in benchmarks]
    programs = required(find_postgresql(), "PostgreSQL")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, postgresql(programs) as databases:
        folder = Path(name)
        photo(folder / "photo.png")
        with standin(folder / "photo.png", delay_seconds=UPSTREAM_SECONDS) as base_url:

            def team_of(**options: Any) -> contextlib.AbstractContextManager[Team]:
                return team(folder, databases, base_url, **options)

            for benchmark in benchmarks:
                if benchmark.__name__ in wanted:
                    await benchmark(team_of)


if __name__ == "__main__":
    print(f"team benchmark, {datetime.now(UTC):%Y-%m-%d}, {psutil.cpu_count()} processors")
    asyncio.run(main())
