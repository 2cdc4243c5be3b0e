"""Images: what their bytes are, how they came to be, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from gpt_image_mcp.ids import IMAGE_ID
from gpt_image_mcp.money import Cost
from gpt_image_mcp.object_paths import StoredPath, location
from gpt_image_mcp.regular_files import MOST_BYTES
from gpt_image_mcp.values.responses import Route, TokenUsage

Kind: TypeAlias = Literal["image", "edit", "session", "batch"]
# What is read of an image, from whatever file, is within these bounds. The API returns a tenth of that size.
Number: TypeAlias = Annotated[int, Field(ge=0, le=MOST_BYTES)]
Name: TypeAlias = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]
ImageId: TypeAlias = Annotated[str, Field(pattern=f"^{IMAGE_ID}$")]
Parents: TypeAlias = Annotated[tuple[ImageId, ...], Field(max_length=1000)]
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
Moment: TypeAlias = Annotated[AwareDatetime, Field(ge=_FIRST, lt=_LAST)]


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
    n: Number = 1
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
        group: The group that its owner was charged with; empty for none.
    """

    kind: Kind
    prompt: str
    model: Name
    requested: Requested
    applied: Applied
    cost: Cost
    route: Route = "images"
    usage: TokenUsage | None = None
    parents: Parents = ()
    edit_type: str = ""
    call_id: str = ""
    request_id: str | None = None
    session_id: str = ""
    turn: Number = 0
    project_dir: str = ""
    owner: Name = ""
    group: Name = ""
    sandbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image file in the library.

    Attributes:
        id: ``YYYYMMDD-HHMMSS-xxxxxx``, unique in the library.
        file_path: Absolute path of the file, or the path that stands for an object (``object_paths``).
        sha256: Hex digest of the file's bytes.
        c2pa: Whether the file carries signed C2PA provenance.
        home_folder: Where the metadata file lies, if the image is in a folder of the caller's choice.
    """

    id: ImageId
    file_path: StoredPath
    size_bytes: Number
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    mime_type: Annotated[str, Field(pattern=r"^(image/[a-z0-9.+-]{1,40}|application/octet-stream)$")]
    width: Number
    height: Number
    created_at: Moment
    provenance: Provenance
    c2pa: bool = False
    home_folder: StoredPath | None = None

    @property
    def location(self) -> str:
        """What the file is called towards everybody: its path, or the address of an object."""
        return location(self.file_path)

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
