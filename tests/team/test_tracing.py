"""Spans reach a collector where one is named, without prompts, keys and pictures."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest
from mcp import MCPError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.mcp_app.http_servers import START_SECONDS, Served, serve

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

KEY, PROMPT = "proj-0123456789abcdef", "a very private boat"
_HEAVY = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client", "gpt_image_mcp.json_logs")


@contextmanager
def collector() -> Generator[tuple[str, list[bytes]]]:
    """A collector on loopback: its address, and the bodies that it received."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _spans(received: list[bytes]) -> list[tuple[str, Any]]:
    """The spans, each with the name of its service."""
    found: list[tuple[str, Any]] = []
    for body in received:
        for resource in cast("Any", ExportTraceServiceRequest.FromString(body)).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                found += [(names["service.name"], span) for span in scope.spans]
    return found


async def _ask(served: Served) -> None:
    """A call that succeeds, one with wrong arguments, one of no tool, and a resource that is not there."""
    async with served.client() as client:
        await client.call_tool("generate_image", {"prompt": PROMPT, "quality": "low"})
        wrong = await client.call_tool(
            "generate_image", {"prompt": PROMPT, "size": PROMPT}, raise_on_error=False
        )
        assert wrong.is_error
        with pytest.raises(MCPError):
            await client.call_tool(PROMPT, {})
        with pytest.raises(MCPError):
            await client.read_resource(f"gpt-image://image/{PROMPT.replace(' ', '-')}")


def _stop(served: Served) -> str:
    served.process.send_signal(signal.SIGTERM)
    _, said = served.process.communicate(timeout=START_SECONDS)
    assert served.process.returncode == 0
    return said


async def test_what_clients_ask_for_is_traced_without_what_they_say(tmp_path: Path) -> None:
    with collector() as (address, received):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OPENAI_API_KEY": KEY}
        with serve(tmp_path, **settings) as served:
            await _ask(served)
            await asyncio.to_thread(_stop, served)
    spans = _spans(received)
    assert {service for service, _ in spans} == {"gpt-image-mcp"}
    names = [span.name for _, span in spans]
    assert names.count("tools/call generate_image") == 2
    assert "resources/read" in names
    for body in received:
        for secret in (PROMPT, PROMPT.replace(" ", "-"), KEY, "data:image", str(tmp_path)):
            assert secret.encode() not in body


async def test_the_name_of_the_service_is_the_one_that_is_set(tmp_path: Path) -> None:
    with collector() as (address, received):
        settings = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{address}/v1/traces",
            "OTEL_SERVICE_NAME": "pictures",
        }
        with serve(tmp_path, **settings) as served:
            async with served.client() as client:
                await client.list_tools()
            await asyncio.to_thread(_stop, served)
    assert {service for service, _ in _spans(received)} == {"pictures"}


@pytest.mark.parametrize(
    "switched_off", [{"OTEL_SDK_DISABLED": "TRUE"}, {"OTEL_TRACES_EXPORTER": "none"}], ids=str
)
async def test_nothing_is_traced_where_that_is_switched_off(
    tmp_path: Path, switched_off: dict[str, str]
) -> None:
    with (
        collector() as (address, received),
        serve(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=address, **switched_off) as served,
    ):
        async with served.client() as client:
            await client.list_tools()
        assert await asyncio.to_thread(_stop, served) == ""
        assert not received


async def test_a_collector_that_is_away_does_not_keep_the_server_from_leaving(tmp_path: Path) -> None:
    with collector() as (address, _):
        pass  # nobody listens there any more
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "GPT_IMAGE_SHUTDOWN_GRACE_SECONDS": "0.5"}
    with serve(tmp_path, **settings) as served:
        async with served.client() as client:
            await client.list_tools()
        await asyncio.to_thread(_stop, served)


def test_without_the_extra_one_sentence_says_what_is_missing(tmp_path: Path) -> None:
    """A package that cannot be imported stands where the SDK would be."""
    (tmp_path / "opentelemetry-sdk").mkdir()
    hidden = "import sys; sys.modules['opentelemetry.sdk'] = None\n"
    (tmp_path / "opentelemetry-sdk" / "sitecustomize.py").write_text(hidden)
    settings = {"OTEL_TRACES_EXPORTER": "otlp", "PYTHONPATH": str(tmp_path / "opentelemetry-sdk")}
    done = subprocess.run(
        [sys.executable, "-m", "gpt_image_mcp"],
        env={"HOME": str(tmp_path), "PATH": "", "GPT_IMAGE_SANDBOX": "1", **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=START_SECONDS,
    )
    assert done.stderr == "Traces are asked for and need the extra team: gpt-image-mcp-server[team].\n"
    assert done.stdout == ""


def test_a_server_that_nobody_watches_loads_none_of_it() -> None:
    script = f"import gpt_image_mcp.server, sys; print([name for name in {_HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_opentelemetry_says_of_wrong_headers_does_not_repeat_them() -> None:
    variables = {
        "GPT_IMAGE_SANDBOX": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization: Bearer hunter2hunter2",
    }
    command = [sys.executable, "-m", "gpt_image_mcp"]
    done = subprocess.run(
        command, input="", env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    assert "Header" in done.stderr
    assert "hunter2" not in done.stderr
