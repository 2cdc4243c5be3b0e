"""The size of a picture."""

from __future__ import annotations

from typing import NamedTuple


class Pixels(NamedTuple):
    """A width and a height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        """As the API writes it: ``1024x1024``."""
        return f"{self.width}x{self.height}"

    @property
    def area(self) -> int:
        """The number of pixels."""
        return self.width * self.height

    @property
    def ratio(self) -> float:
        """Width divided by height."""
        return self.width / self.height
