"""Whoever asks for transparency is told how much came, and what only looks like it; nobody else is."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.calls.planning import plan_call
from gpt_image_mcp.calls.saving import save
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.server import mcp
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.requests import Backdrop
from gpt_image_mcp.values.responses import GeneratedImages
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.library.naming import Naming
    from gpt_image_mcp.values.images import Provenance, StoredImage

REGION = {"shape": "rectangle", "box": [0.2, 0.2, 0.8, 0.8]}
CLEAR: dict[str, Any] = {"background": "transparent", "quality": "low"}
SETTINGS = Settings(sandbox=True, model="gpt-image-2.5-flare")


@pytest.fixture
def photo(project: Path) -> str:
    """A photograph of the user's, opaque."""
    Image.linear_gradient("L").resize((816, 816)).convert("RGB").save(project / "photo.png")
    return "photo.png"


def _said(notes: tuple[str, ...]) -> list[str]:
    return [note for note in notes if note.startswith("Transparency")]


def _share(note: str, kind: str) -> float:
    before = note.partition(f"% {kind}")[0]
    return float(before.rpartition(" ")[2])


@pytest.mark.parametrize("output_format", ["png", "webp"])
async def test_a_transparent_picture_comes_with_its_shares(output_format: str) -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.generate("a fox", output_format=output_format, **CLEAR)
    (note,) = _said(result.notes)
    with Image.open(result.images[0].file_path) as image:
        counts = image.getchannel("A").histogram()
    assert _share(note, "clear") == pytest.approx(100 * sum(counts[:6]) / sum(counts), abs=0.06)
    assert _share(note, "soft") == pytest.approx(100 * sum(counts[6:250]) / sum(counts), abs=0.06)
    assert note.endswith("% opaque."), "there is nothing to complain of"


@pytest.mark.parametrize(
    ("directive", "problem"),
    [
        ("opaque_picture", "the picture is opaque. Call again"),
        ("painted_checkerboard", "A checkerboard is painted into the picture instead of transparency. Call"),
        ("coloured_halo", "a fringe of about #"),
    ],
)
@pytest.mark.parametrize("output_format", ["png", "webp"])
async def test_what_only_looks_transparent_is_said(directive: str, problem: str, output_format: str) -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.generate(f"a fox [sandbox:{directive}]", output_format=output_format, **CLEAR)
    (note,) = _said(result.notes)
    assert problem in note


@pytest.mark.parametrize("background", ["auto", "opaque"])
async def test_who_did_not_ask_for_transparency_hears_nothing_of_it(background: str) -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.generate("a fox", background=background, quality="low")
    assert not _said(result.notes)


def test_auto_that_comes_back_transparent_is_not_spoken_of() -> None:
    assert not _said(_saved(_png(Image.new("RGBA", (64, 64))), background="auto").notes)


async def test_each_of_several_images_has_its_own_shares() -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.generate("a fox", n=3, **CLEAR)
    assert [note[: len("Transparency of image 1:")] for note in _said(result.notes)] == [
        f"Transparency of image {number}:" for number in (1, 2, 3)
    ]


async def test_an_exact_size_is_measured_after_the_cut() -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.generate("a fox", exact_size="300x100", **CLEAR)
    (note,) = _said(result.notes)
    (image,) = result.images
    with Image.open(image.file_path) as finished:
        counts = finished.getchannel("A").histogram()
    assert _share(note, "clear") == pytest.approx(100 * sum(counts[:6]) / 30_000, abs=0.06)


async def test_an_edit_clears_what_is_not_the_subject(photo: str) -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.edit("a fox", [photo], **CLEAR)
    (note,) = _said(result.notes)
    assert _share(note, "clear") > 10
    assert _share(note, "opaque") > 10


async def test_kept_pixels_are_measured_in_the_composite(photo: str) -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.edit("a fox", [photo], regions=[REGION], **CLEAR)
    (note,) = _said(result.notes)
    assert _share(note, "clear") > 5
    assert _share(note, "opaque") > 60, "the original is back around the region"


