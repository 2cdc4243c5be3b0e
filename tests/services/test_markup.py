"""Edits with markup, from the Studio to what goes over the wire and what comes back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops, ImageDraw

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.calls.idempotency import key_of_call
from gpt_image_mcp.errors import ImageError, InputNotFound, InvalidArgument, UnsupportedByModel
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.services.edit_planning import parse_options
from tests.standin import serve_standin

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.values.results import ImageResult
    from tests.standin import Standin

ARROW = {"shape": "arrow", "points": [[0.2, 0.2], [0.7, 0.6]], "text": "move here"}
QUICK: dict[str, Any] = {"quality": "low", "model": "gpt-image-2.5-flare"}
EDITS, RESPONSES = "/v1/images/edits", "/v1/responses"


@pytest.fixture
def photo(project: Path) -> str:
    Image.linear_gradient("L").resize((960, 720)).convert("RGB").save(project / "photo.jpg")
    return "photo.jpg"


def _hints(folder: Path, size: tuple[int, int] = (960, 720), *, name: str = "hints.png") -> str:
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((100, 100, 300, 300), outline=(0, 200, 0, 255), width=20)
    image.save(folder / name)
    return name


def _opened(result: ImageResult) -> Image.Image:
    with Image.open(result.images[0].file_path) as image:
        return image.convert("RGB")


def _paid(standin: Standin, **settings: Any) -> Studio:
    return Studio(Settings(api_key="sk-test", base_url=standin.base_url, **settings))  # type: ignore[arg-type]


def _posts(standin: Standin) -> list[str]:
    return [request.path for request in standin.posts]


async def test_marks_go_up_as_a_transparent_png_of_the_size_of_image_1(photo: str) -> None:
    async with serve_standin() as standin, _paid(standin) as studio:
        result = await studio.edit("move it", [photo], marks=[ARROW, ARROW], **QUICK)
    form = standin.posts[0].form
    assert form is not None
    image, markup = form.files
    assert (image.name, markup.name, markup.content_type) == ("image", "markup", "image/png")
    with Image.open(io.BytesIO(markup.data)) as sent:
        assert (sent.format, sent.mode, sent.size) == ("PNG", "RGBA", (960, 720))
        assert sent.getchannel("A").getextrema() == (0, 255)
    assert "2 marks were drawn and sent as hints." in result.notes
    assert len(standin.posts) == 1


async def test_a_markup_file_goes_up_and_the_note_names_it(photo: str, project: Path) -> None:
    async with serve_standin() as standin, _paid(standin) as studio:
        result = await studio.edit("move it", [photo], markup=_hints(project), **QUICK)
    form = standin.posts[0].form
    assert form is not None
    with Image.open(io.BytesIO(form.named("markup")[0].data)) as sent:
        assert sent.getpixel((200, 105)) == (0, 200, 0, 255)
    (note,) = (note for note in result.notes if "markup" in note)
    assert "hints.png was sent as a hint." in note


async def test_in_the_sandbox_the_markup_shows_on_the_picture(photo: str) -> None:
    box = {"shape": "box", "box": [0.1, 0.1, 0.4, 0.4]}
    async with Studio(Settings(sandbox=True)) as studio:
        marked = await studio.edit("move it", [photo], marks=[box], **QUICK)
        plain = await studio.edit("move it", [photo], **QUICK)
    changed = (
        ImageChops.difference(_opened(marked), _opened(plain)).convert("L").point([0] * 40 + [255] * 216)
    )
    bounds = changed.getbbox()
    assert bounds is not None
    assert all(abs(one - other) < 12 for one, other in zip(bounds, (96, 72, 384, 288), strict=True))


@pytest.mark.parametrize("size", [(960, 720), (1280, 720), (601, 407)])
async def test_size_auto_keeps_the_shape_of_image_1_as_for_any_edit(
    project: Path, size: tuple[int, int]
) -> None:
    Image.new("RGB", size, "teal").save(project / "a.png")
    async with Studio(Settings(sandbox=True)) as studio:
        marked = await studio.edit("x", ["a.png"], marks=[ARROW], **QUICK)
        plain = await studio.edit("x", ["a.png"], **QUICK)
    assert _opened(marked).size == _opened(plain).size
    assert marked.applied == plain.applied


async def test_the_size_of_a_turned_photo_is_that_after_turning(project: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1280, 720), "teal").save(project / "phone.jpg", exif=exif)
    lying, standing = _hints(project, (1280, 720), name="a.png"), _hints(project, (720, 1280), name="b.png")
    async with Studio(Settings(sandbox=True)) as studio:
        with pytest.raises(ImageError, match="is 1280x720, but image 1 is 720x1280"):
            await studio.edit("x", ["phone.jpg"], markup=lying, **QUICK)
        result = await studio.edit("x", ["phone.jpg"], markup=standing, **QUICK)
        corner = {"shape": "circle", "box": [600, 1150, 700, 1250], "unit": "px"}
        assert (await studio.edit("x", ["phone.jpg"], marks=[corner], **QUICK)).images
    assert result.images


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"markup": "hints.png", "marks": [ARROW]}, "markup cannot be combined with marks"),
        ({"markup": "hints.png", "mask": "hints.png"}, "markup cannot be combined with a mask"),
        ({"marks": [ARROW], "mask": "hints.png"}, "marks cannot be combined with a mask"),
        ({"marks": [ARROW], "regions": [{"box": [0, 0, 0.5, 0.5]}]}, "marks cannot be combined with regions"),
        ({"marks": [ARROW], "edit_type": "outpaint", "size": "2:1"}, "with edit_type outpaint"),
        ({"markup": "hints.png", "edit_type": " Outpaint", "size": "2:1"}, "with edit_type outpaint"),
        ({"marks": [{**ARROW, "points": [[0.1, 0.1], [1.4, 0.1]]}]}, "outside image 1"),
        ({"markup": "photo.jpg"}, "is jpeg, not PNG"),
        ({"markup": "gone.png"}, "gone.png"),
        ({"markup": "opaque.png"}, "no transparent pixel"),
        ({"markup": "small.png"}, "is 400x300, but image 1 is 960x720"),
    ],
)
async def test_what_does_not_fit_is_refused_before_the_call(
    photo: str, project: Path, arguments: dict[str, Any], words: str
) -> None:
    _hints(project)
    _hints(project, (400, 300), name="small.png")
    Image.new("RGB", (960, 720), "red").save(project / "opaque.png")
    async with serve_standin() as standin, _paid(standin) as studio:
        with pytest.raises(ImageError) as refusal:
            await studio.edit("x", [photo], **{**QUICK, **arguments})
    assert words in refusal.value.message
    assert refusal.value.next_step
    assert (
        isinstance(refusal.value, InvalidArgument | InputNotFound) or refusal.value.code == "input_rejected"
    )
    assert standin.posts == []


@pytest.mark.parametrize("hint", [{"marks": [ARROW]}, {"markup": "hints.png"}])
async def test_a_model_without_markup_is_refused_with_the_living_ones_that_take_it(
    photo: str, project: Path, hint: dict[str, Any]
) -> None:
    _hints(project)
    async with serve_standin() as standin, _paid(standin) as studio:
        with pytest.raises(UnsupportedByModel, match="gpt-image-2 takes no markup") as refusal:
            await studio.edit("x", [photo], model="gpt-image-2", quality="low", **hint)
    assert (
        "gpt-image-2.5-sunburst, gpt-image-2.5-flare, gpt-image-2.6-sunburst, gpt-image-2.6-flare"
        in refusal.value.next_step
    )
    assert standin.posts == []


async def test_a_model_that_the_catalogue_does_not_know_is_sent_the_markup(photo: str) -> None:
    async with serve_standin() as standin, _paid(standin) as studio:
        with pytest.raises(ImageError, match="gpt-image-9"):
            await studio.edit("x", [photo], marks=[ARROW], model="gpt-image-9", quality="low")
    form = standin.posts[0].form
    assert form is not None
    assert [file.name for file in form.files] == ["image", "markup"]


async def test_a_pinned_responses_route_refuses_markup_before_the_call(photo: str) -> None:
    async with serve_standin() as standin, _paid(standin, force_responses_edits=True) as studio:
        with pytest.raises(UnsupportedByModel, match="OPENAI_FORCE_RESPONSES_EDITS is set") as refusal:
            await studio.edit("x", [photo], marks=[ARROW], **QUICK)
    assert "nothing was made" in refusal.value.message
    assert "unset that variable" in refusal.value.next_step
    assert standin.posts == []


async def test_where_the_edits_route_is_not_open_yet_markup_does_not_go_another_way(photo: str) -> None:
    transport = SandboxTransport()
    transport.rejects_edits = True
    async with serve_standin(transport) as standin, _paid(standin) as studio:
        for _ in range(2):
            with pytest.raises(UnsupportedByModel, match=r"Responses API .* takes none") as refusal:
                await studio.edit("x", [photo], marks=[ARROW], **QUICK)
            assert "again in ten minutes" in refusal.value.next_step
        assert _posts(standin) == [EDITS]
        assert (await studio.edit("x", [photo], **QUICK)).route == "responses"


async def test_markup_is_reserved_as_one_more_picture(photo: str) -> None:
    async with serve_standin() as standin:
        async with _paid(standin, max_cost_usd="0.021") as studio:
            assert (await studio.edit("x", [photo], **QUICK)).images
            with pytest.raises(ImageError, match=r"0\.021"):
                await studio.edit("x", [photo], marks=[ARROW], **QUICK)
        assert _posts(standin) == [EDITS]


def test_calls_with_other_marks_or_markup_are_other_calls(project: Path) -> None:
    settings = Settings(sandbox=True)
    first, second = _hints(project), _hints(project, name="other.png")
    described: list[dict[str, Any]] = [
        {},
        {"marks": [ARROW]},
        {"marks": [{**ARROW, "text": "there"}]},
        {"marks": [ARROW, ARROW]},
        {"markup": first},
        {"markup": second},
        {"mask": first},
    ]
    options = [parse_options(**one) for one in described]
    keys = {key_of_call(one.without_files, one.files, settings) for one in options}
    assert len(keys) == len(described)
    assert key_of_call(options[1].without_files, options[1].files, settings) in keys
    (project / first).write_bytes((project / second).read_bytes() + b"\0")
    assert key_of_call(options[4].without_files, options[4].files, settings) not in keys


async def test_exact_size_goes_with_marks(photo: str) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        result = await studio.edit("x", [photo], marks=[ARROW], exact_size="640x360", **QUICK)
    assert _opened(result).size == (640, 360)
