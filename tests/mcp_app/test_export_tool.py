"""``export_image`` through a real client."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastmcp import Client
from mcp.types import ImageContent, TextContent
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.mcp_app.tool_results import present_export
from gpt_image_mcp.presentation.exports import ExportContent
from gpt_image_mcp.server import mcp

if TYPE_CHECKING:
    from fastmcp.client.client import CallToolResult


async def _export(client: Client[Any], **arguments: Any) -> CallToolResult:
    return await client.call_tool("export_image", arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _previews(result: CallToolResult) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(block.data)))
        for block in result.content
        if isinstance(block, ImageContent)
    ]


@pytest.fixture
def logo(project: Path) -> Path:
    """A square picture in the project folder."""
    path = project / "logo.png"
    Image.linear_gradient("L").resize((600, 600)).convert("RGB").save(path)
    return path


async def test_a_made_image_becomes_a_favicon_set_by_its_id(client: Client[Any]) -> None:
    made = await client.call_tool("generate_image", {"prompt": "a fox", "quality": "low", "size": "square"})
    assert made.structured_content is not None
    image = made.structured_content["images"][0]
    before = Path(image["file_path"]).read_bytes()
    result = await _export(client, ref=image["id"], preset="favicon")
    assert not result.is_error, _text(result)
    answer = ExportContent.model_validate(result.structured_content)
    assert [entry.filename for entry in answer.files][:2] == ["favicon.ico", "favicon-16x16.png"]
    assert all(Path(entry.file_path).stat().st_size == entry.size_bytes for entry in answer.files)
    assert (answer.status, answer.cost_usd_estimated, answer.source) == ("completed", 0, image["id"])
    assert Path(image["file_path"]).read_bytes() == before


async def test_text_and_structured_content_are_each_enough(client: Client[Any], logo: Path) -> None:
    result = await _export(client, ref=str(logo), width=1200, output_format="JPG")
    answer = ExportContent.model_validate(result.structured_content)
    (entry,) = answer.files
    assert (entry.width, entry.height, entry.mime_type) == (1200, 1200, "image/jpeg")
    text = _text(result)
    for fact in (entry.file_path, "1200x1200", "image/jpeg", "free", *answer.notes, f"Next: {answer.next}"):
        assert fact in text
    assert "Enlarged" in answer.notes[0]


@pytest.mark.parametrize("output_format", ["ico", "avif", "png"])
async def test_the_first_file_is_shown_within_the_usual_budget(
    client: Client[Any], logo: Path, output_format: str
) -> None:
    result = await _export(client, ref=str(logo), output_format=output_format, preset="")
    (preview,) = _previews(result)
    assert max(preview.size) == (256 if output_format == "ico" else 600)
    block = next(block for block in result.content if isinstance(block, ImageContent))
    assert len(block.data) <= 98_304


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"ref": "missing.png"}, "input_not_found"),
        ({"ref": "logo.png", "output_format": "psd"}, "invalid_argument"),
        ({"ref": "logo.png", "preset": "banner"}, "invalid_argument"),
        ({"ref": "logo.png", "fit": "fill"}, "invalid_argument"),
        ({"ref": "logo.png", "width": 99_999}, "invalid_argument"),
        ({"ref": "logo.png", "output_dir": "/etc"}, "output_rejected"),
    ],
)
async def test_a_refusal_says_what_to_do(
    client: Client[Any], logo: Path, arguments: dict[str, Any], code: str
) -> None:
    assert logo.is_file()
    result = await _export(client, **arguments)
    assert result.is_error
    assert _text(result).startswith(f"{code}: ")
    assert "Next: " in _text(result)


async def test_without_inline_images_there_is_only_text(
    sandbox: None, logo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del sandbox
    monkeypatch.setenv("GPT_IMAGE_INLINE", "none")
    async with Client(mcp) as client:
        result = await _export(client, ref=str(logo), width=20)
    assert [block.type for block in result.content] == ["text"]


async def test_a_preview_that_cannot_be_made_is_a_note(logo: Path) -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        exported = await studio.export(str(logo), width=20)
        exported.files[0].file_path.unlink()
        result = await present_export(exported, studio)
    (text,) = result.content
    assert isinstance(text, TextContent)
    assert "No preview of logo-20x20.png: " in text.text
