"""The types of tool parameters, with the descriptions that models read.

The descriptions are short, because every byte of a schema is paid for in each conversation. Defaults stand in
the signatures of the tools. Schemas keep to what every client's converter takes: one plain type for each
value, lists with their items, objects with their members. ``aliases/binding.py`` brings what is close to it
into that form.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gpt_image_mcp.coercion import comma_separated, format_name, lowered

Prompt = Annotated[
    str,
    Field(description="What to show: scene, subject, details, style; quote literal text. Any language."),
]
Moderation = Literal["auto", "low"]
WaitSeconds = Annotated[
    float,
    Field(
        ge=-1,
        description="After so long the call returns a job id instead; -1 = as configured, 0 = at once.",
    ),
]
Wait = Annotated[float, Field(ge=-1)]

PlainImages = list[str]
ImageReferences = Annotated[
    PlainImages,
    Field(description="1-16 file paths, URLs, data URLs or image ids; the first is the one edited."),
]
ExtraImages = Annotated[PlainImages, Field(description="Extra references for this turn.")]
BatchImages = Annotated[PlainImages, Field(description="1-100 images: also folders and globs.")]
Mask = Annotated[
    str, Field(description="PNG of image 1's size: transparent (or white in black-and-white) is edited.")
]
_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
# What is in a region is judged by ``imaging/regions.py``.
_REGION = {
    "type": "object",
    "properties": {
        "shape": {"type": "string", "enum": ["rectangle", "ellipse", "polygon"]},
        "box": _NUMBERS,
        "points": {"type": "array", "items": _NUMBERS},
        "unit": {"type": "string", "enum": ["fraction", "px"]},
        "invert": {"type": "boolean"},
        "feather": {"type": "number"},
    },
}
PlainRegions = list[Annotated[Any, WithJsonSchema(_REGION)]]
Regions = Annotated[
    PlainRegions,
    Field(
        description="Parts of image 1 to edit: box [left, top, right, bottom] of a rectangle or ellipse, or "
        "points [[x, y], ...] of a polygon, as fractions 0-1 (or unit px); invert = all but this, feather "
        "0.02 = a soft edge."
    ),
]
PlainEditType = Literal[
    "free",
    "inpaint",
    "outpaint",
    "variation",
    "style_transfer",
    "object_removal",
    "background_change",
    "color_adjustment",
    "enhancement",
]
EditType = Annotated[
    PlainEditType,
    Field(description="Words the request for this kind of edit; outpaint extends image 1 to size."),
]
InputFidelity = Annotated[Literal["auto", "low", "high"], Field(description="Older models only.")]
KeepUnmasked = Annotated[bool, Field(description="Put the original pixels back outside mask and regions.")]
OnError = Literal["continue", "stop"]
Concurrency = Annotated[int, Field(ge=1, le=16)]
FromTurn = Annotated[
    int, Field(ge=-1, description="-1 = latest, 0 = the start images, 1 = the first result.")
]
InputImages = Annotated[int, Field(ge=0, le=16, description="Input images, for an edit.")]
# Published as text, because a choice of types is refused by some clients' converters.
Ref = Annotated[
    str | list[str],
    WithJsonSchema(
        {
            "type": "string",
            "description": "Id of an image, session or job, a file path or URL; or a JSON list of 2-12 of "
            "them: one sheet to compare.",
        }
    ),
]
Query = Annotated[str, Field(description="Words of the prompt, in any order.")]
Limit = Annotated[int, Field(ge=1, le=100)]
LimitOrSums = Annotated[int, Field(ge=0, le=100, description="0 = sums only.")]
Offset = Annotated[int, Field(ge=0)]
Since = Annotated[str, Field(description="ISO date or time, today, yesterday, 24h, 7d, 4w; so is until.")]
AnyImage = Annotated[str, Field(description="Image id, file path, URL or data URL.")]
# No enum where the default is empty: the Gemini API refuses a declaration with an empty choice.
ExportFormat = Annotated[
    str, Field(description="png, jpeg, webp, avif, ico; empty = the source's."), BeforeValidator(format_name)
]
Edge = Annotated[int, Field(ge=0, le=16383, description="Pixels; 0 = follows from the other.")]
PlainEdge = Annotated[int, Field(ge=0, le=16383)]
FitMode = Annotated[
    Literal["auto", "contain", "cover", "stretch"],
    Field(description="cover crops; auto = cover for presets, else contain."),
]
Preset = Annotated[
    str,
    Field(description="A set of files: favicon, app_icon or social (og, square, story)."),
    BeforeValidator(lowered),
]
BackgroundColour = Annotated[
    str,
    Field(description='Colour behind transparency and in the bars of contain; "transparent" = clear bars.'),
]
MaxEdge = Annotated[
    int,
    Field(ge=0, le=4096, description="Longest edge in pixels; 0 = the usual preview. Larger costs tokens."),
]
CropBox = Annotated[
    str,
    Field(description='Part to show: "left,top,right,bottom" as fractions, e.g. "0,0,0.5,1".'),
    BeforeValidator(comma_separated),
]
Grid = Annotated[bool, Field(description="Draw rulers in fractions, to choose regions for an edit.")]
