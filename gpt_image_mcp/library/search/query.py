"""The search for images: by words, model, session and time, with what all that match cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import false, select

from gpt_image_mcp.library.images import readable_images
from gpt_image_mcp.library.naming import is_of_model
from gpt_image_mcp.library.ownership import owned
from gpt_image_mcp.library.schema import deleted_images, images
from gpt_image_mcp.library.search.fulltext import has_words
from gpt_image_mcp.library.spending import sum_up
from gpt_image_mcp.values.owners import LOCAL, Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import ColumnElement, Connection, Table, TextClause

    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.values.history import Spending
    from gpt_image_mcp.values.images import StoredImage


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCriteria:
    """What to look for. An image must meet all criteria; an empty one is met by every image.

    Attributes:
        query: Words that the prompt or the file name must have, in any order.
        model: The name of a model; its snapshots are found too.
        since: The first moment.
        until: The moment after the last.
    """

    query: str = ""
    model: str = ""
    session_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """One page of the images that match, newest first; ``total`` and ``spending`` are those of all pages."""

    images: tuple[StoredImage, ...]
    total: int
    spending: Spending


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """Searches the images of a user. Raises ``StorageFailed`` if the database cannot be used."""

    database: Database
    owner: Owner = LOCAL

    def run(self, criteria: SearchCriteria, *, limit: int, offset: int = 0) -> SearchPage:
        """One page of the images that meet the criteria."""
        with self.database.reading() as connection:
            conditions = tuple(_conditions(connection, criteria, images, whose=owned(images, self.owner)))
            matching = select(images.c.document).where(*conditions)
            newest = matching.order_by(images.c.created_at.desc(), images.c.id.desc())
            documents = connection.execute(newest.limit(limit).offset(offset)).scalars().all()
            total, spending = sum_up(
                connection,
                conditions,
                deleted=_conditions(
                    connection, criteria, deleted_images, whose=owned(deleted_images, self.owner)
                ),
            )
        return SearchPage(
            images=tuple(readable_images(documents)),
            total=total,
            spending=spending,
        )

    def group_usd(self, criteria: SearchCriteria) -> Decimal:
        """What the images cost that meet the criteria and were charged to the user's group."""
        with self.database.reading() as connection:
            of_group = {
                table: _conditions(connection, criteria, table, whose=table.c.group_name == self.owner.group)
                for table in (images, deleted_images)
            }
            _, spending = sum_up(connection, of_group[images], deleted=of_group[deleted_images])
        return spending.total_usd


def _conditions(
    connection: Connection, criteria: SearchCriteria, table: Table, *, whose: ColumnElement[bool]
) -> Iterator[ColumnElement[bool] | TextClause]:
    """The criteria in SQL; of deleted images nobody knows the words any more."""
    yield whose
    if criteria.query.strip():
        yield has_words(connection, criteria.query) if table is images else false()
    if criteria.model.strip():
        yield table.c.model.in_(_names_of_model(connection, criteria.model.strip(), table, whose=whose))
    if criteria.session_id:
        yield table.c.session_id == criteria.session_id
    if criteria.since:
        yield table.c.created_at >= criteria.since.timestamp()
    if criteria.until:
        yield table.c.created_at < criteria.until.timestamp()


def _names_of_model(
    connection: Connection, model: str, table: Table, *, whose: ColumnElement[bool]
) -> list[str]:
    """The names of a model and its snapshots, as far as there are images of them."""
    known = connection.execute(select(table.c.model).where(whose).distinct()).scalars()
    return [name for name in known if is_of_model(name, model)]
