"""Links in the place of images: where they lead, who gets the key, and how long they are waited for."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gpt_image_mcp.calls.saving import MOST_SAVED
from gpt_image_mcp.errors import OutcomeUnknown
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.requests import ImageRequest
from tests.faults.observed import QUICK, calls, files, studio_for
from tests.faults.scripted import (
    REQUEST_ID,
    Endpoint,
    Reply,
    answer,
    closing,
    html,
    image_file,
    late,
    picture,
    reset,
    serve_script,
    unused_address,
)
from tests.web import answer as web_answer
from tests.web import pretend, redirect, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

KEY = "sk-test-of-links-0123456789"
REQUEST = ImageRequest(prompt="a fox", model="gpt-image-2", size="816x816", quality="low")
PUBLIC = "93.184.216.34"
FILE = answer(image_file(), content_type="image/png")


class Patience:
    """An API whose clock jumps instead of waiting, and how long it would have waited."""

    def __init__(self, endpoint: Endpoint, **settings: Any) -> None:
        self.slept: list[float] = []
        fields = {"api_key": KEY, "base_url": endpoint.base_url, **settings}
        self.api = OpenAIApi(
            Settings.model_validate(fields), sleep=self._sleep, clock=lambda: sum(self.slept)
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
async def endpoint() -> AsyncGenerator[Endpoint]:
    """An endpoint whose script a test fills."""
    async with serve_script() as made:
        yield made


async def _images(endpoint: Endpoint, *script: Reply, **settings: Any) -> tuple[bytes, ...]:
    endpoint.script[:] = script
    patience = Patience(endpoint, **settings)
    try:
        return (await patience.api.generate(REQUEST)).images
    finally:
        await patience.api.aclose()


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/files/a.png", "/files/a.png"),
        ("files/a.png", "/v1/images/files/a.png"),
        ("../files/a.png", "/v1/files/a.png"),
        ("?file=7/a.png", "/v1/images/generations?file=7/a.png"),
        ("//{host}/b/a.png", "/b/a.png"),
        ("{scheme}://{host}/c.png?sig=1", "/c.png?sig=1"),
        ("<{scheme}://{host}/d.png?a=1&amp;b=2>", "/d.png?a=1&b=2"),
    ],
)
async def test_a_link_to_the_api_itself_is_fetched_with_the_key(
    endpoint: Endpoint, link: str, path: str
) -> None:
    scheme, _, host = endpoint.base_url.removesuffix("/v1").partition("://")
    link = link.format(scheme=scheme, host=host)
    assert await _images(endpoint, picture(data=[{"url": link}]), FILE) == (image_file(),)
    assert endpoint.requests[-1].path == path
    assert endpoint.requests[-1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("name", ["resultUrls", "output_url", "image_links", "result-uri"])
async def test_a_link_is_known_by_the_end_of_its_name(endpoint: Endpoint, name: str) -> None:
    assert await _images(endpoint, answer({name: "/files/7"}), FILE) == (image_file(),)
    assert endpoint.requests[-1].path == "/files/7"


async def test_a_redirect_after_the_work_leads_to_the_picture(endpoint: Endpoint) -> None:
    """Some hosts of functions answer a request of minutes with the address of its result."""
    moved = answer(b"", status=303, location="/v1/result?id=7")
    endpoint.script[:] = [late(moved, seconds=2.2), picture()]
    api = OpenAIApi(Settings.model_validate({"api_key": KEY, "base_url": endpoint.base_url}))
    assert (await api.generate(REQUEST)).images == (image_file(),)
    await api.aclose()
    assert [request.method for request in endpoint.requests] == ["POST", "GET"]


async def test_redirects_in_a_circle_send_few_requests(endpoint: Endpoint) -> None:
    endpoint.script[:] = [answer(b"", status=307, location="/v1/images/generations")] * 20
    api = OpenAIApi(Settings.model_validate({"api_key": KEY, "base_url": endpoint.base_url}))
    with pytest.raises(OutcomeUnknown):
        await api.generate(REQUEST)
    await api.aclose()
    assert len(endpoint.posts) == 5


async def test_a_link_to_another_host_is_fetched_without_the_key(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve({"/a.png?sig=1": web_answer(image_file())}) as web:
        port = int(endpoint.base_url.rpartition(":")[2].partition("/")[0])
        pretend(monkeypatch, {"cdn.example": [[PUBLIC]]}, {PUBLIC: web.port, "127.0.0.1": port})
        link = "http://cdn.example/a.png?sig=1"
        assert await _images(endpoint, picture(data=[{"url": link}])) == (image_file(),)
    assert KEY not in web.heads[0]


async def test_a_redirect_to_another_host_does_not_get_the_key(endpoint: Endpoint) -> None:
    async with serve({"/a.png": web_answer(image_file())}) as web:
        moved = answer(b"", status=302, location=web.url("/a.png"))
        images = await _images(endpoint, picture(data=[{"url": "/a.png"}]), moved, allow_private_urls=True)
    assert images == (image_file(),)
    assert KEY not in web.heads[0]


async def test_a_redirect_back_to_the_api_is_followed_with_the_key(endpoint: Endpoint) -> None:
    async with serve({"/a.png": redirect(f"{endpoint.base_url}/a.png")}) as web:
        link = {"url": web.url("/a.png")}
        images = await _images(endpoint, picture(data=[link]), FILE, allow_private_urls=True)
    assert images == (image_file(),)
    assert endpoint.requests[-1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "169.254.169.254", "[::1]:9", "10.0.0.7"])
async def test_a_link_into_a_private_network_is_not_asked_and_the_setting_is_named(
    endpoint: Endpoint, host: str
) -> None:
    endpoint.script[:] = [picture(data=[{"url": f"http://{host}/a.png"}])]
    patience = Patience(endpoint)
    with pytest.raises(OutcomeUnknown, match="GPT_IMAGE_ALLOW_PRIVATE_URLS"):
        await patience.api.generate(REQUEST)
    await patience.api.aclose()
    assert patience.slept == []


async def test_a_redirect_into_a_private_network_is_refused(endpoint: Endpoint) -> None:
    moved = answer(b"", status=302, location="http://169.254.169.254/latest/meta-data")
    with pytest.raises(OutcomeUnknown, match=r"169\.254\.169\.254"):
        await _images(endpoint, picture(data=[{"url": "/a.png"}]), moved)


async def test_of_very_many_links_as_many_are_fetched_as_are_saved(endpoint: Endpoint) -> None:
    links = [{"url": f"/files/{number}.png"} for number in range(3 * MOST_SAVED)]
    endpoint.script += [picture(data=links), *[FILE] * len(links)]
    async with studio_for(endpoint) as studio:
        result = await studio.generate("a fox", **QUICK)
    assert len(result.images) == MOST_SAVED
    assert len(endpoint.requests) == 1 + MOST_SAVED
    assert any(f"{len(links)} came; the first {MOST_SAVED} were saved" in note for note in result.notes)


@pytest.mark.parametrize(
    "not_yet",
    [
        *(answer(b"", status=status) for status in (404, 403, 401, 409, 410, 423, 425, 429, 500, 502, 503)),
        *(html(200), answer(b""), answer({"status": "processing"}), reset(), closing()),
    ],
)
async def test_a_file_that_is_not_there_yet_is_waited_for(endpoint: Endpoint, not_yet: Reply) -> None:
    endpoint.script[:] = [picture(data=[{"url": "/a.png"}]), *(not_yet,) * 5, FILE]
    patience = Patience(endpoint)
    assert (await patience.api.generate(REQUEST)).images == (image_file(),)
    await patience.api.aclose()
    assert len(endpoint.posts) == 1
    assert patience.slept == sorted(patience.slept)
    assert sum(patience.slept) > 10


async def test_a_link_that_stays_dead_for_a_minute_is_in_the_error_without_the_key(
    endpoint: Endpoint,
) -> None:
    link = f"/a.png?token={KEY}&signature={'s' * 900}"
    endpoint.script[:] = [picture(data=[{"url": link}]), *(answer(b"", status=404),) * 30]
    patience = Patience(endpoint)
    with pytest.raises(OutcomeUnknown) as caught:
        await patience.api.generate(REQUEST)
    await patience.api.aclose()
    assert KEY not in str(caught.value)
    assert link.replace(KEY, "***") in caught.value.message
    assert caught.value.request_id == REQUEST_ID
    assert 40 < sum(patience.slept) <= 60
    assert len(endpoint.posts) == 1


@pytest.mark.parametrize("link", ["s3://bucket/a.png", "file:///etc/a.png", "http://u:p@cdn.example/a.png"])
async def test_a_link_that_cannot_be_fetched_at_all_is_named_at_once(endpoint: Endpoint, link: str) -> None:
    endpoint.script[:] = [picture(data=[{"url": link}])]
    patience = Patience(endpoint)
    with pytest.raises(OutcomeUnknown, match=link.partition("/")[0]):
        await patience.api.generate(REQUEST)
    await patience.api.aclose()
    assert patience.slept == []


async def test_the_answer_with_a_dead_link_is_kept_and_named(tmp_path: Path) -> None:
    dead, folder = f"{unused_address()}/a.png", tmp_path / "out"
    async with (
        serve_script(picture(data=[{"url": dead}])) as endpoint,
        studio_for(endpoint, output_dir=str(folder)) as studio,
    ):
        with pytest.raises(OutcomeUnknown) as caught:
            await studio.generate("a fox", **QUICK)
    (kept,) = (Path.home() / "data" / "gpt-image-mcp" / "answers").glob("*.body")
    assert str(kept) in caught.value.message
    assert dead in caught.value.message
    assert dead.encode() in kept.read_bytes()
    assert files(folder) == []
    assert [call.status for call in calls()] == ["outcome_unknown"]


async def test_of_an_image_and_a_link_both_are_stored(tmp_path: Path) -> None:
    embedded = base64.b64encode(image_file("gray")).decode()
    reply = picture(data=[{"b64_json": embedded}, {"url": "/a.png"}])
    async with (
        serve_script(reply, FILE) as endpoint,
        studio_for(endpoint, output_dir=str(tmp_path)) as studio,
    ):
        result = await studio.generate("a fox", n=2, **QUICK)
    stored = [image.file_path.read_bytes() for image in result.images]
    assert stored == [image_file("gray"), image_file()]
