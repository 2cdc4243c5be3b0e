"""The types of tool parameters, with the descriptions that models read.

Each has its own, because some clients show a model one tool alone; they are short, because every byte of a
schema is paid for in each conversation. Defaults stand in the signatures of the tools. Schemas keep to what
every client's converter takes: one plain type for each value, lists with their items, objects with their
members. ``aliases/binding.py`` brings what is close to it into that form.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from gpt_image_mcp.coercion import comma_separated, format_name, lowered

Prompt = Annotated[
    str,
    Field(description="What to show: scene, subject, details, style; quote literal text. Any language."),
]
EditPrompt = Annotated[
    str, Field(description='What to change and what must stay; call inputs "Image 1", "Image 2".')
]
BatchPrompt = Annotated[str, Field(description="What to change in each image, and what must stay.")]
TurnPrompt = Annotated[str, Field(description="One change for this turn, and what must stay.")]
Moderation = Annotated[Literal["auto", "low"], Field(description="low = less strict.")]
Wait = Annotated[float, Field(ge=-1, description="Seconds until a job_id comes back; 0 = at once.")]
JobWait = Annotated[
    float, Field(ge=-1, description="How long to wait for a running job; -1 = as configured.")
]

ImageReferences = Annotated[
    list[str],
    Field(description="1-16 paths, URLs, data URLs or image ids; the first is edited."),
]
ExtraImages = Annotated[list[str], Field(description="More pictures to show in this turn: paths, ids.")]
BatchImages = Annotated[list[str], Field(description="1-100 paths, ids or URLs; also folders and globs.")]
BatchReferences = Annotated[
    list[str], Field(description='Up to 8 pictures that go along with each as "Image 2", "Image 3", ...')
]
_STILLS = Field(json_schema_extra={"enum": ["png", "jpeg", "webp"]})
StillFormat = Annotated[str, Field(description="Format of the files."), _STILLS, BeforeValidator(format_name)]
KEPT = "Default: the session's."
TurnFormat = Annotated[str, Field(description=KEPT), _STILLS, BeforeValidator(format_name)]
Mask = Annotated[
    str, Field(description="PNG of image 1's size; what is transparent (or white on black) is edited.")
]
_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
_POINTS: dict[str, Any] = {"type": "array", "items": _NUMBERS}
_UNIT: dict[str, Any] = {"type": "string", "enum": ["fraction", "px"]}
# What is in a region is judged by ``imaging/regions.py``, and in a mark by ``imaging/marks.py``.
_REGION = {
    "type": "object",
    "properties": {
        "shape": {"type": "string", "enum": ["rectangle", "ellipse", "polygon"]},
        "box": _NUMBERS,
        "points": _POINTS,
        "unit": _UNIT,
        "invert": {"type": "boolean"},
        "feather": {"type": "number"},
    },
}
Regions = Annotated[
    list[Annotated[Any, WithJsonSchema(_REGION)]],
    Field(
        description="Parts of image 1 to edit, in fractions (or px): box [left, top, right, bottom], or "
        "points [[x, y], ...] of a polygon; feather 0.02 = soft edge."
    ),
]
_MARK = {
    "type": "object",
    "properties": {
        "shape": {"type": "string", "enum": ["arrow", "circle", "box", "path", "label"]},
        "box": _NUMBERS,
        "points": _POINTS,
        "unit": _UNIT,
        "text": {"type": "string"},
    },
}
Markup = Annotated[str, Field(description="Your own hints: a transparent PNG of image 1's size.")]
Marks = Annotated[
    list[Annotated[Any, WithJsonSchema(_MARK)]],
    Field(description="Hints (move this here), no mask; circle and box take a box."),
]
EditType = Annotated[
    Literal[
        "free",
        "inpaint",
        "outpaint",
        "variation",
        "style_transfer",
        "object_removal",
        "background_change",
        "color_adjustment",
        "enhancement",
    ],
    Field(
        description="free suits most edits; the others add to the prompt what must stay; outpaint "
        "extends image 1 to size."
    ),
]
InputFidelity = Annotated[Literal["auto", "low", "high"], Field(description="Older models only.")]
KeepUnmasked = Annotated[bool, Field(description="Put the original pixels back outside mask and regions.")]
OnError = Annotated[
    Literal["continue", "stop"], Field(description="stop = after a failure, begin no further image.")
]
SessionId = Annotated[str, Field(description="From start_edit_session or list_edit_sessions.")]
Concurrency = Annotated[int, Field(ge=1, le=16)]
FromTurn = Annotated[
    int,
    Field(ge=-1, description="Turn to change: -1 = latest, 0 = the start images, 1 = the first result."),
]
ImageCount = Annotated[int, Field(ge=1, le=1000, description="How many in all.")]
AboutMarkup = Annotated[bool, Field(description="With markup or marks.")]
BudgetUsd = Annotated[float, Field(ge=0, description="Adds what this pays for.")]
InputImages = Annotated[int, Field(ge=0, le=16, description="Number of inputs of an edit.")]
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
OurImage = Annotated[str, Field(description="Id or path of one of our images.")]
Confirm = Annotated[bool, Field(description="true deletes; false only says what would go.")]
LocalFile = Annotated[str, Field(description="Its path on the user's machine, for the curl line.")]
Query = Annotated[str, Field(description="Words of the prompt, in any order.")]
Limit = Annotated[int, Field(ge=0, le=100, description="At most so many; 0 = sums only.")]
SessionLimit = Annotated[int, Field(ge=1, le=100, description="At most so many.")]
Offset = Annotated[int, Field(ge=0, description="Skip so many, as next_offset says.")]
OfSession = Annotated[str, Field(description="Of this session.")]
OfModel = Annotated[str, Field(description="By this model.")]
Since = Annotated[str, Field(description="ISO date or time, today, yesterday, 24h, 7d, 4w.")]
Until = Annotated[str, Field(description="In the same form.")]
AnyImage = Annotated[str, Field(description="Image id, file path, URL or data URL.")]
# No enum where the default is empty: the Gemini API refuses a declaration with an empty choice.
ExportFormat = Annotated[
    str,
    Field(description="png, jpeg, webp, avif, ico, svg (of an SVG); empty = the source's."),
    BeforeValidator(format_name),
]
Width = Annotated[int, Field(ge=0, le=16383, description="Pixels; 0 = follows from height.")]
Height = Annotated[int, Field(ge=0, le=16383, description="Pixels; 0 = follows from width.")]
FitMode = Annotated[
    Literal["auto", "contain", "cover", "stretch"],
    Field(description="cover crops; auto = cover for presets, else contain."),
]
Preset = Annotated[
    Literal["none", "favicon", "app_icon", "social"],
    Field(
        description="A set of files: favicon (ico, PNGs 16-48, apple touch icon, icons 192 and 512, "
        "manifest), app_icon (opaque, 1024-120), social (1200x630, 1080x1080, 1080x1920)."
    ),
    BeforeValidator(lowered),
]
ExportQuality = Annotated[int, Field(ge=0, le=100, description="Of jpeg, webp, avif; 0 = no visible loss.")]
MaxKilobytes = Annotated[
    float,
    Field(description="Most kB: less quality until it fits, then fewer pixels if width and height are 0."),
]
ExportName = Annotated[
    str, Field(description="Exact name or path (assets/logo.webp); its ending is the format.")
]
ExportFolder = Annotated[
    str, Field(description="Folder; empty = beside a source in the project, else as for images.")
]
BackgroundColour = Annotated[
    str,
    Field(description='Colour of bars and behind transparency; "transparent" = clear bars.'),
]
MaxEdge = Annotated[
    int,
    Field(ge=0, le=4096, description="Longest edge in pixels; 0 = the usual preview. Larger costs tokens."),
]
CropBox = Annotated[
    str,
    Field(description="Part to show: left,top,right,bottom in fractions, such as 0,0,0.5,1."),
    BeforeValidator(comma_separated),
]
Grid = Annotated[bool, Field(description="Draw rulers in fractions, to choose regions for an edit.")]
Folder = Annotated[str, Field(description="Folder; empty = the configured one.")]
