"""The commands about the history, in process."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.app import run
from gpt_image_mcp.presentation.details import ImageDetails


@pytest.fixture
def made(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An image made on the command line, in the sandbox."""
    del project
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    assert run(["generate", "a red fox in the snow", "--size", "816x816", "--quality", "low", "--json"]) == 0
    return Path(json.loads(capsys.readouterr().out)["images"][0]["file_path"])


def test_the_command_line_finds_an_image_by_a_word(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "snow", "--since", "today", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [image["file_path"] for image in answer["images"]] == [str(made)]
    assert answer["total"] == 1
    assert run(["history", "fox"]) == 0
    assert str(made) in capsys.readouterr().out


def test_the_command_line_shows_a_lineage(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["edit", "night", str(made), "--quality", "low"]) == 0
    capsys.readouterr()
    assert run(["history", "show", str(made)]) == 0
    shown = capsys.readouterr().out
    assert "made into" in shown
    assert '"night"' in shown
    assert run(["history", "show", str(made), "--json"]) == 0
    record = ImageDetails.model_validate_json(capsys.readouterr().out)
    assert (record.prompt, record.file_path) == ("a red fox in the snow", str(made))
    assert len(record.children) == 1


def test_the_whole_prompt_of_the_image_that_is_shown_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    prompt = "a paper boat, " * 30 + "at dusk"
    assert run(["generate", prompt, "--quality", "low", "--sandbox", "-o", "boat.png"]) == 0
    capsys.readouterr()
    assert run(["history", "show", "boat.png"]) == 0
    assert prompt in capsys.readouterr().out


def test_the_command_line_speaks_to_people(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["edit", "night", str(made), "--quality", "low"]) == 0
    assert "Next: gpt-image-mcp edit changes an image" in capsys.readouterr().err
    for failing, step in (
        ([], "gpt-image-mcp edit"),
        (["none.png"], "Correct what the failed ones say, and run"),
    ):
        assert run(["batch", "noon", str(made), *failing, "--quality", "low"]) == len(failing)
        assert f"Next: {step}" in capsys.readouterr().err
    for arguments, step in (
        (["--limit", "1"], "--offset 1"),
        (["--limit", "0"], "--limit 20"),
        ([], "gpt-image-mcp history show"),
        (["wolf"], "other words"),
        (["--offset", "9"], "smaller --offset"),
    ):
        for form in ([], ["--json"]):
            assert run(["history", *arguments, *form]) == 0
            said = capsys.readouterr().out
            assert step in said
            assert not re.search("get_image|edit_image|find_images", said)
    assert run(["history", "show", "job-20260101-000000-abcdef"]) == 1
    assert not re.search("get_image|find_images|job id", capsys.readouterr().err)


def test_the_command_line_counts_in_words(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "wolf"]) == 0
    assert capsys.readouterr().out.startswith("No image matches.\n")
    assert run(["history", "fox"]) == 0
    assert capsys.readouterr().out.startswith("1 image matches, $0.0000 in all:\n")
    assert run(["history", "prune", "--older-than", "7d"]) == 0
    assert "Nothing to delete." in capsys.readouterr().err
    assert made.exists()


def test_the_command_line_sums_what_was_spent(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del made
    for by in ("day", "model", "session"):
        assert run(["history", "spend", "--by", by]) == 0
        assert "total  $0.0000" in capsys.readouterr().out
    assert run(["history", "spend", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_usd_total"] == 0


def test_the_command_line_prunes_only_with_yes(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["history", "prune", "--keep-mb", "0"]) == 0
    asked = capsys.readouterr()
    assert str(made) in asked.out
    assert "--yes" in asked.err
    assert made.exists()
    assert run(["history", "prune", "--keep-mb", "0", "--yes", "--json"]) == 0
    pruned = json.loads(capsys.readouterr().out)
    assert pruned["deleted"] is True
    assert [image["file"] for image in pruned["images"]] == ["missing"]
    assert not made.exists()
    assert run(["history", "prune"]) == 1
    assert "--older-than" in capsys.readouterr().err


def test_the_command_line_rebuilds(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made.parent / ".metadata" / "broken.json").write_text("{")
    assert run(["history", "rebuild", str(made.parent)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("1 image read again from 1 folder")
    assert "broken.json" in said.err
    assert run(["history", "rebuild", "--json"]) == 0
    rebuilt = json.loads(capsys.readouterr().out)
    assert (rebuilt["images"], rebuilt["folders"]) == (1, [str(made.parent)])
    assert [Path(path).name for path in rebuilt["unreadable"]] == ["broken.json"]
    assert run(["history", "rebuild", "nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["[2026]", "[drafts]", '["a"]', "{}", "[" * 200])
def test_a_folder_to_rebuild_from_may_have_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    assert run(["history", "rebuild", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folders"][-1] == str(tmp_path / name)


def test_a_rebuild_names_a_file_whose_name_is_no_text(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = made.parent / ".metadata" / "bad\udcff.json"
    bad.write_text("{")
    assert run(["history", "rebuild", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == [str(bad)]


def test_the_command_line_says_where_a_damaged_database_is(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    database = tmp_path / "home/data/gpt-image-mcp/library.db"
    database.write_bytes(b"no database at all " * 100)
    assert run(["history", "rebuild"]) == 0
    assert f"The damaged database is now {database}" in capsys.readouterr().err
    made.write_bytes(b"my own drawing")
    assert run(["history", "prune", "--keep-mb", "0"]) == 0
    assert f"Kept: {made} was changed outside." in capsys.readouterr().err


def test_the_command_line_says_what_could_not_be_deleted(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (metadata,) = (made.parent / ".metadata").iterdir()
    metadata.unlink()
    metadata.mkdir()
    assert run(["history", "prune", "--older-than", "0h", "--yes"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{made} (" in said.err
    assert "cannot be deleted" in said.err
    assert run(["history", "prune", "--older-than", "0h", "--yes", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["failed"]) == 1


def test_the_command_line_names_start_images_that_go(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asyncio.run(_ended_session(made))
    (copy,) = (tmp_path / "home/data/gpt-image-mcp/inputs").iterdir()
    assert run(["history", "prune", "--older-than", "7d", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["start_images"] == [str(copy)]
    assert run(["history", "prune", "--older-than", "7d", "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{copy}\n"
    assert "1 start image of edit sessions" in said.err
    assert not copy.exists()


async def _ended_session(made: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        started = await studio.start_session("night", [str(made)], size="816x816", quality="low")
        assert started.session is not None
        await studio.end_session(started.session.session_id)
