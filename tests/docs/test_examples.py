"""Every example of the documentation does what the page says, or is marked as one that is not run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.pages import README, all_pages, read_page
from tests.docs.running import CHECKED, SHOWN, WALKED, Reader, install_programs

if TYPE_CHECKING:
    from pathlib import Path

    from fastmcp import Client

PAGES = [page.path for page in all_pages() if any(fence.language in CHECKED for fence in page.fences)]


def test_every_fenced_block_says_whether_it_is_run() -> None:
    for page in all_pages():
        for fence in page.fences:
            assert fence.language in CHECKED + WALKED + SHOWN, (
                f"{page.name}, line {fence.line}: ```{fence.language}"
            )


@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
async def test_the_examples_of_a_page_work_one_after_the_other(
    path: Path, client: Client[Any], tmp_path: Path
) -> None:
    reader = Reader(read_page(path), client, install_programs(tmp_path / "programs"))
    assert await reader.follow() > 0


def test_the_configuration_of_the_readme_starts_the_server_from_a_checkout() -> None:
    blocks = [json.loads(text) for text in read_page(README).blocks("json")]
    servers = [block["mcpServers"]["gpt-image"] for block in blocks if "mcpServers" in block]
    assert servers
    assert all(server["args"] == ["--from", "/path/to/gpt-image-mcp", "gpt-image-mcp"] for server in servers)


def test_the_readme_shows_a_command_and_a_configuration_early() -> None:
    page = read_page(README)
    commands = [line.partition("#")[0].strip() for line in page.blocks("bash")[0].splitlines()]
    assert commands == ["uvx --from . gpt-image-mcp demo", "uv run pytest"]
    lines = page.text.splitlines()
    assert lines.index("```bash") < 15
    assert next(index for index, line in enumerate(lines) if '"mcpServers"' in line) < 35
