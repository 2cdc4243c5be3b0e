"""Finding images by words of their prompts, model, session and time, and summing what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import bindparam, select

from gpt_image_mcp.library.schema import image_parents, images, search_entries
from gpt_image_mcp.library.search.fulltext import drop_marks
from gpt_image_mcp.library.search.indexing import index_all
from gpt_image_mcp.library.search.matching import matching
from gpt_image_mcp.library.search.packs import Packs
from gpt_image_mcp.library.spending import sum_up
from gpt_image_mcp.values.images import StoredImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.search.conditions import Conditions
    from gpt_image_mcp.library.search.matching import Matching, Search
    from gpt_image_mcp.values.history import Spending

_IMAGE = TypeAdapter(StoredImage)
_ENTRY = search_entries.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One page of the images that match, newest first, with the number and the cost of all of them."""

    images: tuple[StoredImage, ...]
    total: int
    spending: Spending


@dataclass(frozen=True, slots=True)
class ImageSearch:
    """The images of a user. Every method raises ``StorageFailed`` if the database cannot be used."""

    database: Database
    _packs: Packs = field(default_factory=Packs, init=False, repr=False, compare=False)

    def find(self, search: Search, *, limit: int, offset: int = 0) -> Findings:
        """The images that match, newest first."""
        with self.database.reading() as connection:
            wanted = matching(connection, search)
            documents = _newest(connection, wanted, limit=limit, offset=offset)
            total, spending = sum_up(connection, wanted, self._packs)
        return Findings(
            images=tuple(_IMAGE.validate_json(document) for document in documents),
            total=total,
            spending=spending,
        )

    def reindex(self) -> None:
        """Makes what is searched anew from the images."""
        with self.database.writing() as connection:
            index_all(connection)

    def tidy(self) -> None:
        """Makes searches as quick again as they were before many images were removed."""
        with self.database.writing() as connection:
            drop_marks(connection)

    def children_of(self, image_id: str) -> tuple[str, ...]:
        """Ids of the images that were made from an image, oldest first."""
        children = select(images.c.id).join(image_parents, image_parents.c.child_id == images.c.id)
        query = children.where(image_parents.c.parent_id == image_id)
        with self.database.reading() as connection:
            return tuple(connection.execute(query.order_by(images.c.created_at, images.c.id)).scalars())

    def complete_ids(self, start: str, *, limit: int) -> tuple[str, ...]:
        """Ids of images that begin with a text, newest first."""
        query = select(images.c.id).where(images.c.id.startswith(start, autoescape=True))
        newest = query.order_by(images.c.created_at.desc(), images.c.id.desc()).limit(limit)
        with self.database.reading() as connection:
            return tuple(connection.execute(newest).scalars())


def _newest(connection: Connection, wanted: Matching, *, limit: int, offset: int) -> Sequence[str]:
    """The documents of one page."""
    values = {**wanted.values, "limit": limit, "offset": offset}
    return connection.execute(_documents(wanted.conditions), values).scalars().all()


@lru_cache
def _documents(conditions: Conditions) -> Select[Any]:
    newest = conditions.newest([_ENTRY.image_id])
    page = newest.limit(bindparam("limit")).offset(bindparam("offset")).subquery()
    documents = select(images.c.document).join(page, page.c.image_id == images.c.id)
    return documents.order_by(page.c.number.desc())
