"""Who hears how far a request is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

# Gives the bytes of an image, empty if it is damaged. Blocking: nothing is decoded before someone looks.
Unread: TypeAlias = Callable[[], bytes]


class Listener(Protocol):
    """What a caller is told while its request is made."""

    def mark_sent(self) -> None:
        """The request leaves; from now on it may be billed."""
        ...

    def mark_unsent(self) -> None:
        """It came back and certainly made nothing; it may leave again."""
        ...

    def receive_partial(self, image: Unread) -> None:
        """A partial image arrived, where the request asks for them."""
        ...


class Nobody:
    """A listener who does not listen."""

    def mark_sent(self) -> None:
        """Nothing happens."""

    def mark_unsent(self) -> None:
        """Nothing happens."""

    def receive_partial(self, image: Unread) -> None:
        """Nothing happens."""


NOBODY: Listener = Nobody()
