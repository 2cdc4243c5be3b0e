"""One error for whatever Pillow raises."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from gpt_image_mcp.errors import InputRejected
from gpt_image_mcp.pillow_errors import DamagedImage, unify_pillow_errors


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (OSError("image file is truncated"), "image file is truncated"),
        (SyntaxError("broken PNG file"), "broken PNG file"),
        (Image.DecompressionBombError("too many pixels"), "too many pixels"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_whatever_is_raised_becomes_one_error_that_says_why(raised: Exception, says: str) -> None:
    with pytest.raises(DamagedImage) as caught, unify_pillow_errors():
        raise raised
    assert str(caught.value) == says
    assert caught.value.__cause__ is raised


def test_what_pillow_cannot_identify_is_said_without_the_name_of_an_object() -> None:
    with pytest.raises(DamagedImage, match=r"^its bytes are no image$"), unify_pillow_errors():
        Image.open(io.BytesIO(b"hello"))


@pytest.mark.parametrize(
    "ours", [InputRejected("too large", next_step="Scale it down."), DamagedImage("cut off")]
)
def test_errors_of_our_own_pass_as_they_are(ours: Exception) -> None:
    with pytest.raises(type(ours)) as caught, unify_pillow_errors():
        raise ours
    assert caught.value is ours


def test_an_interrupt_is_no_damage() -> None:
    with pytest.raises(KeyboardInterrupt), unify_pillow_errors():
        raise KeyboardInterrupt
