"""Searching the library: what matches, and in which order."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.images import Catalogue
from gpt_image_mcp.library.search.find import ImageSearch
from gpt_image_mcp.library.search.matching import Search
from tests.library.conftest import NOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage


def _ids(search: ImageSearch, *, limit: int = 20, offset: int = 0, **wanted: object) -> list[str]:
    found = search.find(Search(**wanted), limit=limit, offset=offset)  # type: ignore[arg-type]
    assert found.total >= len(found.images)
    return [image.id for image in found.images]


_LONG = " ".join(f"{number}style" for number in range(2000))


def test_nothing_is_found_in_an_empty_library(search: ImageSearch) -> None:
    found = search.find(Search(), limit=5)
    assert (found.images, found.total, found.spending.total_usd) == ((), 0, Decimal(0))


def test_words_are_found_in_any_order_newest_first(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    first, _, last = add("a red fox in the snow"), add("a red boat"), add("Snow! On a FOX")
    assert _ids(search, query="snow fox") == [last.id, first.id]
    assert _ids(search, query="wolf") == []
    assert _ids(search, query="?!") == []


def test_a_prompt_is_found_by_all_its_words_among_many_that_are_much_alike(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    style = " ".join(f"{number}style" for number in range(100))
    for _ in range(260):
        add(f"a boat on a lake at dusk, {style}")
    add(f"a fox on a lake at dusk, {style.replace('7style', '')}")
    fox = add(f"a fox in a boat on a lake at dusk, {style}", usd="0.70")
    for query in ("a fox, a boat, a lake at dusk", f"fox on a lake at dusk, {style}"):
        found = search.find(Search(query=query), limit=5)
        assert (found.images, found.total) == ((fox,), 1)
        assert found.spending.total_usd == Decimal("0.70")


def test_a_query_may_have_thousands_of_words(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    wanted = add(f"a fox, {_LONG}", session_id="s")
    for _ in range(60):
        add(_LONG.replace("7style", ""))
    for session_id in ("", "s"):
        assert _ids(search, query=f"{_LONG} fox", session_id=session_id) == [wanted.id]


def test_a_file_name_is_found_too(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    add()
    second = add()
    assert _ids(search, query="file2") == [second.id]


@pytest.mark.parametrize("query", ['"', "a* OR b", "NEAR(a b)", "words:fox", "a' --", "%", "fox\0"])
def test_the_language_of_the_database_is_no_part_of_a_query(
    query: str, search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    add("nothing of the kind")
    assert _ids(search, query=query) == []


def test_pages_follow_each_other_without_gap(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    ids = [add().id for _ in range(7)][::-1]
    for query in ("", "boat"):
        pages = [_ids(search, query=query, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        assert pages == [ids[:3], ids[3:6], ids[6:], []]


def test_a_model_is_found_with_its_snapshots_only(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    plain, snapshot = add(model="gpt-image-2"), add(model="gpt-image-2-2026-04-21")
    add(model="gpt-image-2.5-flare")
    add(model="gpt-image-2-mini")
    add(model="gpt-image-2-mini-2026-04-21")
    assert _ids(search, model="GPT-Image-2 ") == [snapshot.id, plain.id]
    own = add(model="My-Deployment")
    assert _ids(search, model="My-Deployment") == [own.id]


def test_a_session_is_found(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    turn = add(session_id="session-1", turn=1)
    add(session_id="session-2")
    assert _ids(search, session_id="session-1") == [turn.id]
    assert _ids(search, session_id="session-1", query="boat") == [turn.id]


@pytest.mark.parametrize("hour", [0, 12])
def test_times_bound_what_is_found_and_summed(
    hour: int, search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    """At midnight the sums of whole days answer, at noon the entries do."""
    start = NOON.replace(hour=hour)
    add(created_at=start - timedelta(seconds=1))
    inside = add(created_at=start)
    add(created_at=start + timedelta(days=1))
    since, until = start, start + timedelta(days=1)
    found = search.find(Search(since=since, until=until), limit=5)
    assert [image.id for image in found.images] == [inside.id]
    assert (found.total, found.spending.total_usd) == (1, Decimal("0.10"))


def test_a_renewed_image_is_found_by_its_new_words_at_its_old_place(
    search: ImageSearch, add: Callable[..., StoredImage], catalogue: Catalogue, tmp_path: Path
) -> None:
    first, second = add("a fox"), add("a fox")
    catalogue.move_image(first.id, tmp_path / "elsewhere.png")
    assert _ids(search, query="elsewhere fox") == [first.id]
    assert _ids(search, query="file1") == []
    assert _ids(search) == [second.id, first.id]
    assert search.find(Search(), limit=1).spending.total_usd == Decimal("0.20")


def test_a_removed_image_is_neither_found_nor_summed(
    search: ImageSearch, add: Callable[..., StoredImage], catalogue: Catalogue
) -> None:
    gone, left = add("a fox", usd="0.30"), add("a fox")
    catalogue.remove_image(gone.id)
    catalogue.remove_image("20261121-120000-ffffff")
    found = search.find(Search(query="fox"), limit=5)
    assert ([image.id for image in found.images], found.total) == ([left.id], 1)
    assert search.find(Search(), limit=1).spending.by_day == {"2026-11-21": Decimal("0.10")}
    assert catalogue.find_image(gone.id) is None


def test_what_comes_after_all_of_a_session_was_removed_is_found(
    search: ImageSearch, add: Callable[..., StoredImage], catalogue: Catalogue
) -> None:
    gone = [add(session_id="other"), add(session_id="s")]
    for image in gone:
        catalogue.remove_image(image.id)
    new = add(session_id="s")
    assert _ids(search, session_id="s") == [new.id]
    assert _ids(search, session_id="s", query="boat") == [new.id]


def test_all_of_one_search_is_of_one_moment(
    database_url: str, database: Database, search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    made = add()
    count = text("SELECT count(*) FROM images")
    other = Database(database_url)
    with database.reading() as connection:
        before = connection.execute(count).scalar_one()
        Catalogue(other).add_image(replace(made, id="20261121-130000-000001"))
        assert connection.execute(count).scalar_one() == before == 1
    other.close()
    assert search.find(Search(), limit=5).total == 2


def test_children_are_known(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    parent = add()
    children = [add(parents=(parent.id,)).id for _ in range(2)]
    assert search.children_of(parent.id) == tuple(children)
    assert search.children_of(children[0]) == ()


def test_ids_are_completed_newest_first(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    ids = [add().id for _ in range(3)]
    assert search.complete_ids("20261121-12", limit=2) == (ids[2], ids[1])
    assert search.complete_ids("2026%", limit=2) == ()


def test_reindexing_orders_by_time_what_came_in_another_order(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    newer = add(created_at=NOON)
    older = add(created_at=NOON - timedelta(days=400))
    search.reindex()
    assert _ids(search) == [newer.id, older.id]
    assert search.find(Search(), limit=1).total == 2


def test_the_words_take_no_more_room_after_reindexing_and_after_tidying(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    """What full-text search keeps of deleted words would make every search in a large library slower."""
    made = [add("a red fox in the snow") for _ in range(40)]
    search.reindex()
    fresh = _bytes_of_words(search.database)
    search.reindex()
    assert _bytes_of_words(search.database) == fresh
    for image in made[1:]:
        Catalogue(search.database).remove_image(image.id)
    search.tidy()
    tidied = _bytes_of_words(search.database)
    search.reindex()
    assert tidied < 1.1 * _bytes_of_words(search.database)
    assert _ids(search, query="fox") == [made[0].id]


def _bytes_of_words(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(text("SELECT sum(length(block)) FROM search_words_data")).scalar_one())


def test_without_full_text_search_the_same_is_found(
    database: Database, search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    """As on another database, or a SQLite built without it: the words are an ordinary table."""
    add("a red boat")
    fox = add("a red fox 雪山")
    with database.writing() as connection:
        words = connection.execute(text("SELECT rowid, words FROM search_words")).mappings().all()
        connection.execute(text("DROP TABLE search_words"))
        connection.execute(text("CREATE TABLE search_words (rowid INTEGER PRIMARY KEY, words TEXT NOT NULL)"))
        for row in words:
            connection.execute(text("INSERT INTO search_words VALUES (:rowid, :words)"), dict(row))
    assert _ids(search, query="FOX red") == [fox.id]
    assert _ids(search, query="雪") == [fox.id]
    assert _ids(search, query="ox") == []
    assert len(_ids(search, query="re")) == 2
    assert _ids(search, query=f"fox {_LONG}") == []
    search.tidy()
    search.reindex()
    assert _ids(search, query="FOX red") == [fox.id]


_SCHEMA_6 = """
    CREATE TABLE search_groups (
        id INTEGER PRIMARY KEY, owner, day, model, session_id, images, spent_nanodollars,
        first_number, last_number
    );
    CREATE UNIQUE INDEX search_groups_key ON search_groups (owner, day, model, session_id);
    CREATE TABLE search_entries (
        number INTEGER PRIMARY KEY, image_id, group_id REFERENCES search_groups (id), created_at,
        spent_nanodollars
    );
    CREATE INDEX search_entries_spent ON search_entries (group_id, created_at, spent_nanodollars);
    CREATE VIRTUAL TABLE search_words USING fts5(words, detail='none', columnsize=0);
    INSERT INTO search_groups VALUES (1, '', '2026-11-21', 'gpt-image-2', '', 1, 5, 1, 1);
    INSERT INTO search_entries VALUES (1, 'gone', 1, 0, 5);
    INSERT INTO search_words (rowid, words) VALUES (1, ' boat');
