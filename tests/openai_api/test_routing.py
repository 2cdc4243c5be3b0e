"""Which endpoint serves an edit, seen from outside: the real SDK against the stand-in over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.errors import (
    ImageError,
    ModerationBlocked,
    OutcomeUnknown,
    RateLimited,
    UnsupportedByModel,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gpt_image_mcp.openai_api import OpenAIApi
from gpt_image_mcp.openai_api.routing import Router, is_launch_era
from gpt_image_mcp.openai_api.sandbox.transport import EDITS, RESPONSES, SandboxTransport
from gpt_image_mcp.values.results import ImageResult
from tests.standin import Standin, serve_standin

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

    from gpt_image_mcp.openai_api.sandbox.forms import FormFile
    from gpt_image_mcp.values.progress import Progress

QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}
REGION = {"shape": "rectangle", "box": [0.2, 0.2, 0.8, 0.8]}


class MovableClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def move(self, **time: float) -> None:
        """Goes on by so much."""
        self.now += timedelta(**time)


@pytest.fixture
def photo(project: Path) -> str:
    """A JPEG of the user's."""
    Image.linear_gradient("L").resize((512, 512)).convert("RGB").save(project / "photo.jpg")
    return "photo.jpg"


def _studio(standin: Standin, clock: MovableClock | None = None, **settings: Any) -> Studio:
    configured = Settings(api_key="sk-test", base_url=standin.base_url, **settings)  # type: ignore[arg-type]
    return Studio(configured, clock=clock) if clock else Studio(configured)


def _paths(standin: Standin) -> list[str]:
    return [request.path for request in standin.posts]


def _files(standin: Standin, path: str = EDITS) -> list[FormFile]:
    form = next(request.form for request in standin.posts if request.path == path)
    assert form is not None
    return list(form.files)


async def test_one_image_goes_up_as_image_with_its_true_type(photo: str) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        result = await studio.edit("night", [photo], **QUICK)
    assert result.route == "images"
    assert _paths(standin) == [EDITS]
    (file,) = _files(standin)
    assert (file.name, file.filename, file.content_type) == ("image", "image-1.jpg", "image/jpeg")


