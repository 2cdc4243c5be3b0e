"""The wording of the errors that callers read, whole and in one place: other tests assert codes and values.

``UPDATE_SNAPSHOTS=1 uv run pytest tests/wording`` writes the snapshots anew.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent
from PIL import Image

from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.server import mcp
from gpt_image_mcp.settings import read_settings
from tests.wording.raised import RAISED, SETTINGS
from tests.wording.tool_calls import CALLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.wording.raised import Provoke
    from tests.wording.tool_calls import Calls

SNAPSHOTS = Path(__file__).parent / "snapshots"
# What differs from run to run, from machine to machine, and what other packages word.
_CHANGING = (
    (r"\d{4}-\d\d-\d\d 00:00 \([^)]*\)", "<midnight>"),
    # A path in the project that is cut in its middle.
    (r"<tmp>/pytest-[^ ]*…", "<project>…"),
    (r"\d{8}-\d{6}-[0-9a-f]{6}", "<id>"),
    (r"\b[0-9a-f]{64}\b", "<digest>"),
    (r"\breq_\w+", "<request>"),
    (r"\bproject-[0-9a-f]{12}\b", "project-<hash>"),
    (r"\(\d+ bytes\)", "(<number> bytes)"),
    (r'"created":\d+', '"created":<time>'),
    (
        r"(is not valid base64|cannot be decoded|database \S+(?: \S+)? cannot be used): .*?\. The same",
        r"\1: <reason>. The same",
    ),
    (r"127\.0\.0\.1:\d{2,}", "127.0.0.1:<port>"),
)


def _picture(name: str, size: tuple[int, int], colour: str = "teal", *, mode: str = "RGB") -> None:
    Image.new(mode, size, colour).save(name)


@pytest.fixture
def pictures(project: Path) -> None:
    """The files that the calls name."""
    _picture("photo.png", (320, 240))
    _picture("small.png", (64, 48))
    _picture("square.png", (816, 816))
    _picture("stripe.png", (640, 160), "white", mode="L")
    _picture("large.bmp", (100, 100))
    _picture("black.png", (320, 240), "black", mode="L")
    _picture("strip.png", (1, 17_000), "black", mode="1")
    _picture("bomb.png", (90_000, 1000), "black", mode="1")
    mask = Image.new("RGBA", (320, 240), "black")
    mask.paste((0, 0, 0, 0), (0, 0, 100, 100))
    mask.save("mask.png")
    Image.merge("RGB", [Image.linear_gradient("L").rotate(turn) for turn in (0, 90, 180)]).resize(
        (320, 240)
    ).save("noise.png")
    whole = (project / "noise.png").read_bytes()
    (project / "cut.png").write_bytes(whole[: len(whole) // 2])
    (project / "head.png").write_bytes(whole[:30])
    (project / "note.txt").write_text("no image")
    (project / "page.html").write_text("<!doctype html><p>no image")
    (project / "drawing.svg").write_text("<svg/>")
    (project / "empty.png").touch()
    (project / "album").mkdir()


def _normalised(text: str, project: Path) -> str:
    """The text without what differs from run to run."""
    places = {
        str(project): "<project>",
        str(Path.home()): "<home>",
        str(project.parent): "<folder>",
        tempfile.gettempdir(): "<tmp>",
    }
    for place, name in places.items():
        text = text.replace(place, name)
    for pattern, name in _CHANGING:
        text = re.sub(pattern, name, text)
    return text


def _compare(section: str, said: Mapping[str, str]) -> None:
    """Compares what was said with the snapshot, or writes it where that is asked for."""
    file = SNAPSHOTS / f"{section}.json"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        file.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    assert said == json.loads(file.read_text())


async def _said(client: Client[Any], tool: str, arguments: dict[str, Any]) -> str:
    try:
        answer = await client.call_tool(tool, arguments, raise_on_error=False)
    except MCPError as error:
        return str(error)
    text = "\n".join(block.text for block in answer.content if isinstance(block, TextContent))
    assert answer.is_error, f"{tool} {arguments} was not refused: {text}"
    return text


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("section", CALLS)
async def test_refused_calls_are_answered_in_these_words(
    section: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Calls = CALLS[section]
    for name, value in {"GPT_IMAGE_SANDBOX": "1", **asked.environment}.items():
        monkeypatch.setenv(name, value)
    async with Client(mcp) as client:
        said = {
            name: _normalised(await _said(client, tool, arguments), project)
            for name, (tool, arguments) in asked.calls.items()
        }
    _compare(section, said)


async def _raised(name: str, provoke: Provoke) -> str:
    try:
        outcome = provoke()
        if inspect.isawaitable(outcome):
            await outcome
    except (ImageError, MCPError) as error:
        return str(error)
    pytest.fail(f"{name} was not refused")


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("section", RAISED)
async def test_errors_are_raised_in_these_words(section: str, project: Path) -> None:
    _compare(
        section,
        {
            name: _normalised(await _raised(name, provoke), project)
            for name, provoke in RAISED[section].items()
        },
    )


async def test_settings_are_refused_in_these_words(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    said: dict[str, str] = {}
    for name, value in SETTINGS.items():
        with monkeypatch.context() as environment:
            environment.setenv(name, value)
            said[name] = _normalised(await _raised(name, read_settings), project)
    _compare("settings", said)


def test_there_is_no_snapshot_without_its_errors() -> None:
    assert {file.stem for file in SNAPSHOTS.iterdir()} <= {*CALLS, *RAISED, "settings"}
