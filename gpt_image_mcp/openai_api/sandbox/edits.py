"""``POST /v1/images/edits`` of the sandbox: what it refuses, and what an edit looks like."""

from __future__ import annotations

import io
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.memory import BYTES_PER_PIXEL, MEMORY
from gpt_image_mcp.openai_api.sandbox.failures import LAUNCH_ERA, REFUSALS
from gpt_image_mcp.openai_api.sandbox.validation import RequestRefused, refused, validate_edit_fields
from gpt_image_mcp.pillow_errors import DamagedImage, Oversized, unify_pillow_errors

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator

    from PIL import Image

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.openai_api.sandbox.forms import Form, FormFile
    from gpt_image_mcp.values.json import JsonObject

MAX_IMAGES = 16
MAX_IMAGE_BYTES, MAX_MASK_BYTES = 50 * 2**20, 4 * 2**20
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_NUMBERS = frozenset({"n", "output_compression", "partial_images", "frame_count", "frame_duration_ms"})
_PATCH, _MOST_PATCHES = 32, 1536
_BIT_DEPTH_OFFSET = 24
_INTEGER = re.compile(r"-?[0-9]{1,9}")
_COLOUR_MODES = ("RGB", "RGBA")


@dataclass(frozen=True, slots=True)
class Pictures:
    """The checked files of an edit; the size is that of the first, ``most_pixels`` those of the largest."""

    images: tuple[bytes, ...] = field(repr=False)
    mask: bytes | None = field(repr=False)
    width: int
    height: int
    most_pixels: int
    tokens: int
    markup: bytes | None = field(default=None, repr=False)


def read_fields(form: Form) -> JsonObject:
    """The plain fields of an edit, numbers and booleans as such."""
    return {name: _typed(name, value) for name, value in form.fields.items()}


def validate_edit(form: Form, body: JsonObject, today: dt.date) -> tuple[ImageModel, Pictures]:
    """Checks an edit as the API does; gives its model and files. CPU work.

    Raises:
        RequestRefused: With the API's error.
    """
    singles, listed = form.named("image"), form.named("image[]")
    if len(singles) > 1 or (singles and listed):
        # Several files in the field of one: the API answers as if the model were wrong.
        raise RequestRefused(REFUSALS[LAUNCH_ERA].about(str(body.get("model"))))
    model = validate_edit_fields(body, today)
    unknown = [file.name for file in form.files if file.name not in ("image", "image[]", "mask", "markup")]
    if unknown:
        message = f"Unknown parameter: '{unknown[0]}'."
        raise refused(message, unknown[0], "unknown_parameter")
    masks, markups = form.named("mask"), form.named("markup")
    pictures = check_pictures(singles or listed, masks[0] if masks else None)
    if not markups:
        return model, pictures
    _check_markup(markups[0], pictures, model)
    return model, replace(pictures, markup=markups[0].data)


def check_pictures(images: tuple[FormFile, ...], mask: FormFile | None) -> Pictures:
    """Checks the files of an edit as the API does.

    Raises:
        RequestRefused: With the API's error.
    """
    if not images:
        message = "Missing required parameter: 'image'."
        raise refused(message, "image", "missing_required_parameter")
    if len(images) > MAX_IMAGES:
        message = f"Invalid 'image': too many items. Expected at most {MAX_IMAGES}, but got {len(images)}."
        raise refused(message, "image", "array_above_max_length")
    sizes = [_check_image(number, file) for number, file in enumerate(images, start=1)]
    if mask is not None:
        _check_mask(mask, sizes[0])
    tokens = sum(
        min(_MOST_PATCHES, math.ceil(width / _PATCH) * math.ceil(height / _PATCH)) for width, height in sizes
    )
    data = tuple(file.data for file in images)
    most = max(width * height for width, height in sizes)
    return Pictures(data, mask.data if mask else None, *sizes[0], most, tokens)


