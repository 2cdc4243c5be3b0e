"""The sandbox's generations endpoint: what the real SDK gets back, and what it refuses as the API does."""

from __future__ import annotations

import base64
import datetime as dt
import io
from typing import TYPE_CHECKING, Any, cast

import httpx2
import openai
import pytest
from PIL import Image

from gpt_image_mcp.openai_api.sandbox.failures import NAMES, REFUSALS
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ARGUMENTS: dict[str, Any] = {
    "model": "gpt-image-2",
    "prompt": "a fox",
    "size": "1024x1024",
    "quality": "low",
}
NEWEST = {"model": "gpt-image-2.6-flare"}
GIF = {**NEWEST, "output_format": "gif", "size": "auto"}
SVG = {**NEWEST, "output_format": "svg"}


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
    generate: Any = client.images.generate
    return cast("openai.types.ImagesResponse", await generate(**{**ARGUMENTS, **changes}))


def _picture(response: openai.types.ImagesResponse, index: int = 0) -> Image.Image:
    assert response.data is not None
    image = Image.open(io.BytesIO(base64.b64decode(response.data[index].b64_json or "")))
    image.load()
    return image


@pytest.mark.parametrize(
    ("output_format", "size", "kind"),
    [("png", "1536x1024", "PNG"), ("jpeg", "1024x1536", "JPEG"), ("webp", "816x816", "WEBP")],
)
async def test_a_picture_has_the_size_and_format_that_was_asked(
    client: openai.AsyncOpenAI, output_format: str, size: str, kind: str
) -> None:
    response = await make(client, output_format=output_format, size=size)
    image = _picture(response)
    assert image.format == kind
    assert f"{image.width}x{image.height}" == size
    assert (response.size, response.output_format, response.quality) == (size, output_format, "low")
    assert response.background == "opaque"


async def test_the_same_request_draws_the_same_picture_and_another_prompt_another(
    client: openai.AsyncOpenAI,
) -> None:
    first, again, other = [await make(client, prompt=prompt) for prompt in ("a fox", "a fox", "an owl")]
    assert first.data == again.data
    assert first.data != other.data


async def test_several_images_differ(client: openai.AsyncOpenAI) -> None:
    response = await make(client, n=3)
    assert response.data is not None
    assert len({image.b64_json for image in response.data}) == 3
    assert response.usage is not None
    assert response.usage.output_tokens == 3 * 196


async def test_a_transparent_background_is_really_transparent(client: openai.AsyncOpenAI) -> None:
    response = await make(client, background="transparent", model="gpt-image-2.5-flare")
    image = _picture(response)
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0)) == (0, 0, 0, 0)
    assert response.background == "transparent"


async def test_what_is_left_open_is_decided_and_echoed(client: openai.AsyncOpenAI) -> None:
    response = await make(client, size="auto", quality="auto")
    image = _picture(response)
    assert response.size == f"{image.width}x{image.height}"
    assert response.quality == "high"


@pytest.mark.parametrize("prompt", ["狐", "x" * 32_000, "\U0001f98a", "a\nb\tc", " "])
async def test_any_prompt_can_be_drawn(client: openai.AsyncOpenAI, prompt: str) -> None:
    assert _picture(await make(client, prompt=prompt)).size == (1024, 1024)


