"""What a fault left behind: the calls that the library knows, and the files in a folder."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gpt_image_mcp import Settings, Studio

if TYPE_CHECKING:
    from decimal import Decimal

    from tests.faults.scripted import Endpoint

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


class Call(NamedTuple):
    """A row of the ledger."""

    id: str
    status: str


def studio_for(endpoint: Endpoint | str, **settings: Any) -> Studio:
    """A studio whose requests go to an endpoint."""
    address = endpoint if isinstance(endpoint, str) else endpoint.base_url
    return Studio(Settings.model_validate({"api_key": "sk-test", "base_url": address, **settings}))


def database_file() -> Path:
    """The library database of this test."""
    return Path.home() / "data" / "gpt-image-mcp" / "library.db"


def calls(database: Path | None = None) -> list[Call]:
    """The calls in the library, oldest first."""
    with contextlib.closing(sqlite3.connect(database or database_file())) as connection:
        return [
            Call(*row) for row in connection.execute("SELECT id, status FROM calls ORDER BY started_at, id")
        ]


def files(folder: Path) -> list[str]:
    """Names of all files in a folder, also hidden ones; not those about the images."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != ".metadata"
    )


async def spent_usd(studio: Studio) -> Decimal:
    """What was spent, or is reserved, today."""
    return (await studio.estimate()).budget.spent_today_usd