async def test_several_images_go_up_as_a_list_with_the_mask_of_the_first(photo: str, project: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(project / "style.png")
    Image.new("RGB", (64, 64), "blue").save(project / "style.webp")
    images = [photo, "style.png", "style.webp"]
    async with serve_standin() as standin, _studio(standin) as studio:
        await studio.edit("night", images, regions=[REGION], **QUICK)
    sent = [(file.name, file.content_type) for file in _files(standin)]
    assert sent == [
        ("image[]", "image/jpeg"),
        ("image[]", "image/png"),
        ("image[]", "image/webp"),
        ("mask", "image/png"),
    ]


async def test_files_that_the_api_takes_go_up_byte_for_byte(photo: str, project: Path) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        await studio.edit("night", [photo], **QUICK)
    assert _files(standin)[0].data == (project / photo).read_bytes()


async def test_input_fidelity_and_output_choices_are_sent(photo: str) -> None:
    transport = SandboxTransport(today=lambda: date(2026, 11, 30))
    async with serve_standin(transport) as standin, _studio(standin) as studio:
        await studio.edit(
            "night",
            [photo],
            input_fidelity="high",
            model="gpt-image-1.5",
            size="square",
            quality="hd",
            output_format="webp",
            output_compression=80,
            background="opaque",
            user="user-1",
        )
    form = standin.posts[0].form
    assert form is not None
    assert form.fields | {"prompt": ""} == {
        "model": "gpt-image-1.5",
        "prompt": "",
        "size": "1024x1024",
        "quality": "high",
        "n": "1",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": "80",
        "input_fidelity": "high",
        "safety_identifier": "user-1",
    }


async def test_partial_images_of_an_edit_stream(photo: str) -> None:
    seen: list[str] = []

    async def watch(progress: Progress) -> None:
        seen.append(progress.message)

    async with serve_standin() as standin, _studio(standin, partial_images=2) as studio:
        result = await studio.edit("night", [photo], watch=watch, **QUICK)
    assert len(result.images) == 1
    assert any("a partial image has arrived" in message for message in seen)


async def test_the_launch_era_rejection_switches_this_call_to_the_responses_api(photo: str) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin, _studio(standin) as studio:
        result = await studio.edit("night", [photo], regions=[REGION], **QUICK)
        assert standin.transport.uploads.kept == {}
    assert _paths(standin) == [EDITS, "/v1/files", "/v1/files", RESPONSES]
    assert result.route == "responses"
    assert result.images[0].provenance.route == "responses"
    assert result.cost is not None
    assert result.cost.basis == "usage"
    notes = " ".join(result.notes)
    assert "one image a call" in notes
    assert "gpt-4.1-mini used" in notes
    assert "outside the mask had changed" in notes
    body = standin.posts[-1].json
    assert body is not None
    (tool,) = body["tools"]
    assert (tool["action"], tool["model"], tool["size"]) == ("edit", "gpt-image-2", "816x816")
    assert tool["input_image_mask"]["file_id"].startswith("file-")
    assert body["tool_choice"] == {"type": "image_generation"}
    assert body["store"] is False


async def test_uploads_are_for_vision_and_expire_by_themselves(photo: str) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin, _studio(standin) as studio:
        await studio.edit("night", [photo], **QUICK)
    form = next(request.form for request in standin.posts if request.path == "/v1/files")
    assert form is not None
    assert form.fields == {
        "purpose": "vision",
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": "3600",
    }


async def test_the_rejection_is_remembered_for_ten_minutes_and_then_probed_again(photo: str) -> None:
    clock = MovableClock()
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin:
        async with _studio(standin, clock) as studio:
            await studio.edit("night", [photo], **QUICK)
        clock.move(minutes=9, seconds=59)
        # Another server of the same user knows it too.
        async with _studio(standin, clock) as studio:
            remembered = await studio.edit("day", [photo], **QUICK)
            assert _paths(standin).count(EDITS) == 1
            standin.transport.rejects_edits = False
            clock.move(seconds=1)
            probed = await studio.edit("dawn", [photo], **QUICK)
            assert _paths(standin).count(EDITS) == 2
    assert (remembered.route, probed.route) == ("responses", "images")
    assert any("less than 10 minutes ago" in note for note in remembered.notes)


async def test_the_rejection_of_one_model_says_nothing_about_another(photo: str) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin, _studio(standin) as studio:
        await studio.edit("night", [photo], **QUICK)
        standin.transport.rejects_edits = False
        other = await studio.edit("night", [photo], model="gpt-image-2.5-flare", **QUICK)
    assert other.route == "images"


@pytest.mark.parametrize(
    "failure", ["unknown_parameter", "invalid_image_file", "transparent_unsupported", "input_fidelity"]
)
async def test_any_other_rejection_is_an_error_and_no_fallback(photo: str, failure: str) -> None:
    async with serve_standin() as standin, _studio(standin) as studio:
        with pytest.raises(UpstreamRejected):
            await studio.edit(f"night [sandbox:{failure}]", [photo], **QUICK)
    assert _paths(standin) == [EDITS]


@pytest.mark.parametrize(
    ("where", "words", "is_it"),
    [
        ("HTTP 400, parameter model", "Invalid value: 'm'. Value must be 'dall-e-2'.", True),
        ("HTTP 400", "Invalid value: 'm'. Value must be 'dall-e-2'.", True),
        ("HTTP 400", "Invalid value: 'n'. Value must be 'dall-e-2'.", False),
        ("HTTP 422", "Invalid value: 'm'. Value must be 'dall-e-2'.", False),
        ("HTTP 400", "Invalid value: 'm'. Value must be 'dall-e-3'.", False),
        ("HTTP 400", "x: Invalid value: 'm'. Value must be 'dall-e-2'.", False),
    ],
)
def test_only_the_very_words_of_the_launch_weeks_count(where: str, words: str, *, is_it: bool) -> None:
    error = UpstreamRejected(f"The API rejected the request ({where}): {words}", next_step="")
    assert is_launch_era(error, "m") is is_it


@dataclass(frozen=True)
class Remembered:
    """A memo of one rejection."""

    when: datetime

    def rejected_at(self, endpoint: str, model: str) -> datetime | None:
        """That of the one endpoint and model."""
        return self.when if (endpoint, model) == ("here", "gpt-image-2") else None

    def remember_rejection(self, endpoint: str, model: str, when: datetime) -> None:
        """Nothing more is remembered."""


@pytest.mark.parametrize(
    ("age", "is_avoided"),
    [
        (timedelta(microseconds=-1), False),  # a clock that was set back
        (timedelta(0), True),
        (timedelta(minutes=10, microseconds=-1), True),
        (timedelta(minutes=10), False),
    ],
)
async def test_an_endpoint_is_avoided_from_its_rejection_until_ten_minutes_later(
    age: timedelta, *, is_avoided: bool
) -> None:
    clock = MovableClock()
    router = Router(
        OpenAIApi(Settings(sandbox=True)),
        Remembered(clock.now - age),
        endpoint="here",
        host_model="gpt-4.1-mini",
        is_pinned=False,
        clock=clock,
    )
    assert bool(await router.detour("gpt-image-2")) is is_avoided
    assert await router.detour("gpt-image-2.5-flare") == ""


async def test_several_images_are_refused_where_the_route_makes_one(photo: str) -> None:
    async with serve_standin(SandboxTransport(rejects_edits=True)) as standin:
        async with _studio(standin) as studio:
            with pytest.raises(UnsupportedByModel):
                await studio.edit("night", [photo], n=2, **QUICK)
        assert _paths(standin) == [EDITS]
        async with _studio(standin, force_responses_edits=True) as studio:
            with pytest.raises(UnsupportedByModel, match="OPENAI_FORCE_RESPONSES_EDITS"):
                await studio.edit("night", [photo], n=2, **QUICK)
        assert _paths(standin) == [EDITS]


async def test_the_route_can_be_pinned_with_another_host_model(photo: str) -> None:
    settings: dict[str, Any] = {"force_responses_edits": True, "responses_edit_model": "gpt-4.1"}
    async with serve_standin() as standin, _studio(standin, **settings) as studio:
        result = await studio.edit("night", [photo], **QUICK)
    assert _paths(standin) == ["/v1/files", RESPONSES]
    body = standin.posts[-1].json
    assert body is not None
    assert body["model"] == "gpt-4.1"
    assert result.route == "responses"
    assert not any("could not be deleted" in note for note in result.notes)


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        ("host_refuses", UpstreamRejected, "can't help with that picture"),
        ("image_call_failed", UpstreamUnavailable, "tool failed"),
        ("image_call_moderated", ModerationBlocked, "sexual"),
        ("response_failed", UpstreamUnavailable, "failed to generate"),
        ("response_incomplete", ModerationBlocked, ""),
        ("no_result", OutcomeUnknown, ""),
        ("truncated_json", OutcomeUnknown, ""),
        ("rate_limited", RateLimited, "rate limit"),
        ("reset", OutcomeUnknown, ""),
    ],
)
async def test_failures_behind_the_responses_api_are_clear_and_nothing_is_left_there(
    photo: str, failure: str, kind: type[ImageError], words: str
) -> None:
    settings: dict[str, Any] = {"force_responses_edits": True, "max_retries": 0}
    async with serve_standin() as standin, _studio(standin, **settings) as studio:
        with pytest.raises(kind) as caught:
            await studio.edit(f"night [sandbox:{failure}]", [photo], regions=[REGION], **QUICK)
        assert words in caught.value.message
        assert standin.transport.uploads.kept == {}
    assert _paths(standin).count(RESPONSES) == 1


