"""``batch_edit_images`` through a real client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp.types import ImageContent, TextContent
from PIL import Image

from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from gpt_image_mcp.server import mcp
from tests.standin import serve_standin

if TYPE_CHECKING:
    import httpx2
    from fastmcp.client.client import CallToolResult


@pytest.fixture
def folder(project: Path) -> Path:
    """Four pictures, a text and a hidden file."""
    made = project / "pictures"
    made.mkdir()
    for name in ("b.png", "a.jpg", "c.webp", "d.bmp"):
        Image.new("RGB", (256, 256), "navy").save(made / name)
    (made / "notes.txt").write_text("not a picture")
    (made / ".hidden.png").write_bytes((made / "b.png").read_bytes())
    return made


async def _batch(client: Client[Any], **arguments: Any) -> CallToolResult:
    arguments = {"prompt": "warmer", "quality": "low", "size": "816x816", **arguments}
    return await client.call_tool("batch_edit_images", arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _answer(result: CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None, _text(result)
    return result.structured_content


async def test_each_image_of_a_folder_gets_an_entry_in_order(client: Client[Any], folder: Path) -> None:
    result = await _batch(client, images=[str(folder)])
    answer = _answer(result)
    assert [Path(item["input"]).name for item in answer["items"]] == ["a.jpg", "b.png", "c.webp", "d.bmp"]
    assert {item["status"] for item in answer["items"]} == {"completed"}
    for item in answer["items"]:
        (image,) = item["images"]
        assert Path(image["file_path"]).is_file()
        assert Path(image["file_path"]).name.startswith("batch-")
        assert Path(item["input"]).stem in Path(image["file_path"]).stem.split("-")
        assert f"{image['file_path']} (id {image['id']}, 816x816), $" in _text(result)
    assert answer["total"] == 4
    assert answer["cost_usd_estimated"] == pytest.approx(
        sum(item["cost_usd_estimated"] for item in answer["items"])
    )
    assert len([block for block in result.content if isinstance(block, ImageContent)]) == 4


async def test_globs_files_and_addresses_mix_in_order(client: Client[Any], folder: Path) -> None:
    answer = _answer(await _batch(client, images=[str(folder / "c.webp"), "pictures/*.png"]))
    assert [Path(item["input"]).name for item in answer["items"]] == ["c.webp", "b.png"]


async def test_a_failure_leaves_the_others_alone(client: Client[Any], folder: Path) -> None:
    answer = _answer(await _batch(client, images=[str(folder / "a.jpg"), "gone.png", str(folder / "b.png")]))
    assert [item["status"] for item in answer["items"]] == ["completed", "failed", "completed"]
    assert answer["items"][1]["error"].startswith("input_not_found: ")
    assert "images" in answer["items"][1]


async def test_stop_begins_nothing_after_a_failure(client: Client[Any], folder: Path) -> None:
    images = [str(folder / "a.jpg"), "gone.png", str(folder / "b.png"), str(folder / "c.webp")]
    answer = _answer(await _batch(client, images=images, on_error="stop", concurrency=1))
    assert [item["status"] for item in answer["items"]] == ["completed", "failed", "skipped", "skipped"]


async def test_a_batch_in_which_all_fail_is_an_error(client: Client[Any], folder: Path) -> None:
    del folder
    result = await _batch(client, images=["gone.png", "lost.png"])
    assert result.is_error
    assert _text(result).startswith("input_not_found: No image of 2 was edited.")
    assert _text(result).count("The same call would fail again.") == 1
    assert "gone.png" in _text(result)
    assert "lost.png" in _text(result)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"images": []}, "images is empty"),
        ({"images": ["pictures/notes.txt"] * 101}, "at most 100"),
        ({"images": ["empty"]}, "no image"),
        ({"images": ["pictures"], "on_error": "shrug"}, "on_error"),
        ({"images": ["pictures"], "concurrency": 99}, "concurrency"),
        ({"images": ["pictures"], "edit_type": "paint"}, "edit_type"),
        ({"images": ["pictures"], "prompt": " "}, "prompt is empty"),
        ({"images": ["pictures"], "size": "5x5"}, "size"),
    ],
)
async def test_a_batch_that_cannot_be_made_is_refused_as_a_whole(
    client: Client[Any], folder: Path, *, arguments: dict[str, Any], words: str
) -> None:
    (folder.parent / "empty").mkdir()
    result = await _batch(client, **arguments)
    assert result.is_error
    assert words in _text(result)
    assert "Next: " in _text(result)


async def test_an_exact_name_is_numbered(client: Client[Any], folder: Path) -> None:
    answer = _answer(await _batch(client, images=[str(folder)], filename="warm.png", concurrency=4))
    names = [item["images"][0]["filename"] for item in answer["items"]]
    assert names == ["warm-1.png", "warm-2.png", "warm-3.png", "warm-4.png"]


async def test_files_are_named_after_their_inputs_where_the_name_says_so(
    client: Client[Any], folder: Path, project: Path
) -> None:
    answer = _answer(await _batch(client, images=[str(folder)], filename="out/{name}-beige.jpg"))
    made = [Path(image["file_path"]) for item in answer["items"] for image in item["images"]]
    assert made == [project / "out" / f"{name}-beige.jpg" for name in "abcd"]
    assert {path.name for path in (project / "out").iterdir()} == {path.name for path in made}
    assert all(path.read_bytes().startswith(b"\xff\xd8") for path in made)


async def test_references_go_along_with_each_image_and_are_paid_for(
    client: Client[Any], folder: Path, project: Path
) -> None:
    Image.new("RGB", (64, 64), "beige").save(project / "backdrop.png")
    plain = _answer(await _batch(client, images=[str(folder)]))
    answer = _answer(await _batch(client, images=[str(folder)], references="backdrop.png"))
    assert {item["status"] for item in answer["items"]} == {"completed"}
    assert answer["cost_usd_estimated"] > plain["cost_usd_estimated"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"references": ["b.png", "gone.png"]}, "input_not_found: "),
        ({"references": ["b.png"] * 9}, "at most 8"),
        ({"filename": "{stem}.png"}, "{name}"),
        ({"filename": "{name}.gif"}, "gif"),
        ({"filename": "../{name}.png"}, "leads upwards"),
    ],
)
async def test_a_batch_whose_references_or_names_are_wrong_is_refused_before_anything_is_made(
    client: Client[Any], folder: Path, project: Path, arguments: dict[str, Any], said: str
) -> None:
    (project / "b.png").write_bytes((folder / "b.png").read_bytes())
    result = await _batch(client, images=[str(folder)], **arguments)
    assert result.is_error
    assert said in _text(result)
    assert "Next: " in _text(result)
    assert (await client.call_tool("find_images")).structured_content["total"] == 0  # type: ignore[index]


async def test_a_full_stop_in_an_exact_name_is_part_of_it(client: Client[Any], folder: Path) -> None:
    answer = _answer(await _batch(client, images=[str(folder / "a.jpg")], filename="v1.2"))
    assert [item["images"][0]["filename"] for item in answer["items"]] == ["v1.2-1.png"]


async def test_a_long_batch_is_collected_by_its_job_id(client: Client[Any], folder: Path) -> None:
    started = _answer(
        await _batch(client, images=[str(folder)], prompt="warmer [sandbox:delay=0.2]", wait_seconds=0)
    )
    assert started["status"] == "running"
    assert started["job_id"] in started["next"]
    for _ in range(2):
        result = await client.call_tool("get_image", {"ref": started["job_id"], "wait_seconds": 30})
        assert [item["status"] for item in _answer(result)["items"]] == ["completed"] * 4
        assert "job_id" not in _answer(result)


async def test_progress_counts_the_images(client: Client[Any], folder: Path) -> None:
    seen: list[tuple[float, str]] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        del total
        seen.append((progress, message or ""))

    await client.call_tool(
        "batch_edit_images",
        {"prompt": "warmer", "quality": "low", "images": [str(folder)], "concurrency": 1},
        progress_handler=watch,
    )
    assert [fraction for fraction, _ in seen] == sorted({fraction for fraction, _ in seen})
    assert seen[-1][1].startswith("4 of 4 images done")
    assert any("1 of 4" in message for _, message in seen)


class _HoldingOne(SandboxTransport):
    """Answers one prompt only after the others."""

    def __init__(self) -> None:
        super().__init__()
        self.others_are_done = asyncio.Event()
        self.most_at_once = 0
        self._at_once = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if b"slow" in await request.aread():
                await self.others_are_done.wait()
            return await super().handle_async_request(request)
        finally:
            self._at_once -= 1


async def test_no_more_than_asked_are_edited_at_once_and_nobody_waits_for_a_group(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """With two at once and one slow image, the others go past it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    from gpt_image_mcp import Studio
    from gpt_image_mcp.services.batch_items import BatchItem

    holding = _HoldingOne()
    async with serve_standin(holding) as standin:
        monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
        prompts = ("slow", "quick", "quick", "quick")
        items = [BatchItem(image=str(folder / "a.jpg"), prompt=prompt) for prompt in prompts]

        async def watch(progress: Any) -> None:
            if progress.message.startswith("3 of 4"):
                holding.others_are_done.set()

        async with Studio() as studio, asyncio.timeout(60):
            result = await studio.edit_each(items, concurrency=2, watch=watch)
    assert holding.others_are_done.is_set()
    assert [item.status for item in result.items] == ["completed"] * 4
    assert holding.most_at_once == 2


