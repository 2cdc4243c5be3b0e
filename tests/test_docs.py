"""Documentation that runs: what it says is what the code does.

``UPDATE_DOCS=1 uv run pytest tests/test_docs.py`` writes the generated pages anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

import gpt_image_mcp
from gpt_image_mcp.settings import Settings, variable_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Every setting is an environment variable, usually in the `env` block of the client's configuration. The names
of older servers work too; the first name wins. A malformed value stops the start and is named. A `.env` file
is not read.

| variable | default | meaning |
|---|---|---|
"""


def _blocks(language: str) -> list[str]:
    return [text for name, text in FENCE.findall(README) if name == language]


def _default(field: str) -> str:
    value = Settings.model_fields[field].default
    if value in (None, "", PydanticUndefined) or field == "database_url":
        return "none"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, frozenset):
        return "`all`"
    return f"`{value}`"


def _row(field: str) -> str:
    names = ", ".join(f"`{name}`" for name in variable_names(field))
    return f"| {names} | {_default(field)} | {Settings.model_fields[field].description} |\n"


def _settings_page() -> str:
    return HEAD + "".join(_row(field) for field in Settings.model_fields)


def test_the_settings_page_is_generated_from_the_settings() -> None:
    if os.environ.get("UPDATE_DOCS"):
        SETTINGS_PAGE.write_text(_settings_page())
    assert SETTINGS_PAGE.read_text() == _settings_page()


def test_every_json_block_of_the_readme_is_json() -> None:
    blocks = _blocks("json")
    assert len(blocks) >= 4
    for block in blocks:
        document = json.loads(block)
        servers = document.get("mcpServers") or document["servers"]
        assert servers["gpt-image"]["args"] == ["--from", "/path/to/gpt-image-mcp", "gpt-image-mcp"]


def test_the_first_command_stands_early() -> None:
    lines = README.splitlines()
    assert lines.index("uvx --from . gpt-image-mcp demo") < 15
    assert len(README[: README.index("```bash")].split()) <= 150
    assert next(index for index, line in enumerate(lines) if '"mcpServers"' in line) < 40


def _commands() -> list[str]:
    lines = "\n".join(_blocks("bash")).splitlines()
    prefix = "uvx --from . gpt-image-mcp "
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


@pytest.mark.timeout(180)
def test_the_commands_of_the_readme_work_one_after_the_other() -> None:
    import shlex

    commands = _commands()
    assert len(commands) >= 5
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "gpt_image_mcp", *shlex.split(command)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GPT_IMAGE_SANDBOX": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_python_example_of_the_readme_works() -> None:
    (example,) = _blocks("python")
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    boat, evening = done.stdout.split(" Cost(")[0].split()
    assert Path(boat).is_file()
    assert Path(evening).is_file()


def test_the_changelog_names_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert gpt_image_mcp.__version__ == version
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == version


def test_every_link_of_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
