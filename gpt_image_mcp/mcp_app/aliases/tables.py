"""What other spellings mean, as tables: the names of tools, then the arguments of each tool.

Names are in snake case. What the arguments of the two predecessors did is in ``docs/migrating.md``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Row(NamedTuple):
    """What becomes of an argument; nothing, where only the names are filled in.

    Attributes:
        names: The other spellings that mean this, with spaces between.
        ours: The argument of ours that it becomes.
        value: What ours is set to; None for the value that came.
        values: Their values, in lower case, that are called otherwise here.
        prompt: The sentence that is added to the prompt; ``{value}`` is the value.
        note: What the result says; ``{said}`` is the name that the caller used.
        notes: What the result says of some of their values.
        refusal: Why it cannot be done here; an empty value is not refused.
        next_step: What to write instead of what is refused.
        only_if: For what is yes or no: the answer that the row is about; the other one means nothing.
        special: What only this argument needs; see ``translation.py``.
    """

    names: str
    ours: str = ""
    value: object = None
    values: Mapping[str, str] = MappingProxyType({})
    prompt: str = ""
    note: str = ""
    notes: Mapping[str, str] = MappingProxyType({})
    refusal: str = ""
    next_step: str = ""
    only_if: bool | None = None
    special: Literal["", "area", "label", "wins"] = ""


# "generate-image" and the like are read as ours without being listed.
TOOLS = {
    "create_image": "generate_image",
    "batch_edit": "batch_edit_images",
    "search_images": "find_images",
    "list_images": "find_images",
    "convert_image": "export_image",
    "remove_image": "delete_image",
}

# Objects that clients and models put the arguments into; what is in them stands beside the others.
WRAPPERS = {
    *("arguments", "args", "kwargs", "input", "inputs", "tool_input", "tool_args", "params", "parameters"),
    "batch_settings",
}
# What clients add for themselves, to every tool: ids of calls and chats, plans, reasons, what fills an empty
# form. It means nothing here.
BOOKKEEPING = Row(
    "tool_call_id tool_use_id tool_name call_id request_id message_id conversation_id chat_id thread_id "
    "run_id trace_id span_id correlation_id agent_id _meta meta metadata progress_token task_progress action "
    "chat_input random_string dummy no_params __arg1 explanation reason reasoning thought thoughts callbacks "
    "run_manager requires_approval security_risk wait_for_previous_tools tool_summary"
)

_IMAGE_NAMES = (
    "source_image source_images image image_path image_paths image_url image_urls image_id image_ids "
    "input_image input_image_path reference_image reference_images file file_path file_paths path"
)
_STYLES = {
    "vivid": "vivid, saturated colours and strong contrast",
    "natural": "natural, true-to-life colours",
}
_ERROR_HANDLING = {"continue_on_error": "continue", "fail_fast": "stop", "retry_failed": "continue"}
_RETRIED = (
    "{said} retry_failed is on_error continue here: what can be sent again without paying twice always is; "
    "call again with the failed images only."
)
_TRUE_RATIO = (
    "{said} {value} gives a true {value} here; the 3:2 that an older server made of it is size landscape or "
    "portrait."
)
_SIZE = (
    Row("aspect_ratio", ours="size", notes={"16:9": _TRUE_RATIO, "9:16": _TRUE_RATIO}),
    Row("image_size resolution dimensions", ours="size"),
    Row(
        "width height",
        refusal="a size is one argument",
        next_step='Pass size "WIDTHxHEIGHT", such as "1536x1024".',
    ),
)
_COUNT = Row("num_images number_of_images count", ours="n")
_FORMAT = Row("format image_format", ours="output_format")
_FOLDER = Row("output_directory output_folder output_path save_dir", ours="output_dir")
_MADE = (
    Row("edit_prompt instruction instructions text description", ours="prompt"),
    *(*_SIZE, _COUNT, _FORMAT, _FOLDER),
    Row("file_name", ours="filename"),
    Row("style", prompt="Style: {value}.", values=_STYLES),
    Row("negative_prompt", prompt="Avoid: {value}."),
    Row(
        "remove_background",
        only_if=True,
        ours="background",
        value="transparent",
        note='{said} is background "transparent" here.',
    ),
    # As the label of the name; every name has date, time and a unique part anyway.
    Row(
        "naming_strategy",
        special="label",
        notes={"hash": "{said} hash has no effect: names hold the date, the time and a unique part."},
    ),
    Row(
        "organize_by",
        values={"none": ""},
        refusal="it makes no subfolders",
        next_step="Leave it out (names begin with the date, find_images searches by date, model and words), "
        'or pass the subfolder itself as output_dir, such as "/home/me/images/2026-11-21".',
    ),
    Row(
        "save_to_file",
        only_if=False,
        note="{said} false has no effect: every image is saved, so that nothing paid for is lost.",
    ),
    Row(
        "include_base64",
        only_if=True,
        note="{said} has no effect: the result carries a preview, the whole image is the file; get_image "
        "shows it larger.",
    ),
    Row(
        "analyze_after_generation",
        only_if=True,
        refusal="images are not analysed here",
        next_step="Leave it out and look at the preview in the result; get_image shows the image larger.",
    ),
    Row(
        "job_id",
        refusal="this call would make, and bill, another image",
        next_step="Call get_image with the job id as ref to collect the result.",
    ),
)
_EDITED = (
    Row(f"{_IMAGE_NAMES} ref input_images", ours="images"),
    Row(
        "strength",
        refusal="the model takes no strength",
        next_step='Leave it out; say in the prompt how much may change ("only …, keep everything else"), or '
        "limit the edit with regions.",
    ),
    Row(
        "preserve_composition",
        only_if=True,
        prompt="Keep the composition: framing, arrangement and poses.",
    ),
    # Words for the prompt, a file that is the mask, or regions; the first predecessor sent none of them.
    Row(
        "mask_area",
        special="area",
        prompt="Change only this part: {value}. Keep everything else as it is.",
        refusal="it is neither words nor a file",
        next_step='Pass regions [{"shape": "rectangle", "box": [left, top, right, bottom]}] in fractions of '
        "the image; get_image with grid shows them.",
    ),
)
_MASKS = (
    Row("mask_image mask_path mask_url", ours="mask"),
    Row("region mask_region mask_regions", ours="regions"),
)
_OTHER_SESSION = Row(
    "session_id",
    refusal="it belongs to no session",
    next_step="Call continue_edit_session with this session_id and the prompt.",
)
_SESSION = Row("session id", ours="session_id")
_BATCH = (
    Row("max_concurrent", ours="concurrency"),
    Row("parallel_processing", only_if=False, ours="concurrency", value=1, special="wins"),
    Row("error_handling", ours="on_error", values=_ERROR_HANDLING, notes={"retry_failed": _RETRIED}),
    # Progress goes to every client that asks for it.
    Row("progress_callback"),
)
_REFERENCE = Row(
    f"{_IMAGE_NAMES} images input_images id job_id session_id uri url reference",
    ours="ref",
)

# The rows of each tool, applied in their order, so that a later one may rely on what an earlier one wrote.
ARGUMENTS: dict[str, tuple[Row, ...]] = {
    "generate_image": (
        *_MADE,
        Row(
            f"{_IMAGE_NAMES} ref images input_images mask regions",
            refusal="it draws from words and takes no images",
            next_step="Call edit_image with the same prompt and the images as images, or leave it out.",
        ),
        _OTHER_SESSION,
    ),
    "edit_image": (*_MADE, *_EDITED, *_MASKS, _OTHER_SESSION),
    "batch_edit_images": (*_MADE, *_EDITED, *_BATCH),
    "start_edit_session": (*_MADE, *_EDITED, *_MASKS, _OTHER_SESSION),
    "continue_edit_session": (*_MADE, *_EDITED, *_MASKS, _SESSION, Row("turn", ours="from_turn")),
    "end_edit_session": (_SESSION,),
    "list_edit_sessions": (),
    "get_image": (_REFERENCE, Row("max_size", ours="max_edge")),
    "export_image": (_REFERENCE, _FORMAT, _FOLDER),
    "find_images": (
        Row("prompt search text q keywords", ours="query"),
        Row("max_results count n", ours="limit"),
        Row("from start_date", ours="since"),
        Row("to end_date", ours="until"),
        Row("session", ours="session_id"),
    ),
    "delete_image": (_REFERENCE, Row("confirmed yes", ours="confirm")),
    "estimate_cost": (
        *(*_SIZE, _COUNT, _FORMAT),
        Row(f"{_IMAGE_NAMES} ref images", ours="input_images"),
        Row("prompt"),
    ),
}
