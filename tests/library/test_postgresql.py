"""A whole studio over PostgreSQL. What a database does is tested in the other modules, in each database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.library.search.query import ImageSearch, SearchCriteria
from tests.library.conftest import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.values.images import StoredImage


@POSTGRESQL
async def test_a_session_goes_on_in_another_server_of_the_same_database(database_url: str) -> None:
    settings = Settings(sandbox=True, database_url=database_url)  # type: ignore[arg-type]
    quick: dict[str, Any] = {"size": "816x816", "quality": "low"}
    async with Studio(settings) as studio:
        boat = (await studio.generate("a boat", **quick)).images[0]
        started = await studio.start_session("make it red", [boat.id], **quick)
        assert started.session is not None
    async with Studio(settings) as studio:
        turn = await studio.continue_session(started.session.session_id, "and larger")
        assert turn.session is not None
        assert (turn.session.turn, turn.session.parent_turn) == (2, 1)
        found = await studio.history.search(query="LARGER and", limit=5)
        other = await studio.history.search(query="larger boat", limit=5)
    assert [hit.image.id for hit in found.images] == [turn.images[0].id]
    assert other.total == 0


@POSTGRESQL
@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_calls_at_once_go_well_whatever_isolation_is_the_default_of_the_database(
    isolation: str, database_url: str
) -> None:
    import psycopg
    from psycopg.sql import SQL, Identifier, Literal

    server, _, name = database_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        default = SQL("ALTER DATABASE {} SET default_transaction_isolation TO {}")
        connection.execute(default.format(Identifier(name), Literal(isolation)))
    settings = Settings(sandbox=True, database_url=database_url)  # type: ignore[arg-type]
    async with Studio(settings) as one, Studio(settings) as other:
        calls = [studio.generate(f"a fox, {n}", quality="low") for n in range(12) for studio in (one, other)]
        made = await asyncio.gather(*calls)
        assert (await one.history.search(limit=1)).total == len(made)


@POSTGRESQL
def test_a_query_of_more_words_than_postgresql_takes_at_once_is_answered(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    """The longest prompt in a script without spaces has 32,000 words, each a pair of characters."""
    words = " ".join(f"{number}style" for number in range(32_000))
    fox = add(f"a fox, {words}")
    add(words)
    assert search.run(SearchCriteria(query=f"{words} fox"), limit=5).images == (fox,)
