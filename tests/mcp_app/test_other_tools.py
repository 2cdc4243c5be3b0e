"""``get_image``, ``estimate_cost`` and the resources through a real client."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, ImageContent, TextContent
from PIL import Image

from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.catalogue.prices import quote
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.presentation.text import quote_text
from gpt_image_mcp.server import mcp
from gpt_image_mcp.services.inputs import Source
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.values.requests import ImageRequest

if TYPE_CHECKING:
    from fastmcp.client.client import CallToolResult


async def _call(client: Client[Any], tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


async def _made(client: Client[Any], **arguments: Any) -> dict[str, Any]:
    result = await _call(client, "generate_image", prompt="a paper boat", quality="low", **arguments)
    assert result.structured_content is not None
    return cast("dict[str, Any]", result.structured_content["images"][0])


def _shown(result: CallToolResult) -> Image.Image:
    preview = next(block for block in result.content if isinstance(block, ImageContent))
    return Image.open(io.BytesIO(base64.b64decode(preview.data)))


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def test_an_image_is_found_by_id_address_and_path_with_its_history(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    path = Path(image["file_path"])
    for ref in (image["id"], image["uri"], f"{image['uri']}/preview", str(path), f'"{path}"', path.as_uri()):
        result = await _call(client, "get_image", ref=ref)
        assert result.structured_content is not None, _text(result)
        assert result.structured_content["images"] == [image]
        assert result.structured_content["prompt"] == "a paper boat"
        assert result.structured_content["cost_basis"] == "usage"


async def test_one_of_several_images_tells_its_share_of_the_cost_and_whose_tokens_those_are(
    client: Client[Any],
) -> None:
    made = (await _call(client, "generate_image", prompt="boats", n=2, quality="low")).structured_content
    assert made is not None
    found = (await _call(client, "get_image", ref=made["images"][0]["id"])).structured_content
    assert found is not None
    assert found["cost_usd_estimated"] == pytest.approx(made["cost_usd_estimated"] / 2, abs=1e-6)
    assert found["usage"] == made["usage"]
    assert "was to make 2 images; the cost is this image's share" in found["notes"][0]


async def test_a_renamed_file_is_recognised_by_its_bytes(client: Client[Any], project: Path) -> None:
    image = await _made(client, size="square")
    moved = Path(image["file_path"]).rename(project / "moved.png")
    result = await _call(client, "get_image", ref="moved.png")
    assert result.structured_content is not None, _text(result)
    assert result.structured_content["images"][0]["id"] == image["id"]
    assert result.structured_content["images"][0]["file_path"] == str(moved)


async def test_an_image_can_be_looked_at_larger_and_in_part(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    larger = await _call(client, "get_image", ref=image["id"], max_edge=1000)
    assert _shown(larger).size == (1000, 1000)
    part = await _call(client, "get_image", ref=image["id"], crop="0,0,0.5,0.25")
    assert _shown(part).size == (512, 256)
    ruled = await _call(client, "get_image", ref=image["id"], grid=True)
    assert _shown(ruled).size == (768, 768)


async def test_the_part_to_show_may_be_a_list(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    for crop in ([0, 0, 0.5, 0.25], ["0", "0", "0.5", "0.25"], "[0, 0, 0.5, 0.25]", ["0,0,0.5,0.25"]):
        result = await _call(client, "get_image", ref=image["id"], crop=crop)
        assert not result.is_error, _text(result)
        assert _shown(result).size == (512, 256)


async def test_a_list_that_is_no_part_is_refused(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    for crop in ([0, 0, 1], [[0, 0], [1, 1]], [0, 0, 2, 2], ["a", "b", "c", "d"]):
        result = await _call(client, "get_image", ref=image["id"], crop=crop)
        assert _text(result).startswith("invalid_argument: ")
        assert "0.25,0.25,0.75,0.75" in _text(result)


async def test_whoever_looks_at_an_image_is_told_its_whole_prompt(client: Client[Any]) -> None:
    prompt = "a paper boat, " * 40 + "at dusk"
    made = await client.call_tool("generate_image", {"prompt": prompt, "quality": "low", "size": "square"})
    assert made.structured_content is not None
    assert len(made.structured_content["prompt"]) == 200
    seen = await _call(client, "get_image", ref=made.structured_content["images"][0]["file_path"])
    assert seen.structured_content is not None
    assert seen.structured_content["prompt"] == prompt
    assert prompt in _text(seen)
    assert seen.structured_content["parents"] == []
    assert "Made from" not in _text(seen)


async def test_whoever_looks_at_an_edit_is_told_its_parents(client: Client[Any]) -> None:
    first, second = [await _made(client, size="square") for _ in range(2)]
    refs = [first["id"], second["id"]]
    edit = await client.call_tool("edit_image", {"prompt": "join", "images": refs, "quality": "low"})
    assert edit.structured_content is not None
    edited = edit.structured_content["images"][0]["id"]
    seen = await _call(client, "get_image", ref=edited)
    assert seen.structured_content is not None
    assert seen.structured_content["parents"] == [
        {"id": image["id"], "file": "present", "file_path": image["file_path"]} for image in (first, second)
    ]
    assert f"Made from {first['id']}, {first['file_path']}." in _text(seen)
    Path(first["file_path"]).unlink()
    with closing(Library(Settings())) as library:
        library.images.remove_image(second["id"])
    seen = await _call(client, "get_image", ref=edited)
    assert seen.structured_content is not None
    assert [parent["file"] for parent in seen.structured_content["parents"]] == ["missing", "deleted"]
    assert "file_path" not in seen.structured_content["parents"][1]
    assert f"Made from {first['id']}, {first['file_path']} (file missing)." in _text(seen)
    assert f"Made from {second['id']}, which was deleted." in _text(seen)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"ref": ""}, "invalid_argument"),
        ({"ref": "20200101-000000-abcdef"}, "not_found"),
        ({"ref": "job-20200101-000000-abcdef"}, "not_found"),
        ({"ref": "gpt-image://images/none"}, "not_found"),
        ({"ref": "/no/such/file.png"}, "not_found"),
        ({"ref": "~nobody/x.png"}, "not_found"),
        ({"ref": "a\x00b"}, "not_found"),
        ({"ref": "x", "crop": "5"}, "invalid_argument"),
        ({"ref": "x", "max_edge": 9999}, "invalid_argument"),
    ],
)
async def test_what_is_not_there_is_said_with_a_next_step(
    client: Client[Any], arguments: dict[str, Any], code: str
) -> None:
    result = await _call(client, "get_image", **arguments)
    assert result.is_error
    assert _text(result).startswith(f"{code}: ")
    assert "Next: " in _text(result)


async def test_a_file_that_was_changed_is_said_to_be(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    assert "was changed" not in _text(await _call(client, "get_image", ref=image["id"]))
    Image.new("RGB", (300, 200)).save(image["file_path"])
    assert "The file was changed since it was made" in _text(
        await _call(client, "get_image", ref=image["id"])
    )


async def test_an_image_whose_file_is_gone_is_not_found(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    Path(image["file_path"]).unlink()
    result = await _call(client, "get_image", ref=image["id"])
    assert result.is_error
    assert image["file_path"] in _text(result)


async def test_a_failed_job_fails_again_when_it_is_collected(client: Client[Any]) -> None:
    started = await _call(
        client,
        "generate_image",
        prompt="a fox [sandbox:delay=0.1] [sandbox:moderation_blocked]",
        wait_seconds=0,
    )
    assert started.structured_content is not None
    for _ in range(2):
        collected = await _call(
            client, "get_image", ref=started.structured_content["job_id"], wait_seconds=20
        )
        assert collected.is_error
        assert _text(collected).startswith("moderation_blocked: ")


async def test_a_quote_tells_price_basis_alternatives_and_budget(client: Client[Any]) -> None:
    result = await _call(client, "estimate_cost", size="1024x1024", quality="high", n=2)
    answer = result.structured_content
    assert answer is not None
    assert answer["cost_usd_estimated"] == pytest.approx(2 * 7024 * 30 / 1e6)
    assert "7,024" in answer["cost_basis"] or "14,048" in answer["cost_basis"]
    assert list(answer["by_quality"]) == ["low", "medium", "high"]
    assert answer["budget"]["spent_today_usd"] == 0
    assert "$0.4214" in _text(result)


async def test_a_quote_names_the_tool_that_it_is_for(client: Client[Any]) -> None:
    for input_images, tool in ((0, "generate_image"), (2, "edit_image")):
        quote = await _call(client, "estimate_cost", quality="low", input_images=input_images)
        assert f"Next: Call {tool} with these arguments" in _text(quote)


async def test_a_quote_over_the_budget_says_so(sandbox: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_MAX_COST_USD", "0.01")
    async with Client(mcp) as limited:
        quote = await _call(limited, "estimate_cost", quality="high", size="square")
    assert "Next: This may cost more than the budget leaves" in _text(quote)


async def test_a_quote_for_open_choices_is_a_range(client: Client[Any]) -> None:
    answer = (await _call(client, "estimate_cost")).structured_content
    assert answer is not None
    low, high = answer["cost_range_usd"]
    assert 0 < low < high
    assert "cost_usd_estimated" not in answer


def test_a_model_without_published_tokens_is_quoted_at_its_most() -> None:
    request = ImageRequest(prompt="", model="chatgpt-image-latest", size="1024x1024", quality="low")
    assert quote_text(quote(load_catalogue().find(request.model), request)) == "up to $0.1997"


async def test_the_file_can_be_read_as_a_resource(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    (content,) = await client.read_resource(image["uri"])
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "image/png"
    assert base64.b64decode(content.blob) == Path(image["file_path"]).read_bytes()
    with pytest.raises(MCPError):
        await client.read_resource("gpt-image://images/20200101-000000-abcdef")


@pytest.mark.parametrize(("inline", "previews"), [("none", 0), ("preview", 1), ("full", 1)])
async def test_the_setting_decides_what_is_shown_inline(
    monkeypatch: pytest.MonkeyPatch, sandbox: None, inline: str, previews: int
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_INLINE", inline)
    async with Client(mcp) as client:
        result = await _call(client, "generate_image", prompt="a fox", quality="low", size="square")
        shown = [block for block in result.content if isinstance(block, ImageContent)]
        assert len(shown) == previews
        if inline == "full":
            assert result.structured_content is not None
            assert (
                base64.b64decode(shown[0].data)
                == Path(result.structured_content["images"][0]["file_path"]).read_bytes()
            )


async def test_limits_refuse_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-used")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    for limit in ("GPT_IMAGE_MAX_COST_USD", "GPT_IMAGE_DAILY_BUDGET_USD"):
        monkeypatch.setenv(limit, "0.01")
        async with Client(mcp) as client:
            result = await _call(client, "generate_image", prompt="a fox", size="square", quality="high")
            unpriced = await _call(client, "generate_image", prompt="a fox", model="my-own-model")
        monkeypatch.delenv(limit)
        assert _text(result).startswith("budget_exceeded: ")
        assert limit in _text(result)
        assert _text(unpriced).startswith("budget_exceeded: ")


async def test_the_daily_budget_is_used_up_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("GPT_IMAGE_DAILY_BUDGET_USD", "0.01")
    from tests.standin import serve_standin

    async with serve_standin() as standin:
        monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
        async with Client(mcp) as client:
            first = await _call(client, "generate_image", prompt="a fox", size="square", quality="low")
            second = await _call(client, "generate_image", prompt="a fox", size="square", quality="low")
            quote = await _call(client, "estimate_cost")
        assert not first.is_error, _text(first)
        assert _text(second).startswith("budget_exceeded: ")
        assert len(standin.posts) == 1
    assert quote.structured_content is not None
    budget = quote.structured_content["budget"]
    assert budget["spent_today_usd"] == pytest.approx(0.0059, abs=0.0002)
    assert budget["left_today_usd"] == pytest.approx(0.0041, abs=0.0002)


async def test_english_can_be_demanded_of_prompts(monkeypatch: pytest.MonkeyPatch, sandbox: None) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_PROMPT_LANGUAGE", "english")
    async with Client(mcp) as client:
        refused = await _call(client, "generate_image", prompt="ein Fuchs in der Nacht", quality="low")
        drawn = await _call(client, "generate_image", prompt='a sign that says "ein Fuchs"', quality="low")
    assert _text(refused).startswith("invalid_argument: ")
    assert "Translate" in _text(refused)
    assert not drawn.is_error


async def test_metadata_beside_the_image_holds_everything(client: Client[Any]) -> None:
    image = await _made(client, size="square")
    path = Path(image["file_path"])
    document = json.loads((path.parent / ".metadata" / f"{image['id']}.json").read_text())
    assert "a paper boat" in json.dumps(document)
    assert image["id"] in json.dumps(document)


@pytest.mark.usefixtures("no_collection")
async def test_what_was_refused_does_not_stay_in_memory(client: Client[Any], project: Path) -> None:
    text = project / "text.png"
    text.write_text("no picture")
    for tool, arguments in (
        ("get_image", {"ref": str(text)}),
        ("edit_image", {"images": [str(text)], "prompt": "a sail"}),
        ("export_image", {"ref": str(text)}),
    ):
        assert "is not an image" in _text(await _call(client, tool, **arguments))
    for _ in range(1000):  # a thread lets go of its work a moment later
        if not (left := [each for each in gc.get_objects() if isinstance(each, Source)]):
            return
        del left
        await asyncio.sleep(0.01)
    pytest.fail("an input is still there")
