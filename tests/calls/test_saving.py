"""What was delivered is kept, whatever goes wrong with it afterwards."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from gpt_image_mcp import Settings
from gpt_image_mcp.calls.planning import plan_call
from gpt_image_mcp.calls.saving import save
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.requests import Backdrop
from gpt_image_mcp.values.responses import GeneratedImages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.library.naming import Naming
    from gpt_image_mcp.values.images import Provenance, StoredImage
    from gpt_image_mcp.values.results import ImageResult

Saved = tuple[tuple["StoredImage", ...], tuple[str, ...]]


class Cleared(Library):
    """A library out of whose folder another program takes each file at once."""

    def save(
        self,
        images: Sequence[bytes],
        *,
        provenance: Provenance,
        naming: Naming,
        folder: Path,
        home: Path | None = None,
    ) -> Saved:
        """Saves, and the file is gone."""
        saved = super().save(images, provenance=provenance, naming=naming, folder=folder, home=home)
        for image in saved[0]:
            image.file_path.unlink()
        return saved


def _png(size: tuple[int, int] = (64, 64)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, "navy").save(stream, "PNG")
    return stream.getvalue()


def _plan(*, coverage: tuple[int, int] = (64, 64), filename: str = "") -> Plan:
    plan = plan_call(
        "image", "a fox", OutputOptions(filename=filename), call_id="job-1", settings=Settings(sandbox=True)
    )
    stream = io.BytesIO()
    Image.new("L", coverage).save(stream, "PNG")
    return replace(plan, backdrop=Backdrop(original=_png(), coverage=stream.getvalue()))


def _kept(plan: Plan, library: Library, *, images: int = 1) -> ImageResult:
    return save(plan, GeneratedImages(images=(_png(),) * images), library, elapsed_seconds=1)


def test_an_image_that_is_gone_before_it_is_retouched_is_told_of_as_it_was_returned() -> None:
    with contextlib.closing(Cleared(Settings(sandbox=True))) as library:
        result = _kept(_plan(), library)
        (image,) = result.images
        assert library.images.find_image(image.id) == image
    assert any("keep_unmasked failed" in note and "no longer at" in note for note in result.notes)


def test_an_image_that_is_gone_before_it_is_cut_is_told_of_as_it_was_returned() -> None:
    options = OutputOptions(exact_size="100x100", filename="fox")
    plan = plan_call("image", "a fox", options, call_id="job-1", settings=Settings(sandbox=True))
    with contextlib.closing(Cleared(Settings(sandbox=True))) as library:
        result = _kept(plan, library)
    assert "fox-as-returned" in result.images[0].file_path.name
    assert result.applied is not None
    assert result.applied.size == "64x64"
    assert any("exact_size failed" in note and "no longer at" in note for note in result.notes)


def test_an_image_that_cannot_be_retouched_is_kept_as_it_was_returned() -> None:
    with contextlib.closing(Library(Settings(sandbox=True))) as library:
        result = _kept(_plan(coverage=(8, 8)), library)
    assert result.images[0].file_path.read_bytes() == _png()
    assert any("keep_unmasked failed" in note for note in result.notes)


def test_retouched_images_of_an_exact_name_are_numbered_like_any_others() -> None:
    plan = _plan(filename="v1.2")
    with contextlib.closing(Library(Settings(sandbox=True))) as library:
        result = _kept(plan, library, images=2)
    assert [image.file_path.name for image in result.images] == ["v1.2-1.png", "v1.2-2.png"]
    returned = [path.name for path in plan.destination.home.glob("*as-returned*")]
    assert len(returned) == 2
    assert all("-v1-2-as-returned" in name for name in returned)
