"""Deleted images in a database that several work on, or that an older version made."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import text

from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.deletions import Deletions
from gpt_image_mcp.library.migrations import VERSION
from gpt_image_mcp.library.search.query import ImageSearch, SearchCriteria
from tests.library.conftest import EVERY_DATABASE, NOON
from tests.library.older import make_older

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.sessions import SessionUse

pytestmark = EVERY_DATABASE
LATER = NOON + timedelta(days=3)


def _permit(_: object) -> None:
    """Lets an image go."""


def test_the_second_of_two_deletions_hears_that_there_was_nothing(
    database: Database, search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    deletions, image = Deletions(database), add(usd="0.10")
    asked: list[tuple[SessionUse, ...]] = []
    assert deletions.delete(image.id, LATER, permit=asked.append) is True
    assert deletions.delete(image.id, LATER, permit=asked.append) is False
    assert asked == [()]
    assert search.run(SearchCriteria(), limit=1).spending.total_usd == Decimal("0.10")


def test_a_library_of_the_version_before_gets_the_table(
    database_url: str, add: Callable[..., StoredImage], database: Database
) -> None:
    image = add()
    with database.writing() as connection:
        make_older(connection, 2)
    database.close()
    opened = Database(database_url)
    try:
        assert Deletions(opened).delete(image.id, LATER, permit=_permit) is True
        assert ImageSearch(opened).run(SearchCriteria(), limit=1).spending.deleted == 1
        with opened.reading() as connection:
            assert connection.execute(text("SELECT version FROM schema_version")).scalar_one() == VERSION
    finally:
        opened.close()
