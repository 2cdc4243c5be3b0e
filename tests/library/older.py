"""Making a database look as an older version of the program left it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from gpt_image_mcp.library.schema import schema_version

if TYPE_CHECKING:
    from sqlalchemy import Connection

# For each version what it has not got of the next.
_ADDED_AFTER = {
    1: ("DROP TABLE library_zone",),
    2: ("DROP TABLE deleted_images",),
    3: (
        *("DROP INDEX calls_of_day", "DROP INDEX calls_group_day", "DROP INDEX calls_totals"),
        *(f"ALTER TABLE {table} DROP COLUMN group_name" for table in ("images", "calls", "sessions")),
        *(f"DROP TABLE {table}" for table in ("rate_pauses", "audit", "uploads")),
    ),
}


def make_older(connection: Connection, version: int) -> None:
    """Takes away whatever came after a version of the schema."""
    if version == 3:
        connection.exec_driver_sql("ALTER TABLE deleted_images DROP COLUMN group_name")
    for step, statements in _ADDED_AFTER.items():
        for statement in statements if step >= version else ():
            connection.exec_driver_sql(statement)
    connection.execute(update(schema_version).values(version=version))
