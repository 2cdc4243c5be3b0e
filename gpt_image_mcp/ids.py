"""Ids of images, calls and sessions: how they are made and recognised."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

_MOMENT = "%Y%m%d-%H%M%S"
_CALL, _SESSION = "job-", "session-"
_IMAGE_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_IMAGE_URI = re.compile(r"gpt-image://images/([^/]+)(/preview|/metadata)?", re.IGNORECASE)


def new_image_id(now: datetime) -> str:
    """A unique id that sorts by time: ``20261121-150301-a1b2c3``."""
    return f"{now:{_MOMENT}}-{secrets.token_hex(3)}"


def new_call_id() -> str:
    """A unique id of a call, under which its result can be collected."""
    return f"{_CALL}{new_image_id(datetime.now().astimezone())}"


def new_session_id() -> str:
    """A unique id of a session."""
    return f"{_SESSION}{new_image_id(datetime.now().astimezone())}"


def started_at(call_id: str) -> datetime:
    """When a call began, to the second, by its id."""
    moment = call_id.removeprefix(_CALL)[: len("20261121-150301")]
    return datetime.strptime(moment, _MOMENT).astimezone()


def is_job_id(ref: str) -> bool:
    """Whether a reference names a job rather than an image."""
    return ref.startswith(_CALL)


def is_session_id(ref: str) -> bool:
    """Whether a reference names an edit session rather than an image."""
    return ref.startswith(_SESSION)


def image_id_in(ref: str) -> str:
    """The image id that a reference is or addresses; empty for anything else."""
    if matched := _IMAGE_URI.fullmatch(ref):
        return matched[1]
    return ref if _IMAGE_ID.fullmatch(ref) else ""
