"""The values that the modules pass to each other.

All are frozen. Times are aware ``datetime`` values; sizes are pixels, lengths are bytes. Those about money
are in ``money.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from gpt_image_mcp.money import Cost

if TYPE_CHECKING:
    from collections.abc import Mapping

Route: TypeAlias = Literal["images", "responses"]
Kind: TypeAlias = Literal["image", "edit", "session", "batch"]
CallStatus: TypeAlias = Literal["running", "completed", "failed", "outcome_unknown"]


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
        overwrite: Whether a file of the exact name is replaced.
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
class InputImage:
    """An image that goes up with an edit, as it will be sent.

    Attributes:
        name: File name for the upload; its extension belongs to the bytes.
        data: The file, in a format and mode that the API takes.
        mime_type: ``image/png``, ``image/jpeg`` or ``image/webp``, true to the bytes.
        width: Pixels, after the orientation of the camera is applied; so is the height.
        source: How the caller called it, shortened, for messages.
        image_id: Its id in the library; empty for an image from elsewhere.
        notes: What had to be converted, a sentence each.
    """

    name: str
    data: bytes = field(repr=False)
    mime_type: str
    width: int
    height: int
    source: str = ""
    image_id: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retouch:
    """What puts the pixels back that an edit was not to change.

    Attributes:
        original: The file whose pixels count outside the mask: image 1, or its extended canvas.
        coverage: A grey PNG of the same size: 255 takes the edit, 0 the original, between them a blend.
    """

    original: bytes = field(repr=False)
    coverage: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """A generation, or with ``images`` an edit, as it will be sent: resolved and checked against the model.

    Attributes:
        size: ``auto`` or ``WIDTHxHEIGHT``.
        output_compression: 0-100, or None where the format takes none (it is then not sent).
        safety_identifier: Sent when not empty.
        partial_images: 0 for a plain call; 1-3 streams that many previews.
        mask: A PNG of image 1's size whose transparent pixels are to be edited; empty for none.
        input_fidelity: ``low`` or ``high``; not sent when empty.
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
    images: tuple[InputImage, ...] = ()
    mask: bytes = field(default=b"", repr=False)
    input_fidelity: str = ""


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
class HostUsage:
    """The tokens of the chat model through which the Responses API makes an image."""

    model: str
    usage: TokenUsage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the API gave back for one request, read and not assumed.

    Attributes:
        images: The file bytes of each image, exactly as delivered.
        size: The echoed value, None where the endpoint echoes none; so for the next three.
        usage: The tokens of the image model.
        route: The endpoint that made it.
        host: On the Responses route, the model in between.
        notes: Sentences a user should know, such as "the endpoint reported no usage".
    """

    images: tuple[bytes, ...]
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    usage: TokenUsage | None = None
    request_id: str | None = None
    route: Route = "images"
    host: HostUsage | None = None
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
        edit_type: What kind of edit the caller named; empty for a generation.
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
    edit_type: str = ""
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
        c2pa: Whether the file carries signed C2PA provenance.
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
    c2pa: bool = False

    @property
    def uri(self) -> str:
        """The resource address of the file."""
        return f"gpt-image://images/{self.id}"

    def paid_with(self, calls: Mapping[str, str]) -> str:
        """The parent that this was made from by the same call, which carries the cost already; mostly empty.

        Args:
            calls: The calls of images that may be parents, by their ids.
        """
        made = self.provenance
        if not made.call_id:
            return ""
        return next((parent for parent in made.parents if calls.get(parent) == made.call_id), "")


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
class ImageResult:
    """The outcome of a call that makes or shows images; ``status`` says whether it is finished.

    Attributes:
        call_id: The id under which the work is known; it is the job id while the call runs.
        usage: Of the whole call.
        elapsed_seconds: How long the call has run.
        expected_seconds: What calls of this kind took before; None when there were none.
        partial: The latest partial image of a running call; empty without.
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
class EndedSession:
    """A session that takes no more turns; its images stay."""

    id: str
    turns: int
    last_image_id: str


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
