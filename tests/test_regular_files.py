"""Files that somebody else named are read only if they are regular, bounded, and where they may be."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gpt_image_mcp.regular_files import NotAFile, OutsideFolders, TooManyBytes, open_regular, read_regular


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")

    assert read_regular(path, max_bytes=3, within=[tmp_path]) == b"abc"


@pytest.mark.parametrize(
    "path",
    ["/proc/self/environ", "/proc/self/cmdline", "/sys/kernel/uevent_seqnum", "/dev/zero", "/dev/null"],
)
def test_views_of_the_kernel_and_devices_are_no_files(path: str) -> None:
    with pytest.raises(NotAFile):
        read_regular(Path(path), max_bytes=1000)


def test_a_link_to_a_view_of_the_kernel_is_no_file(tmp_path: Path) -> None:
    link = tmp_path / "a.png"
    link.symlink_to("/proc/self/environ")

    with pytest.raises(NotAFile):
        read_regular(link, max_bytes=1000)


def test_a_pipe_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "a.png"
    os.mkfifo(pipe)

    with pytest.raises(NotAFile):
        open_regular(pipe)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotAFile):
        open_regular(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as stream:
        stream.truncate(200_000_000_000)

    with pytest.raises(TooManyBytes) as caught:
        read_regular(path, max_bytes=50_000_000)

    assert caught.value.size_bytes == 200_000_000_000


def test_a_link_leads_out_only_where_that_is_allowed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    secret = tmp_path / "secret"
    secret.write_bytes(b"key")
    link = root / "a.png"
    link.symlink_to(secret)

    assert read_regular(link, max_bytes=10) == b"key"
    with pytest.raises(OutsideFolders):
        read_regular(link, max_bytes=10, within=[root])
    with pytest.raises(NotAFile):
        read_regular(link, max_bytes=10, follows_links=False)


def test_a_link_that_is_exchanged_again_and_again_never_leads_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "own").write_bytes(b"own")
    (tmp_path / "secret").write_bytes(b"key")
    link, ends = root / "a.png", threading.Event()
    link.symlink_to(root / "own")

    def exchange() -> None:
        while not ends.is_set():
            for target in (tmp_path / "secret", root / "own"):
                other = root / "next"
                other.symlink_to(target)
                other.replace(link)

    exchanging = threading.Thread(target=exchange)
    exchanging.start()
    try:
        read = [_read_or_refused(link, root) for _ in range(2000)]
    finally:
        ends.set()
        exchanging.join()

    assert set(read) == {b"own", b"refused"}


def _read_or_refused(path: Path, root: Path) -> bytes:
    try:
        return read_regular(path, max_bytes=10, within=[root])
    except OutsideFolders:
        return b"refused"
