"""The outcome of a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gpt_image_mcp.money import Cost
from gpt_image_mcp.object_paths import StoredPath, location
from gpt_image_mcp.values.images import Applied, Requested, StoredImage
from gpt_image_mcp.values.responses import Route, TokenUsage
from gpt_image_mcp.values.sessions import SessionTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedImage:
    """An image that belongs to another.

    Attributes:
        file: What became of its file; ``deleted`` if the library does not know the image any more.
        file_path: None for a deleted one.
    """

    id: str
    file: Literal["present", "missing", "changed", "deleted"]
    file_path: StoredPath | None

    @property
    def location(self) -> str | None:
        """What the file is called towards everybody: its path, or the address of an object."""
        return None if self.file_path is None else location(self.file_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnImage:
    """A turn of a session with its result; ``parents`` are the ids of the images that it was made from."""

    turn: int
    parent_turn: int
    prompt: str
    image: RelatedImage
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The outcome of a call that makes or shows images; ``status`` says whether it is finished.

    Attributes:
        call_id: The id under which the work is known; it is the job id while the call runs.
        usage: Of the whole call.
        elapsed_seconds: How long the call has run.
        expected_seconds: What calls of this kind took before; None when there were none.
        partial: The latest partial image of a running call; empty without.
        parents: Of the one image that was looked up; None for the result of a call.
        turns: All of the session that was looked up.
    """

    status: Literal["completed", "running"]
    call_id: str
    prompt: str
    model: str
    requested: Requested
    applied: Applied | None = None
    images: tuple[StoredImage, ...] = ()
    usage: TokenUsage | None = None
    cost: Cost | None = None
    route: Route = "images"
    notes: tuple[str, ...] = ()
    sandbox: bool = False
    session: SessionTurn | None = None
    elapsed_seconds: float = 0.0
    expected_seconds: float | None = None
    partial: bytes = field(default=b"", repr=False)
    parents: tuple[RelatedImage, ...] | None = None
    turns: tuple[TurnImage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEntry:
    """What became of one image of a batch.

    Attributes:
        input: The image, as the caller called it.
        error: Why it failed: code, what happened, what to do.
    """

    input: str
    status: Literal["completed", "failed", "skipped"]
    images: tuple[StoredImage, ...] = ()
    cost: Cost | None = None
    notes: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The outcome of a batch; ``items`` are in the order of the inputs and, while it runs, those known."""

    status: Literal["completed", "running"]
    call_id: str
    prompt: str
    model: str
    requested: Requested
    items: tuple[BatchEntry, ...]
    total: int
    notes: tuple[str, ...] = ()
    sandbox: bool = False
    elapsed_seconds: float = 0.0