async def test_a_budget_that_runs_out_fails_only_the_images_after_it(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("GPT_IMAGE_DAILY_BUDGET_USD", "0.03")
    async with serve_standin() as standin:
        monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
        async with Client(mcp) as client:
            answer = _answer(await _batch(client, images=[str(folder)], concurrency=1))
    statuses = [item["status"] for item in answer["items"]]
    assert statuses[0] == "completed"
    assert statuses[-1] == "failed"
    assert answer["items"][-1]["error"].startswith("budget_exceeded: ")
    assert len(standin.posts) == statuses.count("completed")


async def test_folders_outside_the_allowed_ones_are_not_even_listed(
    monkeypatch: pytest.MonkeyPatch, sandbox: None, folder: Path
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_INPUT_ROOTS", str(folder))
    secret = folder.parent / "secret"
    secret.mkdir()
    Image.new("RGB", (64, 64)).save(secret / "face.png")
    (folder / "way-out").symlink_to(secret)
    async with Client(mcp) as client:
        for ref in (str(secret), f"{secret}/*.png", str(folder / "way-out"), f"{folder}/way-out/*"):
            result = await _batch(client, images=[ref])
            assert _text(result).startswith("input_rejected: ")
            assert "face.png" not in _text(result)
        assert _answer(await _batch(client, images=[f"{folder}/*.png"]))["total"] == 1
