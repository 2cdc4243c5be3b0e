"""``edit_image`` through a real client, in both protocol eras."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from fastmcp import Client
from mcp.types import ImageContent, TextContent
from PIL import Image, ImageChops

from gpt_image_mcp.catalogue.edit_types import EDIT_TYPES
from gpt_image_mcp.server import mcp
from tests.standin import serve_standin

if TYPE_CHECKING:
    from fastmcp.client.client import CallToolResult

BOX = {"shape": "rectangle", "box": [0.25, 0.25, 0.75, 0.75]}


@pytest.fixture
def photo(project: Path) -> Path:
    """A picture of the user's, larger than any mask's detail."""
    path = project / "photo.png"
    image = Image.linear_gradient("L").resize((1024, 1024)).convert("RGB")
    image.save(path)
    return path


async def _edit(client: Client[Any], **arguments: Any) -> CallToolResult:
    arguments = {"prompt": "make it night", "quality": "low", **arguments}
    return await client.call_tool("edit_image", arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _answer(result: CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None, _text(result)
    return result.structured_content


def _opened(answer: dict[str, Any]) -> Image.Image:
    with Image.open(answer["images"][0]["file_path"]) as image:
        return image.convert("RGB")


async def test_an_edit_comes_back_like_a_generation(client: Client[Any], photo: Path) -> None:
    result = await _edit(client, images=[str(photo)], size="square")
    answer = _answer(result)
    image = answer["images"][0]
    assert Path(image["file_path"]).name.startswith("edit-")
    assert (answer["status"], answer["route"], answer["cost_basis"]) == ("completed", "images", "usage")
    assert answer["usage"]["input_tokens_details"]["image_tokens"] > 0
    assert isinstance(result.content[0], ImageContent)
    assert image["file_path"] in _text(result)


@pytest.mark.parametrize("form", ["list", "text", "json", "quoted"])
async def test_images_may_be_a_list_a_text_or_json(client: Client[Any], photo: Path, form: str) -> None:
    images = {
        "list": [str(photo)],
        "text": str(photo),
        "json": json.dumps([str(photo)]),
        "quoted": f'"{photo}"',
    }[form]
    assert _answer(await _edit(client, images=images))["status"] == "completed"


async def test_an_edit_to_the_pixel_says_both_sizes_and_where_the_file_as_returned_is(
    client: Client[Any], photo: Path
) -> None:
    result = await _edit(client, images=[str(photo)], exact_size="640x360", filename="hero.png")
    answer = _answer(result)
    assert (answer["requested"]["size"], answer["applied"]["size"]) == ("640x360", "640x360")
    assert _opened(answer).size == (640, 360)
    assert answer["images"][0]["filename"] == "hero.png"
    (note,) = (note for note in answer["notes"] if "640x360" in note)
    assert "as-returned" in note
    assert note in _text(result)


async def test_an_edit_of_our_own_image_knows_its_parent(client: Client[Any], photo: Path) -> None:
    first = _answer(await _edit(client, images=[str(photo)]))["images"][0]
    for ref in (first["id"], first["uri"], first["file_path"], Path(first["file_path"]).as_uri()):
        made = _answer(await _edit(client, images=[ref]))["images"][0]
        document = Path(made["file_path"]).parent / ".metadata" / f"{made['id']}.json"
        assert json.loads(document.read_text())["image"]["provenance"]["parents"] == [first["id"]]


async def test_pixels_outside_regions_stay_exactly_as_they_were(client: Client[Any], photo: Path) -> None:
    answer = _answer(await _edit(client, images=[str(photo)], regions=[BOX]))
    original, made = Image.open(photo).convert("RGB"), _opened(answer)
    assert made.size == original.size
    changed = ImageChops.difference(original, made).getbbox()
    assert changed is not None
    assert changed[0] >= 256
    assert changed[2] <= 768
    note = next(note for note in answer["notes"] if "outside the mask had changed" in note)
    assert "as-returned" in note
    returned = Path(note.partition("As returned by the API: ")[2].partition(" (id ")[0])
    assert returned.is_file()
    assert not Path(answer["images"][0]["file_path"]).samefile(returned)


async def test_the_retouched_image_is_a_child_of_the_returned_one(client: Client[Any], photo: Path) -> None:
    image = _answer(await _edit(client, images=[str(photo)], regions=[BOX]))["images"][0]
    document = Path(image["file_path"]).parent / ".metadata" / f"{image['id']}.json"
    (parent,) = json.loads(document.read_text())["image"]["provenance"]["parents"]
    shown = await client.call_tool("get_image", {"ref": parent})
    assert "as-returned" in _text(shown)


async def test_a_mask_and_regions_together_open_what_either_opens(
    client: Client[Any], photo: Path, project: Path
) -> None:
    mask = Image.new("L", (1024, 1024), 0)
    mask.paste(255, (0, 896, 128, 1024))
    mask.save(project / "corner.png")
    corner = {"box": [0.875, 0, 1, 0.125]}
    answer = _answer(await _edit(client, images=[str(photo)], mask="corner.png", regions=[corner]))
    changed = ImageChops.difference(Image.open(photo).convert("RGB"), _opened(answer))
    assert changed.crop((0, 896, 128, 1024)).getbbox() is not None
    assert changed.crop((896, 0, 1024, 128)).getbbox() is not None
    for rest in ((0, 0, 880, 880), (144, 144, 1024, 1024)):
        assert changed.crop(rest).getbbox() is None


async def test_without_keep_unmasked_the_picture_is_as_returned(client: Client[Any], photo: Path) -> None:
    answer = _answer(await _edit(client, images=[str(photo)], regions=[BOX], keep_unmasked=False))
    original, made = Image.open(photo).convert("RGB"), _opened(answer)
    assert ImageChops.difference(original, made).getbbox() == (0, 0, 1024, 1024)
    assert not any("outside the mask" in note for note in answer["notes"])


async def test_several_edits_with_a_mask_are_each_retouched(client: Client[Any], photo: Path) -> None:
    answer = _answer(await _edit(client, images=[str(photo)], regions=[BOX], n=2, filename="night.png"))
    assert [image["filename"] for image in answer["images"]] == ["night-1.png", "night-2.png"]


@pytest.mark.parametrize("output_format", ["png", "webp", "jpeg"])
async def test_the_retouched_file_has_the_format_that_was_asked(
    client: Client[Any], photo: Path, output_format: str
) -> None:
    answer = _answer(await _edit(client, images=[str(photo)], regions=[BOX], output_format=output_format))
    assert answer["images"][0]["mime_type"] == f"image/{output_format}"
    assert any("JPEG cannot" in note for note in answer["notes"]) is (output_format == "jpeg")


async def test_a_mask_file_and_an_odd_size_are_understood(client: Client[Any], project: Path) -> None:
    Image.effect_noise((1000, 600), 40).convert("RGB").save(project / "odd.jpg")
    mask = Image.new("L", (500, 300), 0)
    mask.paste(255, (0, 0, 250, 300))
    mask.save(project / "mask.png")
    answer = _answer(await _edit(client, images=["odd.jpg"], mask="mask.png"))
    image = answer["images"][0]
    assert (image["width"], image["height"]) == (1000, 600)
    notes = " ".join(answer["notes"])
    assert "black and white" in notes
    assert "scaled from 500x300" in notes
    assert answer["applied"]["size"] == "1000x600"


async def test_outpaint_extends_the_canvas_and_keeps_the_picture(client: Client[Any], photo: Path) -> None:
    answer = _answer(await _edit(client, images=[str(photo)], edit_type="outpaint", size="16:9"))
    made = _opened(answer)
    assert made.size == (1824, 1024)
    middle = made.crop((400, 0, 1424, 1024))
    assert ImageChops.difference(middle, Image.open(photo).convert("RGB")).getbbox() is None


@pytest.mark.parametrize("edit_type", [kind for kind in EDIT_TYPES if kind not in ("free", "outpaint")])
async def test_each_kind_of_edit_changes_what_is_sent(
    monkeypatch: pytest.MonkeyPatch, photo: Path, edit_type: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    async with serve_standin() as standin:
        monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
        async with Client(mcp) as client:
            answer = _answer(await _edit(client, images=[str(photo)], edit_type=edit_type))
            plain = _answer(await _edit(client, images=[str(photo)]))
    sent = [request.form.fields["prompt"] for request in standin.posts if request.form]
    assert sent[1] == "make it night"
    assert "make it night" in sent[0]
    assert sent[0] != sent[1]
    assert answer["prompt"] == plain["prompt"] == "make it night"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"images": []}, "invalid_argument", "images is empty"),
        ({"images": ["photo.png"] * 17}, "invalid_argument", "17 images"),
        ({"images": ["phot.png"]}, "input_not_found", "Did you mean photo.png"),
        ({"images": ["."]}, "input_rejected", "is a folder"),
        ({"images": ["text.png"]}, "input_rejected", "not an image"),
        ({"images": ["empty.png"]}, "input_rejected", "empty (0 bytes)"),
        ({"images": ["cut.png"]}, "input_rejected", "breaks off"),
        ({"images": ["data:image/png;base64,@@@"]}, "input_rejected", "base64"),
        ({"images": ["data:text/plain;base64,aGVsbG8="]}, "input_rejected", "not an image"),
        ({"images": ["http://127.0.0.1:9/x.png"]}, "input_rejected", "open internet"),
        ({"images": ["20200101-000000-abcdef"]}, "input_not_found", "no image"),
        ({"images": ["photo.png"], "mask": "wide.png"}, "input_rejected", "another ratio"),
        ({"images": ["photo.png"], "mask": "nothing.png"}, "input_not_found", "nothing.png"),
        ({"images": ["photo.png"], "mask": "black.png"}, "input_rejected", "no pixel"),
        (
            {"images": ["photo.png"], "regions": [{"shape": "rectangle", "box": [1.2, 0, 1.5, 1]}]},
            "invalid_argument",
            "outside the image",
        ),
        (
            {"images": ["photo.png"], "regions": [{"shape": "polygon", "points": [[0, 0], [1, 1]]}]},
            "invalid_argument",
            "2 points",
        ),
        ({"images": ["photo.png"], "regions": [{"shape": "star"}]}, "invalid_argument", "Region 1"),
        ({"images": ["photo.png"], "edit_type": "paint"}, "invalid_argument", "edit_type"),
        ({"images": ["photo.png"], "edit_type": "outpaint"}, "invalid_argument", "size is auto"),
        (
            {"images": ["photo.png"], "edit_type": "outpaint", "size": "1024x1024"},
            "invalid_argument",
            "nothing to extend",
        ),
        ({"images": ["photo.png"], "input_fidelity": "high"}, "unsupported_by_model", "takes none"),
        ({"images": ["photo.png"], "size": "1000x700"}, "invalid_argument", "exact_size 1000x700"),
        ({"images": ["photo.png"], "exact_size": "16x3840"}, "invalid_argument", "at most 3:1"),
        ({"images": ["photo.png"], "exact_size": "64x64", "size": "2k"}, "invalid_argument", "too."),
        (
            {"images": ["photo.png"], "exact_size": "64x64", "regions": [BOX]},
            "invalid_argument",
            "does not go with regions",
        ),
        (
            {"images": ["photo.png"], "prompt": "x" * 31_990, "edit_type": "inpaint"},
            "invalid_argument",
            "Shorten",
        ),
    ],
)
async def test_what_cannot_be_edited_is_refused_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
    photo: Path,
    project: Path,
    *,
    arguments: dict[str, Any],
    code: str,
    words: str,
) -> None:
    (project / "text.png").write_text("not a picture")
    (project / "empty.png").write_bytes(b"")
    (project / "cut.png").write_bytes(photo.read_bytes()[:500])
    Image.new("L", (1024, 300), 255).save(project / "wide.png")
    Image.new("L", (1024, 1024), 0).save(project / "black.png")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    async with serve_standin() as standin:
        monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
        async with Client(mcp) as client:
            result = await _edit(client, **arguments)
            spent = (await client.call_tool("estimate_cost", {})).structured_content
    text = _text(result)
    assert result.is_error
    assert text.startswith(f"{code}: ")
    assert words in text
    assert "Next: " in text
    assert list(standin.requests) == []
    assert spent is not None
    assert spent["budget"]["spent_today_usd"] == 0


async def test_input_files_can_be_confined_to_folders(
    monkeypatch: pytest.MonkeyPatch, sandbox: None, photo: Path, project: Path
) -> None:
    del sandbox
    allowed = project / "allowed"
    allowed.mkdir()
    (allowed / "link.png").symlink_to(photo)
    inside = allowed / "inside.png"
    inside.write_bytes(photo.read_bytes())
    monkeypatch.setenv("GPT_IMAGE_INPUT_ROOTS", str(allowed))
    async with Client(mcp) as client:
        for refused in (str(photo), str(allowed / "link.png"), str(allowed / ".." / "photo.png")):
            assert "GPT_IMAGE_INPUT_ROOTS" in _text(await _edit(client, images=[refused]))
        assert _answer(await _edit(client, images=[str(inside)]))["status"] == "completed"


async def test_a_data_url_is_edited_without_being_repeated_in_the_result(
    client: Client[Any], photo: Path
) -> None:
    small = io.BytesIO()
    Image.open(photo).resize((64, 64)).save(small, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}"
    result = await _edit(client, images=[url])
    assert url[40:80] not in json.dumps(_answer(result))
    assert cast("dict[str, Any]", result.structured_content)["status"] == "completed"


@pytest.mark.parametrize("form", ["list", "object", "json"])
async def test_marks_may_be_a_list_one_object_or_json_and_are_said(
    client: Client[Any], photo: Path, form: str
) -> None:
    mark = {"shape": "arrow", "points": [[0.2, 0.2], [0.7, 0.6]], "text": "move here"}
    marks = {"list": [mark], "object": mark, "json": json.dumps([mark])}[form]
    result = await _edit(client, images=[str(photo)], marks=marks, model="gpt-image-2.5-flare")
    note = "1 mark was drawn and sent as hints"
    assert any(note in said for said in _answer(result)["notes"])
    assert note in _text(result)


async def test_a_mark_outside_the_picture_is_refused_with_its_values(
    client: Client[Any], photo: Path
) -> None:
    mark = {"shape": "circle", "box": [0.9, 0.9, 1.2, 1.0]}
    result = await _edit(client, images=[str(photo)], marks=[mark], model="gpt-image-2.5-flare")
    assert result.is_error
    assert "Mark 1 (circle) is outside image 1, which is 1024x1024: 1228.8,1024" in _text(result)


async def test_markup_may_be_a_data_url_and_null_means_none(client: Client[Any], photo: Path) -> None:
    hints = Image.new("RGBA", (1024, 1024), (0, 0, 0, 0))
    hints.paste((255, 0, 0, 255), (100, 100, 200, 120))
    stream = io.BytesIO()
    hints.save(stream, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    result = await _edit(client, images=[str(photo)], markup=url, marks=None, model="gpt-image-2.6-flare")
    assert any("was sent as a hint" in note for note in _answer(result)["notes"])
