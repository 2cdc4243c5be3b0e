"""Keeping paid images: saved somewhere whatever happens, described, and recognised again."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from gpt_image_mcp.errors import NotFound, StorageFailed
from gpt_image_mcp.folders import default_folder
from gpt_image_mcp.library.naming import Naming
from gpt_image_mcp.library.sidecars import metadata_path, read_metadata
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.settings import Settings

if TYPE_CHECKING:
    from gpt_image_mcp.values.images import Provenance, StoredImage

PLAIN = Naming(kind="image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder, for the length of the test."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


@pytest.fixture
def saved(library: Library, png: bytes, provenance: Provenance, folder: Path) -> StoredImage:
    """An image in the library."""
    (image,), notes = library.save([png], provenance=provenance, naming=PLAIN, folder=folder)
    assert notes == ()
    return image


def _block(folder: Path) -> None:
    """Puts a file where a folder would have to be."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.touch()


def test_a_saved_image_is_a_file_a_metadata_file_and_a_row(
    library: Library, saved: StoredImage, png: bytes, folder: Path
) -> None:
    assert saved.file_path == folder / f"image-{saved.id}.png"
    assert saved.file_path.read_bytes() == png
    assert read_metadata(metadata_path(saved)) == saved
    assert library.images.find_image(saved.id) == saved


def test_what_is_known_of_the_file_is_read_from_its_bytes(saved: StoredImage, png: bytes) -> None:
    assert (saved.width, saved.height, saved.mime_type) == (6, 4, "image/png")
    assert (saved.size_bytes, saved.sha256) == (len(png), hashlib.sha256(png).hexdigest())
    assert saved.created_at.tzinfo is not None


def test_several_images_of_an_exact_name_are_numbered(
    library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    naming = Naming(kind="image", filename="boat.jpg")
    images, _ = library.save([png, png], provenance=provenance, naming=naming, folder=folder)
    (again,), _ = library.save([png], provenance=provenance, naming=naming, folder=folder)
    (last,), _ = library.save([png], provenance=provenance, naming=naming, folder=folder)
    names = [image.file_path.name for image in (*images, again, last)]
    assert names == ["boat-1.png", "boat-2.png", "boat.png", "boat-3.png"]


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("boat", []),
        ("boat.png", []),
        ("boat.PNG", []),
        ("boat.v2", []),
        ("boat.jpg", ["The image is no jpg, so it is called boat.png."]),
        ("taken.png", ["The name taken.png was taken or not possible; the image is taken-2.png."]),
    ],
)
def test_another_name_than_was_asked_for_is_said(
    filename: str, said: list[str], library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "taken.png").touch()
    naming = Naming(kind="image", filename=filename)
    _, notes = library.save([png], provenance=provenance, naming=naming, folder=folder)
    assert list(notes) == said


def test_bytes_that_are_no_known_image_are_kept_too(
    library: Library, provenance: Provenance, folder: Path
) -> None:
    (image,), _ = library.save([b"?"], provenance=provenance, naming=PLAIN, folder=folder)
    assert image.file_path.suffix == ".bin"
    assert image.file_path.read_bytes() == b"?"


