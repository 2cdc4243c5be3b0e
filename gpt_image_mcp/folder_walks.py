"""Looking around in folders that somebody else named: only so far and so long, whatever is in them.

Whoever looks after the library walks on with ``folders_below``, and can be interrupted.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.paths import is_within, real_path
from gpt_image_mcp.regular_files import scan_folder
from gpt_image_mcp.steps import step
from gpt_image_mcp.visible_text import normalized

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ENTRIES, MOST_SECONDS = 10_000, 2.0
_BLANK = re.compile(r"\s")
_DEEP = "**"
_CASE = re.IGNORECASE if os.path.normcase("A") == "a" else re.NOFLAG


class Walk:
    """One search through folders, only those of ``within``; None for any."""

    def __init__(self, within: tuple[Path, ...] | None, *, seconds: float = MOST_SECONDS) -> None:
        self.within = within
        self._left, self._deadline = MOST_ENTRIES, monotonic() + seconds

    def step(self) -> None:
        """Counts one entry; raises ``InvalidArgument`` if it is one too many, or ends a cancelled call."""
        step()
        self._left -= 1
        if self._left < 0 or monotonic() > self._deadline:
            message = f"The search for images stopped after {MOST_ENTRIES:,} entries or {MOST_SECONDS:g} s."
            raise InvalidArgument(message, next_step="Name a folder nearer to the images.")

    def entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        """What is in a folder; see ``scan_folder`` and ``step``."""
        with closing(scan_folder(folder, within=self.within)) as found:
            for entry in found:
                self.step()
                yield entry

    def matches(self, pattern: Path) -> set[Path]:
        """The files that an absolute pattern matches as in ``glob``, which would follow links anywhere.

        A folder is read once for all parts of the pattern that may apply there: stars do not multiply.
        """
        start, rules = _read(pattern)
        found: set[Path] = set()
        seen: set[tuple[Path, frozenset[int]]] = set()
        waiting = [(start, frozenset([0]))] if rules else []
        for folder, places in waiting:
            with suppress(OSError):  # may not be listed, or is being exchanged
                here = (real_path(folder), places)
                if here in seen:
                    continue
                seen.add(here)
                for entry in self.entries(folder):
                    path, then = folder / entry.name, _after(entry.name, places, rules)
                    if not then or (entry.is_symlink() and not is_within(path, self.within)):
                        continue
                    with suppress(OSError):  # a link may lead in a circle, or to where nobody may look
                        if entry.is_dir():
                            waiting += [(path, onward)] if (onward := then - {len(rules)}) else []
                        elif len(rules) in then and entry.is_file():
                            found.add(path)
        return found


def find_spelled(path: Path, *, within: tuple[Path, ...] | None) -> tuple[Path, ...]:
    """A path if it is there, else those whose names differ from it only in blanks or the form of letters.

    macOS puts a narrow blank (U+202F) into the names of screenshots and takes letters with accents apart
    (NFD), and nobody types either. A folder is listed only if the exact name is not in it, and only inside
    the folders of ``within``; in one with too many entries nothing is found.
    """
    if not is_within(path, within):
        return ()
    walk, missing = Walk(within), list[str]()
    while not os.path.lexists(path) and path.name:
        missing.append(path.name)
        path = path.parent
    for name in reversed(missing):
        wanted, exact = _plain(name), path / name
        try:
            listed = () if os.path.lexists(exact) else walk.entries(path)
            found = sorted(path / entry.name for entry in listed if _plain(entry.name) == wanted)
        except (OSError, InvalidArgument):
            return ()
        if len(found) > 1 or not (found or os.path.lexists(exact)):
            return tuple(found)
        path = found[0] if found else exact
    return (path,)


def _plain(name: str) -> str:
    return _BLANK.sub(" ", normalized("NFC", name))


def _read(pattern: Path) -> tuple[Path, list[re.Pattern[str] | None]]:
    """The folder that a pattern begins with, and what each name after it must match; None for any folders."""
    first, *parts = Path(os.path.normpath(pattern)).parts
    start = Path(first)
    while parts and (not glob.has_magic(parts[0]) or os.path.lexists(start / parts[0])):
        start /= parts.pop(0)
    # What follows "**" is a name, so that "**" may stand for no folder at all.
    parts += ["*"] if parts[-1:] == [_DEEP] else []
    parts = [part for part, after in pairwise([*parts, ""]) if not part == after == _DEEP]
    return start, [None if part == _DEEP else _rule(part) for part in parts]


def _rule(part: str) -> re.Pattern[str]:
    hidden = "" if part.startswith(".") else r"(?!\.)"
    return re.compile(hidden + fnmatch.translate(part), _CASE)


def _after(name: str, places: frozenset[int], rules: list[re.Pattern[str] | None]) -> frozenset[int]:
    """Where in a pattern a name leads to, from several places in it."""
    deep = {place for place in places if rules[place] is None}
    tried = {*places, *(place + 1 for place in deep)}
    stays = set[int]() if name.startswith(".") else deep
    return frozenset(stays | {place + 1 for place in tried if (rule := rules[place]) and rule.match(name)})


def folders_below(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder at or below one, with the names of its regular files; what cannot be read is passed over.

    Links may lead in circles and are not followed, and folders may be nested deeper than functions.
    """
    waiting = [root]
    while waiting:
        step()
        folder = waiting.pop()
        with suppress(OSError), os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
            waiting += [folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            yield folder, [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
