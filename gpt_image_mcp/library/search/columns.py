"""Answers by columns, each handed over as one JSON value: rows take longer to hand over than to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Select
    from sqlalchemy.sql.compiler import SQLCompiler


class _ArrayOf(FunctionElement[Any]):
    """All values of a column as a JSON array; null if there are none."""

    type = JSON()
    inherit_cache = True


@compiles(_ArrayOf)
def _array_of(element: _ArrayOf, compiler: SQLCompiler, **options: Any) -> str:
    name = "json_agg" if compiler.dialect.name == "postgresql" else "json_group_array"
    return f"{name}({compiler.process(element.clauses, **options)})"


def in_columns(rows: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """What asks for the columns of some rows."""
    return select(*map(_ArrayOf, rows.subquery().c))


def read_columns(
    connection: Connection, statement: Select[*tuple[Any, ...]], values: Mapping[str, object] | None = None
) -> list[list[Any]]:
    """The columns, of as many values as there are rows; ``values`` are the parameters."""
    return [column or [] for column in connection.execute(statement, values or {}).one()]
