"""The sandbox's Responses endpoint: an edit as a forced call of the image tool, and what is refused."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import pytest
from PIL import Image

from gpt_image_mcp.openai_api.sandbox.failures import REFUSALS
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SIZE = (960, 720)
TOOL: dict[str, Any] = {
    "type": "image_generation",
    "action": "edit",
    "model": "gpt-image-2",
    "size": "960x720",
    "quality": "low",
}


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


PHOTO = png(Image.new("RGB", SIZE, (200, 60, 60)))
CLEAR = png(Image.new("RGBA", SIZE, (0, 0, 0, 0)))


@pytest.fixture
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    """The real SDK over a sandbox, with its own retries off."""
    transport = httpx2.AsyncClient(transport=SandboxTransport())
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=transport) as made:
        yield made


async def uploaded(client: openai.AsyncOpenAI, data: bytes = PHOTO, *, purpose: Any = "vision") -> str:
    return (await client.files.create(file=("image.png", data, "image/png"), purpose=purpose)).id


def part_of(file_id: str) -> dict[str, Any]:
    return {"type": "input_image", "file_id": file_id, "detail": "auto"}


async def ask(
    client: openai.AsyncOpenAI,
    *,
    prompt: str = "add a lamp",
    images: list[dict[str, Any]] | None = None,
    tool: dict[str, Any] | None = None,
    **changes: Any,
) -> Any:
    """The answer to an edit of an uploaded photograph, changed as a test wants."""
    if images is None:
        images = [part_of(await uploaded(client))]
    content = [{"type": "input_text", "text": prompt}, *images]
    arguments: dict[str, Any] = {
        "model": "gpt-4.1-mini",
        "input": [{"role": "user", "content": content}],
        "tools": [{**TOOL, **(tool or {})}],
        "tool_choice": {"type": "image_generation"},
        "store": False,
        **changes,
    }
    method: Any = client.responses.create
    return await method(**arguments)


def picture(call: Any) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(call.result)))
    image.load()
    return image


async def test_an_edit_answers_with_one_image_call(client: openai.AsyncOpenAI) -> None:
    answer = await ask(client, tool={"output_format": "webp", "moderation": "low"})
    (call,) = answer.output
    assert (answer.status, answer.model, call.type, call.status) == (
        *("completed", "gpt-4.1-mini"),
        *("image_generation_call", "completed"),
    )
    assert (picture(call).format, picture(call).size) == ("WEBP", SIZE)
    assert (call.size, call.quality, call.output_format) == ("960x720", "low", "webp")


async def test_host_and_image_tokens_are_reported_apart(client: openai.AsyncOpenAI) -> None:
    answer = (await ask(client)).model_dump()
    host, image = answer["usage"], answer["tool_usage"]["image_gen"]
    for usage in (host, image):
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert image["input_tokens_details"]["image_tokens"] == 30 * 23
    assert host["output_tokens"] > 0


async def test_the_picture_is_that_of_the_edits_endpoint(client: openai.AsyncOpenAI) -> None:
    (call,) = (await ask(client)).output
    direct = await client.images.edit(
        image=("image.png", PHOTO, "image/png"),
        prompt="add a lamp",
        model="gpt-image-2",
        size="960x720",
        quality="low",
    )
    assert direct.data is not None
    assert call.result == direct.data[0].b64_json


async def test_a_mask_is_taken_by_its_file(client: openai.AsyncOpenAI) -> None:
    opaque = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    opaque.paste((0, 0, 0, 0), (0, 0, 480, 720))
    mask_id = await uploaded(client, png(opaque))
    (masked,) = (await ask(client, tool={"input_image_mask": {"file_id": mask_id}})).output
    image = picture(masked)
    assert image.getpixel((900, 100)) == image.getpixel((500, 700))
    (free,) = (await ask(client)).output
    assert free.result != masked.result


async def test_several_images_are_taken_in_order(client: openai.AsyncOpenAI) -> None:
    blue = png(Image.new("RGB", (64, 64), (40, 60, 200)))
    ids = [await uploaded(client, data) for data in (PHOTO, blue)]
    (call,) = (await ask(client, images=[part_of(name) for name in ids])).output
    assert picture(call).getpixel((20, 20)) == (40, 60, 200)


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"model": "gpt-image-2"}, "model", "cannot be used with the Responses API"),
        ({"model": "chatgpt-image-latest"}, "model", "cannot be used with the Responses API"),
        ({"tools": []}, "tools", "one tool"),
        ({"tools": [TOOL, TOOL]}, "tools", "one tool"),
        ({"tools": TOOL}, "tools", "expected a list"),
        ({"tools": ["image_generation"]}, "tools[0]", "expected an object"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "'web_search'"),
        ({"tool_choice": "auto"}, "tool_choice", "force image_generation"),
        ({"tool": {"action": "paint"}}, "tools[0].action", "'paint'"),
        ({"tool": {"moderation": "none"}}, "tools[0].moderation", "'none'"),
        ({"tool": {"n": 1}}, "tools[0].n", "Unknown parameter"),
        ({"tool": {"prompt": "a fox"}}, "tools[0].prompt", "Unknown parameter"),
        ({"tool": {"safety_identifier": "u"}}, "tools[0].safety_identifier", "Unknown parameter"),
        ({"tool": {"size": "1000x1000"}}, "size", "divisible by 16"),
        ({"tool": {"input_fidelity": "high"}}, "input_fidelity", "does not support"),
        ({"tool": {"output_compression": 0}}, "output_compression", "PNG"),
        ({"tool": {"input_image_mask": {}}}, "file_id", "Missing required parameter"),
        ({"tool": {"input_image_mask": "file-1"}}, "tools[0].input_image_mask", "expected an object"),
        ({"prompt": ""}, "prompt", "too short"),
        ({"images": []}, "image", "Missing required parameter: 'image'"),
        ({"images": [{"type": "input_image"}]}, "file_id", "Missing required parameter"),
        ({"images": [{"type": "image_url"}]}, "input[].content[].type", "'input_image'"),
        ({"images": ["words"]}, "input[].content[]", "expected an object"),
        ({"input": "words"}, "input", "expected a list"),
        ({"input": ["words"]}, "input[]", "expected an object"),
        ({"input": [{"role": "user", "content": "words"}]}, "input[].content", "expected a list"),
        ({"extra_body": {"n": 2}}, "n", "Unknown parameter: 'n'"),
    ],
)
async def test_what_the_api_refuses_is_refused(
    client: openai.AsyncOpenAI, changes: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await ask(client, **changes)
    assert refusal.value.param == param
    assert words in refusal.value.message


async def test_a_file_that_is_not_there_is_not_found(client: openai.AsyncOpenAI) -> None:
    gone = await uploaded(client)
    await client.files.delete(gone)
    with pytest.raises(openai.NotFoundError, match=gone):
        await ask(client, images=[part_of(gone)])
    with pytest.raises(openai.NotFoundError, match="file-none"):
        await ask(client, tool={"input_image_mask": {"file_id": "file-none"}})


async def test_a_file_for_another_purpose_is_refused(client: openai.AsyncOpenAI) -> None:
    other = await uploaded(client, purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="purpose user_data; expected vision"):
        await ask(client, images=[part_of(other)])


async def test_files_are_as_strictly_checked_as_those_of_the_edits_endpoint(
    client: openai.AsyncOpenAI,
) -> None:
    with pytest.raises(openai.BadRequestError, match="Invalid image file or mode for image 1"):
        await ask(client, images=[part_of(await uploaded(client, b"no image"))])
    with pytest.raises(openai.BadRequestError, match="missing alpha channel"):
        await ask(client, tool={"input_image_mask": {"file_id": await uploaded(client)}})
    with pytest.raises(openai.BadRequestError, match="for image 2"):
        await ask(client, images=[part_of(await uploaded(client, data)) for data in (PHOTO, CLEAR)])


async def test_a_missing_model_of_the_tool_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        await ask(client, tool={"model": "gpt-image-1"})
    assert refusal.value.code == "model_not_found"


@pytest.mark.parametrize("content", [b"", b"no json", b"[]"])
async def test_a_body_that_is_no_json_object_is_refused(content: bytes) -> None:
    headers = {"authorization": "Bearer sk-test"}
    async with httpx2.AsyncClient(transport=SandboxTransport(), base_url="https://sandbox.invalid") as http:
        answer = await http.post("/v1/responses", content=content, headers=headers)
    assert answer.status_code == 400
    assert "could not parse the JSON" in answer.json()["error"]["message"]


async def test_a_host_that_refuses_makes_no_call_and_the_tool_uses_nothing(
    client: openai.AsyncOpenAI,
) -> None:
    answer = await ask(client, prompt="a lamp [sandbox:host_refuses]")
    assert answer.model_dump()["tool_usage"] is None
    assert [item.type for item in answer.output] == ["message"]
    assert "can't help" in answer.output[0].content[0].refusal


@pytest.mark.parametrize(
    ("name", "code"), [("image_call_failed", "server_error"), ("image_call_moderated", "moderation_blocked")]
)
async def test_an_image_call_can_fail_inside_a_good_answer(
    client: openai.AsyncOpenAI, name: str, code: str
) -> None:
    answer = (await ask(client, prompt=f"a lamp [sandbox:{name}]")).model_dump()
    (call,) = answer["output"]
    assert (answer["status"], call["status"], call["result"]) == ("completed", "failed", None)
    assert call["error"]["code"] == code


async def test_a_moderated_call_says_why(client: openai.AsyncOpenAI) -> None:
    answer = (await ask(client, prompt="a lamp [sandbox:image_call_moderated]")).model_dump()
    details = answer["output"][0]["error"]["moderation_details"]
    assert details == REFUSALS["moderation_blocked"].details


async def test_a_whole_answer_can_fail_or_be_cut_off(client: openai.AsyncOpenAI) -> None:
    failed = await ask(client, prompt="a lamp [sandbox:response_failed]")
    assert (failed.status, failed.output, failed.error.code) == ("failed", [], "server_error")
    cut = await ask(client, prompt="a lamp [sandbox:response_incomplete]")
    assert (cut.status, cut.output, cut.incomplete_details.reason) == ("incomplete", [], "content_filter")


async def test_a_call_can_come_without_its_image_or_its_usage(client: openai.AsyncOpenAI) -> None:
    empty = await ask(client, prompt="a lamp [sandbox:no_result]")
    assert (empty.output[0].status, empty.output[0].result) == ("completed", None)
    uncounted = (await ask(client, prompt="a lamp [sandbox:no_tool_usage]")).model_dump(exclude_unset=True)
    assert "tool_usage" not in uncounted
    assert uncounted["usage"]["total_tokens"] > 0


async def test_refusals_on_demand_hold_here_too_but_not_that_of_the_edits_endpoint(
    client: openai.AsyncOpenAI,
) -> None:
    with pytest.raises(openai.RateLimitError):
        await ask(client, prompt="a lamp [sandbox:rate_limited]")
    (call,) = (await ask(client, prompt="a lamp [sandbox:launch_400]")).output
    assert picture(call).size == SIZE