@pytest.mark.parametrize("model", ["gpt-image-2.6-flare", "gpt-image-1-mini", "gpt-image-1.5"])
async def test_every_current_model_answers_with_plausible_usage(
    client: openai.AsyncOpenAI, model: str
) -> None:
    response = await make(client, model=model)
    assert response.usage is not None
    assert response.usage.output_tokens > 100
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"prompt": ""}, "prompt", "too short"),
        ({"prompt": "x" * 32_001}, "prompt", "32001"),
        ({"prompt": "a\0b"}, "prompt", "null character"),
        ({"prompt": 5}, "prompt", "too short"),
        ({"size": "1000x1000"}, "size", "divisible by 16"),
        ({"size": "4096x2048"}, "size", "3840"),
        ({"size": "3840x1024"}, "size", "ratio"),
        ({"size": "256x256"}, "size", "below the current minimum pixel budget"),
        ({"size": "3840x3840"}, "size", "exceeds"),
        ({"size": "big"}, "size", "WIDTHxHEIGHT"),
        ({"size": "999999x999999"}, "size", "WIDTHxHEIGHT"),
        ({"size": "2048x2048", "model": "gpt-image-1.5"}, "size", "1536x1024"),
        ({"quality": "best"}, "quality", "'low', 'medium', 'high'"),
        ({"quality": "max"}, "quality", "Supported values"),
        ({"n": 11}, "n", "from 1 to 10"),
        ({"n": "two"}, "n", "integer"),
        ({"background": "blue"}, "background", "opaque"),
        ({"output_format": "gif"}, "output_format", "webp"),
        ({"background": "transparent"}, "background", "not supported for this model"),
        (
            {"background": "transparent", "output_format": "jpeg", **NEWEST},
            "background",
            "JPEG",
        ),
        ({"complexity": "low"}, "complexity", "does not support"),
        ({"complexity": "most", **NEWEST}, "complexity", "'medium'"),
        ({**GIF, "frame_count": 17}, "frame_count", "from 2 to 16"),
        ({**GIF, "frame_count": 6, "size": "1024x1024"}, "size", "sheet of 4096x2048"),
        ({**GIF, "stream": True}, "stream", "GIF"),
        ({**GIF, "output_compression": 50}, "output_compression", "GIF"),
        ({"frame_count": 4, **NEWEST}, "frame_count", "only supported for GIF"),
        ({**SVG, "n": 2}, "n", "Only one image"),
        ({**SVG, "stream": True}, "stream", "SVG"),
        ({**SVG, "output_compression": 100}, "output_compression", "SVG"),
        ({"output_compression": 50}, "output_compression", "PNG"),
        ({"output_compression": 101, "output_format": "webp"}, "output_compression", "100"),
        ({"moderation": "none"}, "moderation", "low"),
        ({"safety_identifier": 5}, "safety_identifier", "string"),
        ({"partial_images": 2}, "partial_images", "stream"),
        ({"extra_body": {"style": "vivid"}}, "style", "Unknown parameter: 'style'"),
        ({"extra_body": {"response_format": "b64_json"}}, "response_format", "Unknown parameter"),
        ({"extra_body": {"stream": "yes"}}, "stream", "boolean"),
        ({"model": 5}, "model", "model"),
    ],
)
async def test_what_the_api_refuses_is_refused(
    client: openai.AsyncOpenAI, changes: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await make(client, **changes)
    assert refusal.value.param == param
    assert words in refusal.value.message


@pytest.mark.parametrize("model", ["gpt-image-3", "gpt-image-1", "dall-e-3"])
async def test_a_model_that_is_not_there_is_not_found(client: openai.AsyncOpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        await make(client, model=model)
    assert refusal.value.code == "model_not_found"


async def test_a_stream_sends_partial_images_and_then_the_final_one(client: openai.AsyncOpenAI) -> None:
    stream = await client.images.generate(**ARGUMENTS, stream=True, partial_images=3)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.partial_image"] * 3 + [
        "image_generation.completed"
    ]
    final = events[-1].model_dump()
    assert final["usage"]["output_tokens"] == 196 + 300
    assert "output_tokens_details" not in final["usage"]
    assert [event.model_dump()["partial_image_index"] for event in events[:-1]] == [0, 1, 2]
    assert len({event.model_dump()["b64_json"] for event in events}) == 4


@pytest.mark.parametrize("name", sorted(REFUSALS))
async def test_every_documented_refusal_can_be_played(client: openai.AsyncOpenAI, name: str) -> None:
    with pytest.raises(openai.APIStatusError) as refusal:
        await make(client, prompt=f"a fox [sandbox:{name}]")
    expected = REFUSALS[name]
    assert refusal.value.status_code == expected.status
    assert refusal.value.code == expected.code
    assert refusal.value.request_id is not None
    body = refusal.value.body
    assert isinstance(body, dict)
    assert body["message"] == expected.message
    if name == "moderation_blocked":
        assert body["moderation_details"]["categories"] == ["sexual"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("connect_error", openai.APIConnectionError),
        ("reset", openai.APIConnectionError),
        ("timeout", openai.APITimeoutError),
        ("html", openai.InternalServerError),
    ],
)
async def test_faults_of_the_connection_can_be_played(
    client: openai.AsyncOpenAI, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await make(client, prompt=f"a fox [sandbox:{name}]")


async def test_a_failure_with_a_count_ends_by_itself(client: openai.AsyncOpenAI) -> None:
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await make(client, prompt="a fox [sandbox:500*2]")
    assert (await make(client, prompt="a fox [sandbox:500*2]")).data


async def test_directives_are_not_drawn(client: openai.AsyncOpenAI) -> None:
    plain = await make(client, prompt="a fox")
    delayed = await make(client, prompt="a fox [sandbox:delay=0.01]")
    assert plain.data == delayed.data


@pytest.mark.parametrize("number", ["delay=1.2.3", "delay=.", "500*" + "9" * 5000])
async def test_what_is_no_number_is_no_directive(client: openai.AsyncOpenAI, number: str) -> None:
    assert (await make(client, prompt=f"a fox [sandbox:{number}]")).data


async def test_a_delay_ends_where_the_patience_of_the_client_does(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        await make(client, prompt="a fox [sandbox:delay=999999999]", timeout=0.05)


async def test_an_unknown_directive_names_those_that_exist(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await make(client, prompt="a fox [sandbox:earthquake]")
    assert all(name in refusal.value.message for name in NAMES)


async def test_failures_given_to_the_transport_are_played_in_turn() -> None:
    transport = SandboxTransport(failures=["503", "insufficient_quota"])
    http = httpx2.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http) as client:
        with pytest.raises(openai.InternalServerError):
            await make(client)
        with pytest.raises(openai.RateLimitError):
            await make(client)
        assert (await make(client)).data
    assert len(transport.requests) == 3


async def test_requests_are_remembered_without_the_key() -> None:
    transport = SandboxTransport()
    http = httpx2.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="sk-very-secret", max_retries=0, http_client=http) as made:
        await make(made)
    assert transport.requests[0].json == ARGUMENTS
    assert "sk-very-secret" not in str(transport.requests)


async def test_a_wrong_key_and_none_are_refused() -> None:
    transport = SandboxTransport()
    async with httpx2.AsyncClient(transport=transport, base_url="https://sandbox.invalid") as http:
        answers = [
            await http.post("/v1/images/generations", json=ARGUMENTS, headers=headers)
            for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer sk-invalid"})
        ]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert answers[-1].json()["error"]["code"] == "invalid_api_key"


async def test_models_are_listed_and_found(client: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert "gpt-image-2" in names
    assert "dall-e-3" not in names
    assert (await client.models.retrieve("gpt-image-2")).id == "gpt-image-2"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-image-1")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/images/variations", b"{}", 404),
        ("GET", "/v1/images/generations", b"", 404),
        ("POST", "/v1/images/generations", b"not json", 400),
        ("POST", "/v1/images/generations", b"[]", 400),
        ("POST", "/v1/images/generations", b'{"model": "gpt-image-2"}', 400),
        ("POST", "/v1/images/generations", b'{"prompt": "a fox"}', 400),
        ("GET", "/files/none.png", b"", 404),
    ],
)
async def test_what_is_no_request_of_the_api_is_refused(
    method: str, path: str, content: bytes, status: int
) -> None:
    async with httpx2.AsyncClient(transport=SandboxTransport(), base_url="https://sandbox.invalid") as http:
        headers = {"authorization": "Bearer sk-test"}
        response = await http.request(method, path, content=content, headers=headers)
    assert response.status_code == status
    if path.startswith("/v1"):
        assert response.json()["error"]["message"]


async def test_old_files_are_forgotten() -> None:
    transport = SandboxTransport()
    body = {**ARGUMENTS, "prompt": "a fox [sandbox:url_instead_of_b64]", "n": 10, "size": "816x816"}
    headers = {"authorization": "Bearer sk-test"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="https://sandbox.invalid", timeout=60
    ) as http:
        answers = [
            (await http.post("/v1/images/generations", json=body, headers=headers)).json() for _ in range(11)
        ]
        first, last = answers[0]["data"][0]["url"], answers[-1]["data"][-1]["url"]
        assert (await http.get(first)).status_code == 404
        assert (await http.get(last)).status_code == 200
