"""Errors of calls come back from the library as they went in."""

from __future__ import annotations

import json

import pytest

from gpt_image_mcp.errors import BudgetExceeded, ImageError, InternalError, OutcomeUnknown, RateLimited
from gpt_image_mcp.library.call_records import dump_error, load_error


@pytest.mark.parametrize("kind", [BudgetExceeded, InternalError, OutcomeUnknown, RateLimited])
def test_an_error_is_read_back_as_what_it_was(kind: type[ImageError]) -> None:
    error = kind("What happened.", next_step="What to do.", request_id="req_1")
    found = load_error(dump_error(error))
    assert type(found) is kind
    assert str(found) == str(error)
    assert found.request_id == "req_1"


def test_whether_it_can_succeed_later_is_kept() -> None:
    error = InternalError("What happened.", next_step="What to do.", retryable=True)
    assert load_error(dump_error(error)).retryable


def test_an_error_of_a_later_version_is_an_internal_one() -> None:
    kept = json.loads(dump_error(InternalError("What happened.", next_step="What to do.")))
    found = load_error(json.dumps(kept | {"code": "not_invented_yet"}))
    assert type(found) is InternalError
    assert found.message == "What happened."
