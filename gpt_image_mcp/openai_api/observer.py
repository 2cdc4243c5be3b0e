"""Who is told how far a request is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from gpt_image_mcp.values.progress import Stage

# Gives the bytes of an image, empty if it is damaged. Blocking: nothing is decoded before someone looks.
LazyImage: TypeAlias = Callable[[], bytes]
# What is to be done when the work has ended, however it ended; gives notes about it.
Cleanup: TypeAlias = Callable[[], Coroutine[Any, Any, tuple[str, ...]]]


class Observer(Protocol):
    """What a caller is told while its request is made."""

    def advance(self, stage: Stage) -> None:
        """The request enters a stage."""
        ...

    def mark_sent(self) -> None:
        """The request leaves; from now on it may be billed."""
        ...

    def mark_unsent(self) -> None:
        """It came back and certainly made nothing; it may leave again."""
        ...

    async def keep_body(self, body: bytes) -> None:
        """The body of an answer arrived, and was not interpreted yet."""
        ...

    def receive_partial(self, image: LazyImage) -> None:
        """A partial image arrived, where the request asks for them."""
        ...

    def add_cleanup(self, cleanup: Cleanup) -> None:
        """Something is left behind that is to be removed when the work has ended."""
        ...


class NullObserver:
    """An observer who does not look."""

    def advance(self, stage: Stage) -> None:
        """Nothing happens."""

    def mark_sent(self) -> None:
        """Nothing happens."""

    def mark_unsent(self) -> None:
        """Nothing happens."""

    async def keep_body(self, body: bytes) -> None:
        """Nothing happens."""

    def receive_partial(self, image: LazyImage) -> None:
        """Nothing happens."""

    def add_cleanup(self, cleanup: Cleanup) -> None:
        """Nothing happens."""


NULL_OBSERVER: Observer = NullObserver()
