"""Calls written for the two predecessor servers, and those that models guess.

Each works here, under the same name or an accepted one, or fails with a message that gives the new spelling.
The tables follow the documented tools and arguments of both servers.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS
from PIL import Image

from gpt_image_mcp.cli.doctor.configuration import check_settings
from gpt_image_mcp.mcp_app.aliases.tables import ARGUMENTS, TOOLS
from gpt_image_mcp.server import mcp
from gpt_image_mcp.settings import Settings, variable_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastmcp.client.client import CallToolResult

Arguments: TypeAlias = dict[str, Any]


@pytest.fixture
async def server(sandbox: None, project: Path) -> AsyncIterator[Client[Any]]:
    """A client of a server whose project holds two photos."""
    del sandbox
    for number in (1, 2):
        Image.new("RGB", (64, 64), (number * 100, 20, 20)).save(project / f"photo-{number}.png")
    async with Client(mcp) as connected:
        yield connected


async def _call(client: Client[Any], tool: str, arguments: Arguments) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


async def _done(client: Client[Any], tool: str, arguments: Arguments) -> dict[str, Any]:
    """What a call answers that has to work."""
    result = await _call(client, tool, arguments)
    assert not result.is_error, _text(result)
    assert result.structured_content is not None
    return result.structured_content


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


async def test_other_names_of_tools_are_accepted_and_not_listed(server: Client[Any]) -> None:
    listed = {tool.name for tool in await server.list_tools()}
    assert set(TOOLS.values()) <= listed
    assert set(ARGUMENTS) == listed
    assert not set(TOOLS) & listed


async def test_no_rule_hides_an_argument_of_its_tool(server: Client[Any]) -> None:
    for tool in await server.list_tools():
        others = {name for row in ARGUMENTS[tool.name] for name in row.names.split()}
        assert not set(tool.input_schema["properties"]) & others, tool.name


# The first predecessor's documented calls: the tool, the arguments, and what the result's note says.
SEED_1: list[tuple[str, Arguments, str]] = [
    ("generate-image", {"prompt": "a boat"}, ""),
    ("generate-image", {"prompt": "a boat", "aspect_ratio": "16:9"}, "true 16:9"),
    ("generate-image", {"prompt": "a boat", "aspect_ratio": "9:16"}, "true 9:16"),
    ("generate-image", {"prompt": "a boat", "aspect_ratio": "1:1", "quality": "standard"}, ""),
    ("generate-image", {"prompt": "a boat", "output_format": "webp", "moderation": "low"}, ""),
    ("generate-image", {"prompt": "a boat", "style": "vivid"}, "saturated colours"),
    ("generate-image", {"prompt": "a boat", "style": "natural"}, "true-to-life"),
    ("generate-image", {"prompt": "a boat", "style": "linocut."}, '"Style: linocut."'),
    ("generate-image", {"prompt": "a boat", "style": ""}, ""),
    ("generate-image", {"prompt": "a boat", "negative_prompt": "rain."}, "Avoid: rain."),
    ("generate-image", {"prompt": "a boat", "negative_prompt": ""}, ""),
    ("generate-image", {"prompt": "a boat", "background": "opaque", "remove_background": False}, ""),
    ("generate-image", {"prompt": "a boat", "remove_background": True}, 'background "transparent"'),
    ("generate-image", {"prompt": "a boat", "analyze_after_generation": False}, ""),
    ("generate-image", {"prompt": "a boat", "include_base64": False, "save_to_file": True}, ""),
    ("generate-image", {"prompt": "a boat", "include_base64": True}, "carries a preview"),
    ("generate-image", {"prompt": "a boat", "save_to_file": False}, "every image is saved"),
    ("generate-image", {"prompt": "a boat", "output_directory": "./generated_images"}, ""),
    ("generate-image", {"prompt": "a boat", "filename": "boat", "naming_strategy": "custom"}, ""),
    ("generate-image", {"prompt": "a boat", "naming_strategy": "timestamp", "organize_by": "none"}, ""),
    ("generate-image", {"prompt": "a boat", "naming_strategy": "prompt"}, ""),
    ("generate-image", {"prompt": "a boat", "naming_strategy": "hash"}, "unique part"),
    ("generate-image", {"prompt": "a boat", "model": "gpt-image-2"}, ""),
    *(
        ("edit-image", {"source_image": source, "edit_prompt": "at night", "edit_type": "inpaint"}, "")
        for source in (
            "photo-1.png",
            {"type": "local", "value": "photo-1.png"},
            '{"type": "local", "value": "photo-1.png"}',
            ["photo-1.png", "photo-2.png"],
            [{"type": "local", "value": "photo-1.png"}, {"type": "local", "value": "photo-2.png"}],
            '["photo-1.png", "photo-2.png"]',
        )
    ),
    (
        "edit-image",
        {"source_image": "photo-1.png", "edit_prompt": "more sky", "edit_type": "outpaint", "size": "16:9"},
        "",
    ),
    (
        "edit-image",
        {"source_image": "photo-1.png", "edit_prompt": "rain", "mask_area": "the sky"},
        "Change only this part: the sky.",
    ),
    ("edit-image", {"source_image": "photo-1.png", "edit_prompt": "rain", "mask_area": ""}, ""),
    (
        "edit-image",
        {"source_image": "photo-1.png", "edit_prompt": "rain", "preserve_composition": True},
        "Keep the composition",
    ),
    ("edit-image", {"source_image": "photo-1.png", "edit_prompt": "x", "preserve_composition": "false"}, ""),
    (
        "edit-image",
        {"source_image": "photo-1.png", "edit_prompt": "x", "filename_prefix": "edited_", "save_to_file": 0},
        "every image is saved",
    ),
    *(
        ("batch-edit", {"images": images, "edit_prompt": "sepia", "edit_type": "color_adjustment"}, "")
        for images in (
            ["photo-1.png", "photo-2.png"],
            [{"type": "local", "value": "photo-1.png"}],
        )
    ),
    ("batch-edit", {"image_urls": ["photo-1.png"], "edit_prompt": "x", "edit_type": "enhancement"}, ""),
    (
        "batch-edit",
        {
            "images": ["photo-1.png"],
            "edit_prompt": "x",
            "edit_type": "style_transfer",
            "batch_settings": {
                "parallel_processing": True,
                "max_concurrent": 2.5,
                "error_handling": "retry_failed",
                "progress_callback": True,
            },
        },
        "without paying twice",
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "note"), SEED_1)
async def test_calls_of_the_first_predecessor_work(
    server: Client[Any], tool: str, arguments: Arguments, note: str
) -> None:
    arguments = {"quality": "low", **arguments}
    result = await _call(server, tool, arguments)
    assert not result.is_error, _text(result)
    assert result.structured_content is not None
    notes = " ".join(result.structured_content["notes"])
    assert note in notes
    assert note in _text(result)
    assert _text(result).splitlines()[-1].startswith("Next: ")


@pytest.mark.parametrize(
    ("settings", "ignored"),
    [({"eta": 1}, "batch_settings.eta"), ("fast", "batch_settings"), ([1], "batch_settings")],
)
async def test_settings_of_a_batch_that_mean_nothing_are_ignored_and_named(
    server: Client[Any], settings: object, ignored: str
) -> None:
    arguments = {"images": ["photo-1.png"], "prompt": "x", "quality": "low", "batch_settings": settings}
    answer = await _done(server, "batch-edit", arguments)
    assert f"{ignored} was ignored: batch_edit_images has no such argument." in answer["notes"]


SIZES = ("square", "1:1", "landscape", "16:9", "portrait", "9:16", "square_2k", "landscape_2k", "portrait_2k")
EDIT_TYPES = {
    "edit_image": {
        "inpaint",
        "outpaint",
        "variation",
        "style_transfer",
        "object_removal",
        "background_change",
    },
    "batch_edit_images": {"style_transfer", "background_change", "color_adjustment", "enhancement"},
}


async def test_every_size_and_quality_of_the_first_predecessor_is_understood(server: Client[Any]) -> None:
    for size in SIZES:
        quoted = await _done(server, "estimate_cost", {"aspect_ratio": size})
        assert "x" in quoted["size"]
    for quality in ("standard", "hd", "low", "medium", "high", "auto"):
        assert await _done(server, "estimate_cost", {"quality": quality})


async def test_every_kind_of_edit_of_the_first_predecessor_is_understood(server: Client[Any]) -> None:
    published = {tool.name: tool.input_schema["properties"] for tool in await server.list_tools()}
    for tool, kinds in EDIT_TYPES.items():
        assert kinds <= set(published[tool]["edit_type"]["enum"])


REFUSED: list[tuple[str, Arguments, str]] = [
    ("generate-image", {"prompt": "x", "model": "gpt-image-1"}, "gpt-image-2"),
    ("generate-image", {"prompt": "x", "analyze_after_generation": True}, "get_image"),
    ("generate-image", {"prompt": "x", "organize_by": "date"}, "output_dir"),
    ("generate-image", {"prompt": "x", "style": 3}, "as text"),
    ("generate-image", {"prompt": "x", "remove_background": True, "background": "opaque"}, "background only"),
    ("generate_image", {"prompt": "x", "image": "photo-1.png"}, "edit_image"),
    ("generate_image", {"prompt": "x", "width": 1024, "height": 512}, 'size "WIDTHxHEIGHT"'),
    ("generate_image", {"prompt": "x", "job_id": "job-1"}, "get_image"),
    ("generate_image", {"prompt": "x", "session_id": "edit-1"}, "continue_edit_session"),
    ("generate_image", {"prompt": "x", "size": "square", "aspect_ratio": "16:9"}, "Pass size only"),
    ("generate_image", {"text_prompt": "x"}, "it takes prompt"),
    ("edit-image", {"source_image": "photo-1.png", "edit_prompt": "x", "strength": 0.8}, "regions"),
    ("edit-image", {"source_image": "photo-1.png", "edit_prompt": "x", "mask_area": "10, 20"}, "regions"),
    ("edit-image", {"source_image": "photo-1.png", "edit_prompt": "x", "mask_area": 7}, "as text"),
    ("edit-image", {"source_image": "photo-1.png"}, "prompt is missing"),
    ("edit-image", {"source_image": {"type": "local"}, "edit_prompt": "x"}, "images.0"),
    ("edit-image", {"source_image": 7, "edit_prompt": "x"}, "images is 7"),
    ("edit_image", {"images": ["photo-1.png"], "image": "photo-2.png", "prompt": "x"}, "images and image"),
    (
        "batch-edit",
        {"images": ["photo-1.png"], "image_urls": ["photo-2.png"], "edit_prompt": "x"},
        "images and image_urls",
    ),
    ("batch-edit", {"images": ["photo-1.png"], "prompt": "x", "error_handling": "ask"}, "'continue'"),
    ("get_image", {}, "ref is missing"),
    ("get_image", {"image_id": "a", "job_id": "b"}, "Pass ref only"),
    ("get_image", {"image_ids": ["a"] * 13}, "13 references"),
]


@pytest.mark.parametrize(("tool", "arguments", "spelling"), REFUSED)
async def test_what_cannot_work_is_refused_with_what_to_write(
    server: Client[Any], tool: str, arguments: Arguments, spelling: str
) -> None:
    result = await _call(server, tool, arguments)
    assert result.is_error
    assert _text(result).startswith(("invalid_argument: ", "unsupported_by_model: "))
    assert spelling in _text(result)
    assert "Next: " in _text(result)


# Their documented variables that mean something here; the others are named by ``doctor``.
VARIABLES = (
    *("OPENAI_API_KEY", "OPENAI_MAX_RETRIES", "OPENAI_API_TIMEOUT", "DEFAULT_OUTPUT_DIR", "MAX_FILE_SIZE_MB"),
    *("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_RESPONSES_EDIT_MODEL"),
    *("GPT_IMAGE_2_OUTPUT_DIR", "GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR", "GPT_IMAGE_2_MCP_DEBUG"),
    *("GPT_IMAGE_2_SESSION_MAX", "GPT_IMAGE_2_SESSION_TTL_MS"),
    *("OPENAI_FORCE_RESPONSES_EDITS", "OPENAI_USE_DIRECT_EDITS"),
)
INERT_VARIABLES = (
    *("ENABLE_FILE_OUTPUT", "KEEP_FILES_DAYS", "DEFAULT_IMAGE_SIZE", "DEFAULT_IMAGE_QUALITY"),
    *("DEFAULT_OUTPUT_FORMAT", "DEFAULT_STYLE", "DEFAULT_OUTPUT_DIRECTORY", "DEFAULT_NAMING_STRATEGY"),
    *("DEFAULT_ORGANIZE_BY", "DEFAULT_EDIT_STRENGTH", "AUTO_SAVE_IMAGES", "AUTO_TRANSLATE_JAPANESE"),
    *("ENABLE_RESULT_CACHING", "CACHE_DURATION_HOURS", "ENABLE_BATCH_PROCESSING", "BATCH_DELAY_MS"),
    *("ENABLE_BACKGROUND_REMOVAL", "LOG_FILE_PATH", "ENABLE_REQUEST_LOGGING"),
)


def test_the_variables_of_the_predecessors_are_understood() -> None:
    understood = {name for field in Settings.model_fields for name in variable_names(field)}
    assert set(VARIABLES) <= understood
    assert not set(INERT_VARIABLES) & understood


@pytest.mark.parametrize("name", INERT_VARIABLES)
def test_variables_without_effect_are_named_by_the_doctor(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    (found,) = [finding for finding in check_settings(Settings()) if finding.name == name]
    assert found.state == "warning"
    assert found.next_step.endswith(".")


async def test_calls_of_the_second_predecessor_work(server: Client[Any]) -> None:
    shared: Arguments = {
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "jpeg",
        "output_compression": 80,
        "filename_prefix": "test",
        "user": "user-1",
    }
    placed = {**shared, "output_dir": "out"}
    made = await _done(server, "generate_image", {"prompt": "a boat", "n": 2, "moderation": "low", **placed})
    assert len(made["images"]) == 2
    Image.new("L", (64, 64), 255).save("mask.png")
    source: Arguments = {"prompt": "at night", "images": ["photo-1.png"], "mask": "mask.png"}
    assert (await _done(server, "edit_image", {**source, "n": 1, **placed}))["status"] == "completed"
    session = (await _done(server, "start_edit_session", {**source, **placed}))["session_id"]
    turn = await _done(
        server, "continue_edit_session", {"session_id": session, "prompt": "brighter", **shared}
    )
    assert turn["turn"] == 2
    assert [found["session_id"] for found in (await _done(server, "list_edit_sessions", {}))["sessions"]]
    assert (await _done(server, "end_edit_session", {"session_id": session}))["ended"] is True


async def test_an_image_is_looked_at_under_the_names_that_models_guess(server: Client[Any]) -> None:
    image = (await _done(server, "generate_image", {"prompt": "a boat", "quality": "low"}))["images"][0]
    names = ("image_id", "image", "image_path", "file_path", "path", "input_image", "id", "uri", "imageId")
    for name, value in zip(
        names, itertools.cycle((image["id"], image["file_path"], [image["id"]], image, json.dumps(image)))
    ):
        seen = await _done(server, "get_image", {name: value})
        assert [shown["id"] for shown in seen["images"]] == [image["id"]]


async def test_a_job_is_collected_by_its_guessed_name(server: Client[Any]) -> None:
    arguments = {"prompt": "[sandbox:delay=0.2] a boat", "quality": "low", "wait_seconds": 0}
    started = await _done(server, "generate_image", arguments)
    collected = await _done(server, "get_image", {"job_id": started["job_id"], "wait_seconds": 30})
    assert collected["status"] == "completed"


@pytest.mark.parametrize(
    "name", ["image", "image_path", "image_url", "input_image", "input_images", "file_path", "imagePaths"]
)
async def test_an_image_is_edited_under_the_names_that_models_guess(server: Client[Any], name: str) -> None:
    edited = await _done(server, "edit_image", {"prompt": "at night", "quality": "low", name: "photo-1.png"})
    assert edited["status"] == "completed"


async def test_notes_stay_away_from_failures(server: Client[Any]) -> None:
    result = await _call(server, "generate-image", {"prompt": "x", "include_base64": True, "size": "17x17"})
    assert result.is_error
    assert "preview" not in _text(result)


async def test_an_unknown_tool_is_unknown_under_the_name_it_was_called_by(server: Client[Any]) -> None:
    with pytest.raises(MCPError, match="health-check") as unknown:
        await server.call_tool("health-check", {})
    assert unknown.value.error.code == INVALID_PARAMS


async def test_the_old_names_work_for_clients_of_the_old_protocol(sandbox: None) -> None:
    del sandbox
    async with Client(mcp, mode="legacy") as client:
        made = await _done(
            client, "generate-image", {"prompt": "a boat", "quality": "hd", "aspectRatio": "1:1"}
        )
    assert made["images"][0]["width"] == made["images"][0]["height"]


async def test_a_group_that_is_hidden_is_hidden_under_other_names_too(
    sandbox: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_TOOLS", "core")
    async with Client(mcp) as client:
        result = await _call(client, "convert_image", {"image": "x"})
    assert "GPT_IMAGE_TOOLS" in _text(result)
