"""The table ``search_words``: the words of each image's prompt and file name, and how to ask for them.

Each row has the number of an image as its ``rowid``. SQLite has the table as an FTS5 index, PostgreSQL as a
``tsvector`` with a GIN index. A SQLite that was built without FTS5 has an ordinary table, which is read from
one end to the other: slow in a large library, but the answers are the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from gpt_image_mcp.library.search.words import indexed_words, wanted_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, TextClause

# PostgreSQL reads one query of too many words with too much of its stack.
_WORDS_OF_ONE_QUERY = 1000
_FORGET = text("DELETE FROM search_words WHERE rowid = :number")


@dataclass(frozen=True, slots=True)
class FullText:
    """One kind of full-text search.

    Attributes:
        create: The statements that make the table.
        add: The statement that adds the words of an image, which are separated and led by blanks.
        condition: Which images have ``:words``, as a condition on the table ``images``.
        parameter: What ``:words`` is for some words. They hold only letters, marks, digits and symbols, so
            that nothing needs escaping inside quotes.
    """

    create: tuple[str, ...]
    add: TextClause
    condition: str
    parameter: Callable[[Sequence[str]], object]


def _fts5_query(words: Sequence[str]) -> str:
    return " ".join(f'"{word}"*' for word in words)


def _tsqueries(words: Sequence[str]) -> list[str]:
    starts = range(0, len(words), _WORDS_OF_ONE_QUERY)
    parts = (words[start : start + _WORDS_OF_ONE_QUERY] for start in starts)
    return [" & ".join(f"'{word}':*" for word in part) for part in parts]


def _beginnings(words: Sequence[str]) -> str:
    """As JSON. Each word is kept with a blank before it, so that this finds the beginnings of words."""
    return json.dumps([f" {word}" for word in words])


_ADD = text("INSERT INTO search_words (rowid, words) VALUES (:number, :words)")
# With the indexes of prefixes, the beginning of a word is looked up as quickly as a whole word.
_FTS5_OPTIONS = "words, tokenize='ascii', detail='none', columnsize=0, prefix='1 2 3 4 5 6 7 8 9 10 11 12'"
FTS5: Final = FullText(
    create=(f"CREATE VIRTUAL TABLE search_words USING fts5({_FTS5_OPTIONS})",),
    add=_ADD,
    condition="images.number IN (SELECT rowid FROM search_words WHERE search_words MATCH :words)",
    parameter=_fts5_query,
)
PLAIN: Final = FullText(
    create=("CREATE TABLE search_words (rowid INTEGER PRIMARY KEY, words TEXT NOT NULL)",),
    add=_ADD,
    # One condition however many words there are: SQLite refuses an expression of more than 1,000 parts.
    condition="images.number IN (SELECT rowid FROM search_words WHERE NOT EXISTS ("
    "SELECT 1 FROM json_each(:words) AS wanted WHERE instr(words, wanted.value) = 0))",
    parameter=_beginnings,
)
POSTGRESQL: Final = FullText(
    create=(
        "CREATE TABLE search_words (rowid INTEGER PRIMARY KEY, words TSVECTOR NOT NULL)",
        "CREATE INDEX search_words_words ON search_words USING gin (words)",
    ),
    # The words as they are; to_tsvector would cut them in its own way.
    add=text(
        "INSERT INTO search_words (rowid, words) "
        "VALUES (:number, array_to_tsvector(string_to_array(btrim(:words), ' ')))"
    ),
    # An index answers only the first condition; few queries have a second part.
    condition="images.number IN (SELECT rowid FROM search_words "
    "WHERE words @@ (CAST(:words AS tsquery[]))[1] AND words @@ ALL (CAST(:words AS tsquery[])))",
    parameter=_tsqueries,
)


def create_words(connection: Connection) -> None:
    """Makes the table, without a word in it."""
    kind = POSTGRESQL if connection.dialect.name == "postgresql" else PLAIN
    if connection.dialect.name == "sqlite" and _has_fts5(connection):
        kind = FTS5
    for statement in kind.create:
        connection.exec_driver_sql(statement)


def forget_all_words(connection: Connection) -> None:
    """Makes the table anew, so that nothing is left of what it held."""
    connection.exec_driver_sql("DROP TABLE search_words")
    create_words(connection)


def index_words(connection: Connection, number: int, indexed: str) -> None:
    """Lets an image be found by the words of a text, and by no others."""
    forget_words(connection, number)
    words = " ".join(["", *indexed_words(indexed)])
    connection.execute(_kind(connection).add, {"number": number, "words": words})


def forget_words(connection: Connection, number: int) -> None:
    """Lets an image no longer be found by words."""
    connection.execute(_FORGET, {"number": number})


def has_words(connection: Connection, query: str) -> TextClause:
    """A condition on ``images``: those that have every word of a query, or a word that begins with it.

    A query without a word, such as one of punctuation, finds nothing.
    """
    words = wanted_words(query)
    if not words:
        return text("1 = 0")
    kind = _kind(connection)
    return text(kind.condition).bindparams(words=kind.parameter(words))


def _kind(connection: Connection) -> FullText:
    """How this database keeps words: whoever made its table may have had another build of SQLite."""
    if connection.dialect.name == "postgresql":
        return POSTGRESQL
    made_by = "SELECT sql FROM sqlite_master WHERE name = 'search_words'"
    return FTS5 if "VIRTUAL" in connection.exec_driver_sql(made_by).scalar_one() else PLAIN


def _has_fts5(connection: Connection) -> bool:
    return bool(connection.exec_driver_sql("SELECT sqlite_compileoption_used('ENABLE_FTS5')").scalar_one())
