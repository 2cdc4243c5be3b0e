"""Images for galleries, with prompts that would like to be more than text."""

from __future__ import annotations

import asyncio
import hashlib
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from PIL import Image

from gpt_image_mcp.cli.gallery.page import write_gallery
from gpt_image_mcp.money import Cost
from gpt_image_mcp.values.images import Applied, Provenance, Requested, StoredImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.cli.gallery.page import GalleryReport

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1"> "quoted" \'single\' &lt; <!-- {{script}} {{data}}',
    "ارسم قارباً \u202e على بحيرة",
    "薄雾中的纸船 🚣\u200d♀️ \u2028 \ud83d lone half",
    "long " * 6400,
    "",
)


def write_picture(path: Path, *, size: tuple[int, int] = (640, 480), mode: str = "RGB") -> None:
    """Writes an image file of one colour."""
    stream = io.BytesIO()
    colour = (200, 30, 90, 128)[: len(mode)]
    Image.new(mode, size, colour).save(stream, path.suffix[1:].replace("jpg", "jpeg"))
    path.write_bytes(stream.getvalue())


def sample_image(
    path: Path,
    number: int,
    *,
    prompt: str = "a boat",
    parents: tuple[str, ...] = (),
    session: tuple[str, int] = ("", 0),
    usd: Decimal | None = Decimal("0.0500"),
    sandbox: bool = False,
    call_id: str = "",
) -> StoredImage:
    """An image whose file is there; larger numbers are older."""
    data = path.read_bytes() if path.exists() else b"gone"
    return StoredImage(
        id=f"20261121-090000-{number:06x}",
        file_path=path,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        mime_type="image/png",
        width=640,
        height=480,
        created_at=datetime(2026, 11, 21, 9, tzinfo=UTC) - timedelta(minutes=number),
        provenance=Provenance(
            kind="image",
            prompt=prompt,
            model="gpt-image-2",
            requested=Requested(),
            applied=Applied(size="640x480", quality="low", background="opaque", output_format="png"),
            cost=Cost(usd=usd, basis="usage"),
            parents=parents,
            session_id=session[0],
            turn=session[1],
            sandbox=sandbox,
            call_id=call_id,
        ),
    )


def write_page(images: Sequence[StoredImage], path: Path, *, allowed_seconds: float = 30) -> GalleryReport:
    """Writes the gallery of images."""
    return asyncio.run(write_gallery(images, path, allowed_seconds=allowed_seconds))
