"""What a caller asks of the output."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias, TypedDict, cast

from pydantic import BeforeValidator, Field

from gpt_image_mcp.coercion import format_name, lowered

QualityName: TypeAlias = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]


def _choices(*names: str) -> Any:
    """Publishes which values a text may have; ``catalogue.validation`` checks that it has one of them."""
    return Field(json_schema_extra={"enum": [*names]})


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What a caller asks of the output, in the caller's own spelling.

    The one definition of these options: tools publish the fields as their parameters, commands as theirs.
    The metadata is pydantic's, for the tools. A ``Field`` with a description has nothing else in it, because
    a tool may have other words (``mcp_app/tools/output_options.py``), as every tool has for ``model``.

    Attributes:
        model: Model name; empty takes the configured one, "sandbox" runs this call in the sandbox.
        size: auto, WxH, a ratio such as 16:9, or square, landscape, portrait (also with _2k or _4k), wide,
            tall, 2k, 4k.
        exact_size: Any WxH from 16 to 3840 a side instead of size, cut to the pixel on this machine.
        quality: auto, low, medium, high, on newer models xhigh and max; standard means medium, hd means high.
        n: How many images, 1 to 10.
        background: auto, opaque or transparent (png and webp).
        output_format: png, jpeg or webp; of newer models also gif (animation) and svg (vector file).
        output_compression: 0 to 100, jpeg and webp only.
        output_dir: Folder for the files; empty takes the configured one.
        filename_prefix: A label put into the unique file name.
        filename: An exact name instead of a unique one; a folder in it starts at the project or output_dir,
            its ending is the format, and a taken name gets a number.
        complexity: auto, low, medium or high: how much newer models plan before they draw.
        frame_count: Frames of a gif, 2 to 16; 0 for 9. ``frame_duration_ms`` is 200 for 0.
        user: An end-user id, sent to OpenAI as the safety identifier.
        overwrite: Whether a file of the exact name is replaced.
    """

    model: str = ""
    size: Annotated[
        str,
        Field(description="auto (edits keep the shape), WxH, 16:9, square, wide (16:9), tall, 2k, 4k."),
    ] = "auto"
    exact_size: Annotated[
        str,
        Field(description="Any WxH (16-3840) instead of size, cut to the pixel."),
    ] = ""
    quality: Annotated[
        str,
        Field(description="low = draft, high = final; auto may cost the most; xhigh, max: newest."),
        # "standard" and "hd", which older models had, are understood too, and not published.
        _choices("auto", "low", "medium", "high", "xhigh", "max"),
        BeforeValidator(lowered),
    ] = "auto"
    n: Annotated[
        int,
        Field(description="How many variations, each paid for; no need for equal calls."),
        Field(ge=1, le=10),
    ] = 1
    background: Annotated[
        str,
        Field(description="transparent: not for jpeg."),
        _choices("auto", "opaque", "transparent"),
        BeforeValidator(lowered),
    ] = "auto"
    output_format: Annotated[
        str,
        Field(description="gif = animation, svg = vector file."),
        _choices("png", "jpeg", "webp", "gif", "svg"),
        BeforeValidator(format_name),
    ] = "png"
    output_compression: Annotated[int, Field(description="For jpeg and webp."), Field(ge=0, le=100)] = 100
    output_dir: Annotated[str, Field(description="Folder; empty = configured.")] = ""
    filename_prefix: Annotated[str, Field(description="Label in the name.")] = ""
    filename: Annotated[
        str,
        Field(description="Exact name or path (./a.png, assets/logo.png); its ending is the format."),
    ] = ""
    user: Annotated[str, Field(description="End-user id for OpenAI's safety checks.")] = ""
    overwrite: Annotated[bool, Field(description="Replace that file.")] = False
    complexity: Annotated[
        str,
        Field(description="How much newest models plan."),
        _choices("auto", "low", "medium", "high"),
        BeforeValidator(lowered),
    ] = "auto"
    frame_count: Annotated[int, Field(description="Of a gif: 2-16; 0 = 9."), Field(ge=0)] = 0
    frame_duration_ms: Annotated[int, Field(description="Of a gif; 0 = 200."), Field(ge=0)] = 0

    def arguments(self) -> OutputArguments:
        """The options as keyword arguments: ``studio.generate(prompt, **options.arguments())``."""
        return cast("OutputArguments", asdict(self))

    def choices(self) -> OutputArguments:
        """The options that are not at their defaults."""
        default = asdict(OutputOptions())
        return cast(
            "OutputArguments", {name: value for name, value in asdict(self).items() if value != default[name]}
        )

    def with_choices(self, choices: OutputArguments) -> OutputOptions:
        """These options with others in their place; a size also replaces an exact one, and vice versa."""
        plain = self
        if "exact_size" in choices:
            plain = replace(plain, size="auto")
        if "size" in choices:
            plain = replace(plain, exact_size="")
        return replace(plain, **choices)


class OutputArguments(TypedDict, total=False):
    """The fields of ``OutputOptions`` for type checkers, which cannot read keyword arguments off a class."""

    model: str
    size: str
    exact_size: str
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
    complexity: str
    frame_count: int
    frame_duration_ms: int
