"""Tool calls that are refused, by subject: what a caller would have to do to read each message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DRAW = "generate_image"
EDIT = "edit_image"


@dataclass(frozen=True)
class Calls:
    """The calls of one subject, all to one server.

    Attributes:
        calls: A name for each, with the tool and its arguments.
        environment: The settings of the server; it is in the sandbox unless they say otherwise.
    """

    calls: dict[str, tuple[str, dict[str, Any]]]
    environment: dict[str, str] = field(default_factory=dict[str, str])


def _draw(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return DRAW, {"prompt": "a fox", "size": "816x816", "quality": "low", **arguments}


def _edit(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return EDIT, {"prompt": "a fox", "images": ["photo.png"], "quality": "low", **arguments}


def _region(**region: Any) -> tuple[str, dict[str, Any]]:
    return _edit(regions=[region])


def _export(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return "export_image", {"ref": "photo.png", **arguments}


def _played(failure: str, **arguments: Any) -> tuple[str, dict[str, Any]]:
    return _draw(prompt=f"a fox [sandbox:{failure}]", **arguments)


_ARGUMENTS = Calls(
    {
        "a prompt that is empty": _draw(prompt=" "),
        "a prompt that is too long": _draw(prompt="x" * 32_001),
        "no prompt": (DRAW, {"size": "816x816"}),
        "an unknown argument": _draw(promt="x"),
        "an argument of a wrong type": _draw(n="many"),
        "a size that is none": _draw(size="huge"),
        "a size of a wrong multiple": _draw(size="1001x1001"),
        "a size too long": _draw(size="4000x1024"),
        "a size too wide": _draw(size="3200x640"),
        "a size too small": _draw(size="160x160"),
        "a ratio of nothing": _draw(size="0:1"),
        "a quality that is none": _draw(quality="superb"),
        "a background that is none": _draw(background="blue"),
        "a transparent jpeg": _draw(background="transparent", output_format="jpeg"),
        "a format that is none": _draw(output_format="tiff"),
        "too much compression": _draw(output_format="jpeg", output_compression=101),
        "compression of a png": _draw(output_compression=50),
        "no image at all": _draw(n=0),
        "too many images": _draw(n=11),
        "a moderation that is none": _draw(moderation="none"),
        "a model that was shut down": _draw(model="dall-e-3"),
        "too many input images in a quote": ("estimate_cost", {"input_images": 17}),
        "a user that is too long": _draw(user="x" * 300),
        "outpainting to the same size": _edit(edit_type="outpaint", size="816x816", images=["square.png"]),
        "outpainting to a larger size of the same shape": _edit(
            edit_type="outpaint", size="square", images=["square.png"]
        ),
        "an edit type that is none": _edit(edit_type="collage"),
        "outpainting to an unknown size": _edit(edit_type="outpaint"),
        "a fidelity that is none": _edit(input_fidelity="superb"),
        "a fidelity that the model does not take": _edit(model="gpt-image-2", input_fidelity="low"),
        "two spellings that contradict each other": _draw(aspect_ratio="1:1", size="16:9"),
        "a tool that there is not": ("draw_image", {"prompt": "x"}),
    }
)
_ENGLISH = Calls(
    {"a prompt in another language": _draw(prompt="ein Fuchs im Schnee")},
    {"GPT_IMAGE_PROMPT_LANGUAGE": "english"},
)
_KEYLESS = Calls({"no key": _draw()}, {"GPT_IMAGE_SANDBOX": "0"})
_INPUTS = Calls(
    {
        "a file that is missing": _edit(images=["missing.png"]),
        "a file of a similar name": _edit(images=["phto.png"]),
        "a file in a folder that is missing": _edit(images=["no/such/folder/a.png"]),
        "no reference": _edit(images=[" "]),
        "no images": _edit(images=[]),
        "too many images": _edit(images=["photo.png"] * 17),
        "a folder": _edit(images=["album"]),
        "a pattern that matches nothing": _edit(images=["*.gif"]),
        "a device": _edit(images=["/dev/zero"]),
        "a text": _edit(images=["note.txt"]),
        "a page": _edit(images=["page.html"]),
        "a drawing": _edit(images=["drawing.svg"]),
        "an empty file": _edit(images=["empty.png"]),
        "a file that breaks off": _edit(images=["cut.png"]),
        "a file whose rest is damaged": _edit(images=["head.png"]),
        "a picture of too many pixels": _edit(images=["bomb.png"]),
        "an unknown id": _edit(images=["20200101-000000-abcdef"]),
        "a data URL of another type": _edit(images=["data:text/plain,hello"]),
        "a data URL that is damaged": _edit(images=["data:image/png;base64,iVBO?"]),
        "a data URL without a comma": _edit(images=["data:image/png;base64"]),
        "a data URL of nothing": _edit(images=["data:image/png;base64,"]),
        "base64 that is no image": _edit(images=["QUJD" * 30]),
        "an address on this machine": _edit(images=["http://127.0.0.1:9/a.png?token=secret"]),
        "an address of another kind": _edit(images=["ftp://example.com/a.png"]),
        "a path that is none": _edit(images=["a\0b.png"]),
        "an address that is none": _edit(images=["http:///a.png"]),
        "an address with a password": _edit(images=["http://user:pw@example.com/"]),
        "a picture description": _edit(images=['{"type": "image", "source": "somewhere"}']),
    }
)
_BOUNDED = Calls(
    {
        "a file that is too large": _edit(images=["large.bmp"]),
        "a data URL that is too large": _edit(images=["data:image/png;base64," + "A" * 20_000]),
    },
    {"GPT_IMAGE_MAX_INPUT_MB": "0.01"},
)
_CONFINED = Calls({"a file outside the folders": _edit()}, {"GPT_IMAGE_INPUT_ROOTS": "/nonexistent/pictures"})
_MASKS = Calls(
    {
        "an opaque colour picture": _edit(mask="noise.png"),
        "a mask of another shape": _edit(mask="stripe.png"),
        "a mask that covers nothing": _edit(mask="black.png"),
        "a mask that is no image": _edit(mask="note.txt"),
        "a mask that breaks off": _edit(mask="cut.png"),
        "a mask of too many pixels": _edit(mask="bomb.png"),
        "a mask that is missing": _edit(mask="missing.png"),
        "a region without a shape's parts": _region(shape="rectangle"),
        "a region of an unknown shape": _region(shape="star", box=[0, 0, 1, 1]),
        "a polygon of two points": _region(shape="polygon", points=[[0, 0], [1, 1]]),
        "a box of three numbers": _region(box=[0, 0, 1]),
        "a box of pixels in fractions": _region(box=[10, 10, 200, 100]),
        "a box whose edges are exchanged": _region(box=[0.5, 0.5, 0.2, 0.8]),
        "a region beside the image": _region(box=[1.1, 0.1, 1.5, 0.5]),
        "a region far beyond the image": _region(box=[-9000, 0, 90_000, 100], unit="px"),
        "a region that its feather eats": _region(box=[0.4, 0.4, 0.41, 0.41], feather=0.3),
        "a region that is no object": _edit(regions=["left half"]),
        "a region of text": _region(box=["left", 0, 1, 1]),
    }
)
_OUTPUTS = Calls(
    {
        "a system folder": _draw(output_dir="/etc/images"),
        "a folder of credentials": _draw(output_dir="~/.ssh"),
        "a folder that is a file": _draw(output_dir="note.txt"),
        "a folder that cannot be written": _draw(output_dir="/dev/null/images"),
        "a file name with a path": _draw(filename="../b.png"),
        "a file name that not every system takes": _draw(filename="a:b.png"),
    }
)
# What is drawn in the sandbox costs nothing, so budgets are for a key; nothing is sent with it.
_PAID = {"GPT_IMAGE_SANDBOX": "0", "OPENAI_API_KEY": "sk-test"}
_BUDGET = Calls(
    {
        "over the limit of a call": _draw(),
        "a price that is not known": _draw(model="gpt-image-9"),
    },
    {**_PAID, "GPT_IMAGE_MAX_COST_USD": "0.0001"},
)
_DAY = Calls({"over the budget of a day": _draw()}, {**_PAID, "GPT_IMAGE_DAILY_BUDGET_USD": "0.0001"})
_FORCED = Calls(
    {
        "several images at once": _edit(n=2),
        "a host that refuses": _edit(prompt="a fox [sandbox:host_refuses]"),
        "a picture call that failed": _edit(prompt="a fox [sandbox:image_call_failed]"),
        "a picture call that was moderated": _edit(prompt="a fox [sandbox:image_call_moderated]"),
        "a response that failed": _edit(prompt="a fox [sandbox:response_failed]"),
        "a response that is incomplete": _edit(prompt="a fox [sandbox:response_incomplete]"),
        "a response without a picture": _edit(prompt="a fox [sandbox:no_result]"),
    },
    {"OPENAI_FORCE_RESPONSES_EDITS": "1", "GPT_IMAGE_MAX_RETRIES": "0"},
)
_UPSTREAM = Calls(
    {
        name.replace("_", " "): _played(name)
        for name in (
            *("moderation_blocked", "launch_400", "input_fidelity", "invalid_size"),
            *("transparent_unsupported", "invalid_image_file", "unknown_parameter"),
            *("organization_not_verified", "permission_denied", "rate_limited", "insufficient_quota"),
            *("billing_hard_limit_reached", "model_not_found", "500", "503", "504", "529"),
            *("connect_error", "reset", "timeout", "html", "truncated_json", "truncated_image"),
            *("not_an_image", "empty_data", "error_in_200", "no_such_failure"),
        )
    },
    {"GPT_IMAGE_MAX_RETRIES": "0"},
)
_SESSIONS = Calls(
    {
        "a session that there is not": (
            "continue_edit_session",
            {"session_id": "session-20260101-000000-abcdef", "prompt": "x"},
        ),
        "ending a session that there is not": (
            "end_edit_session",
            {"session_id": "session-20260101-000000-abcdef"},
        ),
        "a session without images": ("start_edit_session", {"prompt": "x", "images": []}),
        "a session without a name": ("continue_edit_session", {"session_id": "", "prompt": "x"}),
    }
)
_HISTORY = Calls(
    {
        "an unknown image": ("get_image", {"ref": "20200101-000000-abcdef"}),
        "an unknown job": ("get_image", {"ref": "job-20200101-000000-abcdef"}),
        "an unknown session": ("get_image", {"ref": "session-20200101-000000-abcdef"}),
        "no reference": ("get_image", {"ref": ""}),
        "a file that is missing": ("get_image", {"ref": "missing.png"}),
        "a file that is no image": ("get_image", {"ref": "note.txt"}),
        "a file that breaks off": ("get_image", {"ref": "cut.png"}),
        "a crop that is none": ("get_image", {"ref": "photo.png", "crop": "left half"}),
        "a crop of nothing": ("get_image", {"ref": "photo.png", "crop": "0.5,0.5,0.2,0.8"}),
        "a crop beside the image": ("get_image", {"ref": "photo.png", "crop": "1.5,1.5,2,2"}),
        "a date that is none": ("find_images", {"since": "soon"}),
        "a date out of the calendar": ("find_images", {"until": "9999-12-31"}),
        "dates in the wrong order": ("find_images", {"since": "2026-02-01", "until": "2026-01-01"}),
        "too many at once": ("find_images", {"limit": 1000}),
        "a negative offset": ("find_images", {"offset": -1}),
        "a session that there is not": ("find_images", {"session_id": "session-1"}),
    }
)
_BATCHES = Calls(
    {
        "no images": ("batch_edit_images", {"prompt": "x", "images": []}),
        "a folder without images": ("batch_edit_images", {"prompt": "x", "images": ["album"]}),
        "only missing images": ("batch_edit_images", {"prompt": "x", "images": ["nowhere-1", "nowhere-2"]}),
        "too many images": ("batch_edit_images", {"prompt": "x", "images": ["photo.png"] * 101}),
        "too many at a time": (
            "batch_edit_images",
            {"prompt": "x", "images": ["photo.png"], "concurrency": 99},
        ),
        "outpainting to an unknown size": (
            "batch_edit_images",
            {"prompt": "x", "images": ["photo.png"], "edit_type": "outpaint"},
        ),
    }
)
_EXPORTS = Calls(
    {
        "a format that is none": _export(output_format="tiff"),
        "a fit that is none": _export(fit="fill"),
        "a preset that is none": _export(preset="banner"),
        "a negative width": _export(width=-1),
        "a height that is too large": _export(height=20_000),
        "a preset with a width": _export(preset="favicon", width=5),
        "a preset with a format": _export(preset="app_icon", output_format="png"),
        "an icon that is too large": _export(output_format="ico", width=300),
        "an icon that is not square": _export(output_format="ico", width=30, height=40),
        "a colour that is none": _export(background="greenish"),
        "a colour that is partly transparent": _export(background="#ff000080", output_format="jpeg"),
        "more pixels than are made": _export(width=16_000, height=16_000, fit="stretch"),
        "an edge that webp cannot store": _export(ref="strip.png", output_format="webp"),
        "a source that is missing": _export(ref="missing.png"),
        "a source that is no image": _export(ref="note.txt"),
        "a source that breaks off": _export(ref="cut.png"),
        "a source of too many pixels": _export(ref="bomb.png"),
        "a system folder": _export(output_dir="/etc/icons"),
    }
)
_ALIASES = Calls(
    {
        "one image said in two ways": _edit(image="small.png"),
        "a health check": ("health-check", {}),
        "a mask in a shape that none has": (
            "edit-image",
            {"prompt": "x", "image": "photo.png", "mask_area": 5},
        ),
        "a width and a height": ("generate_image", {"prompt": "x", "width": 100, "height": 100}),
        "subfolders": ("generate_image", {"prompt": "x", "organize_by": "date"}),
        "an analysis": ("generate_image", {"prompt": "x", "analyze_after_generation": True}),
        "a job of its own": ("generate_image", {"prompt": "x", "job_id": "job-1"}),
        "a session that takes no part": ("generate_image", {"prompt": "x", "session_id": "session-1"}),
        "a strength": _edit(strength=0.5),
        "images and a count": ("generate_image", {"prompt": "x", "n": 2, "count": 3}),
        "a tool that is switched off": ("list_edit_sessions", {}),
    },
    {"GPT_IMAGE_TOOLS": "core"},
)

CALLS = {
    "arguments": _ARGUMENTS,
    "prompt_language": _ENGLISH,
    "missing_key": _KEYLESS,
    "inputs": _INPUTS,
    "input_limits": _BOUNDED,
    "input_folders": _CONFINED,
    "masks_and_regions": _MASKS,
    "outputs": _OUTPUTS,
    "call_limit": _BUDGET,
    "daily_budget": _DAY,
    "responses_route": _FORCED,
    "upstream": _UPSTREAM,
    "sessions": _SESSIONS,
    "history": _HISTORY,
    "batches": _BATCHES,
    "exports": _EXPORTS,
    "aliases": _ALIASES,
}
