"""Writing files: whole or not there, never in place of another, whoever else writes."""

from __future__ import annotations

import errno
import itertools
import os
import re
import stat
import struct
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.atomic_files import write_exclusive, write_over
from tests.other_users import anothers_file, only_as_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROCESSES = 8
FILES_EACH = 20
WRITER = """
import itertools, sys
from pathlib import Path
from gpt_image_mcp.atomic_files import write_exclusive
from gpt_image_mcp.library.naming import Naming, file_names

def names():
    return file_names(Naming(kind="image", filename="boat"), "unused", extension="png", number=0)

folder, writer, files = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(files):
    write_exclusive(folder, names(), f"{writer} {number}".encode() * 1000)
"""


def _numbered() -> Iterator[str]:
    return (f"boat-{number}.png" for number in itertools.count(1))


def _refuse_links(*_args: object, **_kwargs: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_a_file_takes_the_first_free_name(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    first = write_exclusive(folder, _numbered(), b"one")
    second = write_exclusive(folder, _numbered(), b"two")
    assert (first.name, first.read_bytes()) == ("boat-1.png", b"one")
    assert (second.name, second.read_bytes()) == ("boat-2.png", b"two")
    assert sorted(path.name for path in folder.iterdir()) == ["boat-1.png", "boat-2.png"]


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "boat-1.png").symlink_to(tmp_path / "elsewhere")
    assert write_exclusive(tmp_path, _numbered(), b"one").name == "boat-2.png"
    assert not (tmp_path / "elsewhere").exists()


def test_running_out_of_names_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "boat.png").write_bytes(b"old")
    with pytest.raises(FileExistsError, match="every name is taken"):
        write_exclusive(tmp_path, ["boat.png"], b"new")
    assert [path.read_bytes() for path in tmp_path.glob("*.p*")] == [b"old"]
    assert not list(tmp_path.glob(".*"))


def test_without_hard_links_files_are_whole_and_exclusive_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _refuse_links)
    folder = tmp_path / "fat"
    paths = [write_exclusive(folder, _numbered(), data) for data in (b"one", b"two")]
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]
    assert sorted(folder.iterdir()) == paths


def test_a_failure_after_the_name_was_taken_frees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", _refuse_links)
    monkeypatch.setattr(os, "replace", fail)
    folder = tmp_path / "fat"
    with pytest.raises(OSError, match="Input/output"):
        write_exclusive(folder, _numbered(), b"one")
    assert list(folder.iterdir()) == []


def _failing_with(code: int) -> Callable[..., None]:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_drive_that_does_not_know_fsync_is_written_to(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _failing_with(code))
    folder = tmp_path / "stick"
    assert write_exclusive(folder, _numbered(), b"one").read_bytes() == b"one"
    assert write_over(folder / "boat-1.png", b"two").read_bytes() == b"two"
    assert [path.name for path in folder.iterdir()] == ["boat-1.png"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fails_or_is_full_is_not_taken_for_such_a_drive(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "full"
    write_exclusive(folder, _numbered(), b"old")
    monkeypatch.setattr(os, "fsync", _failing_with(code))
    with pytest.raises(OSError, match=re.escape(os.strerror(code))):
        write_exclusive(folder, _numbered(), b"one")
    with pytest.raises(OSError, match=re.escape(os.strerror(code))):
        write_over(folder / "boat-1.png", b"new")
    assert [path.read_bytes() for path in folder.iterdir()] == [b"old"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        write_exclusive(tmp_path / "file" / "x", _numbered(), b"one")


def test_a_name_that_the_file_system_refuses_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(OSError, match="too long"):
        write_exclusive(folder, ["x" * 300], b"one")
    assert list(folder.iterdir()) == []


def test_writing_over_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    write_over(path, b"one")
    write_over(path, b"two")
    assert [entry.read_bytes() for entry in path.parent.iterdir()] == [b"two"]


def test_a_file_that_need_not_survive_a_power_cut_is_whole_too(tmp_path: Path) -> None:
    path = write_over(tmp_path / "a.json", b"one", durable=False)
    assert [entry.read_bytes() for entry in tmp_path.glob("*a*")] == [path.read_bytes()] == [b"one"]


def test_a_failed_replacement_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_over(path, b"new")
    assert list(tmp_path.glob(".*.part")) == []


def test_many_processes_share_a_folder_without_losing_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(number), str(FILES_EACH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n")
    assert [writer.returncode for writer in writers] == [0] * PROCESSES
    written = {path.read_bytes() for path in folder.iterdir()}
    assert written == {
        f"{writer} {number}".encode() * 1000 for writer in range(PROCESSES) for number in range(FILES_EACH)
    }
    assert len(list(folder.iterdir())) == PROCESSES * FILES_EACH


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
@pytest.mark.parametrize("planted", ["pipe", "link", "link to nothing", "circle"])
@pytest.mark.parametrize("follows_links", [False, True])
def test_only_a_file_is_written_over(planted: str, *, follows_links: bool, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path, other = folder / "a.json", folder / ".bashrc"
    if planted == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if planted == "circle" else other)
    if planted == "link":
        other.write_bytes(b"old")
    before = path.lstat().st_ino
    with pytest.raises(OSError, match="no regular file"):
        write_over(path, b"new", follows_links=follows_links)
    assert path.lstat().st_ino == before
    left = [entry for entry in folder.iterdir() if entry != path]
    assert [entry.read_bytes() for entry in left] == ([b"old"] if planted == "link" else [])


@pytest.mark.parametrize("is_there", [True, False])
def test_of_a_link_that_the_user_named_the_target_is_written(*, is_there: bool, tmp_path: Path) -> None:
    target, link = tmp_path / "real" / "b.html", tmp_path / "a.html"
    target.parent.mkdir()
    if is_there:
        target.write_bytes(b"old")
    link.symlink_to("real/b.html")
    assert write_over(link, b"new", follows_links=True) == target
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_replaced_file_keeps_its_owner_and_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    path.chmod(0o640)
    owner = (12_345, 54_321) if os.getuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    status = write_over(path, b"new").stat()
    assert (status.st_uid, status.st_gid) == owner
    assert stat.S_IMODE(status.st_mode) == 0o640


@pytest.mark.parametrize("is_in_folder_with_list", [False, True])
@pytest.mark.parametrize("has_list", [False, True])
def test_a_replaced_file_keeps_its_access_control_list(
    *, has_list: bool, is_in_folder_with_list: bool, tmp_path: Path
) -> None:
    if sys.platform != "linux":
        pytest.skip("access control lists are looked at on Linux only")
    path = tmp_path / "a.png"
    path.touch(mode=0o640)
    if has_list:
        os.setxattr(path, "system.posix_acl_access", access_list(user=12_345))
    if is_in_folder_with_list:
        os.setxattr(tmp_path, "system.posix_acl_default", access_list(user=54_321))
    before = set(os.listxattr(path)), path.stat().st_mode
    write_over(path, b"new")
    assert (set(os.listxattr(path)), path.stat().st_mode) == before
    if has_list:
        assert os.getxattr(path, "system.posix_acl_access") == access_list(user=12_345)


def access_list(*, user: int) -> bytes:
    """Read and write for the owner and one user, nothing for the group: version 2, then tag, rights, id."""
    nobody = 0xFFFFFFFF
    entries = ((1, 6, nobody), (2, 6, user), (4, 0, nobody), (16, 6, nobody), (32, 0, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@only_as_root
def test_a_file_of_another_user_is_not_made_ours() -> None:
    with anothers_file() as path:
        with pytest.raises(PermissionError):
            write_over(path, b"new")
        assert [*path.parent.iterdir()] == [path]
