"""Pictures in by link, as time goes by: taken once, and gone from the disk after a day."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from gpt_image_mcp.errors import InputNotFound, InputRejected, NotFound
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.library.uploads import KEPT_FOR
from gpt_image_mcp.services.inputs import Inputs
from gpt_image_mcp.services.transfers import Transfers
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.owners import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTES = timedelta(minutes=5)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        """The time on it."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the transfers."""
    return Clock()


@pytest.fixture
def transfers(project: Path, clock: Clock) -> Iterator[Transfers]:
    """Those of Anna, whose folder is the project."""
    settings = Settings(output_dir=str(project))
    library = Library(settings, owner=Owner(name="anna"))
    yield Transfers(settings, library, clock)
    library.close()


def _picture() -> io.BytesIO:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(stream, "PNG")
    return stream


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(pixels: bytes, *, size: int = 64, more: bytes = b"") -> io.BytesIO:
    """A PNG with its end, whatever is where its pixels should be."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
    body = _chunk(b"IDAT", pixels) + more + _chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + head + body)


def _without_pixels() -> dict[str, io.BytesIO]:
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(10_000_000))
    return {
        "none": _png(b""),
        "noise": _png(bytes(range(256))),
        "few": _png(zlib.compress(bytes(1000))),
        "many too few": _png(zlib.compress(bytes(1000)), size=5000),
        "bombs behind them": _png(zlib.compress(bytes(64 * 193)), more=_chunk(b"iTXt", text) * 30),
        "more than fit into memory": _png(zlib.compress(bytes(1000)), size=9000),
    }


async def _sent(transfers: Transfers) -> str:
    ref = await transfers.begin_upload(ends_at=transfers.clock() + MINUTES)
    assert await transfers.receive(ref, _picture())
    return ref


async def test_a_picture_is_read_as_it_was_sent(transfers: Transfers) -> None:
    ref = await _sent(transfers)
    source = await Inputs(transfers.settings, transfers.library).read(ref)
    assert source.data == _picture().getvalue()
    assert source.label == ref


async def test_the_picture_that_comes_second_leaves_nothing(transfers: Transfers, project: Path) -> None:
    ref = await _sent(transfers)
    assert not await transfers.receive(ref, _picture())
    assert len([*(project / "uploads").iterdir()]) == 1


async def test_a_picture_that_comes_too_late_leaves_nothing(
    transfers: Transfers, clock: Clock, project: Path
) -> None:
    ref = await transfers.begin_upload(ends_at=clock() + MINUTES)
    clock.now += MINUTES
    assert not await transfers.is_awaited(ref)
    assert not await transfers.receive(ref, _picture())
    assert not [*(project / "uploads").iterdir()]


async def test_after_a_day_the_next_link_that_anybody_makes_deletes_it(
    transfers: Transfers, clock: Clock, project: Path
) -> None:
    await _sent(transfers)
    await transfers.begin_upload(ends_at=clock() + MINUTES)
    assert [*(project / "uploads").iterdir()]
    clock.now += KEPT_FOR
    await transfers.begin_upload(ends_at=clock() + MINUTES)
    assert not [*(project / "uploads").iterdir()]


async def test_one_whose_file_is_gone_or_a_link_is_not_found(transfers: Transfers, project: Path) -> None:
    inputs = Inputs(transfers.settings, transfers.library)
    ref = await _sent(transfers)
    (file,) = (project / "uploads").iterdir()
    secret = project / "secret.png"
    file.rename(secret)
    with pytest.raises(InputNotFound, match=ref):
        await inputs.read(ref)
    file.symlink_to(secret)
    with pytest.raises(InputNotFound, match=ref):
        await inputs.read(ref)


async def test_what_is_refused_uses_nothing_up(transfers: Transfers) -> None:
    ref = await transfers.begin_upload(ends_at=transfers.clock() + MINUTES)
    with pytest.raises(InputRejected):
        await transfers.receive(ref, io.BytesIO(b"no picture"))
    assert await transfers.is_awaited(ref)


async def test_of_exports_only_pictures_in_the_folder_go_out(transfers: Transfers, project: Path) -> None:
    (project / "notes.txt").write_text("secret")
    (project / "icon.png").write_bytes(_picture().getvalue())
    (project.parent / "outside.png").write_bytes(_picture().getvalue())
    (project / "link.png").symlink_to(project.parent / "outside.png")
    sha256 = hashlib.sha256(_picture().getvalue()).hexdigest()
    assert (await transfers.export(f"{sha256}/icon.png")).mime_type == "image/png"
    for name in ("notes.txt", "link.png", "../outside.png", str(project.parent / "outside.png"), "", "."):
        with pytest.raises(NotFound):
            await transfers.export(f"{sha256}/{name}")
    for name in ("icon.png", "/icon.png", f"{sha256[::-1]}/icon.png", sha256):
        with pytest.raises(NotFound):
            await transfers.export(name)


@pytest.mark.parametrize("name", _without_pixels())
async def test_a_file_without_all_of_its_pixels_uses_no_link_up(transfers: Transfers, name: str) -> None:
    ref = await transfers.begin_upload(ends_at=transfers.clock() + MINUTES)
    with pytest.raises(InputRejected, match=ref):
        await transfers.receive(ref, _without_pixels()[name])
    assert await transfers.receive(ref, _picture())
