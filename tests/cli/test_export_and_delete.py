"""The commands ``export`` and ``delete``, in process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from gpt_image_mcp.cli.app import run


@pytest.fixture
def made(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An image made on the command line, in the sandbox."""
    del project
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    assert run(["generate", "a fox", "--size", "816x816", "--quality", "low", "--json"]) == 0
    return Path(json.loads(capsys.readouterr().out)["images"][0]["file_path"])


def test_a_file_is_written_where_and_as_the_output_says(
    made: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["export", str(made), "-o", "web/fox.webp", "--max-kb", "9", "--width", "300"]
    assert run(line) == 0
    assert capsys.readouterr().out == f"{project / 'web' / 'fox.webp'}\n"
    assert (project / "web" / "fox.webp").stat().st_size <= 9000
    assert run([*line, "--quality", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["filename"] == "fox-2.webp"
    assert run([*line, "--height", "300", "--fit", "stretch", "--overwrite"]) == 0
    with Image.open(project / "web" / "fox.webp") as image:
        assert image.size == (300, 300)
    assert len(list((project / "web").iterdir())) == 2


@pytest.mark.parametrize("output", ["icons/", "icons"])
def test_a_set_goes_into_the_folder_that_is_named_and_its_lines_are_said(
    made: Path, project: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    assert run(["export", str(made), "--preset", "favicon", "--output", output]) == 0
    said = capsys.readouterr()
    assert '<link rel="manifest" href="/site.webmanifest">' in said.err
    assert len(said.out.splitlines()) == 7
    (folder,) = (project / "icons").iterdir()
    assert len(list(folder.iterdir())) == 8


def test_what_cannot_be_exported_is_said_with_what_to_do(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(made), "--max-kb", "0.01"]) == 1
    assert "max_kb is 0.01" in capsys.readouterr().err


def test_deleting_needs_a_yes(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["delete", str(made)]) == 0
    planned = capsys.readouterr().out
    assert str(made) in planned
    assert "--yes" in planned
    assert made.exists()
    assert run(["delete", str(made), "--yes", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["status"], done["file_path"]) == ("deleted", str(made))
    assert not made.exists()
    assert run(["delete", done["id"], "--yes"]) == 1
    assert "was deleted on" in capsys.readouterr().err


def test_a_lineage_names_a_parent_that_was_deleted(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["edit", "night", str(made), "--quality", "low", "--json"]) == 0
    child = json.loads(capsys.readouterr().out)["images"][0]["id"]
    assert run(["delete", str(made), "--yes"]) == 0
    capsys.readouterr()
    assert run(["history", "show", child]) == 0
    assert "(deleted)" in capsys.readouterr().out
