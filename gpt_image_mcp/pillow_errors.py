"""One error for whatever Pillow raises.

On a damaged or hostile file Pillow raises nearly anything: its own errors, those of the standard library, and
``MemoryError``. Whoever opens an image catches ``DamagedImage`` instead.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Generator


class DamagedImage(Exception):
    """A file that Pillow cannot decode, or pixels that it cannot work on; its text says why."""


class Oversized(DamagedImage):
    """A picture that would take too much memory or time, and may be sound."""


class DrawingUnavailable(DamagedImage):
    """A sound file of a kind whose drawing needs a package that is not installed."""


@contextmanager
def unify_pillow_errors() -> Generator[None]:
    """Turns whatever is raised in the block into ``DamagedImage``; errors of our own tree pass as they are.

    Raises:
        DamagedImage: If anything in the block fails.
    """
    try:
        yield
    except (ImageError, DamagedImage):
        raise
    except Exception as error:
        raise DamagedImage(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Why it failed, in words."""
    if type(error).__name__ == "UnidentifiedImageError":  # its own words name an object in memory
        return "its bytes are no image"
    return str(error) or type(error).__name__
