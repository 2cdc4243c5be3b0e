"""Edit sessions and their turns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gpt_image_mcp.values.images import StoredImage


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTurn:
    """One step of an edit session.

    Attributes:
        turn: From 1.
        parent_turn: The turn whose result it edits; 0 for the start images.
    """

    session_id: str
    turn: int
    parent_turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """An edit session in a list. A closed one opens again when it is continued.

    Attributes:
        turns: How many it has.
        last_image: The latest result; None if the library no longer knows it.
    """

    id: str
    status: Literal["open", "closed"]
    created_at: datetime
    updated_at: datetime
    turns: int
    last_prompt: str
    last_image_id: str
    last_image: StoredImage | None
    sandbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUse:
    """What an edit session has of an image.

    Attributes:
        turns: Those whose result it is.
        keeps_copy: Whether the session started from it, and so keeps a copy.
        is_busy: Whether a turn of the session is being made.
    """

    id: str
    turns: tuple[int, ...]
    keeps_copy: bool
    is_busy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSession:
    """A session that takes no more turns; its images stay."""

    id: str
    turns: int
    last_image_id: str
