"""Everything that a user can meet stands in the documentation, and nothing that is not there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mcp.types import TextContent

import gpt_image_mcp
from gpt_image_mcp.cli.client_config.blocks import make_block
from gpt_image_mcp.cli.client_config.clients import CLIENTS, Folders
from gpt_image_mcp.cli.client_config.launching import Launch
from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.mcp_app.aliases import translate
from gpt_image_mcp.mcp_app.aliases.tables import ARGUMENTS
from gpt_image_mcp.mcp_app.published import UNLISTED
from gpt_image_mcp.settings import Settings, variable_names
from tests.docs.commands_page import commands, option_names
from tests.docs.pages import DOCS, README, ROOT, all_pages, code_spans, read_page, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastmcp import Client

LAUNCH = Launch(command="uvx", args=("--from", "/path/to/gpt-image-mcp", "gpt-image-mcp"))
# Their documented names, from the READMEs and sources of the two servers that this one follows.
OLD_TOOLS = {
    *("generate-image", "edit-image", "batch-edit"),
    *("generate_image", "edit_image", "start_edit_session", "continue_edit_session"),
    *("end_edit_session", "list_edit_sessions"),
}
OLD_PARAMETERS = {
    *("prompt", "model", "aspect_ratio", "quality", "output_format", "moderation", "background", "style"),
    *("remove_background", "analyze_after_generation", "include_base64", "save_to_file"),
    *("output_directory", "filename", "naming_strategy", "organize_by", "source_image", "edit_prompt"),
    *("edit_type", "mask_area", "strength", "preserve_composition", "filename_prefix", "images"),
    *("image_urls", "batch_settings.parallel_processing", "batch_settings.max_concurrent"),
    *("batch_settings.error_handling", "batch_settings.progress_callback", "mask", "session_id", "size", "n"),
    *("output_compression", "output_dir", "user"),
}
OLD_VARIABLES = {
    *("OPENAI_API_KEY", "OPENAI_MAX_RETRIES", "OPENAI_API_TIMEOUT", "DEFAULT_OUTPUT_DIR"),
    *("MAX_FILE_SIZE_MB", "ENABLE_FILE_OUTPUT", "KEEP_FILES_DAYS", "OPENAI_BASE_URL", "OPENAI_ORG_ID"),
    *("OPENAI_PROJECT_ID", "GPT_IMAGE_2_OUTPUT_DIR", "GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR"),
    *("GPT_IMAGE_2_SESSION_MAX", "GPT_IMAGE_2_SESSION_TTL_MS", "OPENAI_RESPONSES_EDIT_MODEL"),
    *("OPENAI_FORCE_RESPONSES_EDITS", "OPENAI_USE_DIRECT_EDITS", "GPT_IMAGE_2_MCP_DEBUG"),
}


def _variables() -> set[str]:
    return {name for field in Settings.model_fields for name in variable_names(field)}


def _codes(kind: type[ImageError] = ImageError) -> set[str]:
    return {kind.code}.union(*(_codes(below) for below in kind.__subclasses__()))


def test_every_error_code_has_its_section_and_no_other_has_one() -> None:
    sections = {
        code_spans(heading)[0]
        for heading in read_page(DOCS / "troubleshooting.md").headings
        if "`" in heading
    }
    assert sections == _codes()


def _staged() -> Iterator[tuple[str, str]]:
    for heading, text in read_page(DOCS / "troubleshooting.md").sections().items():
        for directive in re.findall(r"`\[sandbox:(\w+)\]`", text):
            yield code_spans(heading)[0], directive


@pytest.mark.parametrize(("code", "directive"), list(_staged()))
async def test_the_sandbox_shows_each_error_that_the_page_promises(
    code: str, directive: str, client: Client[Any]
) -> None:
    arguments = {"prompt": f"a boat [sandbox:{directive}]"}
    result = await client.call_tool("generate_image", arguments, raise_on_error=False)
    (text,) = [block.text for block in result.content if isinstance(block, TextContent)]
    assert text.startswith(f"{code}: ")


async def test_the_prices_of_the_page_of_costs_are_those_of_the_table(client: Client[Any]) -> None:
    section = read_page(DOCS / "costs.md").sections()["What it costs, roughly"]
    assert rows(section)
    for size, *prices in rows(section):
        answer = (await client.call_tool("estimate_cost", {"size": size})).structured_content or {}
        quoted = [
            answer["by_quality"][quality]["cost_usd_estimated"] for quality in ("low", "medium", "high")
        ]
        assert [f"{usd:.3f}" for usd in quoted] == prices, size


async def test_the_readme_names_every_tool_and_command(client: Client[Any]) -> None:
    text = read_page(README).text
    missing = {f"`{tool.name}`" for tool in await client.list_tools() if f"`{tool.name}`" not in text}
    missing |= {name for names, _ in commands() if (name := names[0]) not in text}
    assert not missing, f"README.md does not name {missing}"


def test_variables_that_the_pages_name_exist() -> None:
    known = _variables() | OLD_VARIABLES
    for page in all_pages():
        named = set(re.findall(r"\b(?:GPT_IMAGE|OPENAI)_[A-Z0-9_]*[A-Z0-9]\b", page.text))
        assert named <= known, f"{page.name} names {named - known}"


def test_commands_that_the_pages_name_exist() -> None:
    known = {" ".join(names): option_names(command) for names, command in commands()}
    for page in all_pages():
        for call in re.findall(r"(?:uvx --from \. |`|^)gpt-image-mcp (.*?)(?:`|$)", page.text, re.MULTILINE):
            words = call.split()
            name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
            assert name in known, f"{page.name}: gpt-image-mcp {call}"
            options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert options <= {*known[name], "--help"}, f"{page.name}: gpt-image-mcp {call}"


def test_every_old_name_has_its_row() -> None:
    sections = read_page(DOCS / "migrating.md").sections()
    named = {span for text in sections.values() for row in rows(text) for span in code_spans(row[0])}
    missing = (OLD_TOOLS | OLD_PARAMETERS | OLD_VARIABLES) - named
    assert not missing, f"docs/migrating.md has no row for {missing}"


async def test_every_old_name_is_understood_or_refused_with_the_new_one(client: Client[Any]) -> None:
    tools = {tool.name: set(tool.input_schema["properties"]) for tool in await client.list_tools()}
    assert {translate(name, {}).tool for name in OLD_TOOLS} <= set(tools)
    others = {name for rows in ARGUMENTS.values() for row in rows for name in row.names.split()}
    understood = others.union({"batch_settings"}, UNLISTED, *tools.values())
    assert understood >= {name.rpartition(".")[2] for name in OLD_PARAMETERS}


async def test_the_new_names_that_old_ones_lead_to_exist(client: Client[Any]) -> None:
    tools = {tool.name: set(tool.input_schema["properties"]) for tool in await client.list_tools()}
    known = (
        set(tools).union(UNLISTED, *tools.values())
        | _variables()
        | {"gpt-image-mcp history prune", "gpt-image-mcp"}
    )
    for heading, text in read_page(DOCS / "migrating.md").sections().items():
        for row in rows(text):
            words = {span.split(" ")[0] if span not in known else span for span in code_spans(row[1])}
            assert words <= known, f"{heading}: {words - known}"


def test_the_page_of_clients_shows_the_blocks_that_the_command_writes() -> None:
    sections = read_page(DOCS / "clients.md")
    shown: list[object] = [json.loads(text) for text in sections.blocks("json")]
    shown += [tomllib.loads(text) for text in sections.blocks("toml")]
    shown += [yaml.safe_load(text) for text in sections.blocks("yaml")]
    for name in CLIENTS:
        block = make_block(name, LAUNCH, output_dir="/path/to/pictures" if name == "claude-desktop" else "")
        text = block.text()
        if name == "claude-code":
            assert text in sections.text
        else:
            readers: dict[str, Any] = {"toml": tomllib.loads, "yaml": yaml.safe_load}
            assert readers.get(block.client.grammar, json.loads)(text) in shown, f"{name}:\n{text}"


def test_the_page_of_clients_names_the_file_of_each() -> None:
    text = read_page(DOCS / "clients.md").text
    home = Path("/home/you")
    linux = Folders(platform="linux", home=home, settings=home / ".config")
    for name, client in CLIENTS.items():
        assert f"`{name}`" in text
        assert client.title in text
        if name == "librechat":
            assert "`librechat.yaml`" in text
        elif client.file is not None:
            assert f"`~/{client.file(linux).relative_to(home).as_posix()}`" in text, name


def test_the_changelog_begins_with_what_is_not_released_yet_or_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert gpt_image_mcp.__version__ == version
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {"Unreleased", version}
