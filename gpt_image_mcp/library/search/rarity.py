"""Which words of a query lead to the entries, and which are better read in those that these lead to.

Full-text search goes past all entries that have one of the words. In a library of prompts that are much alike
a whole prompt would take it many times longer than the rarest of its words.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import Integer, String, bindparam, column, func, select

from gpt_image_mcp.library.search.fulltext import full_text_query, matches, search_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

# So many entries that have a word show how rare it is.
SAMPLE = 250
# So few words are found before it is known how rare they are.
_FEW = 3
# To read the words of an entry takes as long as to go past this many that have a word.
_PASSED = 100
_QUERIES = func.json_each(bindparam("queries", type_=String)).table_valued(column("value", String))
_NTH_OF_EACH = select(
    select(search_words.c.rowid)
    .where(matches(_QUERIES.c.value))
    .order_by(search_words.c.rowid.desc())
    .limit(1)
    .offset(SAMPLE - 1)
    .scalar_subquery()
).select_from(_QUERIES)
_FIRST_ONES = (
    select(search_words.c.rowid)
    .where(matches(bindparam("having", type_=String)))
    .limit(bindparam("most", type_=Integer))
)
_NUMBER_OF_FIRST_ONES = select(func.count()).select_from(_FIRST_ONES.subquery())


def leading_words(connection: Connection, words: tuple[str, ...], *, last_number: int) -> tuple[str, ...]:
    """The words to look up: all, or without those that are common if few entries have the others."""
    if len(words) <= _FEW:
        return words
    shares = dict(zip(words, _shares(connection, words, last_number=last_number), strict=True))
    left = 1.0  # the share of the entries that have the words so far, if words are found together by chance
    rising = sorted(words, key=shares.__getitem__)
    for place, word in enumerate(rising):
        if left * _PASSED < shares[word]:
            leading = tuple(rising[:place])
            most = int(last_number * shares[word] / _PASSED)
            return leading if _are_in_at_most(connection, leading, most=most) else words
        left *= shares[word]
    return words


def share_of_newest(number: int | None, *, last_number: int) -> float:
    """Which share of the newest entries have some words: as many as ``SAMPLE`` from ``number`` to the last.

    0 if ``number`` is None: not so many have the words.
    """
    return 0 if number is None else SAMPLE / (last_number - number + 1)


def _shares(connection: Connection, words: Sequence[str], *, last_number: int) -> list[float]:
    """For each word, which share of the newest entries have it; 0 if few of all have."""
    queries = json.dumps([full_text_query([word]) for word in words])
    nth = connection.execute(_NTH_OF_EACH, {"queries": queries}).scalars()
    return [share_of_newest(number, last_number=last_number) for number in nth]


def _are_in_at_most(connection: Connection, words: Sequence[str], *, most: int) -> bool:
    """Whether no more entries have some words: those that are found together are mostly not so by chance."""
    values = {"having": full_text_query(words), "most": most + 1}
    return bool(connection.execute(_NUMBER_OF_FIRST_ONES, values).scalar_one() <= most)
