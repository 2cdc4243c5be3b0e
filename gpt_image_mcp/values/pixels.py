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

    def holds(self, other: Pixels) -> bool:
        """Whether the other size can be cut from this one."""
        return self.width >= other.width and self.height >= other.height

    def share_cut(self, shape: Pixels) -> float:
        """Which share of a picture of this size is lost if it is cut to another shape: 0 to 1."""
        first, second = self.width * shape.height, self.height * shape.width
        return 1 - min(first, second) / max(first, second)
