"""Edit sessions below the tools: what happens when files vanish or the database fails."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import InputNotFound, InvalidArgument, NotFound
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.values.results import ImageResult
from gpt_image_mcp.values.sessions import SessionTurn
from tests.library.leases import let_pass

if TYPE_CHECKING:
    from pathlib import Path

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


@pytest.fixture
def photo(project: Path) -> str:
    """A picture of the user's."""
    Image.linear_gradient("L").resize((256, 256)).convert("RGB").save(project / "photo.png")
    return "photo.png"


def _session_id(result: ImageResult) -> str:
    assert result.session is not None
    return result.session.session_id


async def test_start_images_that_are_gone_are_said(photo: str, tmp_path: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        session_id = _session_id(await studio.start_session("red", [photo], **QUICK))
        shutil.rmtree(tmp_path / "home" / "data" / "gpt-image-mcp" / "inputs")
        with pytest.raises(InputNotFound):
            await studio.continue_session(session_id, "green", from_turn=0)
        assert (await studio.continue_session(session_id, "a bird")).session is not None


async def test_a_turn_whose_file_holds_a_later_one_is_not_gone_on_from(photo: str, tmp_path: Path) -> None:
    place: dict[str, Any] = {"filename": str(tmp_path / "now.png"), "overwrite": True, **QUICK}
    async with Studio(Settings(sandbox=True)) as studio:
        session_id = _session_id(await studio.start_session("red", [photo], **place))
        await studio.continue_session(session_id, "green", **place)
        with pytest.raises(InputNotFound, match="The image of turn 1 is gone"):
            await studio.continue_session(session_id, "a bird", from_turn=1, **place)
        third = await studio.continue_session(session_id, "a bird", **place)
        assert third.session is not None
        assert third.session.parent_turn == 2


async def test_a_start_image_is_kept_once_however_often_it_is_used(photo: str, tmp_path: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        for _ in range(2):
            await studio.start_session("red", [photo, photo], **QUICK)
    assert len(list((tmp_path / "home" / "data" / "gpt-image-mcp" / "inputs").iterdir())) == 1


async def test_a_session_that_cannot_be_written_down_does_not_lose_its_image(
    photo: str, tmp_path: Path
) -> None:
    database = tmp_path / "library.db"
    settings = Settings(sandbox=True, database_url=f"sqlite:///{database}?timeout=0.05")  # type: ignore[arg-type]
    async with Studio(settings) as studio:
        started = await studio.start_session("red [sandbox:delay=0.5]", [photo], wait_seconds=0, **QUICK)
        lock = sqlite3.connect(database, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        result = await studio.get(started.call_id)
        lock.close()
        assert isinstance(result, ImageResult)
        assert result.images[0].file_path.is_file()
        assert any("cannot be continued" in note for note in result.notes)
        with pytest.raises(NotFound):
            await studio.continue_session(_session_id(started), "a bird")


async def test_a_session_ended_while_a_turn_waits_takes_no_more_turns(photo: str) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        session_id = _session_id(await studio.start_session("red", [photo], **QUICK))
        first = await studio.continue_session(session_id, "slow [sandbox:delay=0.6]", wait_seconds=0)
        waiting = await studio.continue_session(session_id, "a bird", wait_seconds=0)
        assert waiting.status == "running"
        await studio.end_session(session_id)
        collected = await studio.get(first.call_id)
        assert isinstance(collected, ImageResult)
        assert collected.status == "completed"
        with pytest.raises(NotFound):
            await studio.get(waiting.call_id)
        # Whoever was given the job's id hears of the failure later too.
        with pytest.raises(NotFound):
            await studio.get(waiting.call_id)


async def test_more_images_than_a_call_takes_are_refused_with_those_of_the_session(photo: str) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        session_id = _session_id(await studio.start_session("red", [photo] * 10, **QUICK))
        with pytest.raises(InvalidArgument, match=r"\b7\b.*\b10\b"):
            await studio.continue_session(session_id, "a bird", images=[photo] * 7)
        assert (await studio.continue_session(session_id, "a bird", images=[photo] * 6)).images


async def test_turns_of_two_servers_of_which_one_was_stopped_have_numbers_of_their_own(
    photo: str, tmp_path: Path
) -> None:
    """As long as a process is stopped it does not renew its lease, and another one goes on."""
    database = Database(f"sqlite:///{tmp_path / 'library.db'}")
    settings = Settings(sandbox=True, database_url=f"sqlite:///{tmp_path / 'library.db'}")  # type: ignore[arg-type]
    async with Studio(settings) as stopped, Studio(settings) as other:
        session_id = _session_id(await stopped.start_session("red", [photo], **QUICK))
        begun = await stopped.continue_session(session_id, "slow [sandbox:delay=2]", wait_seconds=0)
        let_pass(database, timedelta(seconds=16))
        second = await other.continue_session(session_id, "a bird")
        third = await stopped.get(begun.call_id)
        assert isinstance(third, ImageResult)
        assert second.session == SessionTurn(session_id=session_id, turn=2, parent_turn=1)
        assert third.session == SessionTurn(session_id=session_id, turn=3, parent_turn=1)
        assert "made turn 2; this one, made from turn 1, is turn 3." in " ".join(third.notes)
        saved = await other.find(third.images[0].id)
        assert (saved.provenance.turn, saved.file_path.stem[-3:]) == (3, "-t3")
    database.close()


async def test_a_turn_made_by_another_process_while_one_is_written_down_is_counted(
    photo: str, tmp_path: Path
) -> None:
    database = tmp_path / "library.db"
    settings = Settings(sandbox=True, database_url=f"sqlite:///{database}")  # type: ignore[arg-type]
    async with Studio(settings) as studio:
        session_id = _session_id(await studio.start_session("red", [photo], **QUICK))
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(
                "CREATE TRIGGER other AFTER INSERT ON images BEGIN INSERT INTO session_turns "
                "SELECT session_id, 2, 0, 'other', 'i', 'c', 0 FROM session_turns; END"
            )
        result = await studio.continue_session(session_id, "a bird")
        assert result.session == SessionTurn(session_id=session_id, turn=3, parent_turn=1)
        assert "is turn 3" in " ".join(result.notes)
