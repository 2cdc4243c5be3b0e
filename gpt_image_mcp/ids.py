"""Ids of images, calls and sessions, as they are made."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

_MOMENT = "%Y%m%d-%H%M%S"
_CALL, _SESSION, _UPLOAD = "job-", "session-", "upload-"
IMAGE_ID = "[0-9]{8}-[0-9]{6}-[0-9a-f]{6}"  # the only form in which one is accepted from files
CALL_ID = f"{_CALL}{IMAGE_ID}"
_MADE_BY = re.compile(f"({CALL_ID})?/({_SESSION}{IMAGE_ID})?")


def new_image_id(now: datetime) -> str:
    """A unique id that sorts by time: ``20261121-150301-a1b2c3``."""
    return f"{now:{_MOMENT}}-{secrets.token_hex(3)}"


def new_call_id() -> str:
    """A unique id of a call, under which its result can be collected."""
    return f"{_CALL}{new_image_id(datetime.now().astimezone())}"


def new_session_id() -> str:
    """A unique id of a session."""
    return f"{_SESSION}{new_image_id(datetime.now().astimezone())}"


def new_upload_id() -> str:
    """A unique id of a picture that is sent from elsewhere."""
    return f"{_UPLOAD}{new_image_id(datetime.now().astimezone())}"


def are_ids(call_id: str, session_id: str) -> bool:
    """Whether these are ids of a call and of a session, to the letter, or empty."""
    return _MADE_BY.fullmatch(f"{call_id}/{session_id}") is not None


def started_at(call_id: str) -> datetime:
    """When a call began, to the second, by its id."""
    moment = call_id.removeprefix(_CALL)[: len("20261121-150301")]
    return datetime.strptime(moment, _MOMENT).astimezone()
