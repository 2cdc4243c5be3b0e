"""Completion through a client of each protocol era."""

from __future__ import annotations

import base64
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from mcp.types import BlobResourceContents, PromptReference, ResourceTemplateReference
from PIL import Image

from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.settings import Settings

if TYPE_CHECKING:
    from fastmcp import Client

IMAGE = "gpt-image://images/{image_id}"


async def _of_prompt(client: Client[Any], prompt: str, name: str, typed: str = "") -> list[str]:
    reference = PromptReference(type="ref/prompt", name=prompt)
    return list((await client.complete(reference, {"name": name, "value": typed})).values)


async def _of_template(client: Client[Any], uri: str, name: str, typed: str = "") -> list[str]:
    reference = ResourceTemplateReference(type="ref/resource", uri=uri)
    return list((await client.complete(reference, {"name": name, "value": typed})).values)


def _ids(offered: list[str]) -> list[str]:
    return [text.partition(" ")[0] for text in offered]


async def _make(client: Client[Any], count: int) -> list[str]:
    """Ids of new images, the newest first."""
    ids: list[str] = []
    for _ in range(count):
        made = await client.call_tool("generate_image", {"prompt": "x", "quality": "low", "size": "square"})
        assert made.structured_content is not None
        ids.insert(0, made.structured_content["images"][0]["id"])
    return ids


@pytest.mark.parametrize("uri", [IMAGE, f"{IMAGE}/preview", f"{IMAGE}/metadata"])
async def test_image_ids_are_offered_newest_first(client: Client[Any], uri: str) -> None:
    ids = await _make(client, 3)
    assert _ids(await _of_template(client, uri, "image_id")) == ids
    assert _ids(await _of_template(client, uri, "image_id", ids[0])) == ids[:1]
    assert await _of_template(client, uri, "image_id", "none") == []
    assert await _of_template(client, uri, "image_id", "%") == []
    assert await _of_template(client, uri, "something") == []


async def test_image_ids_are_offered_where_a_prompt_takes_an_image(client: Client[Any]) -> None:
    ids = await _make(client, 2)
    assert _ids(await _of_prompt(client, "style_transfer", "image")) == ids
    assert _ids(await _of_prompt(client, "product_mockup", "image", ids[1])) == ids[1:]


async def test_an_image_is_offered_with_its_file_name_and_prompt_and_taken_like_that(
    client: Client[Any],
) -> None:
    made = await client.call_tool(
        "generate_image",
        {
            "prompt": 'a "paper" boat/ship on #1 lake? 夜景, 50%\nlow',
            "quality": "low",
            "filename": "Boat 1.png",
        },
    )
    assert made.structured_content is not None
    image = made.structured_content["images"][0]
    shown = f"{image['id']} Boat 1.png a paper boat ship on 1 lake 夜景, 50 low"
    assert await _of_template(client, IMAGE, "image_id") == [shown]
    assert await _of_prompt(client, "style_transfer", "image", shown) == [shown]
    seen = await client.call_tool("get_image", {"ref": shown})
    assert seen.structured_content is not None
    assert seen.structured_content["images"][0]["id"] == image["id"]
    for address in (shown, quote(shown)):
        (content,) = await client.read_resource(f"gpt-image://images/{address}")
        assert isinstance(content, BlobResourceContents)
        assert base64.b64decode(content.blob) == Path(image["file_path"]).read_bytes()


async def test_an_image_is_offered_by_words_of_its_prompt_or_file_name(client: Client[Any]) -> None:
    for prompt, name in (("a paper boat", "one"), ("a red fox", "two")):
        await client.call_tool("generate_image", {"prompt": prompt, "quality": "low", "filename": name})
    (boat,) = await _of_template(client, IMAGE, "image_id", "BOAT pap")
    assert boat.endswith(" one.png a paper boat")
    (fox,) = await _of_prompt(client, "style_transfer", "image", "two")
    assert fox.endswith(" two.png a red fox")


async def test_a_file_that_is_called_like_an_offered_text_wins(client: Client[Any], project: Path) -> None:
    Image.new("RGB", (64, 48), "blue").save(project / "20250101-000000-abcdef copy.png")
    seen = await client.call_tool("get_image", {"ref": "20250101-000000-abcdef copy.png"})
    assert seen.structured_content is not None
    assert (seen.structured_content["width"], seen.structured_content["height"]) == (64, 48)


async def test_more_than_a_hundred_ids_are_cut_and_said_to_be(client: Client[Any]) -> None:
    (newest,) = await _make(client, 1)
    with closing(Library(Settings())) as library:
        known = library.images.find_image(newest)
        assert known is not None
        for number in range(101):
            library.images.add_image(
                replace(
                    known, id=f"20250101-000000-{number:06x}", created_at=known.created_at - timedelta(days=1)
                )
            )
    reference = ResourceTemplateReference(type="ref/resource", uri=IMAGE)
    offered = await client.complete(reference, {"name": "image_id", "value": "2"})
    assert len(offered.values) == 100
    assert _ids(list(offered.values))[0] == newest
    assert offered.has_more is True


async def test_choices_sizes_and_models_are_offered_by_what_was_typed(client: Client[Any]) -> None:
    assert await _of_prompt(client, "logo_icon", "style", "B") == ["badge"]
    assert await _of_prompt(client, "photorealistic", "quality") == ["low", "medium", "high"]
    assert await _of_prompt(client, "photorealistic", "size", "land") == [
        *("landscape", "landscape_2k", "landscape_4k")
    ]
    models = await _of_prompt(client, "photorealistic", "model", "gpt-image-2")
    assert models[0].startswith("gpt-image-2.6")
    assert {"gpt-image-2", "gpt-image-2.5-flare"} <= set(models)


async def test_only_models_that_can_be_used_are_offered(client: Client[Any]) -> None:
    known = {model.name for model in load_catalogue().models}
    offered = await _of_prompt(client, "ui_asset", "model")
    assert set(offered) < known
    assert "gpt-image-1" not in offered


@pytest.mark.parametrize(
    ("prompt", "name"), [("photorealistic", "subject"), ("photorealistic", "colour"), ("unknown", "image")]
)
async def test_nothing_is_offered_where_nothing_is_known(client: Client[Any], prompt: str, name: str) -> None:
    assert await _of_prompt(client, prompt, name) == []


async def test_a_library_that_cannot_be_read_offers_nothing(client: Client[Any], tmp_path: Path) -> None:
    data = tmp_path / "home" / "data"
    data.write_text("a file where the folder of the database would be")
    assert await _of_template(client, IMAGE, "image_id") == []
