"""The values that the modules pass to each other.

All are frozen. Money is a ``Decimal`` number of US dollars; times are aware ``datetime`` values; sizes are
pixels, lengths are bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypeAlias, TypedDict

Route: TypeAlias = Literal["images", "responses"]
Kind: TypeAlias = Literal["image", "edit", "session", "batch"]
CostBasis: TypeAlias = Literal["usage", "usage+quote", "quote", "unknown"]
CallStatus: TypeAlias = Literal["running", "completed", "failed", "outcome_unknown"]
Stage: TypeAlias = Literal["checked", "uploading", "queued", "drawing", "saved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What a caller asks of the output, in the caller's own spelling.

    Attributes:
        model: Model name; empty takes the configured one, "sandbox" runs this call in the sandbox.
        size: auto, WxH, a ratio such as 16:9, or square, landscape, portrait, also with _2k or _4k.
        quality: auto, low, medium, high, on newer models xhigh and max; standard means medium, hd means high.
        n: How many images, 1 to 10.
        background: auto, opaque or transparent (png and webp).
        output_format: png, jpeg or webp.
        output_compression: 0 to 100, jpeg and webp only.
        output_dir: Folder for the files; empty takes the configured one.
        filename_prefix: A label put into the unique file name.
        filename: An exact file name instead of a unique one; a taken name gets a number.
        user: An end-user id, sent to OpenAI as the safety identifier.
        overwrite: Whether a file of the exact name is replaced; no tool offers it.
    """

    model: str = ""
    size: str = "auto"
    quality: str = "auto"
    n: int = 1
    background: str = "auto"
    output_format: str = "png"
    output_compression: int = 100
    output_dir: str = ""
    filename_prefix: str = ""
    filename: str = ""
    user: str = ""
    overwrite: bool = False


class OutputArguments(TypedDict, total=False):
    """``OutputOptions`` as keyword arguments, for methods that take them one by one."""

    model: str
    size: str
    quality: str
    n: int
    background: str
    output_format: str
    output_compression: int
    output_dir: str
    filename_prefix: str
    filename: str
    user: str
    overwrite: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A generation as it will be sent: every value resolved and checked against the model.

    Attributes:
        size: ``auto`` or ``WIDTHxHEIGHT``.
        output_compression: 0-100, or None where the format takes none (it is then not sent).
        safety_identifier: Sent when not empty.
        partial_images: 0 for a plain call; 1-3 streams that many previews.
    """

    prompt: str
    model: str
    size: str
    quality: str
    n: int = 1
    background: str = "auto"
    output_format: str = "png"
    output_compression: int | None = None
    moderation: str = "auto"
    safety_identifier: str = ""
    partial_images: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """Tokens as the API reported them; a detail it did not report is None."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_text_tokens: int | None = None
    input_image_tokens: int | None = None
    cached_text_tokens: int | None = None
    cached_image_tokens: int | None = None
    output_text_tokens: int | None = None
    output_image_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the API gave back for one request, read and not assumed.

    Attributes:
        images: The file bytes of each image, exactly as delivered.
        size: The echoed value, None where the endpoint echoes none; so for the next three.
        notes: Sentences a user should know, such as "the endpoint reported no usage".
    """

    images: tuple[bytes, ...]
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    usage: TokenUsage | None = None
    request_id: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a file's bytes are.

    Attributes:
        format: ``png``, ``jpeg``, ``webp``, ``gif``, …, in lower case.
        extension: The file extension that belongs to the bytes, without a dot (``jpg`` for JPEG).
    """

    format: str
    mime_type: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a call may cost, before it is made; amounts that nobody can tell are None.

    Attributes:
        expected_usd: The estimate, where the number of output tokens is certain.
        low_usd: The least it can cost.
        high_usd: The most it can cost, which is what a budget reserves. Known without ``low_usd`` where the
            output tokens of the model are not published: it is then a bound, not an estimate to show.
        basis: One sentence: which rule and which rates gave the numbers.
    """

    expected_usd: Decimal | None = None
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a call did cost, as far as can be told. ``usd`` is None when it cannot."""

    usd: Decimal | None
    basis: CostBasis


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The caller's choices, as a result repeats them."""

    size: str = "auto"
    quality: str = "auto"
    n: int = 1
    format: str = "png"
    background: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The settings that took effect, read from the response and the bytes."""

    size: str
    quality: str
    background: str
    output_format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How an image came to be: everything that is kept about it beside its file.

    Attributes:
        parents: Ids of the images it was made from.
        cost: Its share of the call's cost: the call's cost divided by the number of images.
        call_id: The call (and job) that made it.
        project_dir: The project folder the server worked in.
        owner: Whose image it is; empty for a local user.
    """

    kind: Kind
    prompt: str
    model: str
    requested: Requested
    applied: Applied
    cost: Cost
    route: Route = "images"
    usage: TokenUsage | None = None
    parents: tuple[str, ...] = ()
    call_id: str = ""
    request_id: str | None = None
    session_id: str = ""
    turn: int = 0
    project_dir: str = ""
    owner: str = ""
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image file in the library.

    Attributes:
        id: ``YYYYMMDD-HHMMSS-xxxxxx``, unique in the library.
        file_path: Absolute path of the file.
        sha256: Hex digest of the file's bytes.
    """

    id: str
    file_path: Path
    size_bytes: int
    sha256: str
    mime_type: str
    width: int
    height: int
    created_at: datetime
    provenance: Provenance

    @property
    def uri(self) -> str:
        """The resource address of the file."""
        return f"gpt-image://images/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """The outcome of a call that makes or shows images; ``status`` says whether it is finished.

    Attributes:
        call_id: The id under which the work is known; it is the job id while the call runs.
        usage: Of the whole call.
        elapsed_seconds: How long the call has run.
        expected_seconds: What calls of this kind took before; None when there were none.
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
    elapsed_seconds: float = 0.0
    expected_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits on spending and what is left of them; None means no limit."""

    per_call_usd: Decimal | None = None
    daily_usd: Decimal | None = None
    spent_today_usd: Decimal
    left_today_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A quote for one call, the same call at every quality, and the budget left."""

    model: str
    size: str
    quality: str
    n: int
    output_format: str
    input_images: int
    quote: Quote
    by_quality: dict[str, Quote] = field(default_factory=dict[str, Quote])
    budget: Budget
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a running call, for whoever watches it.

    Attributes:
        fraction: 0 to 1, never going back within a call.
        message: A sentence for a person.
    """

    stage: Stage
    fraction: float
    message: str


ProgressWatcher: TypeAlias = Callable[[Progress], Awaitable[None]]
