"""Pictures that are sent from elsewhere: taken once, kept for a day, and nobody's but their owner's."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.uploads import KEPT_FOR, Uploads, read_upload, write_upload
from gpt_image_mcp.values.owners import Owner
from tests.library.conftest import EVERY_DATABASE

UPLOAD = "upload-20261121-120000-a1b2c3"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ENDS = NOW + timedelta(minutes=5)
FILE = Path("/people/anna/uploads/picture.png")
ANNA, BERTA = (Owner(name=name, group="art", shared_groups=("art",)) for name in ("anna", "berta"))
MOMENT = timedelta(seconds=1)


@pytest.fixture
def uploads(database: Database) -> Uploads:
    """Those of Anna, who awaits one."""
    found = Uploads(database, ANNA)
    found.begin(UPLOAD, ends_at=ENDS)
    return found


@EVERY_DATABASE
def test_a_picture_is_taken_once_and_found_for_a_day(uploads: Uploads) -> None:
    assert uploads.find(UPLOAD, NOW) is None
    assert uploads.is_awaited(UPLOAD, NOW)
    assert uploads.take(UPLOAD, FILE, NOW)
    assert not uploads.is_awaited(UPLOAD, NOW)
    assert not uploads.take(UPLOAD, Path("/another"), NOW)
    assert uploads.find(UPLOAD, NOW + KEPT_FOR - MOMENT) == FILE
    assert uploads.find(UPLOAD, NOW + KEPT_FOR) is None


@EVERY_DATABASE
def test_after_five_minutes_nothing_is_taken(uploads: Uploads) -> None:
    assert uploads.is_awaited(UPLOAD, ENDS - MOMENT)
    assert not uploads.is_awaited(UPLOAD, ENDS)
    assert not uploads.take(UPLOAD, FILE, ENDS)


@EVERY_DATABASE
def test_another_even_of_the_same_group_neither_sends_nor_sees_it(uploads: Uploads) -> None:
    others = Uploads(uploads.database, BERTA)
    assert not others.is_awaited(UPLOAD, NOW)
    assert not others.take(UPLOAD, FILE, NOW)
    uploads.take(UPLOAD, FILE, NOW)
    assert others.find(UPLOAD, NOW) is None


@EVERY_DATABASE
def test_what_is_over_is_forgotten_and_what_is_not_stays(uploads: Uploads) -> None:
    uploads.take(UPLOAD, FILE, NOW)
    uploads.begin("upload-20261121-120000-bbbbbb", ends_at=ENDS)
    assert Uploads(uploads.database, BERTA).forget_expired(ENDS) == ()
    assert uploads.find(UPLOAD, ENDS) == FILE
    assert Uploads(uploads.database, BERTA).forget_expired(NOW + KEPT_FOR) == (FILE,)
    assert uploads.forget_expired(NOW + KEPT_FOR) == ()


@EVERY_DATABASE
def test_of_many_who_send_at_the_same_moment_one_is_taken(uploads: Uploads, database_url: str) -> None:
    together = Barrier(4)

    def send(number: int) -> bool:
        database = Database(database_url.replace("timeout=0.05", "timeout=20"))
        try:
            together.wait()
            return Uploads(database, ANNA).take(UPLOAD, Path(f"/{number}"), NOW)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as senders:
        assert sorted(senders.map(send, range(4))) == [False, False, False, True]
    assert uploads.find(UPLOAD, NOW) is not None


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The file of a picture."""
    return write_upload(tmp_path / "uploads", UPLOAD, b"picture", extension="png")


def test_its_file_can_be_read_by_the_user_of_the_server_alone(written: Path) -> None:
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700
    assert read_upload(written, max_bytes=7) == b"picture"


def test_a_link_in_its_place_is_not_read(written: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    written.unlink()
    written.symlink_to(secret)
    with pytest.raises(OSError, match="outside"):
        read_upload(written, max_bytes=100)
