"""The parameters that tools share, each with the one description a model reads.

Every byte of a schema is paid for in each conversation, so the words are few. A default stands on the tool's
signature; an explicit null is turned into it before validation (``middleware.py``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field


def _lower(value: object) -> object:
    """Forgives case and blanks."""
    return value.strip().lower() if isinstance(value, str) else value


def _format(value: object) -> object:
    """Also understands ``jpg``, ``.png`` and ``image/webp``."""
    text = _lower(value)
    if isinstance(text, str):
        text = text.removeprefix("image/").removeprefix(".")
        return "jpeg" if text == "jpg" else text
    return text


Prompt = Annotated[
    str,
    Field(description="What to show: scene, subject, details, style; quote literal text. Any language."),
]
Model = Annotated[
    str,
    Field(description='Model name; empty = the configured default. "sandbox" = fake picture, free, no key.'),
]
Size = Annotated[
    str,
    Field(
        description="auto, WxH, a ratio (16:9), or square, landscape, portrait, also with _2k or _4k. "
        "Larger costs more."
    ),
]
Quality = Annotated[
    Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"],
    Field(description="low is cheap and fast: use it for drafts. xhigh and max: newest models only."),
    BeforeValidator(_lower),
]
Count = Annotated[int, Field(ge=1, le=10, description="How many images; each is paid for.")]
Background = Annotated[Literal["auto", "opaque", "transparent"], BeforeValidator(_lower)]
OutputFormat = Annotated[
    Literal["png", "jpeg", "webp"],
    Field(description="transparent needs png or webp."),
    BeforeValidator(_format),
]
OutputCompression = Annotated[int, Field(ge=0, le=100, description="0-100, jpeg and webp only.")]
Moderation = Annotated[Literal["auto", "low"], BeforeValidator(_lower)]
OutputDir = Annotated[str, Field(description="Folder for the files; empty = the configured one.")]
FilenamePrefix = Annotated[str, Field(description="A label put into the unique file name.")]
Filename = Annotated[str, Field(description="An exact file name instead; never overwrites.")]
User = Annotated[str, Field(description="End-user id for OpenAI's safety checks.")]
WaitSeconds = Annotated[
    float,
    Field(
        ge=-1,
        description="After so long the call returns a job id instead; -1 = as configured, 0 = at once.",
    ),
]
InputImages = Annotated[int, Field(ge=0, le=16, description="Input images, for an edit.")]
Ref = Annotated[str, Field(description="Image id, gpt-image:// address, file path, or job id.")]
MaxEdge = Annotated[
    int,
    Field(ge=0, le=4096, description="Longest edge in pixels; 0 = the usual preview. Larger costs tokens."),
]
CropBox = Annotated[
    str, Field(description='Part to show: "left,top,right,bottom" as fractions, e.g. "0,0,0.5,1".')
]
Grid = Annotated[bool, Field(description="Draw rulers in fractions, to choose regions for an edit.")]
