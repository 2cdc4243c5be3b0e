"""How broad and how long the arguments of a call may be.

Each entry of a list or object is spelled, judged and complained about by itself, while nobody else is
answered. No tool takes more of them than a polygon has points. Texts are long where an image is in one, in
base64; of others each copy takes time, and up to four times their length in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.values.json import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sized

_MOST_ENTRIES = 1_000
_MOST_CHARACTERS, _MOST_CHARACTERS_OF_WORDS = 1_000_000, 100_000
# What may be an image in base64, beside the texts in lists.
_IMAGES = frozenset({"ref", "mask", "markup"})


def require_narrow(arguments: Mapping[str, object]) -> None:
    """Refuses arguments among or in which a list or object has too many entries, or a text is too long.

    Raises:
        InvalidArgument: With the number.
    """
    for part in parts_of(dict(arguments)):
        if isinstance(part, dict | list) and (count := len(cast("Sized", part))) > _MOST_ENTRIES:
            message = f"The arguments have a list or object of {count:,} entries."
            raise InvalidArgument(message, next_step=f"Send at most {_MOST_ENTRIES:,} in one.")
        if isinstance(part, str) and len(part) > _MOST_CHARACTERS and not part.isascii():
            message = f"The arguments have a text of {len(part):,} characters, which is no base64."
            raise InvalidArgument(message, next_step="Pass an image as a path, or in base64.")


def require_words(arguments: Mapping[str, object]) -> None:
    """Refuses arguments of ours in which a text that is no image is too long.

    Raises:
        InvalidArgument: With its name and length.
    """
    for name, value in arguments.items():
        if isinstance(value, str) and len(value) > _MOST_CHARACTERS_OF_WORDS and name not in _IMAGES:
            message = f"{name} has {len(value):,} characters."
            raise InvalidArgument(message, next_step="Shorten it: nothing that long can be meant.")
