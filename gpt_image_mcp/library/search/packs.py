"""What each entry adds to which sums, packed, so that 100,000 entries are read in a few milliseconds.

To look entries up one by one takes SQLite longer than all the rest of a search, if the words are those of
half of a large library. A pack holds what is known of consecutive entries. It is written once, when these are
complete; the latest entries, which are in no pack yet, are read as they are.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import bindparam, delete, func, insert, select

from gpt_image_mcp.library.schema import search_entries, search_packs
from gpt_image_mcp.library.search.columns import in_columns, read_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row, Select

PACK_SIZE = 1024
_ENTRY, _PACK = search_entries.c, search_packs.c
# What is packed, in so many bytes a number: four, four and eight.
_COLUMNS: dict[str, Literal["i", "q"]] = {"groups": "i", "sessions": "i", "spent": "q"}
_WRITTEN = select(func.coalesce(func.max(_PACK.number) + 1, 0))
_DIGESTS = select(_PACK.digest).order_by(_PACK.number)
_PACKS: Select[*tuple[Any, ...]] = select(*(_PACK[name] for name in _COLUMNS)).order_by(_PACK.number)
_FROM_FIRST = select(_ENTRY.number, _ENTRY.group_id, _ENTRY.session_number, _ENTRY.spent_nanodollars).where(
    _ENTRY.number >= bindparam("first")
)
_LATEST = in_columns(_FROM_FIRST)
_OF_PACK = in_columns(_FROM_FIRST.where(_ENTRY.number < bindparam("end")))
_FORGET = delete(search_packs).where(_PACK.number >= bindparam("pack"))


@dataclass(frozen=True, slots=True)
class Entries:
    """By the number of an entry: its group, session and nano-dollars."""

    groups: list[int] | dict[int, int]
    sessions: list[int] | dict[int, int]
    spent: list[int] | dict[int, int]


class Packs:
    """All packs, kept in memory from one search to the next: about 11 MB for 100,000 entries.

    Their digests tell whether they are still those of the database.
    """

    def __init__(self) -> None:
        self._kept: tuple[Sequence[str], Entries] = (), Entries([], [], [])

    def read(self, connection: Connection) -> Entries:
        """The entries from number 0 to the last that is packed; zeros where there is none."""
        digests = connection.execute(_DIGESTS).scalars().all()
        known, entries = self._kept
        if digests != known:
            entries = _unpacked(connection.execute(_PACKS))
            self._kept = digests, entries
        return entries


def read_latest(connection: Connection, *, first: int) -> Entries:
    """The entries from a number on, one by one."""
    numbers, *columns = read_columns(connection, _LATEST, {"first": first})
    return Entries(*(dict(zip(numbers, column, strict=True)) for column in columns))


def pack_before(connection: Connection, number: int) -> None:
    """Writes the packs that are complete now that there is an entry of this number, the last of all.

    After the last entries were forgotten, their numbers are given out again: a pack that they are in is then
    no longer complete.
    """
    complete = number // PACK_SIZE
    written = connection.execute(_WRITTEN).scalar_one()
    if written > complete:
        connection.execute(_FORGET, {"pack": complete})
    for pack in range(written, complete):
        _write(connection, pack)


def _write(connection: Connection, pack: int) -> None:
    first = pack * PACK_SIZE
    numbers, *columns = read_columns(connection, _OF_PACK, {"first": first, "end": first + PACK_SIZE})
    places = [number - first for number in numbers]
    packed = [
        _packed(places, column, code=code) for column, code in zip(columns, _COLUMNS.values(), strict=True)
    ]
    digest = hashlib.sha256(b"".join(packed)).hexdigest()
    values = {"number": pack, "digest": digest, **dict(zip(_COLUMNS, packed, strict=True))}
    connection.execute(insert(search_packs), values)


def _packed(places: Sequence[int], values: Sequence[int], *, code: Literal["i", "q"]) -> bytes:
    column = array(code, bytes(PACK_SIZE * array(code).itemsize))
    for place, value in zip(places, values, strict=True):
        column[place] = value
    return _little_endian(column).tobytes()


def _unpacked(packs: Iterable[Row[*tuple[Any, ...]]]) -> Entries:
    columns: list[array[int]] = [array(code) for code in _COLUMNS.values()]
    for pack in packs:
        for column, packed in zip(columns, pack, strict=True):
            column.frombytes(packed)
    return Entries(*(_little_endian(column).tolist() for column in columns))


def _little_endian(column: array[int]) -> array[int]:
    """The same column in the order of bytes of packs: a database can be taken to another machine."""
    if sys.byteorder == "big":
        column.byteswap()
    return column