"""


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_a_database_of_an_older_version_becomes_searchable(
    version: int, database_url: str, search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    made = [add(session_id="s") for _ in range(3)]
    search.database.close()
    with sqlite3.connect(database_url.removeprefix("sqlite:///").partition("?")[0]) as connection:
        for table in ("words", "entries", "sums", "sessions", "groups"):
            connection.execute(f"DROP TABLE search_{table}")
        if version == 3:
            connection.execute("DROP INDEX calls_status")
        else:
            connection.executescript(_SCHEMA_6)
        connection.execute("UPDATE schema_version SET version = ?", (version,))
    connection.close()
    newer = Database(database_url)
    found = ImageSearch(newer).find(Search(query="boat", session_id="s"), limit=5)
    newer.close()
    assert list(found.images) == made[::-1]
    assert (found.total, found.spending.by_session) == (3, {"s": Decimal("0.30")})


def test_what_searches_go_by_is_made_anew_for_an_older_version(
    database_url: str, search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    made = [add(session_id="s") for _ in range(3)]
    with search.database.writing() as connection:
        connection.execute(text("DELETE FROM search_words"))
        connection.execute(text("ALTER TABLE search_packs DROP COLUMN digest"))
        connection.execute(text("UPDATE schema_version SET version = 7"))
    search.database.close()
    newer = Database(database_url)
    assert _ids(ImageSearch(newer), query="boat", session_id="s") == [image.id for image in made[::-1]]
    newer.close()


def test_searches_are_in_utc_or_any_zone(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    made = add(created_at=datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    assert _ids(search, since=datetime(2026, 11, 20, 23, tzinfo=UTC)) == [made.id]
    assert _ids(search, since=datetime(2026, 11, 20, 23, 45, tzinfo=UTC)) == []
