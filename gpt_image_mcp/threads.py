"""Running blocking work in a worker thread without keeping what it returned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``work`` returns, or raises, for results as large as an image.

    ``asyncio.to_thread`` leaves its result in a reference cycle of futures, where it stays until the garbage
    collector comes by.
    """
    box: list[_T] = []
    await asyncio.to_thread(lambda: box.append(work(*args, **kwargs)))
    return box.pop()
