"""Names that differ from a file's only in kinds of blanks or the form of letters, as macOS writes them."""

from __future__ import annotations

import io
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import ImageError, InputNotFound, InputRejected
from gpt_image_mcp.values.requests import InputImage
from gpt_image_mcp.values.results import ImageResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TYPED = "Screenshot 2026-11-28 at 9.41.00 AM.png"
REAL = "Screenshot 2026-11-28 at 9.41.00\u202fAM.png"
QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


def _png(colour: str = "navy") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(stream, "PNG")
    return stream.getvalue()


PNG = _png()


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    """A studio in the sandbox."""
    async with Studio(Settings(sandbox=True)) as opened:
        yield opened


async def _shown(studio: Studio, ref: str) -> InputImage:
    found = await studio.get(ref)
    assert isinstance(found, InputImage)
    return found


@pytest.mark.parametrize(
    ("real", "typed"),
    [
        (REAL, TYPED),
        *((f"a{blank}b.png", "a b.png") for blank in "\u00a0\u2007\u2009\u202f\u3000"),
        *(("a b.png", "a\u00a0b.png"), ("a\u2009b\u202fc.png", "a\u00a0b c.png")),
        (unicodedata.normalize("NFD", "Übung é.png"), "Übung é.png"),
        ("Übung é.png", unicodedata.normalize("NFD", "Übung é.png")),
        (unicodedata.normalize("NFD", "für\u202fdich.png"), "für dich.png"),
        (unicodedata.normalize("NFD", "Müller/Bäume.png"), "Müller/Bäume.png"),
        ("shots\u202fof may/a.png", "shots of may/a.png"),
    ],
)
async def test_the_only_file_that_a_name_can_mean_is_taken_and_said(
    studio: Studio, project: Path, real: str, typed: str
) -> None:
    (project / real).parent.mkdir(exist_ok=True)
    (project / real).write_bytes(PNG)
    for form in (typed, str(project / typed), f"file://{project}/{typed}"):
        found = await _shown(studio, form)
        assert found.data == PNG
        assert len(found.notes) == 1
        assert str(project / real) in found.notes[0]


async def test_the_exact_name_wins_and_nothing_is_said(studio: Studio, project: Path) -> None:
    for number, blank in enumerate(" \u00a0\u202f"):
        (project / f"a{blank}b.png").write_bytes(_png(("red", "green", "blue")[number]))
    for number, blank in enumerate(" \u00a0\u202f"):
        found = await _shown(studio, f"a{blank}b.png")
        assert (found.data, found.notes) == (_png(("red", "green", "blue")[number]), ())


async def test_several_files_that_a_name_can_mean_are_refused_by_their_names(
    studio: Studio, project: Path
) -> None:
    names = ["a\u00a0b.png", "a\u202fb.png"]
    for name in names:
        (project / name).write_bytes(PNG)
    with pytest.raises(InputRejected) as caught:
        await studio.get("a b.png")
    assert all(name in caught.value.message for name in names)


@pytest.mark.parametrize(
    "name", ["a  b.png", "ab.png", "A b.png", "a-b.png", "a b.jpg", "\uff41 b.png", "a\u00b2.png"]
)
async def test_another_name_is_not_taken(studio: Studio, project: Path, name: str) -> None:
    (project / "a\u202fb.png").write_bytes(PNG)
    (project / "a2.png").write_bytes(PNG)
    with pytest.raises(ImageError, match="There is no file"):
        await studio.get(name)


async def test_edits_masks_sessions_and_exports_say_which_file_was_taken(
    studio: Studio, project: Path
) -> None:
    (project / REAL).write_bytes(PNG)
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 20, 20))
    real_mask = project / "mask\u202f1.png"
    mask.save(real_mask)
    edited = await studio.edit("night", [TYPED], mask="mask 1.png", **QUICK)
    started = await studio.start_session("night", [TYPED], **QUICK)
    assert started.session is not None
    continued = await studio.continue_session(started.session.session_id, "red", images=[TYPED])
    exported = await studio.export(TYPED, output_format="webp")
    taken = [f"{project / REAL} was taken", f"{real_mask} was taken"]
    assert all(any(said in note for note in edited.notes) for said in taken)
    for result in (started, continued, exported):
        assert any(taken[0] in note for note in result.notes)
    assert exported.files[0].file_path.name.startswith("Screenshot-2026-11-28-at-9-41-00-AM")


async def test_the_items_of_a_batch_say_which_file_was_taken(studio: Studio, project: Path) -> None:
    folder = project / unicodedata.normalize("NFD", "Bücher")
    folder.mkdir()
    for name in (REAL, "other.png"):
        (folder / name).write_bytes(PNG)
    named = await studio.batch_edit("night", [f"Bücher/{TYPED}"], **QUICK)
    whole = await studio.batch_edit("day", ["Bücher"], **QUICK)
    assert any(str(folder / REAL) in note for note in named.items[0].notes)
    assert [item.input for item in whole.items] == [str(folder / REAL), str(folder / "other.png")]


async def test_an_image_of_the_library_is_known_by_such_a_name(studio: Studio) -> None:
    made = (await studio.generate("a fox", filename="für dich.png", **QUICK)).images[0]
    moved = made.file_path.rename(made.file_path.with_name("fu\u0308r\u202fdich.png"))
    found = await studio.get(str(made.file_path.with_name("für dich.png")))
    assert isinstance(found, ImageResult)
    assert found.images[0].id == made.id
    assert any(str(moved) in note for note in found.notes)
    assert (await studio.history.trace(str(moved).replace("\u202f", " "))).image.id == made.id


async def test_the_same_call_is_another_one_after_the_file_that_was_taken_changed(
    studio: Studio, project: Path
) -> None:
    (project / REAL).write_bytes(PNG)
    first = await studio.edit("night", [TYPED], wait_seconds=0, **QUICK)
    (project / REAL).write_bytes(_png("red") + b"\0")
    second = await studio.edit("night", [TYPED], wait_seconds=0, **QUICK)
    same = await studio.edit("night", [TYPED], wait_seconds=0, **QUICK)
    assert first.call_id != second.call_id == same.call_id


async def test_only_the_allowed_folders_are_listed(project: Path, tmp_path: Path) -> None:
    inside, outside = project / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
    (outside / REAL).write_bytes(PNG)
    (inside / "link\u202f1.png").symlink_to(outside / REAL)
    (inside / "folder\u202f1").symlink_to(outside)
    refs = [str(outside / TYPED), f"{inside}/../../out/{TYPED}", "in/link 1.png", f"in/folder 1/{TYPED}"]
    async with Studio(Settings(sandbox=True, input_roots=(inside,))) as guarded:
        for ref in refs:
            with pytest.raises(ImageError) as caught:
                await guarded.get(ref)
            assert REAL not in str(caught.value)
        for ref in ("in/folder 1", "in/folder 1/*.png"):
            with pytest.raises(ImageError) as caught:
                await guarded.batch_edit("night", [ref], **QUICK)
            assert REAL not in str(caught.value)


async def test_a_folder_that_is_missing_is_missing(studio: Studio) -> None:
    with pytest.raises(ImageError, match="no such folder") as caught:
        await studio.edit("night", ["no such folder/" + "a/" * 1000 + TYPED], **QUICK)
    assert isinstance(caught.value, InputNotFound)
