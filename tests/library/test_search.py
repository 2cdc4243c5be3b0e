"""Searching the library: what matches, in which order, and what it cost."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from gpt_image_mcp.library.catalogue import Catalogue
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.indexing import forget_image
from gpt_image_mcp.library.matching import Search
from gpt_image_mcp.library.packs import PACK_SIZE
from gpt_image_mcp.library.search import ImageSearch
from gpt_image_mcp.money import Cost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpt_image_mcp.values import StoredImage

NOON = datetime(2026, 11, 21, 12).astimezone()


@pytest.fixture
def search(database: Database) -> ImageSearch:
    return ImageSearch(database)


@pytest.fixture
def add(catalogue: Catalogue, image: StoredImage) -> Callable[..., StoredImage]:
    """Adds an image; each is a minute newer than the one before unless it says when."""
    count = itertools.count(1)

    def make(prompt: str = "a boat", *, created_at: datetime | None = None, **made: object) -> StoredImage:
        number = next(count)
        cost = Cost(usd=Decimal(str(made.pop("usd", "0.10"))), basis="usage")
        fields = {"parents": (), "session_id": "", "call_id": f"job-{number}", **made}
        provenance = replace(image.provenance, prompt=prompt, cost=cost, **fields)  # type: ignore[arg-type]
        new = replace(
            image,
            id=f"20261121-120000-{number:06x}",
            file_path=image.file_path.with_name(f"file{number}.png"),
            created_at=created_at or NOON + timedelta(minutes=number),
            provenance=provenance,
        )
        catalogue.add_image(new)
        return new

    return make


def _ids(search: ImageSearch, *, limit: int = 20, offset: int = 0, **wanted: object) -> list[str]:
    found = search.find(Search(**wanted), limit=limit, offset=offset)  # type: ignore[arg-type]
    assert found.total >= len(found.images)
    return [image.id for image in found.images]


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


def test_costs_are_summed_by_day_model_and_session(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    add(usd="0.30", model="b", created_at=NOON - timedelta(days=1))
    add(usd="0.20", model="a", session_id="s")
    add(usd="0.05", model="a")
    spending = search.find(Search(), limit=1).spending
    assert spending.total_usd == Decimal("0.55")
    assert list(spending.by_day.items()) == [
        ("2026-11-21", Decimal("0.25")),
        ("2026-11-20", Decimal("0.30")),
    ]
    assert list(spending.by_model.items()) == [("b", Decimal("0.30")), ("a", Decimal("0.25"))]
    assert spending.by_session == {"s": Decimal("0.20")}
    assert search.find(Search(query="boat"), limit=1).spending == spending


def test_the_sandbox_and_unknown_costs_add_nothing(
    search: ImageSearch, add: Callable[..., StoredImage], catalogue: Catalogue
) -> None:
    add(sandbox=True)
    unknown = add()
    made = replace(unknown.provenance, cost=Cost(usd=None, basis="unknown"))
    catalogue.add_image(replace(unknown, id="20261121-130000-000001", provenance=made))
    assert search.find(Search(), limit=1).spending.total_usd == Decimal("0.10")


def test_an_image_made_from_another_of_its_call_is_not_counted_twice(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    raw = add(call_id="job-x")
    add(call_id="job-x", parents=(raw.id,))
    add(call_id="job-y", parents=(raw.id,))
    assert search.find(Search(), limit=1).spending.total_usd == Decimal("0.20")


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


def test_of_many_sessions_those_that_cost_least_are_summed_together(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    for number in range(1, 104):
        add(session_id=f"session-{number}", usd=f"0.{number:03}")
    add(usd="5")
    by_session = search.find(Search(), limit=1).spending.by_session
    assert len(by_session) == 101
    assert [*by_session][::100] == ["session-103", "others"]
    assert by_session["others"] == Decimal("0.006")
    few = search.find(Search(session_id="session-7"), limit=1).spending.by_session
    assert few == {"session-7": Decimal("0.007")}


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
        connection.execute(text("UPDATE schema_version SET version = 6"))
    search.database.close()
    newer = Database(database_url)
    assert _ids(ImageSearch(newer), query="boat", session_id="s") == [image.id for image in made[::-1]]
    newer.close()


def test_images_of_others_are_neither_found_nor_summed(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    mine = add(session_id="s")
    add(owner="other", session_id="s", model="another")
    for query in ("", "boat"):
        found = search.find(Search(query=query), limit=5)
        assert (found.images, found.total) == ((mine,), 1)
        assert found.spending.total_usd == Decimal("0.10")
        assert found.spending.by_session == {"s": Decimal("0.10")}
    assert _ids(search, model="another") == []


def _spent(images: list[StoredImage]) -> tuple[int, Decimal, dict[str, Decimal], dict[str, Decimal]]:
    """Number, cost, and cost by model and session, from the images themselves."""
    by_model, by_session = Counter[str](), Counter[str]()
    total = Decimal(0)
    for image in images:
        made = image.provenance
        total += made.cost.usd or 0
        by_model[made.model] += made.cost.usd or 0  # type: ignore[assignment]
        by_session[made.session_id] += made.cost.usd or 0  # type: ignore[assignment]
    del by_session[""]
    return len(images), total, dict(by_model), dict(by_session)  # type: ignore[arg-type]


def _is_part(image: StoredImage, wanted: Search) -> bool:
    """Whether an image is one of those that are asked for; each word of the query is a whole word."""
    made = image.provenance
    return (
        set(wanted.query.lower().split()) <= set(made.prompt.split())
        and wanted.model in ("", made.model)
        and wanted.session_id in ("", made.session_id)
        and (wanted.since is None or image.created_at >= wanted.since)
        and (wanted.until is None or image.created_at < wanted.until)
    )


def _as_in_a_large_library(database: Database) -> None:
    """Gives all but the oldest ten entries numbers that only a library of many images has."""
    with database.writing() as connection:
        for change in (
            "UPDATE search_entries SET number = number + 20000 WHERE number > 10",
            "UPDATE search_words SET rowid = rowid + 20000 WHERE rowid > 10",
            "UPDATE search_groups SET first_number = first_number + 20000 WHERE first_number > 10",
            "UPDATE search_groups SET last_number = last_number + 20000 WHERE last_number > 10",
        ):
            connection.execute(text(change))


@pytest.mark.parametrize("is_large", [False, True])
def test_the_same_is_found_and_summed_whichever_way_is_the_shortest(
    search: ImageSearch, add: Callable[..., StoredImage], *, is_large: bool
) -> None:
    """Words that most, some and one have, in all images, in many and in a few."""
    made = [
        add(
            "a red fox" if number % 10 == 0 else "a boat on a lake",
            model="rare" if number in (40, 41) else f"model-{number % 2}",
            session_id="turns" if number in (40, 43, 47) else "" if number % 3 else f"session-{number % 9}",
            usd=f"0.{number % 7}1",
            created_at=NOON - timedelta(hours=300 - number),
        )
        for number in range(300)
    ]
    if is_large:
        _as_in_a_large_library(search.database)
    midnight = NOON.replace(hour=0) - timedelta(days=5)
    scopes: list[dict[str, Any]] = [
        {},
        {"model": "model-1"},
        {"model": "rare"},
        {"session_id": "session-3"},
        {"session_id": "turns"},
        {"since": midnight},
        {"until": midnight},
        {"since": NOON - timedelta(hours=9)},
        {"since": NOON - timedelta(hours=100), "until": NOON - timedelta(hours=97)},
        {"session_id": "turns", "model": "rare"},
    ]
    for query, scope in itertools.product(("", "boat", "LAKE on boat", "a", "fox", "red lake"), scopes):
        wanted = Search(query=query, **scope)
        parts = [image for image in made if _is_part(image, wanted)]
        found = search.find(wanted, limit=4, offset=1)
        sums = found.spending
        assert [image.id for image in found.images] == [image.id for image in parts[::-1][1:5]]
        assert (found.total, sums.total_usd, sums.by_model, sums.by_session) == _spent(parts)
        assert sum(sums.by_day.values()) == sums.total_usd


def test_what_half_of_a_library_has_is_summed_whatever_was_removed_and_added_since(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    """More than a pack holds; the last of a pack are removed, so that their numbers are given out again."""
    made = [_nth(add, number) for number in range(PACK_SIZE + 40)]
    _as_expected(search, made)
    removed = [*made[5:500:50], *made[PACK_SIZE - 20 :]]
    for image in removed:
        Catalogue(search.database).remove_image(image.id)
    made = [image for image in made if image not in removed]
    _as_expected(search, made)
    made += [_nth(add, 3 * number) for number in range(PACK_SIZE, PACK_SIZE + 60)]
    _as_expected(search, made)
    search.reindex()
    _as_expected(search, made)


def _nth(add: Callable[..., StoredImage], number: int) -> StoredImage:
    return add(
        f"a {'boat' if number % 2 else 'fox'} {'' if number % 10 == 0 else 'at sea'}",
        model=f"model-{number % 3}",
        session_id=f"session-{number // 100}" if number % 5 == 0 else "",
        usd=f"0.{number % 7}1",
        created_at=NOON - timedelta(minutes=30 * (2 * PACK_SIZE - number)),
    )


def _as_expected(search: ImageSearch, made: list[StoredImage]) -> None:
    scopes: list[dict[str, Any]] = [
        {},
        {"model": "model-1"},
        {"since": NOON.replace(hour=0) - timedelta(days=30)},
    ]
    for query, scope in itertools.product(("fox", "sea"), scopes):
        wanted = Search(query=query, **scope)
        parts = [image for image in made if _is_part(image, wanted)]
        found = search.find(wanted, limit=1)
        sums = found.spending
        assert (found.total, sums.total_usd, sums.by_model, sums.by_session) == _spent(parts)


def test_what_most_images_have_is_summed_without_those_that_were_forgotten(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    boats = [add("a boat") for _ in range(260)]
    with search.database.writing() as connection:
        forget_image(connection, boats[-1].id)
    found = search.find(Search(query="boat"), limit=1)
    assert (found.total, found.spending.total_usd) == _spent(boats[:-1])[:2]


def test_searches_are_in_utc_or_any_zone(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    made = add(created_at=datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    assert _ids(search, since=datetime(2026, 11, 20, 23, tzinfo=UTC)) == [made.id]
    assert _ids(search, since=datetime(2026, 11, 20, 23, 45, tzinfo=UTC)) == []