@pytest.mark.parametrize("failure", ["host_refuses", "image_call_failed", "image_call_moderated"])
async def test_the_tokens_of_a_host_model_that_makes_no_image_are_spent(photo: str, failure: str) -> None:
    async with serve_standin() as standin, _studio(standin, force_responses_edits=True) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.edit(f"night [sandbox:{failure}]", [photo], **QUICK)
        spent = (await studio.estimate()).budget.spent_today_usd
        made = await studio.edit("night", [photo], **QUICK)
    assert made.cost is not None
    assert made.cost.usd is not None
    assert 0 < spent <= made.cost.usd
    assert f"cost ${spent:.4f}" in caught.value.message


async def test_what_a_host_model_reports_as_failed_is_not_sent_again(photo: str) -> None:
    async with serve_standin() as standin, _studio(standin, force_responses_edits=True) as studio:
        with pytest.raises(UpstreamUnavailable):
            await studio.edit("night [sandbox:image_call_failed]", [photo], **QUICK)
    assert _paths(standin).count(RESPONSES) == 1


async def test_without_the_tools_usage_the_quote_stands_in(photo: str) -> None:
    async with serve_standin() as standin, _studio(standin, force_responses_edits=True) as studio:
        result = await studio.edit("night [sandbox:no_tool_usage]", [photo], **QUICK)
    assert result.cost is not None
    assert result.cost.basis == "usage+quote"
    assert result.cost.usd is not None
    assert result.cost.usd > Decimal("0.005")


