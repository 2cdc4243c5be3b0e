"""``generate_image`` through a real client, in both protocol eras."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from mcp.types import ImageContent, TextContent
from PIL import Image

if TYPE_CHECKING:
    from fastmcp import Client
    from fastmcp.client.client import CallToolResult


async def _call(client: Client[Any], name: str = "generate_image", **arguments: Any) -> CallToolResult:
    return await client.call_tool(name, arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _structured(result: CallToolResult) -> dict[str, Any]:
    assert result.structured_content is not None, _text(result)
    return result.structured_content


async def test_an_image_comes_back_as_file_preview_text_and_structure(client: Client[Any]) -> None:
    result = await _call(client, prompt="a paper boat", size="1024x1024", quality="low")
    assert not result.is_error
    answer = _structured(result)
    image = answer["images"][0]
    path = Path(image["file_path"])
    with Image.open(path) as saved:
        assert saved.size == (1024, 1024)
        assert saved.format == "PNG"
    assert path.stat().st_size == image["size_bytes"]
    assert answer["status"] == "completed"
    assert answer["requested"] == {
        "size": "1024x1024",
        "quality": "low",
        "n": 1,
        "format": "png",
        "background": "auto",
    }
    assert answer["applied"]["size"] == "1024x1024"
    assert answer["applied"]["quality"] == "low"
    assert answer["usage"]["output_tokens"] == 196
    assert answer["cost_usd_estimated"] == pytest.approx(0.0059, abs=0.0003)
    assert (answer["cost_basis"], answer["route"], answer["sandbox"]) == ("usage", "images", True)
    preview, text = result.content
    assert isinstance(preview, ImageContent)
    assert Image.open(io.BytesIO(base64.b64decode(preview.data))).size == (768, 768)
    assert isinstance(text, TextContent)
    assert str(path) in text.text
    assert image["id"] in text.text
    assert "Next: " in text.text


async def test_the_result_stays_small_on_the_wire(client: Client[Any]) -> None:
    result = await _call(client, prompt="a detailed map of an old town", size="landscape", quality="low")
    blocks = [block.model_dump(mode="json") for block in result.content]
    assert len(json.dumps([blocks, result.structured_content])) <= 160_000


async def test_several_images_share_the_preview_budget(client: Client[Any]) -> None:
    result = await _call(client, prompt="a fox", n=3, size="square", quality="low", output_format="webp")
    previews = [block for block in result.content if isinstance(block, ImageContent)]
    assert len(previews) == 3
    assert sum(len(preview.data) for preview in previews) <= 98304
    paths = [Path(image["file_path"]) for image in _structured(result)["images"]]
    assert len(set(paths)) == 3
    assert {path.suffix for path in paths} == {".webp"}


async def test_an_explicit_null_means_the_default(client: Client[Any]) -> None:
    result = await _call(client, prompt="a fox", size=None, n=None, quality=None, output_dir=None)
    assert not result.is_error


async def test_case_and_common_spellings_are_forgiven(client: Client[Any]) -> None:
    result = await _call(client, prompt="a fox", quality="HD", output_format=".JPG", size="16:9", n="1")
    answer = _structured(result)
    assert answer["applied"]["quality"] == "high"
    assert answer["images"][0]["mime_type"] == "image/jpeg"
    assert answer["images"][0]["filename"].endswith(".jpg")
    assert any("16:9" in note for note in answer["notes"])


async def test_long_prompts_are_cut_in_the_result_and_kept_in_the_library(client: Client[Any]) -> None:
    prompt = "a long story " * 100
    answer = _structured(await _call(client, prompt=prompt, quality="low"))
    assert len(answer["prompt"]) == 200
    path = Path(answer["images"][0]["file_path"])
    metadata = json.loads((path.parent / ".metadata" / f"{answer['images'][0]['id']}.json").read_text())
    assert prompt in json.dumps(metadata)


async def test_no_wait_gives_a_job_that_get_image_collects(client: Client[Any]) -> None:
    started = _structured(
        await _call(client, prompt="a fox [sandbox:delay=0.2]", quality="low", wait_seconds=0)
    )
    assert started["status"] == "running"
    assert started["images"] == []
    assert started["job_id"] in started["next"]
    collected = _structured(await _call(client, "get_image", ref=started["job_id"], wait_seconds=20))
    assert collected["status"] == "completed"
    assert Path(collected["images"][0]["file_path"]).exists()
    again = _structured(await _call(client, "get_image", ref=started["job_id"]))
    assert again["images"] == collected["images"]


async def test_progress_reaches_a_client_that_listens(client: Client[Any]) -> None:
    seen: list[tuple[float, str | None]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        assert total == 1
        seen.append((progress, message))

    await client.call_tool(
        "generate_image", {"prompt": "a fox [sandbox:delay=0.1]", "quality": "low"}, progress_handler=listen
    )
    values = [value for value, _ in seen]
    assert values == sorted(values)
    assert seen[-1] == (1, "saved to disk")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"prompt": ""}, "invalid_argument", "prompt"),
        ({"prompt": " \n"}, "invalid_argument", "prompt"),
        ({"prompt": "x" * 32_001}, "invalid_argument", "32,001"),
        ({"size": "banana"}, "invalid_argument", "banana"),
        ({"size": "1000x1000"}, "invalid_argument", "16"),
        ({"size": "0x0"}, "invalid_argument", "0x0"),
        ({"size": "-1024x1024"}, "invalid_argument", "-1024x1024"),
        ({"size": "4096x512"}, "invalid_argument", "4096x512"),
        ({"size": "256x256"}, "invalid_argument", "655,360"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_argument", "png"),
        ({"output_compression": 50}, "invalid_argument", "jpeg"),
        ({"n": 0}, "invalid_argument", "n is 0"),
        ({"n": 11}, "invalid_argument", "n is 11"),
        ({"quality": "best"}, "invalid_argument", "high"),
        ({"quality": "max", "model": "gpt-image-2"}, "unsupported_by_model", "max"),
        ({"model": "gpt-image-1"}, "unsupported_by_model", "2026-10-23"),
        ({"model": "dall-e-3"}, "unsupported_by_model", "dall-e-3"),
        ({"sise": "1024x1024"}, "invalid_argument", "did you mean size"),
        ({"output_dir": "/etc"}, "output_rejected", "GPT_IMAGE_ALLOW_UNSAFE_OUTPUT_DIR"),
        ({"output_dir": "/proc/nothing"}, "output_rejected", "/proc"),
        ({"filename": "../up.png"}, "output_rejected", "filename"),
        ({"wait_seconds": -5}, "invalid_argument", "wait_seconds"),
    ],
)
async def test_bad_input_is_refused_with_code_value_and_next_step(
    client: Client[Any], arguments: dict[str, Any], code: str, words: str
) -> None:
    result = await _call(client, **{"prompt": "a fox", **arguments})
    assert result.is_error
    assert result.structured_content is None
    text = _text(result)
    assert text.startswith(f"{code}: "), text
    assert words in text
    assert "Next: " in text
    assert result.meta is not None
    assert result.meta["gpt-image-mcp/error"]["code"] == code
    assert not (await _call(client, prompt="still alive", quality="low")).is_error


async def test_a_missing_prompt_is_named(client: Client[Any]) -> None:
    result = await _call(client)
    assert result.is_error
    assert "the argument prompt is missing" in _text(result)


async def test_a_prompt_with_nuls_and_lone_surrogates_is_cleaned_and_drawn(client: Client[Any]) -> None:
    answer = _structured(await _call(client, prompt="a fox\x00 in snow", quality="low"))
    assert any("NUL" in note for note in answer["notes"])


@pytest.mark.parametrize("prefix", ["../../etc", "a/b\\c", "...", "🦊🦊", "CON", "x" * 500, "naïve fox 狐"])
async def test_any_prefix_becomes_a_sane_file_name(client: Client[Any], prefix: str) -> None:
    answer = _structured(await _call(client, prompt="a fox", quality="low", filename_prefix=prefix))
    path = Path(answer["images"][0]["file_path"])
    assert path.exists()
    assert path.name.startswith("image-")
    assert len(path.name.encode()) <= 255
    assert "/" not in path.name


async def test_a_taken_file_name_gets_a_number(client: Client[Any], project: Path) -> None:
    arguments = {"prompt": "a fox", "quality": "low", "filename": "fox.jpeg", "output_dir": str(project)}
    first = _structured(await _call(client, **arguments))
    second = _structured(await _call(client, **arguments))
    assert [first["images"][0]["filename"], second["images"][0]["filename"]] == ["fox.jpeg", "fox-2.jpeg"]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ("moderation_blocked", "moderation_blocked"),
        ("insufficient_quota", "quota_exhausted"),
        ("organization_not_verified", "organization_not_verified"),
        ("model_not_found", "upstream_rejected"),
        ("truncated_json", "outcome_unknown"),
        ("not_an_image", "outcome_unknown"),
        ("empty_data", "outcome_unknown"),
        ("task_id", "outcome_unknown"),
        ("error_in_200", "outcome_unknown"),
        ("reset", "outcome_unknown"),
        ("timeout", "outcome_unknown"),
        ("504", "outcome_unknown"),
    ],
)
async def test_what_the_api_refuses_reaches_the_caller_in_our_words(
    client: Client[Any], failure: str, code: str
) -> None:
    result = await _call(client, prompt=f"a fox [sandbox:{failure}]", quality="low")
    assert result.is_error
    assert _text(result).startswith(f"{code}: ")
    meta = cast("dict[str, Any]", result.meta)["gpt-image-mcp/error"]
    assert meta["code"] == code
    assert meta["retryable"] is False


@pytest.mark.parametrize("way", ["relative_url", "unasked_stream", "bytes_after_end"])
async def test_a_picture_that_a_gateway_writes_in_its_own_way_is_stored(
    client: Client[Any], way: str
) -> None:
    answer = _structured(await _call(client, prompt=f"a fox [sandbox:{way}]", quality="low", size="square"))
    assert Path(answer["images"][0]["file_path"]).exists()


async def test_a_gateway_with_addresses_and_without_usage_still_works(client: Client[Any]) -> None:
    answer = _structured(
        await _call(
            client,
            prompt="a fox [sandbox:url_instead_of_b64] [sandbox:no_usage]",
            quality="low",
            size="square",
        )
    )
    assert Path(answer["images"][0]["file_path"]).exists()
    assert "usage" not in answer
    assert answer["cost_basis"] in {"quote", "unknown"}
    assert len(answer["notes"]) >= 2


async def test_bytes_in_another_format_get_their_own_extension(client: Client[Any]) -> None:
    answer = _structured(await _call(client, prompt="a fox [sandbox:wrong_format]", quality="low"))
    image = answer["images"][0]
    assert image["mime_type"] != "image/png"
    assert not image["filename"].endswith(".png")
    assert any("asked" in note for note in answer["notes"])
