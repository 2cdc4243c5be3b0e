"""The observer of a request, who is told how far it is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from gpt_image_mcp.values.progress import Stage

# Decodes an image when it is called, which blocks; gives its bytes, empty if it is damaged.
LazyImage: TypeAlias = Callable[[], bytes]
# Awaited when the work has ended, however it ended; gives notes for the result.
Cleanup: TypeAlias = Callable[[], Coroutine[Any, Any, tuple[str, ...]]]


class Observer(Protocol):
    """Is told how far a request is, while it is made.

    Attributes:
        owner: By whose name callers take turns; empty for whoever uses this machine.
    """

    owner: str

    def advance(self, stage: Stage) -> None:
        """The request enters a stage."""
        ...

    def mark_sent(self) -> None:
        """The request leaves; from now on it may be billed."""
        ...

    def mark_unsent(self) -> None:
        """The request came back and certainly made nothing; it may be sent again."""
        ...

    async def keep_body(self, body: bytes) -> None:
        """The body of an answer arrived, and was not interpreted yet."""
        ...

    def receive_partial(self, image: LazyImage) -> None:
        """A partial image arrived, where the request asks for them."""
        ...

    def add_cleanup(self, cleanup: Cleanup) -> None:
        """The request leaves something behind that is to be removed when the work has ended."""
        ...


class NullObserver:
    """An observer for callers who want to know nothing."""

    owner: str = ""

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
