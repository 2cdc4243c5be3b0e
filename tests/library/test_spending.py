"""What the images that a search finds cost; the same in every database."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gpt_image_mcp.library.search.query import ImageSearch, SearchCriteria
from gpt_image_mcp.money import Cost
from tests.library.conftest import EVERY_DATABASE, NOON

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.library.images import Images
    from gpt_image_mcp.values.images import StoredImage

pytestmark = EVERY_DATABASE


def test_costs_are_summed_by_day_model_and_session(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    add(usd="0.30", model="b", created_at=NOON - timedelta(days=1))
    add(usd="0.20", model="a", session_id="s")
    add(usd="0.05", model="a")
    spending = search.run(SearchCriteria(), limit=1).spending
    assert spending.total_usd == Decimal("0.55")
    assert list(spending.by_day.items()) == [
        ("2026-11-21", Decimal("0.25")),
        ("2026-11-20", Decimal("0.30")),
    ]
    assert list(spending.by_model.items()) == [("b", Decimal("0.30")), ("a", Decimal("0.25"))]
    assert spending.by_session == {"s": Decimal("0.20")}
    assert search.run(SearchCriteria(query="boat"), limit=1).spending == spending


def test_the_sandbox_and_unknown_costs_add_nothing(
    search: ImageSearch, add: Callable[..., StoredImage], images: Images
) -> None:
    add(sandbox=True)
    unknown = add()
    made = replace(unknown.provenance, cost=Cost(usd=None, basis="unknown"))
    images.add_image(replace(unknown, id="20261121-130000-000001", provenance=made))
    assert search.run(SearchCriteria(), limit=1).spending.total_usd == Decimal("0.10")


def test_the_sandbox_is_summed_apart_as_what_it_would_have_been(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    assert search.run(SearchCriteria(), limit=1).spending.in_sandbox is None
    add(usd="0.05", model="a")
    add(usd="0.30", model="b", sandbox=True)
    add(usd="0.20", model="a", sandbox=True, session_id="s")
    spending = search.run(SearchCriteria(), limit=1).spending
    assert (spending.total_usd, spending.by_model) == (Decimal("0.05"), {"a": Decimal("0.05")})
    unpaid = spending.in_sandbox
    assert unpaid
    assert (unpaid.total_usd, unpaid.by_day) == (Decimal("0.50"), {"2026-11-21": Decimal("0.50")})
    assert (unpaid.by_model, unpaid.by_session) == (
        {"b": Decimal("0.30"), "a": Decimal("0.20")},
        {"s": Decimal("0.20")},
    )


def test_an_image_made_from_another_of_its_call_is_not_counted_twice(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    raw = add(call_id="job-x")
    add(call_id="job-x", parents=(raw.id,))
    add(call_id="job-y", parents=(raw.id,))
    assert search.run(SearchCriteria(), limit=1).spending.total_usd == Decimal("0.20")


def test_of_many_sessions_those_that_cost_least_are_summed_together(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    for number in range(1, 104):
        add(session_id=f"session-{number}", usd=f"0.{number:03}")
    add(usd="5")
    by_session = search.run(SearchCriteria(), limit=1).spending.by_session
    assert len(by_session) == 101
    assert [*by_session][::100] == ["session-103", "others"]
    assert by_session["others"] == Decimal("0.006")
    few = search.run(SearchCriteria(session_id="session-7"), limit=1).spending.by_session
    assert few == {"session-7": Decimal("0.007")}


def test_images_of_others_are_neither_found_nor_summed(
    search: ImageSearch, add: Callable[..., StoredImage]
) -> None:
    mine = add(session_id="s")
    add(owner="other", session_id="s", model="another")
    for query in ("", "boat"):
        found = search.run(SearchCriteria(query=query), limit=5)
        assert (found.images, found.total) == ((mine,), 1)
        assert found.spending.total_usd == Decimal("0.10")
        assert found.spending.by_session == {"s": Decimal("0.10")}
    assert search.run(SearchCriteria(model="another"), limit=5).images == ()


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


def _is_part(image: StoredImage, wanted: SearchCriteria) -> bool:
    """Whether an image is one of those that are asked for; each word of the query is a whole word."""
    made = image.provenance
    return (
        set(wanted.query.lower().split()) <= set(made.prompt.split())
        and wanted.model in ("", made.model)
        and wanted.session_id in ("", made.session_id)
        and (wanted.since is None or image.created_at >= wanted.since)
        and (wanted.until is None or image.created_at < wanted.until)
    )


def test_whatever_is_asked_for_is_found_and_summed(
    search: ImageSearch, add: Callable[..., StoredImage]
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
        wanted = SearchCriteria(query=query, **scope)
        parts = [image for image in made if _is_part(image, wanted)]
        found = search.run(wanted, limit=4, offset=1)
        sums = found.spending
        assert [image.id for image in found.images] == [image.id for image in parts[::-1][1:5]]
        assert (found.total, sums.total_usd, sums.by_model, sums.by_session) == _spent(parts)
        assert sum(sums.by_day.values()) == sums.total_usd
