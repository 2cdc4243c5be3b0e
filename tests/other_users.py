"""Working as a user who may do little, in a folder of that user's own; only root can."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_NOBODY = 65_534
only_as_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can work as somebody else"
)


@contextmanager
def as_nobody() -> Generator[Path]:
    """A folder in which the user nobody may write, who the process is for the time of the block."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))  # others may not look into those of the tests
    os.chown(folder, _NOBODY, _NOBODY)
    os.seteuid(_NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


@contextmanager
def anothers_file() -> Generator[Path]:
    """The same, with a file of root's in it."""
    with as_nobody() as folder:
        path = folder / "fox.png"
        os.seteuid(0)
        path.write_bytes(b"of root")
        path.chmod(0o600)
        os.seteuid(_NOBODY)
        yield path
        os.seteuid(0)
        assert path.read_bytes() == b"of root"
        assert path.stat().st_uid == 0
