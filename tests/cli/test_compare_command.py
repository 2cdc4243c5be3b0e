"""``compare`` on the command line: a file, its path, and what is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.imaging.source_type import AI_EDITED, find_source_type

QUICK = ("--quality", "low", "--size", "816x816", "--sandbox", "--json")


@pytest.fixture
def made(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Ids of two images."""
    ids: list[str] = []
    for prompt in ("a fox", "a boat"):
        assert run(["generate", prompt, *QUICK]) == 0
        ids.append(json.loads(capsys.readouterr().out)["images"][0]["id"])
    return ids


@pytest.mark.parametrize(
    ("name", "kind"), [("sheet.png", "PNG"), ("sheet.jpg", "JPEG"), ("sheet.webp", "WEBP")]
)
def test_the_sheet_is_the_file_that_was_asked_for(
    made: list[str], project: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    assert run(["compare", *made, "-o", f"out/{name}"]) == 0
    path = project / "out" / name
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(path)]
    assert f"2. {made[1]}, gpt-image-2, quality low, 816x816, sandbox" in said.err
    with Image.open(path) as sheet:
        assert (sheet.format, sheet.width) == (kind, 1536)
    assert find_source_type(path.read_bytes()) == AI_EDITED


def test_without_a_name_each_sheet_is_a_new_file_in_the_output_folder(
    made: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    paths: list[Path] = []
    for _ in range(2):
        assert run(["compare", *made, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [image["id"] for image in told["images"]] == made
        paths.append(Path(told["file_path"]))
    assert [path.name for path in paths] == ["compare.jpg", "compare-2.jpg"]
    assert all(path.is_file() for path in paths)


def test_a_file_is_replaced_only_where_that_is_said(
    made: list[str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project / "sheet.png"
    path.write_text("mine")
    assert run(["compare", *made, "-o", "sheet.png"]) == 1
    assert "exists" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert run(["compare", *made, "-o", "sheet.png", "--overwrite"]) == 0
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"


def test_a_link_is_not_written_through(
    made: list[str], project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside.png"
    outside.write_text("mine")
    (project / "sheet.png").symlink_to(outside)
    assert run(["compare", *made, "-o", "sheet.png", "--overwrite"]) == 1
    assert "could not be written" in capsys.readouterr().err
    assert outside.read_text() == "mine"


@pytest.mark.parametrize(
    ("refs", "said"),
    [
        (["missing.png"], "Picture 1 of 1 (missing.png): There is no file"),
        (["a.png"] * 13, "13 references"),
        (["--", "sheet.gif"], "There is no file"),
    ],
)
def test_what_cannot_be_compared_leaves_no_file(
    project: Path, capsys: pytest.CaptureFixture[str], refs: list[str], said: str
) -> None:
    assert run(["compare", "-o", "sheet.png", *refs]) == 1
    assert said in capsys.readouterr().err
    assert not (project / "sheet.png").exists()


@pytest.mark.parametrize("name", ["sheet.pdf", "sheet.gif", "sheet.svg", "sheet.SVG"])
def test_an_ending_that_no_sheet_can_have_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run(["compare", "a.png", "-o", name]) == 1
    assert Path(name).suffix.lower() in capsys.readouterr().err
    assert list(project.iterdir()) == []


def test_compare_without_pictures_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare"]) != 0
    assert capsys.readouterr().err
