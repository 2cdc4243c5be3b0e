"""Kinds of edit, each a template that turns the caller's prompt into the one that is sent.

The templates follow OpenAI's prompting guide for gpt-image models (OpenAI cookbook): number the inputs, say
what changes, and list what has to stay.
"""

from __future__ import annotations

from gpt_image_mcp.errors import InvalidArgument, quoted

FREE = "free"
OUTPAINT = "outpaint"
_SLOT = "{prompt}"
_TEMPLATES: dict[str, str] = {
    FREE: _SLOT,
    "inpaint": "Change only the marked area of Image 1: {prompt}\n"
    "Match the light, perspective, grain and style around it, so that no seam shows. Keep everything outside "
    "the marked area exactly as it is.",
    OUTPAINT: "Extend Image 1 beyond its edges into the empty area of the canvas: {prompt}\n"
    "Continue its scene, perspective, light and style without a visible seam. Keep the existing part exactly "
    "as it is.",
    "variation": "Make a new variation of Image 1: {prompt}\n"
    "Keep its subject, style and palette; vary composition, viewpoint and details.",
    "style_transfer": "Redraw Image 1 in another style: {prompt}\n"
    "Keep its subjects, composition, poses and proportions; change only the style: medium, line, texture, "
    "palette and light.",
    "object_removal": "Remove from Image 1: {prompt}\n"
    "Fill the place with what would be behind it, with matching light and texture. Change nothing else and "
    "add nothing.",
    "background_change": "Replace the background of Image 1: {prompt}\n"
    "Keep the subject in front exactly as it is: shape, pose, details, colours and edges. Adapt only the "
    "light and shadows where subject and background meet.",
    "color_adjustment": "Adjust the colours of Image 1: {prompt}\n"
    "Change only colour, contrast and brightness; keep every shape, detail and position.",
    "enhancement": "Enhance the quality of Image 1: {prompt}\n"
    "Improve sharpness, noise, exposure and detail; keep content, composition and colours as they are.",
}
EDIT_TYPES = tuple(_TEMPLATES)


def apply_edit_type(prompt: str, edit_type: str) -> str:
    """The prompt that is sent for this kind of edit.

    Raises:
        InvalidArgument: If there is no such kind.
    """
    name = edit_type.strip().lower() or FREE
    if name not in _TEMPLATES:
        message = f"edit_type is {quoted(edit_type)}; it must be one of {', '.join(EDIT_TYPES)}."
        raise InvalidArgument(message, next_step="Use one of these, or free and say it in the prompt.")
    # Not str.format: the prompt may hold braces.
    before, _, after = _TEMPLATES[name].partition(_SLOT)
    return f"{before}{prompt}{after}"
