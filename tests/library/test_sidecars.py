"""The metadata file beside an image: complete, portable, readable by other versions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.library.sidecars import metadata_path, read_metadata, write_metadata
from gpt_image_mcp.money import Cost

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage


def test_everything_known_about_an_image_is_read_back(image: StoredImage) -> None:
    write_metadata(image)
    path = metadata_path(image)
    assert path == image.file_path.parent / ".metadata" / f"{image.id}.json"
    assert read_metadata(path) == image


def test_an_image_of_unknown_cost_is_read_back(image: StoredImage) -> None:
    free = replace(image, provenance=replace(image.provenance, cost=Cost(usd=None, basis="unknown")))
    write_metadata(free)
    assert read_metadata(metadata_path(free)) == free


def test_the_file_is_plain_json_with_exact_money_utc_times_and_a_relative_name(image: StoredImage) -> None:
    east = image.created_at.astimezone(timezone(timedelta(hours=9)))
    write_metadata(replace(image, created_at=east))
    document = json.loads(metadata_path(image).read_text(encoding="utf-8"))
    assert document["schema"] == 1
    assert document["image"]["file_path"] == "boat.png"
    assert datetime.fromisoformat(document["image"]["created_at"]).utcoffset() == timedelta(0)
    assert Decimal(document["image"]["provenance"]["cost"]["usd"]) == Decimal("0.123456789123")
    assert document["image"]["provenance"]["prompt"] == image.provenance.prompt


def test_a_moved_folder_takes_its_metadata_along(image: StoredImage, tmp_path: Path) -> None:
    write_metadata(image)
    moved = image.file_path.parent.rename(tmp_path / "moved")
    found = read_metadata(moved / ".metadata" / f"{image.id}.json")
    assert found == replace(image, file_path=tmp_path / "moved" / "boat.png")


def test_keys_of_later_versions_are_tolerated(image: StoredImage) -> None:
    write_metadata(image)
    path = metadata_path(image)
    document = json.loads(path.read_text(encoding="utf-8"))
    document |= {"schema": 2, "new": 1}
    document["image"]["new"] = {}
    document["image"]["provenance"]["new"] = []
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_metadata(path) == image


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"image": {"id": 1}}', b"\xff\xfe"])
def test_other_json_files_are_not_metadata(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    assert read_metadata(path) is None


def test_writing_again_renews_the_file(image: StoredImage) -> None:
    write_metadata(image)
    renewed = replace(image, width=7)
    write_metadata(renewed)
    assert read_metadata(metadata_path(image)) == renewed
