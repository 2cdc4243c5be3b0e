"""Searching the library: what matches, and in which order; the same in every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from gpt_image_mcp.library.database import Database
from gpt_image_mcp.library.images import Images
from gpt_image_mcp.library.search.fulltext import forget_all_words
from gpt_image_mcp.library.search.query import ImageSearch, SearchCriteria
from tests.library.conftest import EVERY_DATABASE, NOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpt_image_mcp.values.images import StoredImage

pytestmark = EVERY_DATABASE


def _ids(search: ImageSearch, *, limit: int = 20, offset: int = 0, **wanted: object) -> list[str]:
    found = search.run(SearchCriteria(**wanted), limit=limit, offset=offset)  # type: ignore[arg-type]
    assert found.total >= len(found.images)
    return [image.id for image in found.images]


def test_nothing_is_found_in_an_empty_library(search: ImageSearch) -> None:
    found = search.run(SearchCriteria(), limit=5)
    assert (found.images, found.total, found.spending.total_usd) == ((), 0, Decimal(0))


def test_words_are_found_in_any_order_newest_first(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    first, _, last = add("a red fox in the snow"), add("a red boat"), add("Snow! On a FOX")
    assert _ids(search, query="snow fox") == [last.id, first.id]
    assert _ids(search, query="wolf") == []
    assert _ids(search, query="?!") == []


def test_each_word_may_be_the_beginning_of_one(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    lighthouse = add("a lighthouse")
    add("daylight")
    for query in ("l", "light", "lighthouse"):
        assert _ids(search, query=query) == [lighthouse.id]


def test_words_of_every_script_are_found(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    prompts = {
        "Füchs": "fuchs",
        "大きな雪山の狐": "雪山",
        "ثعلب أحمر في الثلج": "الثلج ثعلب",
        "बर्फ में लाल लोमड़ी": "लोमड़ी",
        "눈 속의 여우": "여우",
        "ภาพสวัสดีตอนเช้า": "สวัสดี",
        "Рыжая лиса": "ЛИС",
        "🦊️ at night": "🦊",
    }
    made = {prompt: add(prompt) for prompt in prompts}
    for prompt, query in prompts.items():
        assert _ids(search, query=query) == [made[prompt].id]


def test_a_query_may_have_thousands_of_words(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    words = [f"{number}style" for number in range(2000)]
    fox, boat = add(f"a fox, {' '.join(words)}"), add(f"a boat, {' '.join(words)}")
    add(" ".join(["fox", *words[:-1]]))
    assert _ids(search, query=f"{' '.join(words)} fox") == [fox.id]
    assert _ids(search, query=" ".join(words)) == [boat.id, fox.id]


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
    start = NOON.replace(hour=hour)
    add(created_at=start - timedelta(seconds=1))
    inside = add(created_at=start)
    add(created_at=start + timedelta(days=1))
    since, until = start, start + timedelta(days=1)
    found = search.run(SearchCriteria(since=since, until=until), limit=5)
    assert [image.id for image in found.images] == [inside.id]
    assert (found.total, found.spending.total_usd) == (1, Decimal("0.10"))


def test_a_renewed_image_is_found_by_its_new_words_at_its_old_place(
    search: ImageSearch, add: Callable[..., StoredImage], images: Images, tmp_path: Path
) -> None:
    first, second = add("a fox"), add("a fox")
    images.add_image(replace(first, file_path=tmp_path / "elsewhere.png"))
    assert _ids(search, query="elsewhere fox") == [first.id]
    assert _ids(search, query="file1") == []
    assert _ids(search) == [second.id, first.id]
    assert search.run(SearchCriteria(), limit=1).spending.total_usd == Decimal("0.20")


def test_a_removed_image_is_neither_found_nor_summed(
    search: ImageSearch, add: Callable[..., StoredImage], images: Images
) -> None:
    gone, left = add("a fox", usd="0.30"), add("a fox")
    images.remove_image(gone.id)
    images.remove_image("20261121-120000-ffffff")
    found = search.run(SearchCriteria(query="fox"), limit=5)
    assert ([image.id for image in found.images], found.total) == ([left.id], 1)
    assert search.run(SearchCriteria(), limit=1).spending.by_day == {"2026-11-21": Decimal("0.10")}
    assert images.find_image(gone.id) is None


def test_what_comes_after_all_of_a_session_was_removed_is_found(
    search: ImageSearch, add: Callable[..., StoredImage], images: Images
) -> None:
    gone = [add(session_id="other"), add(session_id="s")]
    for image in gone:
        images.remove_image(image.id)
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
        Images(other).add_image(replace(made, id="20261121-130000-000001"))
        assert connection.execute(count).scalar_one() == before == 1
    other.close()
    assert search.run(SearchCriteria(), limit=5).total == 2


def test_what_came_in_another_order_is_found_in_the_order_of_time(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    newer = add(created_at=NOON)
    older = add(created_at=NOON - timedelta(days=400))
    assert _ids(search) == _ids(search, query="boat") == [newer.id, older.id]


def test_reindexing_finds_and_sums_the_same(
    search: ImageSearch, add: Callable[..., StoredImage], images: Images
) -> None:
    made = [add("a fox", session_id="s"), add("a boat")]
    criteria = [SearchCriteria(), SearchCriteria(query="fox"), SearchCriteria(session_id="s")]
    before = [search.run(one, limit=5) for one in criteria]
    with search.database.writing() as connection:
        forget_all_words(connection)
        connection.execute(text("UPDATE images SET day = '', spent_nanodollars = 7"))
    assert _ids(search, query="fox") == []
    images.reindex()
    assert [search.run(one, limit=5) for one in criteria] == before
    assert before[0].images == tuple(made[::-1])


def test_an_image_that_came_before_the_one_it_was_made_from_is_not_counted_twice_after_reindexing(
    search: ImageSearch, add: Callable[..., StoredImage], images: Images
) -> None:
    raw = add(call_id="job-x")
    add(call_id="job-x", parents=(raw.id,))
    images.remove_image(raw.id)
    images.reindex()
    images.add_image(raw)
    images.reindex()
    assert search.run(SearchCriteria(), limit=1).spending.total_usd == Decimal("0.10")


def test_searches_are_in_utc_or_any_zone(search: ImageSearch, add: Callable[..., StoredImage]) -> None:
    made = add(created_at=datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    assert _ids(search, since=datetime(2026, 11, 20, 23, tzinfo=UTC)) == [made.id]
    assert _ids(search, since=datetime(2026, 11, 20, 23, 45, tzinfo=UTC)) == []
