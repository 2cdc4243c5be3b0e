"""Searches through folders: they end, stay inside, and match what a pattern means."""

from __future__ import annotations

import asyncio
import glob
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.folder_walks import MOST_ENTRIES, Walk, find_spelled
from gpt_image_mcp.threads import in_database, in_folders

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTS = st.sampled_from(["*", "**", "?", "a", "b", "a*", "*.png", "[ab]", "[!a]", ".*", ".h", "**b", "["])


def _tree(root: Path, names: Iterable[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders with files, hidden ones among them."""
    root = tmp_path / "tree"
    _tree(
        root, ["a/b/a.png", "a/a", "b/[/x.png", "b/.h/a.png", ".h/a.png", ".hidden.png", "ab.png", "a/b/b/b"]
    )
    return root


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, min_size=1, max_size=5))
def test_a_pattern_matches_the_files_that_glob_finds(tree: Path, parts: list[str]) -> None:
    pattern = tree.joinpath(*parts)
    if os.path.lexists(pattern):
        return
    # At the end, "**" stands for names; to glob, also for none, after the name of a file.
    spelled = pattern / "*" if parts[-1] == "**" else pattern
    found = glob.glob(str(spelled), recursive=True)  # noqa: PTH207 - the one to compare with
    files = {Path(path) for path in found if Path(path).is_file()}
    assert Walk(None).matches(pattern) == files


@pytest.mark.parametrize(
    "pattern", ["**/*.png", "*/" * 40 + "*.png", "**/" * 200 + "*.png", "**/*/" * 100 + "x", "*" * 200 + "z"]
)
def test_links_in_circles_and_stars_end(tree: Path, pattern: str) -> None:
    for number in range(4):
        (tree / f"again{number}").symlink_to(tree)
        (tree / "a" / f"up{number}").symlink_to("..")
    assert len(Walk(None).matches(tree / pattern)) < MOST_ENTRIES


@pytest.mark.timeout(20)
def test_the_whole_disk_is_not_walked() -> None:
    with pytest.raises(InvalidArgument, match="10,000"):
        Walk(None).matches(Path("/**/*.no-such-thing"))


def test_a_folder_of_too_many_files_is_refused_and_nearer_ones_are_not(tmp_path: Path) -> None:
    _tree(tmp_path, (f"many/{number}.txt" for number in range(MOST_ENTRIES + 1)))
    _tree(tmp_path, ["few/a.png"])
    with pytest.raises(InvalidArgument, match="stopped after 10,000 entries"):
        Walk(None).matches(tmp_path / "many" / "*.png")
    assert Walk(None).matches(tmp_path / "few" / "*.png") == {tmp_path / "few" / "a.png"}
    assert find_spelled(tmp_path / "many" / "a b.png", within=None) == ()


@pytest.mark.parametrize("target", ["loop.png", "/dev/null", "gone.png", "a/b/a.png/x"])
def test_a_link_that_leads_nowhere_hides_nothing_beside_it(tree: Path, target: str) -> None:
    (tree / "loop.png").symlink_to(target)
    assert Walk((tree,)).matches(tree / "*.png") == Walk(None).matches(tree / "*.png") == {tree / "ab.png"}
    assert tree / "a/b/a.png" in Walk(None).matches(tree / "**/*.png")


def test_what_is_outside_the_folders_is_not_found_by_any_link(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    _tree(tmp_path, ["in/a.png", "in/sub/b.png", "out/secret.png"])
    (inside / "file.png").symlink_to(outside / "secret.png")
    (inside / "folder").symlink_to(outside)
    (inside / "same").symlink_to("sub")
    patterns = ["*.png", "*/*.png", "**/*.png", "folder/*.png", "*/../../out/*.png", "fold*/../*/*.png"]
    found = {path.name for pattern in patterns for path in Walk((inside,)).matches(inside / pattern)}
    assert found == {"a.png", "b.png"}


def test_a_folder_that_is_exchanged_for_a_link_gives_away_no_names(tmp_path: Path) -> None:
    _tree(tmp_path, ["in/sub/a.png", "out/secret.png"])
    folder, kept = tmp_path / "in" / "sub", tmp_path / "in" / "kept"
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            folder.rename(kept)
            folder.symlink_to(tmp_path / "out")
            folder.unlink()
            kept.rename(folder)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(500):
            found = Walk((tmp_path / "in",)).matches(tmp_path / "in" / "s*" / "*")
            assert {path.name for path in found} <= {"a.png"}
    finally:
        stop.set()
        thread.join()


async def test_a_cancelled_walk_ends_and_work_on_files_holds_up_nothing_else() -> None:
    going, ended = threading.Event(), threading.Event()

    def endless() -> None:
        try:
            while True:
                Walk(None).step()
                going.set()
        finally:
            ended.set()

    async def search() -> None:
        await in_folders(endless)

    async with anyio.create_task_group() as group:
        group.start_soon(search)
        await asyncio.to_thread(going.wait, 10)
        assert await in_database(lambda: 1) == 1
        group.cancel_scope.cancel()
    assert await asyncio.to_thread(ended.wait, 10)


def test_folders_that_the_pattern_does_not_lead_into_are_not_read(tmp_path: Path) -> None:
    _tree(tmp_path, ["a.png", *(f"sub/{number}.png" for number in range(MOST_ENTRIES))])
    assert Walk(None).matches(tmp_path / "*") == {tmp_path / "a.png"}
