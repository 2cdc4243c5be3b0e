"""What the lines of a manifest may say."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.cli.manifests import read_manifest
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.services.edit_planning import EditOptions
from gpt_image_mcp.values.options import OutputOptions

if TYPE_CHECKING:
    from pathlib import Path

_OPTIONS = sorted(entry.name for kind in (EditOptions, OutputOptions) for entry in fields(kind))


@pytest.mark.parametrize("value", [{}, [], 5, 1.5, True, "x", {"a": 1}, [None]], ids=repr)
@pytest.mark.parametrize("name", _OPTIONS)
def test_no_option_of_a_manifest_has_a_value_of_another_type(name: str, value: object, project: Path) -> None:
    file = project / "jobs.jsonl"
    file.write_text(json.dumps({"image": "a.png", name: value}))
    default = EditOptions()
    with contextlib.suppress(InvalidArgument):
        (item,) = read_manifest(file, prompt="warmer", output=OutputOptions())
        for option in fields(EditOptions):
            assert type(getattr(item.edit, option.name)) is type(getattr(default, option.name))


@pytest.mark.parametrize("name", [*_OPTIONS, "prompt", "references"])
def test_null_in_a_manifest_means_the_default(name: str, project: Path) -> None:
    file = project / "jobs.jsonl"
    file.write_text('{"image": "a.png"}\n' + json.dumps({"image": "a.png", name: None}))
    plain, with_null = read_manifest(file, prompt="warmer", output=OutputOptions())
    assert with_null == plain
