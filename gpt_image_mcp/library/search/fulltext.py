"""The words that images are found by: SQLite's full-text search, or an ordinary table where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Column, Connection, Integer, MetaData, Table, Text, delete, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler

# The words of each entry, separated and led by spaces; ``rowid`` is its number. Since schema 5 the first is
# ``EVERY_ENTRY``, which no prompt has: what does not match can be asked for.
EVERY_ENTRY = "¤"
search_words = Table(
    "search_words",
    MetaData(),
    Column("rowid", Integer, primary_key=True),
    Column("words", Text, nullable=False),
)
# The prefix indexes make the beginning of a word as quick to look up as the whole.
_FULL_TEXT = (
    "CREATE VIRTUAL TABLE search_words USING "
    "fts5(words, tokenize='ascii', detail='none', columnsize=0, prefix='1 2 3 4 5 6 7 8 9 10 11 12')"
)
_ALL_COLUMNS: ColumnElement[Any] = literal_column("search_words")


def full_text_query(words: Iterable[str]) -> str:
    """What asks full-text search for entries that have all of some words.

    Words hold only letters, digits and symbols, so that nothing needs escaping inside quotes.
    """
    return " ".join(f'"{word}"*' for word in words)


def matches(query: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the words of an entry are those of a full-text query."""
    return _ALL_COLUMNS.bool_op("MATCH")(query)


class HasEach(FunctionElement[bool]):
    """Whether a text has each text of a JSON array: one condition, however many there are.

    A condition for each would be too much for SQLite if there are 1,000.
    """

    type = Boolean()
    inherit_cache = True


@compiles(HasEach)
def _has_each(element: HasEach, compiler: SQLCompiler, **options: Any) -> str:
    text, array = (compiler.process(clause, **options) for clause in element.clauses)
    if compiler.dialect.name == "postgresql":
        parts, place = f"json_array_elements_text(CAST({array} AS JSON)) AS part (value)", "strpos"
    else:
        parts, place = f"json_each({array}) AS part", "instr"
    return f"NOT EXISTS (SELECT 1 FROM {parts} WHERE {place}({text}, part.value) = 0)"  # noqa: S608 - compiled


def create_words(connection: Connection) -> None:
    """Makes the table, without a word in it."""
    if _can_full_text(connection):
        connection.exec_driver_sql(_FULL_TEXT)
    else:
        search_words.create(connection)


def has_full_text(connection: Connection) -> bool:
    """Whether the words of this database were made for full-text search."""
    if connection.dialect.name != "sqlite":
        return False
    query = "SELECT sql FROM sqlite_master WHERE name = 'search_words'"
    return "VIRTUAL" in connection.exec_driver_sql(query).scalar_one()


def forget_all_words(connection: Connection) -> None:
    """Leaves no words, inside the caller's transaction.

    Full-text search keeps a mark of each beginning that was deleted, which later searches go past. So the
    table is made anew in SQLite.
    """
    if connection.dialect.name == "sqlite":
        search_words.drop(connection)
        create_words(connection)
    else:
        connection.execute(delete(search_words))


def drop_marks(connection: Connection) -> None:
    """Takes out the marks of what was deleted; in a large library that takes a second."""
    if has_full_text(connection):
        connection.exec_driver_sql("INSERT INTO search_words (search_words) VALUES ('optimize')")


def _can_full_text(connection: Connection) -> bool:
    """Other databases search in their own ways, and some builds of SQLite have no full-text search."""
    if connection.dialect.name != "sqlite":
        return False
    return bool(connection.exec_driver_sql("SELECT sqlite_compileoption_used('ENABLE_FTS5')").scalar_one())
