"""Images are found again by what people know of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.images import Images
from gpt_image_mcp.money import Cost
from tests.library.conftest import EVERY_DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

pytestmark = EVERY_DATABASE


def test_an_image_is_found_by_id_path_and_bytes(images: Images, image: StoredImage) -> None:
    images.add_image(image)
    assert images.find_image(image.id) == image
    assert images.find_by_path(image.file_path) == image
    assert images.find_by_sha256(image.sha256) == image


def test_what_is_not_there_is_not_found(images: Images, image: StoredImage) -> None:
    assert images.find_image(image.id) is None
    assert images.find_image("\ud800") is None
    assert images.find_by_path(image.file_path) is None
    assert images.find_by_sha256(image.sha256) is None


def test_an_image_added_again_is_renewed(images: Images, image: StoredImage) -> None:
    images.add_image(image)
    made = replace(image.provenance, parents=(), cost=Cost(usd=None, basis="unknown"))
    renewed = replace(image, width=9, provenance=made)
    images.add_image(renewed)
    assert images.find_image(image.id) == renewed


def test_a_moved_image_is_found_at_its_new_path_only(
    images: Images, image: StoredImage, tmp_path: Path
) -> None:
    images.add_image(image)
    images.add_image(replace(image, file_path=tmp_path / "ä b#c%20.png"))
    found = images.find_by_path(tmp_path / "ä b#c%20.png")
    assert found == replace(image, file_path=tmp_path / "ä b#c%20.png")
    assert images.find_by_path(image.file_path) is None


def test_of_images_with_the_same_bytes_the_newest_is_found(images: Images, image: StoredImage) -> None:
    newer = replace(image, id="20261121-150302-a1b2c3", created_at=image.created_at + timedelta(seconds=1))
    images.add_image(newer)
    images.add_image(image)
    assert images.find_by_sha256(image.sha256) == newer


def test_another_server_of_the_same_database_sees_everything(
    images: Images, image: StoredImage, database_url: str
) -> None:
    images.add_image(image)
    other = Database(database_url)
    assert Images(other).find_image(image.id) == image
    other.close()


def test_children_are_known(images: Images, add: Callable[..., StoredImage]) -> None:
    parent = add()
    children = [add(parents=(parent.id,)).id for _ in range(2)]
    assert images.children_of(parent.id) == tuple(children)
    assert images.children_of(children[0]) == ()


def test_images_are_found_by_the_beginning_of_their_ids_newest_first(
    images: Images, add: Callable[..., StoredImage]
) -> None:
    added = [add() for _ in range(3)]
    assert images.find_by_beginning("20261121-12", limit=2) == (added[2], added[1])
    assert images.find_by_beginning("2026%", limit=2) == ()
