"""Work in threads: what an error of it keeps alive."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.threads import in_database, in_drawing, in_folders, in_saving, in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Picture:
    """Stands for megabytes."""


@pytest.mark.parametrize("in_worker", [in_thread, in_drawing, in_saving, in_database, in_folders])
async def test_an_error_keeps_nothing_that_was_worked_on(in_worker: Callable[..., Awaitable[Any]]) -> None:
    pictures: list[weakref.ref[Picture]] = []

    def decode() -> Picture:
        picture = Picture()
        pictures.append(weakref.ref(picture))
        return picture

    def write() -> None:
        picture = decode()
        message = f"too many bytes of {picture}"
        raise ValueError(message)

    def export() -> None:
        picture = decode()
        try:
            write()
        except ValueError as error:
            message = f"no file of {[picture for _ in range(1)]}"
            raise InvalidArgument(message, next_step="Pass less.") from error

    gc.disable()
    try:
        with pytest.raises(InvalidArgument) as raised:
            await in_worker(export)
        await asyncio.sleep(0)
        assert [picture() for picture in pictures] == [None, None]
        assert isinstance(raised.value.__cause__, ValueError)
    finally:
        gc.enable()
