"""What the library remembers of calls and images, and what these cost together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from gpt_image_mcp.errors import ImageError
    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.values.images import Kind, StoredImage


CallStatus: TypeAlias = Literal["running", "completed", "failed", "outcome_unknown"]
FileState: TypeAlias = Literal["present", "missing", "changed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStart:
    """A call that is about to be made.

    Attributes:
        quality: Empty for a batch as a whole, like ``size``: each of its images is a call of its own.
        is_joinable: Whether the same call joins this one from its beginning, because whoever made it is given
            its id at once.
        is_in_parts: Whether its parts reserve what they cost, so that of all limits only that of one call
            holds for the whole.
    """

    id: str
    kind: Kind
    model: str
    quality: str
    size: str
    prompt: str
    started_at: datetime
    quote: Quote
    sandbox: bool = False
    idempotency_key: str = ""
    is_joinable: bool = False
    is_in_parts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call as the library remembers it.

    Attributes:
        result_json: The result of a completed call, as its maker serialised it.
        error: What a failed one failed with.
    """

    id: str
    kind: Kind
    status: CallStatus
    model: str
    quality: str
    size: str
    prompt: str
    started_at: datetime
    reserved_usd: Decimal
    cost_usd: Decimal | None
    sandbox: bool
    result_json: str | None
    error: ImageError | None

    @property
    def is_batch(self) -> bool:
        """Whether it is a batch as a whole, not one of its images."""
        return self.kind == "batch" and not self.quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What images cost.

    Attributes:
        by_day: US dollars by local day, latest first.
        by_model: Highest first.
        by_session: The 100 that cost most, highest first, and if there are more these as ``OTHERS``.
        in_sandbox: What images of the sandbox would have cost; None if there are none.
        deleted: How many images that were deleted since are part of the sums.
    """

    total_usd: Decimal
    by_day: dict[str, Decimal]
    by_model: dict[str, Decimal]
    by_session: dict[str, Decimal]
    in_sandbox: Spending | None = None
    deleted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """An image that matches, and what became of its file; ``changed`` if it has another size in bytes.

    Attributes:
        paid_with: The id of the finished picture that was made of this one by the same call, and paid once.
    """

    image: StoredImage
    file: FileState
    paid_with: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImages:
    """One page of what matches.

    Attributes:
        images: Newest first.
        total: How many match.
        next_offset: Where the next page begins; None on the last.
        spending: What all that match cost.
        open_calls: Of the same time and model: those that run, and those whose outcome is unknown.
        is_sums_only: Whether no image was asked for.
        is_library_empty: Whether there is no image at all that could match.
        group: The group that the caller is charged to; empty for none.
        group_usd: What the images of all its people cost, of the same time and model; None where words or a
            session were asked for.
    """

    images: tuple[FoundImage, ...]
    total: int
    next_offset: int | None
    spending: Spending
    open_calls: tuple[CallRecord, ...]
    is_sums_only: bool = False
    is_library_empty: bool = False
    group: str = ""
    group_usd: Decimal | None = None
