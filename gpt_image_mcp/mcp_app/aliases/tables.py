"""What other spellings mean, as tables: tools, then the arguments of each tool.

The rules of a table are applied in its order. Names are in snake case; ``calls.py`` sees to that.
"""

from __future__ import annotations

from gpt_image_mcp.mcp_app.aliases.drafts import (
    Rule,
    flag,
    folded,
    noted,
    nothing,
    refused,
    renamed,
    spoken,
    synonyms,
)
from gpt_image_mcp.mcp_app.aliases.meanings import (
    count_images,
    read_aspect_ratio,
    read_batch_settings,
    read_error_handling,
    read_mask_area,
    read_max_concurrent,
    read_naming_strategy,
    read_organize_by,
    read_remove_background,
    read_style,
    run_one_by_one,
)

TOOLS = {
    "generate-image": "generate_image",
    "edit-image": "edit_image",
    "batch-edit": "batch_edit_images",
    "batch_edit": "batch_edit_images",
    "batch-edit-images": "batch_edit_images",
    "start-edit-session": "start_edit_session",
    "continue-edit-session": "continue_edit_session",
    "end-edit-session": "end_edit_session",
    "list-edit-sessions": "list_edit_sessions",
    "get-image": "get_image",
    "find-images": "find_images",
    "search_images": "find_images",
    "list_images": "find_images",
    "export-image": "export_image",
    "convert_image": "export_image",
    "estimate-cost": "estimate_cost",
    "create_image": "generate_image",
}

_IMAGE_NAMES = (
    *("source_image", "source_images", "image", "image_path", "image_paths", "image_url", "image_urls"),
    *("image_id", "image_ids", "input_image", "input_image_path", "reference_image", "reference_images"),
    *("file", "file_path", "file_paths", "path", "ref"),
)
_PROMPT = synonyms("prompt", "edit_prompt", "instruction", "instructions", "text", "description")
_IMAGES = synonyms("images", *_IMAGE_NAMES, "input_images")
_SIZE: dict[str, Rule] = {
    "aspect_ratio": read_aspect_ratio,
    **synonyms("size", "image_size", "resolution", "dimensions"),
    **dict.fromkeys(
        ("width", "height"),
        refused("a size is one argument", 'Pass size "WIDTHxHEIGHT", such as "1536x1024".'),
    ),
}
_COUNT = synonyms("n", "num_images", "number_of_images", "count")
_FORMAT = synonyms("output_format", "format", "image_format")
_FOLDER = synonyms("output_dir", "output_directory", "output_folder", "output_path", "save_dir")
_INLINE = flag(
    on=noted(
        "{said} has no effect: the result carries a preview, the whole image is the file; get_image shows it "
        "larger."
    )
)
_FILES: dict[str, Rule] = {
    **_FOLDER,
    **synonyms("filename", "file_name"),
    "naming_strategy": read_naming_strategy,
    "organize_by": read_organize_by,
    "save_to_file": flag(
        off=noted("{said} false has no effect: every image is saved, so that nothing paid for is lost.")
    ),
    "include_base64": _INLINE,
}
_LOOKS: dict[str, Rule] = {
    "style": read_style,
    "negative_prompt": folded("Avoid: {}."),
    "remove_background": flag(on=read_remove_background),
}
_MOVED_ON: dict[str, Rule] = {
    "analyze_after_generation": flag(
        on=refused(
            "images are not analysed here",
            "Leave it out and look at the preview in the result; get_image shows the image larger.",
        )
    ),
    "job_id": refused(
        "this call would make, and bill, another image",
        "Call get_image with the job id as ref to collect the result.",
    ),
}
_MADE: dict[str, Rule] = {**_PROMPT, **_SIZE, **_COUNT, **_FORMAT, **_LOOKS, **_FILES, **_MOVED_ON}
_TO_EDIT = refused(
    "it draws from words and takes no images",
    "Call edit_image with the same prompt and the images as images, or leave it out.",
)
_TO_SESSION = refused(
    "it belongs to no session", "Call continue_edit_session with this session_id and the prompt."
)
_EDITED: dict[str, Rule] = {
    **_IMAGES,
    "strength": refused(
        "the model takes no strength",
        'Leave it out; say in the prompt how much may change ("only …, keep everything else"), or limit the '
        "edit with regions.",
    ),
    "preserve_composition": flag(on=spoken("Keep the composition: framing, arrangement and poses.")),
}
_MASKS: dict[str, Rule] = {
    **synonyms("mask", "mask_image", "mask_path", "mask_url"),
    **synonyms("regions", "region", "mask_region", "mask_regions"),
    "mask_area": read_mask_area,
}
_SESSION = synonyms("session_id", "session", "id")
_BATCH: dict[str, Rule] = {
    "max_concurrent": read_max_concurrent,
    "parallel_processing": flag(off=run_one_by_one),
    "error_handling": read_error_handling,
    # Progress goes to every client that asks for it.
    "progress_callback": nothing,
}
_REFERENCE = {
    **synonyms("ref", *(name for name in _IMAGE_NAMES if name != "ref")),
    **synonyms("ref", "images", "input_images", "id", "job_id", "session_id", "uri", "url", "reference"),
}

ARGUMENTS: dict[str, dict[str, Rule]] = {
    "generate_image": {
        **_MADE,
        **dict.fromkeys((*_IMAGE_NAMES, "images", "input_images", "mask", "regions"), _TO_EDIT),
        "session_id": _TO_SESSION,
    },
    "edit_image": {**_MADE, **_EDITED, **_MASKS, "session_id": _TO_SESSION},
    "batch_edit_images": {
        **_MADE,
        **_EDITED,
        "mask_area": read_mask_area,
        **_BATCH,
        "batch_settings": read_batch_settings(_BATCH),
    },
    "start_edit_session": {**_MADE, **_EDITED, **_MASKS, "session_id": _TO_SESSION},
    "continue_edit_session": {**_MADE, **_EDITED, **_MASKS, **_SESSION, **synonyms("from_turn", "turn")},
    "end_edit_session": _SESSION,
    "list_edit_sessions": {},
    "get_image": {**_REFERENCE, **synonyms("max_edge", "max_size")},
    "export_image": {**_REFERENCE, **_FORMAT, **_FOLDER},
    "find_images": {
        **synonyms("query", "prompt", "search", "text", "q", "keywords"),
        **synonyms("limit", "max_results", "count", "n"),
        **synonyms("since", "from", "start_date"),
        **synonyms("until", "to", "end_date"),
        "session": renamed("session_id"),
    },
    "estimate_cost": {
        **_SIZE,
        **_COUNT,
        **_FORMAT,
        **dict.fromkeys((*_IMAGE_NAMES, "images"), count_images),
        "prompt": nothing,
    },
}
