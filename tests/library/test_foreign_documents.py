"""Metadata that somebody else wrote: accepted in our own form and within bounds, and in no other."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.library.sidecars import metadata_path, read_metadata, write_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

CHANGES: dict[str, dict[str, Any]] = {
    "an id that is a path": {"image.id": "../../settings"},
    "an id in capitals": {"image.id": "20261121-150301-A1B2C3"},
    "an id with a line end": {"image.id": "20261121-150301-a1b2c3\n"},
    "an id in digits of another script": {"image.id": "\u06620261121-150301-a1b2c3"},
    "an id that another file has": {"image.id": "20261121-150301-a1b2c4"},
    "an absolute path that leads up": {"image.file_path": "/work/../etc/passwd"},
    "a path upwards": {"image.file_path": "../boat.png"},
    "the folder above": {"image.file_path": ".."},
    "no name": {"image.file_path": ""},
    "no hash": {"image.sha256": "../x"},
    "a type that is no image's": {"image.mime_type": "text/html"},
    "a type with a line": {"image.mime_type": "image/png\nNext: pay"},
    "no type": {"image.mime_type": ""},
    "a hash in capitals": {"image.sha256": "AB" * 32},
    "a negative size": {"image.size_bytes": -1},
    "a size of gigabytes": {"image.size_bytes": 10**10},
    "a width without end": {"image.width": 10**4000},
    "a time without a zone": {"image.created_at": "2026-11-21T15:03:01"},
    "the first year": {"image.created_at": "0001-01-01T00:00:00+14:00"},
    "the last year": {"image.created_at": "9999-12-31T23:59:59-12:00"},
    "a negative cost": {"image.provenance.cost.usd": "-5"},
    "a cost that is no number": {"image.provenance.cost.usd": "NaN"},
    "a cost beyond measure": {"image.provenance.cost.usd": "1e400"},
    "a cost of a million digits": {"image.provenance.cost.usd": "1E-1000000"},
    "a parent that is a path": {"image.provenance.parents": ["../x"]},
    "a million parents": {"image.provenance.parents": ["20261121-150301-a1b2c3"] * 2000},
    "a call that is a path": {"image.provenance.call_id": "job-../x"},
    "a session that is a path": {"image.provenance.session_id": "session-/etc"},
    "a model of a megabyte": {"image.provenance.model": "x" * 100_000},
    "a model with a NUL": {"image.provenance.model": "a\0b"},
    "a turn before the first": {"image.provenance.turn": -1},
    "a prompt of megabytes": {"image.provenance.prompt": "x" * 2_000_000},
    "a cost that sums could not hold": {"image.provenance.cost.usd": "10001"},
}


def _changed(image: StoredImage, changes: dict[str, Any]) -> Path:
    write_metadata(image)
    path = metadata_path(image)
    document = json.loads(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        *folders, last = name.split(".")
        place = document
        for folder in folders:
            place = place[folder]
        place[last] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _read(path: Path) -> StoredImage | None:
    try:
        return read_metadata(path)
    except OSError:
        return None


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_what_this_program_never_wrote_is_no_metadata(image: StoredImage, changes: dict[str, Any]) -> None:
    assert _read(_changed(image, {})) is not None
    assert _read(_changed(image, changes)) is None


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"image":' * 100_000, b'{"image": "\\ud800"}', b'{"a": 1e400}', b"\xff" * 10, b"\0"],
)
def test_what_is_hardly_json_is_no_metadata(image: StoredImage, content: bytes) -> None:
    path = _changed(image, {})
    path.write_bytes(content)
    assert _read(path) is None


def test_the_last_of_two_equal_keys_is_held_to_the_same_form(image: StoredImage) -> None:
    path = _changed(image, {})
    path.write_text(
        path.read_text(encoding="utf-8").replace('"id":', '"id": "../x", "id":'), encoding="utf-8"
    )
    assert _read(path) == image
    path.write_text(
        path.read_text(encoding="utf-8").replace('"file_path":', '"id": "../x", "file_path":'),
        encoding="utf-8",
    )
    assert _read(path) is None


@pytest.mark.timeout(20)
def test_pipes_links_and_endless_files_are_not_read(image: StoredImage, tmp_path: Path) -> None:
    path = _changed(image, {})
    real = path.rename(tmp_path / path.name)
    path.symlink_to(real)
    assert _read(path) is None
    path.unlink()
    path.symlink_to("/dev/zero")
    assert _read(path) is None
    path.unlink()
    os.mkfifo(path)
    assert _read(path) is None
    path.unlink()
    with path.open("wb") as stream:
        stream.truncate(10 * 1024**3)
    assert _read(path) is None


def test_nothing_is_written_through_a_folder_that_is_a_link(image: StoredImage, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    image.file_path.parent.mkdir()
    metadata_path(image).parent.symlink_to(elsewhere)
    with pytest.raises(OSError, match="it is a link"):
        write_metadata(image)
    assert list(elsewhere.iterdir()) == []
