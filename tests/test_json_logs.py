"""With ``GPT_IMAGE_LOG_FORMAT=json`` each line of the log is a JSON object, whoever wrote it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.environment import secrets
from tests.mcp_app.http_servers import START_SECONDS, serve

if TYPE_CHECKING:
    from pathlib import Path

KEY = "proj-0123456789abcdef"
LOGGING = """
import logging, warnings, sys
from fastmcp.utilities.logging import configure_logging, get_logger
from gpt_image_mcp.json_logs import log_as_json
configure_logging("DEBUG")
log_as_json(["proj-0123456789abcdef", "hunter22"])
said = "bell \\x07, line\\nfeed, \\u202eoverride, quote \\" and \\\\ and proj-0123456789abcdef"
get_logger("tools").warning("it says %s", said)
logging.getLogger("uvicorn.error").error("Bearer abcdefghijklmnopqrstuvwx0123")
logging.getLogger("gpt_image_mcp.calls").info("begun")
logging.getLogger("somebody").info("too quiet")
warnings.warn("hunter22 is near", stacklevel=1)
try:
    raise ValueError(said)
except ValueError:
    logging.getLogger("asyncio").exception("it failed")
"""
UNREAD = """
import logging, sys
from gpt_image_mcp.json_logs import log_as_json
from gpt_image_mcp.mcp_app.standard_streams import unwaited_stderr
with unwaited_stderr():
    log_as_json([])
    for number in range(3000):
        logging.getLogger("gpt_image_mcp").warning("line %d %s", number, "x" * 100)
print("all written")
"""


def _lines(text: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert set(line) - {"exception"} == {"time", "level", "logger", "message"}
        assert datetime.fromisoformat(line["time"]).utcoffset() is not None
    return lines


def _run(script: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], text=True, check=True, timeout=60, **options)


def test_every_logger_and_every_warning_writes_json_without_secrets() -> None:
    said = _run(LOGGING, stderr=subprocess.PIPE).stderr
    lines = _lines(said)
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("fastmcp.tools", "WARNING"),
        ("uvicorn.error", "ERROR"),
        ("gpt_image_mcp.calls", "INFO"),
        ("py.warnings", "WARNING"),
        ("asyncio", "ERROR"),
    ]
    shown = 'bell \\u0007, line\\nfeed, \\u202eoverride, quote " and \\ and ***'
    assert lines[0]["message"] == f"it says {shown}"
    assert lines[1]["message"] == "Bearer ***"
    assert "*** is near" in lines[3]["message"]
    first, rest = shown.split("\\n")
    assert lines[4]["exception"].splitlines()[-2:] == [f"  ValueError: {first}", f"  {rest}"]
    assert "0123456789abcdef" not in said
    assert not [letter for letter in said if ord(letter) < 32 and letter != "\n"]
    assert "\u202e" not in said


def test_a_log_that_nobody_reads_does_not_stop_the_program(tmp_path: Path) -> None:
    """The pipe holds 64 kB, and more than that is written."""
    read, write = os.pipe()
    try:
        done = _run(UNREAD, stdout=subprocess.PIPE, stderr=write, cwd=tmp_path)
    finally:
        os.close(read)
        os.close(write)
    assert done.stdout == "all written\n"


def test_a_log_whose_reader_is_gone_does_not_stop_the_program(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = _run(UNREAD, stdout=subprocess.PIPE, stderr=write, cwd=tmp_path)
    finally:
        os.close(write)
    assert done.stdout == "all written\n"


@pytest.mark.parametrize("debug", ["0", "1"])
async def test_a_server_logs_json_from_its_first_line_to_its_last(tmp_path: Path, debug: str) -> None:
    settings = {"GPT_IMAGE_LOG_FORMAT": "json", "GPT_IMAGE_DEBUG": debug, "OPENAI_API_KEY": KEY}
    with serve(tmp_path, **settings) as served:
        async with served.client("legacy") as client:
            arguments = {"prompt": f"[sandbox:500] \x1b[31m{KEY}", "n": "many"}
            refused = await client.call_tool("generate_image", arguments, raise_on_error=False)
        assert refused.is_error
        served.process.send_signal(signal.SIGTERM)
        _, said = served.process.communicate(timeout=START_SECONDS)
    lines = _lines(said)
    assert KEY not in said
    assert {line["level"] for line in lines} >= ({"DEBUG"} if debug == "1" else set())


def test_the_variables_that_hold_secrets_are_known_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    hidden = {
        "OPENAI_API_KEY": "a-key",
        "GPT_IMAGE_AUTH_CLIENT_SECRET": "a-secret",
        "AWS_SECRET_ACCESS_KEY": "another/key",
        "AWS_SESSION_TOKEN": "a-token",
    }
    shown = {
        "GPT_IMAGE_TLS_KEY": "/etc/key.pem",
        "GPT_IMAGE_AUTH_PUBLIC_KEY": "a public one",
        "GPT_IMAGE_AUTH_TOKENS_FILE": "/etc/tokens.toml",
        "HOME": "/home/ada",
    }
    for name, value in (hidden | shown).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GPT_IMAGE_DATABASE_URL", "postgresql://ada:p%40ss@db/library")
    assert secrets() == {*hidden.values(), "p@ss"}
    monkeypatch.setenv("GPT_IMAGE_DATABASE_URL", "postgresql://ada@db/library")
    assert secrets() == {*hidden.values()}
