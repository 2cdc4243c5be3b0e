"""The catalogue: images are found again by what people know of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.images import Catalogue
from gpt_image_mcp.money import Cost

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage


def test_an_image_is_found_by_id_path_and_bytes(catalogue: Catalogue, image: StoredImage) -> None:
    catalogue.add_image(image)
    assert catalogue.find_image(image.id) == image
    assert catalogue.find_by_path(image.file_path) == image
    assert catalogue.find_by_sha256(image.sha256) == image


def test_what_is_not_there_is_not_found(catalogue: Catalogue, image: StoredImage) -> None:
    assert catalogue.find_image(image.id) is None
    assert catalogue.find_image("\ud800") is None
    assert catalogue.find_by_path(image.file_path) is None
    assert catalogue.find_by_sha256(image.sha256) is None


def test_an_image_added_again_is_renewed(catalogue: Catalogue, image: StoredImage) -> None:
    catalogue.add_image(image)
    made = replace(image.provenance, parents=(), cost=Cost(usd=None, basis="unknown"))
    renewed = replace(image, width=9, provenance=made)
    catalogue.add_image(renewed)
    assert catalogue.find_image(image.id) == renewed


def test_a_moved_image_is_found_at_its_new_path_only(
    catalogue: Catalogue, image: StoredImage, tmp_path: Path
) -> None:
    catalogue.add_image(image)
    catalogue.move_image(image.id, tmp_path / "ä b#c%20.png")
    found = catalogue.find_by_path(tmp_path / "ä b#c%20.png")
    assert found == replace(image, file_path=tmp_path / "ä b#c%20.png")
    assert catalogue.find_by_path(image.file_path) is None


def test_moving_an_unknown_image_does_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.move_image("20261121-150301-000000", tmp_path / "x.png")
    assert catalogue.find_by_path(tmp_path / "x.png") is None


def test_of_images_with_the_same_bytes_the_newest_is_found(catalogue: Catalogue, image: StoredImage) -> None:
    newer = replace(image, id="20261121-150302-a1b2c3", created_at=image.created_at + timedelta(seconds=1))
    catalogue.add_image(newer)
    catalogue.add_image(image)
    assert catalogue.find_by_sha256(image.sha256) == newer


def test_another_catalogue_of_the_same_database_sees_everything(
    catalogue: Catalogue, image: StoredImage, database_url: str
) -> None:
    catalogue.add_image(image)
    other = Database(database_url)
    assert Catalogue(other).find_image(image.id) == image
    other.close()