@contextmanager
def _opened(data: bytes) -> Generator[Image.Image]:
    """A picture, decoded in the memory that all pictures of this process have together."""
    from PIL import Image

    with (
        unify_pillow_errors(),
        Image.open(io.BytesIO(data)) as image,
        MEMORY.reserved(image.width * image.height * BYTES_PER_PIXEL),
    ):
        image.load()
        yield image


def _typed(name: str, value: str) -> object:
    if name in _NUMBERS and _INTEGER.fullmatch(value):
        return int(value)
    return value == "true" if name == "stream" and value in ("true", "false") else value


def _check_image(number: int, file: FormFile) -> tuple[int, int]:
    """The size of an image that the API takes."""
    if file.content_type not in _FORMATS:
        message = (
            f"Invalid file 'image': unsupported mimetype ('{file.content_type}'). Supported file formats are "
            "'image/jpeg', 'image/png', and 'image/webp'."
        )
        raise refused(message, "image", "unsupported_file_mimetype")
    if len(file.data) >= MAX_IMAGE_BYTES:
        message = f"Invalid image {number}: the file must be less than 50MB."
        raise refused(message, "image", "image_too_large")
    bad = f"Invalid image file or mode for image {number}, please check your image file."
    try:
        with _opened(file.data) as image:
            mode, size, kind = image.mode, image.size, image.format
            frames = getattr(image, "n_frames", 1)
    except Oversized as error:
        message = f"The sandbox cannot read image {number}: {error}."
        raise refused(message, "image", "image_too_large") from error
    except DamagedImage as error:
        raise refused(bad, "image", "invalid_image_file") from error
    is_deep = kind == "PNG" and file.data[_BIT_DEPTH_OFFSET] != 8  # noqa: PLR2004 - bits
    is_extra_with_alpha = number > 1 and mode == "RGBA"
    wrong_kind = kind != _FORMATS[file.content_type]
    if mode not in _COLOUR_MODES or frames > 1 or is_deep or is_extra_with_alpha or wrong_kind:
        raise refused(bad, "image", "invalid_image_file")
    return size


def _check_markup(markup: FormFile, pictures: Pictures, model: ImageModel) -> None:
    """Checks markup as openai-python 3.57 describes it; the words are the sandbox's own."""
    from PIL import ImageOps

    if not model.markup:
        message = f"The model '{model.name}' does not support the 'markup' parameter."
        raise refused(message, "markup", "unsupported_parameter")
    if pictures.mask is not None:
        message = "The parameters 'mask' and 'markup' cannot be used together."
        raise refused(message, "markup", "invalid_parameter_combination")
    with _opened(pictures.images[0]) as image:
        size = ImageOps.exif_transpose(image).size
    if _check_mask(markup, size).getextrema()[0] != 0:
        message = "Invalid markup image - it must contain transparent pixels."
        raise refused(message, "markup", "invalid_image_file")


def _check_mask(mask: FormFile, size: tuple[int, int]) -> Image.Image:
    """The transparency of a mask, or of markup, that the API takes."""
    name = mask.name if mask.name == "markup" else "mask"
    if mask.content_type != "image/png" or not mask.data.startswith(b"\x89PNG"):
        message = f"Invalid file '{name}': it must be a PNG."
        raise refused(message, name, "unsupported_file_mimetype")
    if len(mask.data) >= MAX_MASK_BYTES:
        message = f"Invalid {name}: the file must be less than 4MB."
        raise refused(message, name, "image_too_large")
    try:
        with _opened(mask.data) as image:
            alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    except DamagedImage as error:
        message = f"Invalid {name} image, please check your image file."
        raise refused(message, name, "invalid_image_file") from error
    if alpha is None:
        message = f"Invalid {name} image format - {name} image missing alpha channel."
        raise refused(message, name, "invalid_image_file")
    if alpha.size != size:
        message = f"Invalid {name} image size - {name} size does not match image size."
        raise refused(message, name, "invalid_image_file")
    return alpha
