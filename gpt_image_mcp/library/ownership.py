"""Which rows a person may see: a condition of every query for one, so that another's rows are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, true

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

    from gpt_image_mcp.values.owners import Owner


def owned(table: Table, owner: Owner) -> ColumnElement[bool]:
    """The rows of a table that are a person's own, or of a group that shares with them."""
    if owner.is_everybody:
        return true()
    own: ColumnElement[bool] = table.c.owner == owner.name
    if not owner.shared_groups:
        return own
    return or_(own, table.c.group_name.in_(owner.shared_groups))


def signed(owner: Owner) -> dict[str, str]:
    """What a new row says of its owner."""
    return {"owner": owner.name, "group_name": owner.group}