def test_where_the_original_is_all_that_there_is_the_advice_is_to_let_it_go() -> None:
    original = _png(Image.new("RGB", (64, 64)))
    nothing = _png(Image.new("L", (64, 64)))
    result = _saved(_png(Image.new("RGBA", (64, 64))), backdrop=Backdrop(original=original, coverage=nothing))
    (note,) = _said(result.notes)
    assert "the picture is opaque. keep_unmasked put the original back" in note


async def test_the_images_of_a_batch_have_their_shares(photo: str) -> None:
    async with Studio(SETTINGS) as studio:
        result = await studio.batch_edit("a fox", [photo, photo], **CLEAR)
    assert isinstance(result, BatchResult)
    assert [len(_said(item.notes)) for item in result.items] == [1, 1]


async def test_the_turns_of_a_session_have_their_shares(photo: str) -> None:
    async with Studio(SETTINGS) as studio:
        first = await studio.start_session("a fox", [photo], **CLEAR)
        assert first.session is not None
        second = await studio.continue_session(first.session.session_id, "a cat")
    assert len(_said(first.notes)) == len(_said(second.notes)) == 1


async def test_a_job_that_is_collected_later_has_its_shares_also_in_another_process() -> None:
    async with Studio(SETTINGS) as studio:
        job = await studio.generate("a fox [sandbox:opaque_picture]", wait_seconds=0, **CLEAR)
        here = await studio.get(job.call_id)
    async with Studio(SETTINGS) as another:
        elsewhere = await another.get(job.call_id)
    for collected in (here, elsewhere):
        assert isinstance(collected, ImageResult)
        (note,) = _said(collected.notes)
        assert "the picture is opaque" in note


async def test_a_client_reads_it_in_the_text_and_in_the_structured_content(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    arguments = {"prompt": "a fox [sandbox:painted_checkerboard]", "model": "gpt-image-2.5-flare", **CLEAR}
    async with Client(mcp) as client:
        result = await client.call_tool("generate_image", arguments)
    texts = [block.text for block in result.content if block.type == "text"]
    assert any("A checkerboard is painted" in text for text in texts)
    assert result.structured_content is not None
    assert any("A checkerboard is painted" in note for note in result.structured_content["notes"])


def test_a_background_that_shines_through_everywhere_is_said() -> None:
    (note,) = _said(_saved(_png(Image.new("RGBA", (64, 64), (9, 9, 9, 127)))).notes)
    assert "0.0% clear, 100.0% soft, 0.0% opaque. No pixel is clear: its background still" in note


def test_an_opaque_jpeg_that_comes_instead_is_said() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG")
    (note,) = _said(_saved(stream.getvalue()).notes)
    assert "the picture is opaque" in note


def test_nothing_is_said_of_a_gif() -> None:
    stream = io.BytesIO()
    Image.new("P", (64, 64)).save(stream, "GIF")
    result = _saved(stream.getvalue())
    assert result.images[0].mime_type == "image/gif"
    assert not _said(result.notes)


def test_a_damaged_picture_is_kept_without_a_word_on_its_transparency() -> None:
    whole = _png(Image.effect_noise((64, 64), 90).convert("RGBA"))
    damaged = whole[:200] + bytes(200) + whole[400:]
    result = _saved(damaged)
    assert result.images[0].file_path.read_bytes() == damaged
    assert not _said(result.notes)


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
    ) -> tuple[tuple[StoredImage, ...], tuple[str, ...]]:
        """Saves, and the file is gone."""
        saved = super().save(images, provenance=provenance, naming=naming, folder=folder, home=home)
        for image in saved[0]:
            image.file_path.unlink()
        return saved


def test_a_picture_that_is_gone_before_it_is_inspected_is_told_of_all_the_same() -> None:
    result = _saved(_png(Image.new("RGBA", (64, 64))), kind=Cleared)
    assert len(result.images) == 1
    assert not _said(result.notes)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _saved(
    data: bytes,
    *,
    background: str = "transparent",
    backdrop: Backdrop | None = None,
    kind: type[Library] = Library,
) -> ImageResult:
    options = OutputOptions(background=background)
    plan = replace(
        plan_call("image", "a fox", options, call_id="job-1", settings=SETTINGS), backdrop=backdrop
    )
    with contextlib.closing(kind(SETTINGS)) as library:
        return save(plan, GeneratedImages(images=(data,)), library, elapsed_seconds=1)
