"""What is another's is not there, whoever asks and by whatever name; a group shares where it was set so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.library.deletions import Deletions
from gpt_image_mcp.library.images import Images
from gpt_image_mcp.library.ledger import Ledger
from gpt_image_mcp.library.search.query import ImageSearch, SearchCriteria
from gpt_image_mcp.library.sessions import Sessions, Turn
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.owners import EVERYBODY, LOCAL, Owner
from tests.library.conftest import EVERY_DATABASE, POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.values.history import CallStart
    from gpt_image_mcp.values.images import StoredImage

ANN = Owner(name="ann", group="design")
OTHERS = {
    "a stranger": Owner(name="bob", group="sales", shared_groups=("sales", "press")),
    "a member of the group, which does not share": Owner(name="cy", group="design"),
    "a user of the machine": LOCAL,
    "a namesake in another case": Owner(name="Ann", group="design"),
    "a person named like the group": Owner(name="design"),
    "a pattern": Owner(name="%", shared_groups=("%", "_esign")),
}
FRIENDS = {"herself": ANN, "a member of the sharing group": Owner(name="dan", shared_groups=("x", "design"))}
SOON = timedelta(minutes=1)
SESSION = "session-20261121-150301-a1b2c3"


@dataclass(frozen=True)
class Hers:
    """What Ann has: an image with a child, a deleted one, a call that runs, a session."""

    database: Database
    image: StoredImage
    deleted: StoredImage
    call: CallStart


@pytest.fixture
def hers(database: Database, add: Callable[..., StoredImage], call: CallStart) -> Hers:
    of_ann = {"owner": "ann", "group": "design"}
    image, deleted = add(**of_ann, call_id="job-x"), add(**of_ann)
    add(**of_ann, parents=(image.id,))
    assert Deletions(database, ANN).delete(deleted.id, datetime.now(UTC), permit=lambda _users: None)
    begun = replace(call, started_at=datetime.now(UTC), idempotency_key="k", is_joinable=True)
    Ledger(database, ANN).begin_call(begun, ())
    turn = Turn(
        turn=1, parent_turn=0, prompt="p", image_id=image.id, call_id="job-x", created_at=datetime.now(UTC)
    )
    Sessions(database, ANN).begin(
        SESSION, options=OutputOptions(), sandbox=False, start_images=(), first=turn
    )
    return Hers(database, image, deleted, begun)


def _answers(hers: Hers, owner: Owner) -> Iterator[tuple[str, object]]:
    """What each question of a person is answered with, by the method that is asked."""
    images, ledger = Images(hers.database, owner), Ledger(hers.database, owner)
    sessions, deletions = Sessions(hers.database, owner), Deletions(hers.database, owner)
    yield "Images.newest", images.newest(9)
    yield "Images.find_image", images.find_image(hers.image.id)
    yield "Images.find_by_path", images.find_by_path(hers.image.file_path)
    yield "Images.find_by_sha256", images.find_by_sha256(hers.image.sha256)
    yield "Images.find_images_of_call", images.find_images_of_call("job-x")
    yield "Images.children_of", images.children_of(hers.image.id)
    yield "Images.find_by_beginning", images.find_by_beginning("2026", limit=9)
    found = ImageSearch(hers.database, owner).run(SearchCriteria(), limit=9)
    yield "ImageSearch.run", (found.images, found.total, found.spending.deleted, found.spending.total_usd)
    yield "Ledger.find_call", ledger.find_call(hers.call.id)
    yield "Ledger.open_calls", ledger.open_calls(limit=9)
    yield "Sessions.find", sessions.find(SESSION)
    yield "Sessions.latest", sessions.latest(most_open=9, idle_since=datetime.now(UTC) - SOON)
    yield "Deletions.deleted_at", deletions.deleted_at(hers.deleted.id)


def _is_something(answer: object) -> bool:
    return answer not in ((), ((), 0, 0, 0), None)


@EVERY_DATABASE
@pytest.mark.parametrize("owner", OTHERS.values(), ids=OTHERS)
def test_what_is_another_s_is_not_there(hers: Hers, owner: Owner) -> None:
    assert {name for name, answer in _answers(hers, owner) if _is_something(answer)} == set()


@EVERY_DATABASE
@pytest.mark.parametrize("owner", FRIENDS.values(), ids=FRIENDS)
def test_what_is_one_s_own_or_shared_is_there(hers: Hers, owner: Owner) -> None:
    assert {name for name, answer in _answers(hers, owner) if not _is_something(answer)} == set()


@POSTGRESQL
@pytest.mark.parametrize("owner", OTHERS.values(), ids=OTHERS)
def test_what_is_another_s_cannot_be_changed(hers: Hers, owner: Owner) -> None:
    now = datetime.now(UTC)
    assert not Deletions(hers.database, owner).delete(hers.image.id, now, permit=_never)
    Sessions(hers.database, owner).end(SESSION, now)
    kept = Sessions(hers.database, ANN).find(SESSION)
    assert kept is not None
    assert not kept.is_ended
    assert Images(hers.database, ANN).find_image(hers.image.id) == hers.image


def _never(_users: object) -> None:
    raise AssertionError


@POSTGRESQL
def test_who_looks_at_another_s_job_does_not_take_its_result(hers: Hers) -> None:
    Ledger(hers.database, ANN).finish_call(hers.call.id, status="completed", result_json="{}")
    Ledger(hers.database, FRIENDS["a member of the sharing group"]).acknowledge(hers.call.id)
    assert Ledger(hers.database, ANN).find_same_call("k") is not None
    Ledger(hers.database, ANN).acknowledge(hers.call.id)
    assert Ledger(hers.database, ANN).find_same_call("k") is None


@POSTGRESQL
def test_for_maintenance_all_things_are_there(hers: Hers) -> None:
    assert {name for name, answer in _answers(hers, EVERYBODY) if not _is_something(answer)} == set()


@POSTGRESQL
def test_only_the_same_person_joins_a_call(hers: Hers) -> None:
    assert Ledger(hers.database, ANN).find_same_call("k") is not None
    for owner in (*OTHERS.values(), FRIENDS["a member of the sharing group"]):
        assert Ledger(hers.database, owner).find_same_call("k") is None


def test_every_method_that_reads_for_a_person_is_asked(hers: Hers) -> None:
    asked = {name for name, _answer in _answers(hers, ANN)}
    known: set[type[Any]] = {Images, ImageSearch, Ledger, Sessions, Deletions}
    methods = {f"{kind.__name__}.{name}" for kind in known for name in vars(kind) if name[0] != "_"}
    fields = {
        f"{kind.__name__}.{name}"
        for kind in known
        for name in ("database", "owner", "lease", "keeps_prompts", "store")
    }
    assert methods - fields - asked == {
        # These write, and say nothing of others' things.
        *("Images.add_image", "Images.remove_image", "Deletions.delete"),
        *("Ledger.begin_call", "Ledger.finish_call", "Ledger.raise_reservation", "Ledger.add_ended_call"),
        *("Ledger.stay_alive", "Ledger.acknowledge", "Ledger.let_join", "Ledger.redact"),
        *("Sessions.begin", "Sessions.add_turn", "Sessions.end", "Sessions.remove"),
        *("Sessions.take_lease", "Sessions.give_lease_back"),
        # These are for maintenance, or ask about all calls, or about what the test above does.
        *("Images.all_images", "Images.reindex", "Ledger.results_without_images", "Sessions.leftovers"),
        *("Ledger.give_up_lost_calls", "Ledger.spent_usd", "Ledger.typical_seconds"),
        # These give sums, of the limits that hold for a person, and of their group.
        *("Ledger.standings", "ImageSearch.group_usd"),
        *("Ledger.find_same_call", "Deletions.users_of"),
    }
