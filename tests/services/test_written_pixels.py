"""What files written from pixels say of themselves: colours, the label of AI, and provenance."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.imaging.source_type import AI_EDITED, AI_MADE, find_source_type
from gpt_image_mcp.imaging.xmp import read_embedded
from gpt_image_mcp.values.results import ImageResult
from tests.imaging.colours import is_near, opened, rgb_profile, saved, shown
from tests.standin import CannedTransport, serve_standin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}
MIDDLE: dict[str, Any] = {"regions": [{"shape": "rectangle", "box": [0.25, 0.25, 0.75, 0.75]}]}
PALE, CORNER = (190, 120, 90), (5, 5)
FORMATS = ("png", "jpeg", "webp")
# Of the source type nothing private is part.
PROMPT = "a secret lighthouse"


@pytest_asyncio.fixture
async def studio() -> AsyncIterator[Studio]:
    async with Studio(Settings(sandbox=True)) as opened_studio:
        yield opened_studio


@pytest.fixture
def photo(project: Path) -> Path:
    """A photograph in Display P3, as phones take them."""
    path = project / "photo.jpg"
    path.write_bytes(
        saved(Image.new("RGB", (1024, 1024), PALE), "JPEG", quality=95, icc_profile=rgb_profile())
    )
    return path


def signed(data: bytes) -> bytes:
    """A PNG with a C2PA manifest."""
    chunk = b"caBX" + b"jumb"
    return data[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


@pytest.mark.parametrize("output_format", FORMATS)
async def test_a_region_of_a_photo_in_display_p3_is_edited_without_dulling_the_rest(
    studio: Studio, photo: Path, output_format: str
) -> None:
    result = await studio.edit(PROMPT, [str(photo)], output_format=output_format, **MIDDLE)
    made = result.images[0].file_path.read_bytes()
    assert is_near(shown(made, CORNER), shown(photo.read_bytes(), CORNER))
    assert opened(made).info["icc_profile"] == rgb_profile()


async def test_an_outpainted_photo_keeps_its_colours(studio: Studio, photo: Path) -> None:
    result = await studio.edit(PROMPT, [str(photo)], edit_type="outpaint", size="1536x1024")
    made = result.images[0].file_path.read_bytes()
    middle = (opened(made).width // 2, opened(made).height // 2)
    assert is_near(shown(made, middle), shown(photo.read_bytes(), CORNER))
    assert opened(made).info["icc_profile"] == rgb_profile()


@pytest.mark.parametrize("output_format", FORMATS)
async def test_a_composite_is_labelled_as_edited_by_ai_and_tells_no_prompt(
    studio: Studio, photo: Path, output_format: str
) -> None:
    result = await studio.edit(PROMPT, [str(photo)], output_format=output_format, **MIDDLE)
    made = result.images[0].file_path.read_bytes()
    assert find_source_type(made) == AI_EDITED
    assert opened(made).info["xmp"]
    assert b"secret" not in made
    assert find_source_type(photo.read_bytes()) == ""


@pytest.mark.parametrize("output_format", FORMATS)
async def test_wanted_metadata_take_the_place_of_the_label(photo: Path, output_format: str) -> None:
    async with Studio(Settings(sandbox=True, embed_metadata=True)) as studio:
        result = await studio.edit(PROMPT, [str(photo)], output_format=output_format, **MIDDLE)
    made = result.images[0].file_path.read_bytes()
    embedded = read_embedded(made)
    assert embedded is not None
    assert embedded.prompt == PROMPT
    assert find_source_type(made) == AI_EDITED
    assert made.count(b"<x:xmpmeta") == 1


@pytest.mark.parametrize("output_format", [*FORMATS, "avif"])
async def test_an_export_of_a_made_picture_is_labelled_also_when_exported_again(
    studio: Studio, output_format: str
) -> None:
    made = await studio.generate(PROMPT, **QUICK)
    first = await studio.export(made.images[0].id, output_format=output_format, width=64)
    path = first.files[0].file_path
    again = await studio.export(str(path), output_format="png")
    for file in (path, again.files[0].file_path):
        assert find_source_type(file.read_bytes()) == AI_MADE
        assert b"secret" not in file.read_bytes()
        assert opened(file.read_bytes()).info["xmp"]


async def test_an_export_of_an_edited_picture_is_labelled_as_edited(studio: Studio, photo: Path) -> None:
    made = await studio.edit(PROMPT, [str(photo)], **QUICK)
    result = await studio.export(made.images[0].id, output_format="jpeg")
    assert find_source_type(result.files[0].file_path.read_bytes()) == AI_EDITED


@pytest.mark.parametrize("output_format", [*FORMATS, "avif"])
async def test_an_export_of_the_users_own_photo_carries_no_label(
    studio: Studio, photo: Path, output_format: str
) -> None:
    result = await studio.export(str(photo), output_format=output_format)
    made = result.files[0].file_path.read_bytes()
    assert find_source_type(made) == ""
    assert "xmp" not in opened(made).info
    assert is_near(shown(made, CORNER), shown(photo.read_bytes(), CORNER))


async def test_a_set_of_icons_is_labelled_wherever_a_format_has_a_place_for_it(studio: Studio) -> None:
    made = await studio.generate(PROMPT, **QUICK)
    result = await studio.export(made.images[0].id, preset="favicon")
    labels = {file.file_path.suffix: find_source_type(file.file_path.read_bytes()) for file in result.files}
    assert labels[".png"] == AI_MADE
    assert labels[".ico"] == ""


@pytest.mark.parametrize("signs_original", [True, False])
async def test_a_composite_says_what_provenance_is_lost_and_where_it_is_kept(
    project: Path, *, signs_original: bool
) -> None:
    plain = saved(Image.new("RGB", (1024, 1024), PALE))
    original, answer = project / "original.png", project / "answer.png"
    original.write_bytes(signed(plain) if signs_original else plain)
    answer.write_bytes(plain if signs_original else signed(plain))
    async with serve_standin(CannedTransport(answer)) as standin:
        settings = Settings(api_key="sk-test", base_url=standin.base_url)  # type: ignore[arg-type]
        async with Studio(settings) as studio:
            result = await studio.edit(PROMPT, [str(original)], **MIDDLE)
            assert not result.images[0].c2pa
            (parent,) = result.images[0].provenance.parents
            found = await studio.get(parent)
            assert isinstance(found, ImageResult)
            returned = found.images[0]
    (note,) = (note for note in result.notes if "C2PA" in note)
    assert "lost in the composite" in note
    assert ("kept in the file as returned" in note) is not signs_original
    assert returned.file_path.read_bytes() == answer.read_bytes()
    assert returned.c2pa is not signs_original


async def test_an_export_of_a_signed_picture_says_that_its_provenance_is_lost(
    studio: Studio, project: Path
) -> None:
    path = project / "signed.png"
    path.write_bytes(signed(saved(Image.new("RGB", (64, 64), PALE))))
    result = await studio.export(str(path), output_format="webp")
    assert ["C2PA" in note and "lost" in note for note in result.notes] == [True]


async def test_provenance_in_an_avif_file_is_noticed(studio: Studio, project: Path) -> None:
    box = b"uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"\0" * 4 + b"manifest\0"
    path = project / "signed.avif"
    path.write_bytes(saved(Image.new("RGB", (64, 64), PALE), "AVIF") + struct.pack(">I", len(box) + 4) + box)
    result = await studio.export(str(path), output_format="png")
    assert any("C2PA" in note for note in result.notes)
