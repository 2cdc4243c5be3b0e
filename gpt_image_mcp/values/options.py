"""What a caller asks of the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

QualityName: TypeAlias = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What a caller asks of the output, in the caller's own spelling.

    Attributes:
        model: Model name; empty takes the configured one, "sandbox" runs this call in the sandbox.
        size: auto, WxH, a ratio such as 16:9, or square, landscape, portrait, also with _2k or _4k.
        quality: auto, low, medium, high, on newer models xhigh and max; standard means medium, hd means high.
        n: How many images, 1 to 10.
        background: auto, opaque or transparent (png and webp).
        output_format: png, jpeg or webp.
        output_compression: 0 to 100, jpeg and webp only.
        output_dir: Folder for the files; empty takes the configured one.
        filename_prefix: A label put into the unique file name.
        filename: An exact file name instead of a unique one; a taken name gets a number.
        user: An end-user id, sent to OpenAI as the safety identifier.
        overwrite: Whether a file of the exact name is replaced.
    """

    model: str = ""
    size: str = "auto"
    quality: str = "auto"
    n: int = 1
    background: str = "auto"
    output_format: str = "png"
    output_compression: int = 100
    output_dir: str = ""
    filename_prefix: str = ""
    filename: str = ""
    user: str = ""
    overwrite: bool = False


class OutputArguments(TypedDict, total=False):
    """``OutputOptions`` as keyword arguments, for methods that take them one by one."""

    model: str
    size: str
    quality: str
    n: int
    background: str
    output_format: str
    output_compression: int
    output_dir: str
    filename_prefix: str
    filename: str
    user: str
    overwrite: bool
