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


@pytest.mark.parametrize("value", ["1", "[]", "{}"])
@pytest.mark.parametrize(
    "where", ['"regions": [{"points": [%s]}]', '"marks": [%s]', '"references": [%s]', '"n": [%s]']
)
def test_a_line_of_millions_of_values_is_refused_before_they_are_read(
    where: str, value: str, project: Path
) -> None:
    file = project / "jobs.jsonl"
    file.write_text('{"image": "a.png", ' + where % ",".join([value] * 5_000_000) + "}")
    with pytest.raises(InvalidArgument, match=r"Line 1 .* more than 250,000 values"):
        read_manifest(file, prompt="warmer", output=OutputOptions())


def test_a_manifest_at_every_limit_is_read(project: Path) -> None:
    shape = {"shape": "polygon", "points": [[0.1, 0.1], [0.9, 0.1]] * 500}
    file = project / "jobs.jsonl"
    file.write_text(json.dumps({"image": "a.png", "regions": [shape] * 64}))
    (item,) = read_manifest(file, prompt="warmer", output=OutputOptions())
    assert len(item.edit.regions) == 64


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0c", "\u00a0"])
def test_only_a_line_break_ends_a_line_and_a_byte_order_mark_is_passed_over(mark: str, project: Path) -> None:
    file = project / "jobs.jsonl"
    lines = [json.dumps({"image": f"a{mark}b.png"}, ensure_ascii=False)] * 2
    file.write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    items = read_manifest(file, prompt="warmer", output=OutputOptions())
    assert [item.image for item in items] == [f"a{mark}b.png"] * 2