def test_a_folder_that_fails_after_the_call_is_replaced_by_the_default_one(
    library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    _block(folder)
    (image,), notes = library.save([png], provenance=provenance, naming=PLAIN, folder=folder)
    assert image.file_path.parent == default_folder(Settings())
    assert image.file_path.read_bytes() == png
    (note,) = notes
    assert all(part in note for part in (str(folder), "File exists", str(image.file_path)))


def test_a_default_folder_that_fails_too_is_replaced_by_the_temporary_one(
    library: Library, png: bytes, provenance: Provenance, folder: Path, temporary: Path
) -> None:
    _block(folder)
    _block(default_folder(Settings()))
    naming = Naming(kind="image", label="boat")
    (image,), notes = library.save([png], provenance=provenance, naming=naming, folder=folder)
    assert image.file_path.is_relative_to(temporary)
    assert image.file_path.name.endswith("-boat.png")
    assert len(notes) == 2


def test_a_name_that_the_file_system_refuses_does_not_lose_the_image(
    library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    naming = Naming(kind="image", filename="no/such/folder")
    (image,), notes = library.save([png], provenance=provenance, naming=naming, folder=folder)
    assert image.file_path == folder / f"image-{image.id}.png"
    assert "No such file" in notes[0]


def test_an_exact_name_replaces_a_file_only_when_told(
    library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    folder.mkdir()
    (folder / "boat.png").write_bytes(b"old")
    naming = Naming(kind="image", filename="boat")
    (beside,), _ = library.save([png], provenance=provenance, naming=naming, folder=folder)
    assert (beside.file_path.name, (folder / "boat.png").read_bytes()) == ("boat-2.png", b"old")
    over = replace(naming, replaceable=frozenset({"boat.png"}))
    (replaced,), _ = library.save([png], provenance=provenance, naming=over, folder=folder)
    assert (replaced.file_path.name, (folder / "boat.png").read_bytes()) == ("boat.png", png)


def test_a_fallback_folder_never_has_a_file_replaced(
    library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    _block(folder)
    other = default_folder(Settings()) / "boat.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another boat")
    naming = Naming(kind="image", filename="boat.png", replaceable=frozenset({"boat.png"}))
    (image,), _ = library.save([png], provenance=provenance, naming=naming, folder=folder)
    assert image.file_path == other.with_name("boat-2.png")
    assert other.read_bytes() == b"another boat"


def test_only_when_every_folder_fails_the_save_fails_and_names_them(
    library: Library, png: bytes, provenance: Provenance, folder: Path, temporary: Path
) -> None:
    _block(folder)
    _block(default_folder(Settings()))
    temporary.rmdir()
    temporary.touch()
    with pytest.raises(StorageFailed) as caught:
        library.save([png], provenance=provenance, naming=PLAIN, folder=folder)
    assert all(str(path) in caught.value.message for path in (folder, default_folder(Settings())))


def test_one_image_that_cannot_be_saved_does_not_hide_the_others(
    library: Library,
    png: bytes,
    provenance: Provenance,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk fills up after the first image."""
    flush, calls = os.fsync, iter(range(100))

    def fills_up(descriptor: int) -> None:
        if next(calls) >= 1:
            raise OSError(28, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fills_up)
    stored, notes = library.save([png, png], provenance=provenance, naming=PLAIN, folder=folder)
    assert [image.file_path.read_bytes() for image in stored] == [png]
    assert "No space left" in notes[-1]
    assert [path for path in folder.iterdir() if path.is_file()] == [stored[0].file_path]


def test_a_metadata_file_that_cannot_be_written_is_a_note(
    library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    _block(folder / ".metadata")
    (image,), notes = library.save([png], provenance=provenance, naming=PLAIN, folder=folder)
    assert library.images.find_image(image.id) == image
    (note,) = notes
    assert "metadata file" in note


def test_a_database_that_cannot_be_used_is_a_note(
    tmp_path: Path, png: bytes, provenance: Provenance, folder: Path
) -> None:
    _block(tmp_path / "blocked")
    address = f"sqlite:///{tmp_path / 'blocked' / 'library.db'}"
    library = Library(Settings(database_url=SecretStr(address)))
    (image,), notes = library.save([png], provenance=provenance, naming=PLAIN, folder=folder)
    library.close()
    assert image.file_path.read_bytes() == png
    assert json.loads(metadata_path(image).read_text(encoding="utf-8"))["image"]["id"] == image.id
    (note,) = notes
    assert "not in the history" in note


def test_text_that_cannot_be_kept_does_not_lose_the_image(
    library: Library, png: bytes, provenance: Provenance, folder: Path
) -> None:
    broken = replace(provenance, prompt="half a character: \ud800")
    (image,), notes = library.save([png], provenance=broken, naming=PLAIN, folder=folder)
    assert library.read(image) == png
    assert len(notes) == 2


def test_an_image_is_read_from_its_file(library: Library, saved: StoredImage, png: bytes) -> None:
    assert library.read(saved) == png


def test_reading_a_file_that_is_gone_says_where_it_was(library: Library, saved: StoredImage) -> None:
    saved.file_path.unlink()
    with pytest.raises(NotFound, match=saved.id) as caught:
        library.read(saved)
    assert str(saved.file_path) in caught.value.message


def test_a_file_is_identified_by_its_path(library: Library, saved: StoredImage) -> None:
    assert library.identify(saved.file_path) == saved
    saved.file_path.unlink()
    assert library.identify(saved.file_path) == saved


def test_a_relative_path_starts_at_the_working_directory(
    library: Library, saved: StoredImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(saved.file_path.parent)
    assert library.identify(Path(saved.file_path.name)) == saved


def test_a_moved_and_renamed_file_is_recognised_and_its_new_place_remembered(
    library: Library, saved: StoredImage, tmp_path: Path
) -> None:
    moved = saved.file_path.rename(tmp_path / "renamed.bin")
    at_its_place = replace(saved, file_path=moved, home_folder=saved.file_path.parent)
    assert library.identify(moved) == at_its_place
    assert library.images.find_image(saved.id) == at_its_place


def test_a_copy_is_recognised_and_the_original_stays_where_it_is(
    library: Library, saved: StoredImage, png: bytes, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes(png)
    assert library.identify(copy) == replace(saved, file_path=copy)
    assert library.images.find_image(saved.id) == saved


def test_other_files_are_not_identified(library: Library, saved: StoredImage, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(saved.file_path.read_bytes() + b"x")
    assert library.identify(other) is None


@pytest.mark.parametrize("path", ["/no/such/file.png", "/tmp", "/dev/zero", "/tmp/a\0b", "/tmp/\ud800"])
def test_what_is_no_file_is_not_identified(path: str, library: Library) -> None:
    assert library.identify(Path(path)) is None
