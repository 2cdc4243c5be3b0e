"""What the files of an edit with a mask are called: the composite, and the picture as the API returned it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.values.results import ImageResult

if TYPE_CHECKING:
    from pathlib import Path

REGION = {"shape": "rectangle", "box": [0.2, 0.2, 0.8, 0.8]}


@pytest.fixture
def photo(project: Path) -> str:
    """A photograph of the user's."""
    Image.linear_gradient("L").resize((816, 816)).convert("RGB").save(project / "photo.png")
    return "photo.png"


@pytest.mark.parametrize(
    ("naming", "composite", "returned"),
    [
        ({}, "edit-{id}.png", "edit-{id}-as-returned.png"),
        ({"filename_prefix": "hero"}, "edit-{id}-hero.png", "edit-{id}-hero-as-returned.png"),
        ({"filename": "hero.png"}, "hero.png", "edit-{id}-hero-as-returned.png"),
    ],
    ids=["nothing", "a label", "an exact name"],
)
async def test_the_callers_name_goes_to_the_composite(
    photo: str, naming: dict[str, Any], composite: str, returned: str
) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.edit(
            "night", [photo], regions=[REGION], size="816x816", quality="low", **naming
        )
        (image,) = result.images
        parent = await studio.get(image.provenance.parents[0])
    assert isinstance(parent, ImageResult)
    (as_returned,) = parent.images
    assert image.file_path.name == composite.format(id=image.id)
    assert as_returned.file_path.name == returned.format(id=as_returned.id)
    assert as_returned.file_path.parent == image.file_path.parent