async def test_an_upload_that_fails_takes_the_others_with_it(photo: str) -> None:
    transport = SandboxTransport(rejects_edits=True, file_failures=["", "permission_denied"])
    async with serve_standin(transport) as standin, _studio(standin) as studio:
        with pytest.raises(ImageError, match="403"):
            await studio.edit("night", [photo, photo], **QUICK)
        assert standin.transport.uploads.kept == {}
    assert RESPONSES not in _paths(standin)


async def test_an_upload_that_cannot_be_deleted_is_a_note(photo: str) -> None:
    transport = SandboxTransport(rejects_edits=True, file_failures=["", "permission_denied"])
    async with serve_standin(transport) as standin, _studio(standin) as studio:
        result = await studio.edit("night", [photo], **QUICK)
        assert len(standin.transport.uploads.kept) == 1
    assert any("could not be deleted" in note for note in result.notes)


class SlowToDelete(SandboxTransport):
    """A sandbox whose deletions wait until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.deleting, self.deletes = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Holds a deletion back."""
        if request.method == "DELETE":
            self.deleting.set()
            await self.deletes.wait()
        return await super().handle_async_request(request)


async def test_the_image_is_kept_before_its_uploads_are_deleted(photo: str) -> None:
    async with serve_standin(SlowToDelete()) as standin:
        transport = cast("SlowToDelete", standin.transport)
        async with _studio(standin, force_responses_edits=True) as studio:
            started = await studio.edit("night", [photo], wait_seconds=0, **QUICK)
            await asyncio.wait_for(transport.deleting.wait(), 20)
            # As after a crash: what another server finds while this one still deletes.
            async with _studio(standin) as other:
                found = await other.get(started.call_id, wait_seconds=0)
            assert isinstance(found, ImageResult)
            assert [image.file_path.is_file() for image in found.images] == [True]
            transport.deletes.set()
            await studio.get(started.call_id)
        assert transport.uploads.kept == {}


async def test_a_cancelled_call_deletes_what_it_uploaded(photo: str) -> None:
    """Cancelled while it queues behind another edit, with its files already uploaded."""
    uploaded = asyncio.Event()

    async def watch(progress: Progress) -> None:
        if progress.stage == "uploading":
            uploaded.set()

    settings: dict[str, Any] = {"force_responses_edits": True, "max_concurrency": 1}
    async with serve_standin() as standin, _studio(standin, **settings) as studio:
        first = await studio.edit("slow [sandbox:delay=1]", [photo], wait_seconds=0, **QUICK)
        second = asyncio.create_task(studio.edit("night", [photo], watch=watch, **QUICK))
        await asyncio.wait_for(uploaded.wait(), 20)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        await studio.get(first.call_id)
    assert standin.transport.uploads.kept == {}
    assert _paths(standin).count(RESPONSES) == 1
