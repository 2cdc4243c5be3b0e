"""The sandbox's edits endpoint: what the real SDK gets back, and what it refuses as the API does."""

from __future__ import annotations

import base64
import datetime as dt
import io
from typing import TYPE_CHECKING, Any, cast

import httpx2
import openai
import pytest
from PIL import Image, ImageDraw

from gpt_image_mcp.openai_api.sandbox.failures import REFUSALS
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Upload = tuple[str, bytes, str]
SIZE = (960, 720)
RED, BLUE = (200, 60, 60), (40, 60, 200)
HEADERS = {"authorization": "Bearer sk-test"}


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def upload(image: Image.Image, kind: str = "PNG", *, mime: str = "", **options: Any) -> Upload:
    return (f"image.{kind.lower()}", file_of(image, kind, **options), mime or f"image/{kind.lower()}")


def mask_of(size: tuple[int, int] = SIZE) -> Image.Image:
    """A mask whose left half is to be edited."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    ImageDraw.Draw(mask).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=(0, 0, 0, 0))
    return mask


PHOTO = upload(Image.new("RGB", SIZE, RED))
ARGUMENTS: dict[str, Any] = {
    "model": "gpt-image-2",
    "prompt": "add a lamp",
    "size": "960x720",
    "quality": "low",
    "image": PHOTO,
}


@pytest.fixture
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    """The real SDK over a sandbox, with its own retries off."""
    # While the models with fixed sizes are there.
    sandbox = SandboxTransport(today=lambda: dt.date(2026, 11, 30))
    transport = httpx2.AsyncClient(transport=sandbox)
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=transport) as made:
        yield made


async def make(client: openai.AsyncOpenAI, **changes: Any) -> openai.types.ImagesResponse:
    # The overloads of the SDK cannot be told apart by arguments that only a test knows.
    edit: Any = client.images.edit
    return cast("openai.types.ImagesResponse", await edit(**{**ARGUMENTS, **changes}))


def picture(response: openai.types.ImagesResponse, index: int = 0) -> Image.Image:
    assert response.data is not None
    image = Image.open(io.BytesIO(base64.b64decode(response.data[index].b64_json or "")))
    image.load()
    return image


def distance(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> int:
    """How far a pixel is from a colour, at most of any channel."""
    pixel = image.convert("RGB").getpixel(at)
    assert isinstance(pixel, tuple)
    return max(abs(value - wanted) for value, wanted in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_an_edit_takes_each_format_and_changes_the_picture(
    client: openai.AsyncOpenAI, kind: str
) -> None:
    response = await make(client, image=upload(Image.new("RGB", SIZE, RED), kind), output_format="webp")
    image = picture(response)
    assert (image.format, image.size) == ("WEBP", SIZE)
    assert (response.size, response.quality, response.output_format) == ("960x720", "low", "webp")
    assert distance(image, (480, 20), RED) > 20


async def test_a_mask_makes_its_transparent_part_new_and_only_tints_the_rest(
    client: openai.AsyncOpenAI,
) -> None:
    image = picture(await make(client, mask=("mask.png", file_of(mask_of()), "image/png")))
    assert 16 < distance(image, (900, 100), RED) < 60
    assert distance(image, (900, 100), RED) == distance(image, (500, 700), RED)
    assert distance(image, (100, 100), RED) > 60


async def test_every_further_image_shows(client: openai.AsyncOpenAI) -> None:
    others = [upload(Image.new("RGB", (64, 64), colour)) for colour in (BLUE, (0, 160, 60))]
    image = picture(await make(client, image=[PHOTO, *others]))
    assert distance(image, (20, 20), BLUE) == 0
    assert distance(image, (110, 20), (0, 160, 60)) == 0


async def test_sixteen_images_are_taken_and_count(client: openai.AsyncOpenAI) -> None:
    one, many = await make(client), await make(client, image=[PHOTO] * 16)
    assert one.usage is not None
    assert many.usage is not None
    assert one.usage.input_tokens_details.image_tokens == 30 * 23
    assert many.usage.input_tokens_details.image_tokens == 16 * 30 * 23
    assert many.usage.total_tokens == many.usage.input_tokens + many.usage.output_tokens


async def test_several_results_differ(client: openai.AsyncOpenAI) -> None:
    response = await make(client, n=2)
    assert picture(response, 0).tobytes() != picture(response, 1).tobytes()


@pytest.mark.parametrize(
    ("size", "expected"), [((900, 600), "1536x1024"), ((600, 900), "1024x1536"), ((70, 64), "1024x1024")]
)
async def test_size_auto_follows_the_first_image(
    client: openai.AsyncOpenAI, size: tuple[int, int], expected: str
) -> None:
    response = await make(client, image=[upload(Image.new("RGB", size)), PHOTO], size="auto")
    assert response.size == expected
    assert "{}x{}".format(*picture(response).size) == expected


async def test_a_transparent_first_image_stays_transparent_where_that_is_asked(
    client: openai.AsyncOpenAI,
) -> None:
    clear = upload(Image.new("RGBA", SIZE, (0, 0, 0, 0)))
    newer = "gpt-image-2.5-flare"
    image = picture(await make(client, image=clear, background="transparent", model=newer))
    assert image.mode == "RGBA"
    alpha = image.getchannel("A").getextrema()
    assert alpha[0] == 0
    assert picture(await make(client, image=clear)).mode == "RGB"


async def test_a_stream_of_an_edit_ends_with_the_picture_of_a_plain_call(client: openai.AsyncOpenAI) -> None:
    stream = await client.images.edit(**ARGUMENTS, stream=True, partial_images=2)
    events = [event.model_dump() async for event in stream]
    assert [event["type"] for event in events] == ["image_edit.partial_image"] * 2 + ["image_edit.completed"]
    plain = await make(client)
    assert plain.data is not None
    assert events[-1]["b64_json"] == plain.data[0].b64_json
    assert len({event["b64_json"] for event in events}) == 3


@pytest.mark.parametrize(
    ("changes", "param", "code", "words"),
    [
        ({"mask": upload(mask_of((960, 704)))}, "mask", "invalid_image_file", "size does not match"),
        ({"mask": upload(mask_of().convert("RGB"))}, "mask", "invalid_image_file", "missing alpha channel"),
        ({"mask": upload(mask_of().convert("L"))}, "mask", "invalid_image_file", "missing alpha channel"),
        ({"mask": upload(mask_of(), mime="image/webp")}, "mask", "unsupported_file_mimetype", "PNG"),
        ({"mask": upload(mask_of(), "WEBP", mime="image/png")}, "mask", "unsupported_file_mimetype", "PNG"),
        ({"mask": file_of(mask_of())}, "mask", "unsupported_file_mimetype", "PNG"),
        (
            {"mask": ("m.png", file_of(mask_of())[:60], "image/png")},
            "mask",
            "invalid_image_file",
            "mask image",
        ),
        (
            {"mask": ("m.png", file_of(mask_of()) + bytes(4 * 2**20), "image/png")},
            "mask",
            "image_too_large",
            "less than 4MB",
        ),
        ({"image": PHOTO[1]}, "image", "unsupported_file_mimetype", "application/octet-stream"),
        ({"image": ("i.gif", b"GIF89a", "image/gif")}, "image", "unsupported_file_mimetype", "image/gif"),
        ({"image": ("i.png", b"no image", "image/png")}, "image", "invalid_image_file", "image 1"),
        ({"image": ("i.png", PHOTO[1][:50], "image/png")}, "image", "invalid_image_file", "image 1"),
        ({"image": (*PHOTO[:2], "image/jpeg")}, "image", "invalid_image_file", "image 1"),
        ({"image": upload(Image.new("P", SIZE))}, "image", "invalid_image_file", "image 1"),
        ({"image": upload(Image.new("L", SIZE))}, "image", "invalid_image_file", "image 1"),
        ({"image": upload(Image.new("I;16", SIZE))}, "image", "invalid_image_file", "image 1"),
        ({"image": upload(Image.new("CMYK", SIZE), "JPEG")}, "image", "invalid_image_file", "image 1"),
        (
            {
                "image": upload(
                    Image.new("RGB", SIZE, RED),
                    save_all=True,
                    append_images=[Image.new("RGB", SIZE, BLUE)],
                )
            },
            "image",
            "invalid_image_file",
            "image 1",
        ),
        (
            {"image": [PHOTO, upload(Image.new("RGBA", SIZE))]},
            "image",
            "invalid_image_file",
            "file or mode for image 2",
        ),
        ({"image": [PHOTO] * 17}, "image", "array_above_max_length", "at most 16, but got 17"),
        ({"image": []}, "image", "missing_required_parameter", "'image'"),
        ({"prompt": ""}, "prompt", "string_below_min_length", "too short"),
        ({"size": "1000x1000"}, "size", "invalid_value", "divisible by 16"),
        ({"n": 11}, "n", "integer_out_of_range", "from 1 to 10"),
        ({"output_compression": 0}, "output_compression", "invalid_value", "PNG"),
        ({"input_fidelity": "high"}, "input_fidelity", "invalid_input_fidelity_model", "gpt-image-2"),
        ({"extra_body": {"moderation": "low"}}, "moderation", "unknown_parameter", "moderation"),
        ({"extra_body": {"style": "vivid"}}, "style", "unknown_parameter", "style"),
        ({"extra_body": {"n": "--5"}}, "n", "invalid_type", "integer"),
        ({"extra_body": {"n": "²"}}, "n", "invalid_type", "integer"),
        ({"extra_body": {"n": "9" * 5000}}, "n", "invalid_type", "integer"),
        ({"extra_body": {"stream": "yes"}}, "stream", "invalid_type", "boolean"),
        ({"partial_images": 1}, "partial_images", "invalid_value", "stream"),
    ],
)
async def test_what_the_api_refuses_is_refused(
    client: openai.AsyncOpenAI, changes: dict[str, Any], param: str, code: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await make(client, **changes)
    assert (refusal.value.param, refusal.value.code) == (param, code)
    assert words in refusal.value.message


async def test_an_image_of_fifty_megabytes_is_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="image 1: the file must be less than 50MB"):
        await make(client, image=("i.png", PHOTO[1].ljust(50 * 2**20, b"\0"), "image/png"))


async def test_a_picture_that_would_take_all_memory_is_refused_before_it_is_decoded(
    client: openai.AsyncOpenAI,
) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (9000, 9000)).save(stream, "PNG", compress_level=1)
    with pytest.raises(openai.BadRequestError, match="GPT_IMAGE_MEMORY_MB"):
        await make(client, image=("large.png", stream.getvalue(), "image/png"))


async def test_a_model_that_takes_fidelity_gets_it(client: openai.AsyncOpenAI) -> None:
    response = await make(client, model="gpt-image-1.5", size="1024x1024", input_fidelity="high")
    assert picture(response).size == (1024, 1024)


async def test_a_model_that_is_not_there_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await make(client, model="gpt-image-1")


async def _post(**request: Any) -> httpx2.Response:
    transport = SandboxTransport()
    async with httpx2.AsyncClient(transport=transport, base_url="https://sandbox.invalid") as http:
        arguments: dict[str, Any] = {"headers": HEADERS, **request}
        return await http.post("/v1/images/edits", **arguments)


FIELDS = {name: ARGUMENTS[name] for name in ("model", "prompt", "size", "quality")}


async def test_several_files_in_the_field_of_one_look_like_a_wrong_model() -> None:
    for names in (("image", "image"), ("image", "image[]")):
        answer = await _post(data=FIELDS, files=[(name, PHOTO) for name in names])
        assert answer.status_code == 400
        assert answer.json()["error"]["message"] == "Invalid value: 'gpt-image-2'. Value must be 'dall-e-2'."


async def test_a_list_of_one_is_a_list() -> None:
    assert (await _post(data=FIELDS, files=[("image[]", PHOTO)])).status_code == 200


async def test_a_file_in_an_unknown_field_is_refused() -> None:
    answer = await _post(data=FIELDS, files=[("image", PHOTO), ("picture", PHOTO)])
    assert answer.json()["error"]["message"] == "Unknown parameter: 'picture'."


async def test_an_image_as_plain_text_is_refused() -> None:
    answer = await _post(data={**FIELDS, "image": "photo.png"}, files=[("mask", PHOTO)])
    assert answer.json()["error"]["message"] == "Unknown parameter: 'image'."


@pytest.mark.parametrize(
    ("content_type", "content", "words"),
    [
        ("application/json", b"{}", "Expected 'multipart/form-data'"),
        ("multipart/mixed; boundary=b", b"--b--\r\n", "Expected 'multipart/form-data'"),
        ("multipart/form-data", b"", "Expected 'multipart/form-data'"),
        ("multipart/form-data; boundary=b", b"no form at all", "Could not parse multipart form"),
        ("multipart/form-data; boundary=b", b"", "unexpected end"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na f',
            "unexpected end",
        ),
    ],
)
async def test_a_body_that_is_no_whole_form_is_refused(content_type: str, content: bytes, words: str) -> None:
    answer = await _post(content=content, headers={**HEADERS, "content-type": content_type})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


async def test_an_edit_needs_a_key() -> None:
    answer = await _post(data=FIELDS, files=[("image", PHOTO)], headers={})
    assert answer.status_code == 401


async def test_a_test_sees_the_form_as_it_came_and_no_key() -> None:
    transport = SandboxTransport()
    http = httpx2.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="sk-secret", max_retries=0, http_client=http) as client:
        await make(client, image=[PHOTO], n=1)
    request = transport.requests[-1]
    assert (request.method, request.path, request.json) == ("POST", "/v1/images/edits", None)
    assert request.form is not None
    assert request.form.fields == {**FIELDS, "n": "1"}
    (file,) = request.form.named("image[]")
    assert (file.filename, file.content_type, file.data) == (PHOTO[0], "image/png", PHOTO[1])
    assert "sk-secret" not in repr(request)


async def test_in_the_launch_weeks_only_edits_are_rejected() -> None:
    http = httpx2.AsyncClient(transport=SandboxTransport(rejects_edits=True))
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http) as client:
        with pytest.raises(openai.BadRequestError, match="Value must be 'dall-e-2'") as refusal:
            await make(client)
        made = await client.images.generate(
            model="gpt-image-2", prompt="a fox", size="816x816", quality="low"
        )
    assert refusal.value.param == "model"
    assert made.size == "816x816"


@pytest.mark.parametrize("name", ["launch_400", "moderation_blocked", "rate_limited", "500"])
async def test_failures_on_demand_work_for_edits_too(client: openai.AsyncOpenAI, name: str) -> None:
    with pytest.raises(openai.APIStatusError) as refusal:
        await make(client, prompt=f"a lamp [sandbox:{name}]")
    assert refusal.value.status_code == REFUSALS[name].status
    assert refusal.value.code == REFUSALS[name].code


async def test_planned_failures_are_played_in_order_and_an_empty_name_is_none() -> None:
    http = httpx2.AsyncClient(transport=SandboxTransport(failures=["", "503"]))
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http) as client:
        first = await make(client)
        with pytest.raises(openai.InternalServerError):
            await make(client)
        again = await make(client)
    assert first.data == again.data


def _hints(size: tuple[int, int] = SIZE) -> Image.Image:
    """Markup: a green bar on nothing."""
    markup = Image.new("RGBA", size, (0, 0, 0, 0))
    markup.paste((0, 200, 0, 255), (100, 100, 300, 140))
    return markup


async def test_markup_shows_on_the_edited_picture(client: openai.AsyncOpenAI) -> None:
    marked = picture(await make(client, model="gpt-image-2.5-flare", markup=upload(_hints())))
    plain = picture(await make(client, model="gpt-image-2.5-flare"))
    assert distance(marked, (200, 120), (0, 200, 0)) == 0
    assert distance(plain, (200, 120), (0, 200, 0)) > 20
    assert marked.getpixel((500, 200)) == plain.getpixel((500, 200))


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"model": "gpt-image-2"}, "unsupported_parameter", "does not support the 'markup'"),
        ({"model": "gpt-image-1.5", "size": "1024x1024"}, "unsupported_parameter", "does not support"),
        ({"mask": upload(mask_of())}, "invalid_parameter_combination", "cannot be used together"),
        ({"markup": upload(_hints((960, 704)))}, "invalid_image_file", "size does not match"),
        ({"markup": upload(_hints().convert("RGB"))}, "invalid_image_file", "missing alpha channel"),
        ({"markup": upload(_hints().convert("P"))}, "invalid_image_file", "missing alpha channel"),
        ({"markup": upload(Image.new("RGBA", SIZE, "red"))}, "invalid_image_file", "transparent pixels"),
        (
            {"markup": upload(Image.new("RGBA", SIZE, (9, 9, 9, 1)))},
            "invalid_image_file",
            "transparent pixels",
        ),
        ({"markup": upload(_hints(), "WEBP")}, "unsupported_file_mimetype", "PNG"),
        ({"markup": ("m.png", file_of(_hints())[:60], "image/png")}, "invalid_image_file", "markup image"),
        (
            {"markup": ("m.png", file_of(_hints()) + bytes(4 * 2**20), "image/png")},
            "image_too_large",
            "less than 4MB",
        ),
    ],
)
async def test_markup_that_the_api_does_not_take_is_refused(
    client: openai.AsyncOpenAI, changes: dict[str, Any], code: str, words: str
) -> None:
    arguments = {"model": "gpt-image-2.6-sunburst", "markup": upload(_hints()), **changes}
    with pytest.raises(openai.BadRequestError, match=words) as refusal:
        await make(client, **arguments)
    assert (refusal.value.param, refusal.value.code) == ("markup", code)


async def test_markup_has_the_size_of_image_1_as_the_camera_was_held(client: openai.AsyncOpenAI) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = upload(Image.new("RGB", SIZE, RED), "JPEG", exif=exif)
    standing = upload(_hints((SIZE[1], SIZE[0])))
    made = await make(client, model="gpt-image-2.5-flare", image=turned, markup=standing)
    assert picture(made).size == SIZE
    with pytest.raises(openai.BadRequestError, match="size does not match"):
        await make(client, model="gpt-image-2.5-flare", image=turned, markup=upload(_hints()))
