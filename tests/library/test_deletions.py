"""What stays of a deleted image: that it was there, and what it cost; the same in every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.library.deletions import Deletions
from gpt_image_mcp.library.search.query import ImageSearch, SearchCriteria
from gpt_image_mcp.library.sessions import Sessions, Turn
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.requests import InputImage
from tests.library.conftest import EVERY_DATABASE, NOON
from tests.library.leases import let_pass

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.library.images import Images
    from gpt_image_mcp.library.ledger import Ledger
    from gpt_image_mcp.values.history import CallStart
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.sessions import SessionUse

    Add = Callable[..., StoredImage]

pytestmark = EVERY_DATABASE
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def deletions(database: Database) -> Deletions:
    """The deletions of a new database."""
    return Deletions(database)


def _delete(deletions: Deletions, image: StoredImage) -> None:
    deletions.delete(image.id, NOW, permit=lambda _: None)


def test_what_a_deleted_image_cost_stays_in_every_sum_that_it_was_in(
    deletions: Deletions, search: ImageSearch, add: Add
) -> None:
    gone = add("a fox", usd="0.30", model="gpt-image-2-2026-04-21", session_id="s")
    add("a boat", usd="0.20", model="b", created_at=NOON - timedelta(days=1))
    scopes = (
        SearchCriteria(),
        SearchCriteria(model="gpt-image-2"),
        SearchCriteria(session_id="s"),
        SearchCriteria(since=gone.created_at),
        SearchCriteria(until=gone.created_at),
        SearchCriteria(model="b", since=NOON - timedelta(days=2)),
    )
    before = [search.run(scope, limit=5) for scope in scopes]
    _delete(deletions, gone)
    for scope, earlier in zip(scopes, before, strict=True):
        found = search.run(scope, limit=5)
        was_in = gone in earlier.images
        assert found.images == tuple(image for image in earlier.images if image != gone)
        assert found.total == earlier.total - was_in
        assert found.spending.deleted == was_in
        assert (found.spending.total_usd, found.spending.by_day) == (
            earlier.spending.total_usd,
            earlier.spending.by_day,
        )
        assert found.spending.by_model == earlier.spending.by_model
        assert found.spending.by_session == earlier.spending.by_session


def test_nobody_finds_a_deleted_image_by_its_words(
    deletions: Deletions, search: ImageSearch, add: Add
) -> None:
    _delete(deletions, add("a fox"))
    found = search.run(SearchCriteria(query="fox"), limit=5)
    assert (found.total, found.spending.total_usd, found.spending.deleted) == (0, Decimal(0), 0)


def test_the_images_of_others_are_not_summed_when_they_are_deleted(
    deletions: Deletions, search: ImageSearch, add: Add
) -> None:
    _delete(deletions, add(owner="other"))
    assert search.run(SearchCriteria(), limit=5).spending.total_usd == 0


def test_a_deleted_image_does_not_come_back(deletions: Deletions, images: Images, add: Add) -> None:
    gone, kept = add("a fox"), add("a boat")
    _delete(deletions, gone)
    assert not images.add_image(gone)
    assert images.add_image(kept)
    images.reindex()
    assert images.find_image(gone.id) is None
    assert (deletions.deleted_at(gone.id), deletions.deleted_at(kept.id)) == (NOW, None)
    assert deletions.deleted_at("ümlaut") is None


def test_the_cost_of_a_call_is_counted_once_whichever_of_its_two_images_is_deleted(
    deletions: Deletions, images: Images, search: ImageSearch, add: Add
) -> None:
    raw = add(call_id="job-x")
    add(call_id="job-x", parents=(raw.id,))
    other = add(call_id="job-y")
    _delete(deletions, add(call_id="job-y", parents=(other.id,)))
    _delete(deletions, raw)
    images.reindex()
    assert search.run(SearchCriteria(), limit=5).spending.total_usd == Decimal("0.20")


def test_the_budget_still_counts_the_call_of_a_deleted_image(
    deletions: Deletions, ledger: Ledger, call: CallStart, add: Add
) -> None:
    ledger.begin_call(call, ())
    ledger.finish_call(call.id, status="completed", cost_usd=Decimal("0.07"), result_json="{}")
    _delete(deletions, add(call_id=call.id))
    kept = ledger.find_call(call.id)
    assert kept is not None
    assert (kept.prompt, kept.result_json, kept.cost_usd) == ("", None, Decimal("0.07"))
    assert ledger.spent_usd(NOON.date()) == Decimal("0.07")


def test_an_image_that_is_gone_already_is_not_deleted_again(deletions: Deletions, add: Add) -> None:
    gone = add()
    _delete(deletions, gone)
    asked: list[object] = []
    deletions.delete(gone.id, NOW + timedelta(hours=1), permit=asked.append)
    assert asked == []
    assert deletions.deleted_at(gone.id) == NOW


def test_a_deletion_that_is_not_permitted_changes_nothing(
    deletions: Deletions, images: Images, search: ImageSearch, add: Add
) -> None:
    image = add("a fox")

    def refuse(_users: tuple[SessionUse, ...]) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        deletions.delete(image.id, NOW, permit=refuse)
    assert images.find_image(image.id) == image
    assert search.run(SearchCriteria(query="fox"), limit=5).images == (image,)
    assert deletions.deleted_at(image.id) is None


def test_sessions_that_use_an_image_are_told_with_their_turns(
    deletions: Deletions, database: Database, add: Add
) -> None:
    image = add()
    sessions = Sessions(database)
    start = InputImage(
        name="image-1.png", data=b"x", mime_type="image/png", width=1, height=1, source="a", image_id=image.id
    )

    def turn(number: int, image_id: str) -> Turn:
        call = f"c{number}"
        return Turn(turn=number, parent_turn=0, prompt="p", image_id=image_id, call_id=call, created_at=NOW)

    for name, starts, result in (("made", (), image.id), ("started", (start,), "i"), ("other", (), "i")):
        sessions.begin(
            name, options=OutputOptions(), sandbox=True, start_images=starts, first=turn(1, result)
        )
    sessions.add_turn("made", turn(2, "i"))
    sessions.add_turn("made", turn(3, image.id))
    assert sessions.take_lease("started", "job")
    users = {user.id: (user.turns, user.keeps_copy) for user in deletions.users_of(image.id)}
    assert users == {"made": ((1, 3), False), "started": ((), True)}
    for passed, busy in (
        (timedelta(), {"started"}),
        (timedelta(minutes=1), set[str]()),
        (-timedelta(days=1), set[str]()),  # the machine was started anew
    ):
        let_pass(database, passed)
        assert {user.id for user in deletions.users_of(image.id) if user.is_busy} == busy
