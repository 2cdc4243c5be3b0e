"""What only the newest models can, asked for by a client: each is one call, or refused before it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from gpt_image_mcp.imaging.svg import is_svg

if TYPE_CHECKING:
    from fastmcp import Client

FALLBACK = "gpt-image-2.6-flare"


async def _call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    content = (await client.call_tool(tool, arguments)).structured_content
    assert content
    return content


async def _refused(client: Client[Any], tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    assert result.is_error
    return str(result.content)


@pytest.mark.parametrize(
    "asked", [{"output_format": "gif"}, {"filename": "ball.gif"}, {"output_format": ".GIF"}]
)
async def test_an_animation_is_one_call(client: Client[Any], asked: dict[str, Any]) -> None:
    made = await _call(client, "generate_image", prompt="a bouncing ball", **asked)
    (image,) = made["images"]
    assert (image["mime_type"], made["model"]) == ("image/gif", FALLBACK)
    assert any(f"so {FALLBACK} was used" in note for note in made["notes"])
    with Image.open(image["file_path"]) as opened:
        assert opened.n_frames == 9  # type: ignore[attr-defined]
        assert opened.size == (image["width"], image["height"])
    assert 0 < made["cost_usd_estimated"] < 1


@pytest.mark.parametrize(
    "asked", [{"output_format": "svg"}, {"filename": "icon.svg"}, {"output_format": "image/svg+xml"}]
)
async def test_a_vector_file_is_one_call(client: Client[Any], asked: dict[str, Any]) -> None:
    made = await _call(client, "generate_image", prompt="a coffee cup", background="transparent", **asked)
    (image,) = made["images"]
    assert (image["mime_type"], made["model"]) == ("image/svg+xml", FALLBACK)
    assert image["filename"].endswith(".svg")
    assert not image["filename"].endswith(".svg.svg")
    data = Path(image["file_path"]).read_bytes()
    assert is_svg(data)
    assert b"<rect" not in data


async def test_a_final_logo_is_transparent_in_one_call(client: Client[Any], project: Path) -> None:
    draft = await _call(client, "generate_image", prompt="a logo", quality="low", size="square")
    made = await _call(
        client,
        "edit_image",
        prompt="Draw Image 1 in final quality, keep everything as it is.",
        images=[draft["images"][0]["id"]],
        quality="high",
        background="transparent",
        size="2048x2048",
        filename="assets/logo.png",
    )
    with Image.open(project / "assets" / "logo.png") as opened:
        assert (opened.size, opened.mode) == ((2048, 2048), "RGBA")
        assert opened.getchannel("A").getextrema()[0] == 0
    assert any("% clear" in note for note in made["notes"])
    assert made["model"] == "gpt-image-2.5-flare"


async def test_what_is_quoted_is_what_will_be_made(client: Client[Any]) -> None:
    for asked in (
        {"output_format": "gif", "frame_count": 4},
        {"output_format": "svg"},
        {"background": "transparent"},
        {"complexity": "low"},
        {"quality": "max", "size": "square"},
    ):
        quoted = await _call(client, "estimate_cost", **asked)
        made = await _call(client, "generate_image", prompt="a ball", **asked)
        low, high = quoted.get("cost_range_usd") or [quoted["cost_usd_estimated"]] * 2
        assert quoted["model"] == made["model"]
        assert low <= made["cost_usd_estimated"] <= high * 1.01


@pytest.mark.parametrize("tool", ["batch_edit_images", "start_edit_session"])
@pytest.mark.parametrize("output_format", ["gif", "svg"])
async def test_batches_and_sessions_make_no_animations(
    client: Client[Any], project: Path, tool: str, output_format: str
) -> None:
    Image.new("RGB", (64, 64), "teal").save(project / "a.png")
    said = await _refused(client, tool, prompt="a ball", images=["a.png"], output_format=output_format)
    assert "invalid_argument" in said
    assert "Choose png, jpeg or webp" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"output_format": "gif", "frame_count": 1}, "2 to 16 frames"),
        ({"output_format": "gif", "frame_count": 17}, "2 to 16 frames"),
        ({"output_format": "gif", "frame_count": 6, "size": "1024x1024"}, "960x960"),
        ({"output_format": "gif", "mask": "a.png"}, "does not go with a mask"),
        (
            {"output_format": "gif", "edit_type": "outpaint", "size": "16:9"},
            "does not go with edit_type outpaint",
        ),
        ({"output_format": "gif", "exact_size": "500x300"}, "does not go with exact_size"),
        ({"output_format": "svg", "n": 2}, "an svg is made alone"),
        ({"output_format": "svg", "output_compression": 50}, "svg takes none"),
        ({"complexity": "high", "model": "gpt-image-2"}, "gpt-image-2.6-sunburst"),
        ({"background": "transparent", "model": "gpt-image-2"}, "gpt-image-2.5-flare"),
        ({"output_format": "gif", "model": "gpt-image-2.5-flare"}, FALLBACK),
        ({"frame_count": 4}, "Use output_format gif"),
        ({"model": "gpt-image-1"}, "gpt-image-2.5-sunburst or gpt-image-2.5-flare"),
    ],
)
async def test_what_cannot_be_made_is_refused_before_the_call_with_what_can(
    client: Client[Any], project: Path, arguments: dict[str, Any], words: str
) -> None:
    Image.new("RGBA", (1024, 1024)).save(project / "a.png")
    said = await _refused(client, "edit_image", prompt="a ball", images=["a.png"], **arguments)
    assert words in said
    assert "Next: " in said
    assert "upstream" not in said
