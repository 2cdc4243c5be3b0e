"""The memory of the router: which models the edits endpoint rejected, and when. All servers share it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from gpt_image_mcp.library.schema import route_rejections

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from gpt_image_mcp.library.database import Database


@dataclass(frozen=True, slots=True)
class RouteMemo:
    """What the router remembers. Every method raises ``StorageFailed`` if the database cannot be used."""

    database: Database

    def rejected_at(self, endpoint: str, model: str) -> datetime | None:
        """When the endpoint last rejected the model; None if it never did."""
        query = select(route_rejections.c.rejected_at).where(*_entry(endpoint, model))
        with self.database.reading() as connection:
            when = connection.execute(query).scalar_one_or_none()
            return None if when is None else datetime.fromtimestamp(when, UTC)

    def remember_rejection(self, endpoint: str, model: str, when: datetime) -> None:
        """Notes that the endpoint rejected the model."""
        values = {"endpoint": endpoint, "model": model, "rejected_at": when.timestamp()}
        with self.database.writing() as connection:
            connection.execute(delete(route_rejections).where(*_entry(endpoint, model)))
            connection.execute(insert(route_rejections), values)


def _entry(endpoint: str, model: str) -> tuple[ColumnElement[bool], ...]:
    return route_rejections.c.endpoint == endpoint, route_rejections.c.model == model
