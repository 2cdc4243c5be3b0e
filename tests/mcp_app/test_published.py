"""What the list of tools says: words of the catalogue, words for every parameter, and what is left out of it.

``UPDATE_WORDS=1 uv run pytest tests/mcp_app/test_published.py`` writes the words of the catalogue anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp.mcp_app.published import UNLISTED, WORDS, WORDS_FILE, read_words, words_of
from gpt_image_mcp.server import mcp

if TYPE_CHECKING:
    from pathlib import Path

    from fastmcp import Client

CATALOGUE = files("gpt_image_mcp.catalogue").joinpath("models.toml").read_bytes()
LONGEST_WORDS = 230
QUICK: dict[str, Any] = {"prompt": "a fox", "quality": "low", "size": "816x816"}
LISTED = """
import asyncio, json, sys
from fastmcp import Client
from gpt_image_mcp.server import mcp
async def list_tools():
    async with Client(mcp) as client:
        await client.list_tools()
asyncio.run(list_tools())
print(json.dumps(sorted(name for name in sys.modules if name.startswith("gpt_image_mcp."))))
"""


def test_the_kept_words_are_those_of_the_catalogue() -> None:
    words = words_of(CATALOGUE)
    if os.environ.get("UPDATE_WORDS"):
        WORDS_FILE.write_text(json.dumps(words._asdict(), indent=1) + "\n", encoding="utf-8")
    assert json.loads(WORDS_FILE.read_bytes()) == words._asdict()
    assert words == WORDS


def test_prices_follow_the_catalogue() -> None:
    section, rate = b"[prices.gpt-image-2]", b'image_output = "30"'
    before, after = CATALOGUE.split(section)
    dearer = before + section + after.replace(rate, b'image_output = "3000"', 1)
    words = read_words(dearer, WORDS_FILE.read_bytes())
    assert words.prices == "gpt-image-2: $0.59 to $21 at 1024x1024, $1.1 to $40 at 3840x2160"


def test_the_newest_models_follow_the_catalogue() -> None:
    newer = CATALOGUE + (
        b'\n[models."gpt-image-9"]\nreleased = 2099-01-01\nsizes = "custom"\nqualities = ["low"]\n'
        b'transparency = "yes"\nprices = "gpt-image-2"\ntokens = "gpt-image-2-5"\ninput_tokens = "patches"\n'
        b'source = "none"\nconfidence = "inferred"\n\n[models."gpt-image-9-2099-01-01"]\n'
        b'snapshot_of = "gpt-image-9"\nsource = "none"\nconfidence = "inferred"\n'
    )
    assert read_words(newer, WORDS_FILE.read_bytes()).newest_models == "gpt-image-9"
    assert "gpt-image-2.6" in WORDS.newest_models


async def test_the_words_of_the_catalogue_stand_where_a_model_chooses(client: Client[Any]) -> None:
    for tool in await client.list_tools():
        if tool.name in {"generate_image", "edit_image"}:
            assert WORDS.prices in str(tool.description)
        model = tool.input_schema["properties"].get("model")
        if model and tool.name not in {"find_images", "continue_edit_session"}:
            assert WORDS.newest_models in model["description"]


def test_listing_the_tools_reads_no_catalogue() -> None:
    done = subprocess.run([sys.executable, "-c", LISTED], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "gpt_image_mcp.mcp_app.published" in loaded
    assert not {"gpt_image_mcp.catalogue.models", "gpt_image_mcp.catalogue.prices"} & {*loaded}


async def test_every_parameter_of_every_tool_has_few_words_of_its_own(client: Client[Any]) -> None:
    for tool in await client.list_tools():
        for name, schema in tool.input_schema["properties"].items():
            words = schema.get("description", "")
            assert words.endswith("."), f"{name} of {tool.name}: {words!r}"
            assert len(words) <= LONGEST_WORDS, f"{name} of {tool.name}: {words!r}"


async def test_what_is_not_listed_is_accepted_all_the_same(client: Client[Any], project: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    paid = {**QUICK, "images": ["a.png"], "user": "someone"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("generate_image", {**QUICK, "user": "someone", "moderation": "low"}),
        ("edit_image", {**paid, "input_fidelity": "auto"}),
        ("batch_edit_images", {**paid, "concurrency": 1}),
        ("start_edit_session", paid),
    ]
    listed = {tool.name: tool.input_schema["properties"] for tool in await client.list_tools()}
    for tool, arguments in calls:
        assert not UNLISTED & listed[tool].keys()
        result = await client.call_tool(tool, arguments)
        assert "ignored" not in str((result.structured_content or {})["notes"])


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("generate_image", {"moderation": "none"}, "moderation is 'none'"),
        ("generate_image", {"user": "x" * 257}, "user has 257 characters"),
        ("edit_image", {"images": ["a.png"], "input_fidelity": "high"}, "gpt-image-2 takes none"),
        ("batch_edit_images", {"images": ["a.png"], "concurrency": 99}, "concurrency is"),
        ("generate_image", {"modration": "low"}, "did you mean moderation?"),
    ],
)
async def test_what_is_not_listed_is_checked_all_the_same(
    client: Client[Any], project: Path, tool: str, arguments: dict[str, Any], words: str
) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    result = await client.call_tool(tool, {**QUICK, **arguments}, raise_on_error=False)
    assert result.is_error
    assert words in str(result.content)


async def test_nothing_unlisted_is_unknown() -> None:
    taken = {name for tool in await mcp.local_provider.list_tools() for name in tool.parameters["properties"]}
    assert taken >= UNLISTED


async def test_a_name_that_only_sounds_like_one_is_taken(client: Client[Any], project: Path) -> None:
    await client.call_tool("generate_image", {**QUICK, "filename": "art/gif"})
    assert (project / "art" / "gif.png").is_file()
