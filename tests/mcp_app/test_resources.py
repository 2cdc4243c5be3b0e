"""The resources through a client of each protocol era."""

from __future__ import annotations

import base64
import io
import json
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from fastmcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, TextResourceContents
from PIL import Image

from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.dates import today
from gpt_image_mcp.library.sidecars import read_metadata
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.presentation.details import CatalogueDetails, catalogue_details
from gpt_image_mcp.server import mcp
from gpt_image_mcp.settings import Settings

STATIC = {
    "gpt-image://history": "application/json",
    "gpt-image://latest": "text/markdown",
    "gpt-image://models": "application/json",
    "gpt-image://guide/prompting": "text/markdown",
}
TEMPLATES = {
    "gpt-image://images/{image_id}": "application/octet-stream",
    "gpt-image://images/{image_id}/preview": "image/jpeg",
    "gpt-image://images/{image_id}/metadata": "application/json",
}


async def _made(client: Client[Any], tool: str = "generate_image", **arguments: Any) -> dict[str, Any]:
    arguments = {"prompt": "a paper boat", "quality": "low", "size": "square", **arguments}
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return cast("dict[str, Any]", result.structured_content["images"][0])


async def _json(client: Client[Any], uri: str) -> dict[str, Any]:
    (content,) = await client.read_resource(uri)
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return cast("dict[str, Any]", json.loads(content.text))


async def test_the_list_stays_small_however_many_images_there_are(client: Client[Any]) -> None:
    for _ in range(3):
        await _made(client, n=2)
    assert {str(known.uri): known.mime_type for known in await client.list_resources()} == STATIC
    templates = await client.list_resource_templates()
    assert {known.uri_template: known.mime_type for known in templates} == TEMPLATES
    assert all(known.description for known in templates)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_an_image_is_read_as_the_bytes_of_its_file(client: Client[Any], output_format: str) -> None:
    image = await _made(client, output_format=output_format)
    (content,) = await client.read_resource(image["uri"])
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == image["mime_type"] == f"image/{output_format}"
    assert base64.b64decode(content.blob) == Path(image["file_path"]).read_bytes()


@pytest.mark.parametrize("kind", ["", "jpeg", "webp", "png"])
async def test_a_preview_is_small_and_says_what_it_is(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    monkeypatch.setenv("GPT_IMAGE_PREVIEW_FORMAT", kind)
    async with Client(mcp) as client:
        await _check_preview(client, kind or "jpeg")


async def _check_preview(client: Client[Any], kind: str) -> None:
    image = await _made(client)
    (content,) = await client.read_resource(f"{image['uri']}/preview")
    assert isinstance(content, BlobResourceContents)
    shown = Image.open(io.BytesIO(base64.b64decode(content.blob)))
    assert content.mime_type == f"image/{kind}"
    assert shown.format == kind.upper()
    assert max(shown.size) == 768 or kind == "png"
    assert len(content.blob) <= 98304


async def test_metadata_tells_everything_about_an_image_and_its_family(client: Client[Any]) -> None:
    parent = await _made(client)
    children = [
        await _made(client, "edit_image", prompt=f"number {number}", images=[parent["id"]])
        for number in range(2)
    ]
    told = await _json(client, f"{parent['uri']}/metadata")
    assert set(told["children"]) == {child["id"] for child in children}
    assert told["parents"] == []
    assert told["file"] == "present"
    assert {name: told[name] for name in parent} == parent
    assert (told["prompt"], told["kind"], told["route"]) == ("a paper boat", "image", "images")
    assert told["requested"]["size"] == "square"
    assert told["applied"]["size"] == "1024x1024"
    assert told["usage"]["total_tokens"] > 0
    assert told["cost_usd_estimated"] > 0
    assert told["sandbox"] is True
    of_child = await _json(client, f"{children[0]['uri']}/metadata")
    assert of_child["parents"] == [parent["id"]]
    assert of_child["kind"] == "edit"


async def test_metadata_of_a_session_names_session_and_turn(client: Client[Any]) -> None:
    start = await _made(client)
    made = await _made(client, "start_edit_session", images=[start["id"]])
    told = await _json(client, f"{made['uri']}/metadata")
    assert told["session_id"]
    assert told["turn"] == 1


async def test_metadata_survives_its_file(client: Client[Any]) -> None:
    image = await _made(client)
    Path(image["file_path"]).unlink()
    told = await _json(client, f"{image['uri']}/metadata")
    assert told["file"] == "missing"
    assert told["file_path"] == image["file_path"]
    for uri in (image["uri"], f"{image['uri']}/preview"):
        with pytest.raises(MCPError, match=r"^not_found: "):
            await client.read_resource(uri)


@pytest.mark.parametrize("suffix", ["", "/preview", "/metadata"])
async def test_an_unknown_id_is_said_to_be_unknown(client: Client[Any], suffix: str) -> None:
    with pytest.raises(MCPError, match=r"^not_found: .*20200101-000000-abcdef"):
        await client.read_resource(f"gpt-image://images/20200101-000000-abcdef{suffix}")


async def test_an_address_is_never_taken_for_a_path(client: Client[Any], project: Path) -> None:
    """The file is one of ours and in the working directory, where get_image would find it."""
    image = await _made(client)
    Path(image["file_path"]).rename(project / "moved.png")
    with pytest.raises(MCPError, match=r"^not_found: .*moved\.png"):
        await client.read_resource("gpt-image://images/moved.png")


async def test_a_file_that_is_no_picture_has_no_preview(client: Client[Any]) -> None:
    image = await _made(client)
    Path(image["file_path"]).write_bytes(b"overwritten by something else")
    with pytest.raises(MCPError, match=r"^storage_failed: "):
        await client.read_resource(f"{image['uri']}/preview")


async def test_a_file_that_was_changed_says_so_and_is_not_called_what_it_was(client: Client[Any]) -> None:
    image, other = await _made(client), await _made(client, prompt="another")
    Path(image["file_path"]).write_bytes(Path(other["file_path"]).read_bytes())
    (content,) = await client.read_resource(image["uri"])
    assert content.mime_type == "application/octet-stream"
    assert "changed" in str(content.meta)


async def test_a_file_of_others_in_place_of_an_image_is_not_given(client: Client[Any], project: Path) -> None:
    image = await _made(client)
    (project / "key").write_text("PRIVATE KEY")
    Path(image["file_path"]).unlink()
    Path(image["file_path"]).symlink_to(project / "key")
    for uri in (image["uri"], f"{image['uri']}/preview"):
        with pytest.raises(MCPError, match=r"^storage_failed: "):
            await client.read_resource(uri)


async def test_history_gives_the_latest_fifty_newest_first(client: Client[Any]) -> None:
    assert (await _json(client, "gpt-image://history"))["images"] == []
    made = await _made(client, prompt="x" * 500)
    path = Path(made["file_path"])
    known = read_metadata(path.parent / ".metadata" / f"{made['id']}.json")
    assert known is not None
    later = [known.created_at + timedelta(seconds=number) for number in range(1, 52)]
    ids = [f"20270101-000000-{number:06x}" for number in range(51)]
    with closing(Library(Settings())) as library:
        for image_id, moment in zip(ids, later, strict=True):
            library.images.add_image(replace(known, id=image_id, created_at=moment))
    told = await _json(client, "gpt-image://history")
    assert told["total"] == 52
    assert [image["id"] for image in told["images"]] == ids[:0:-1]
    newest = told["images"][0]
    assert newest["file_path"] == made["file_path"]
    assert newest["prompt"].startswith("xxx")
    assert len(newest["prompt"]) < 200
    assert newest["sandbox"] is True
    assert "cost_usd_estimated" not in newest
    assert (newest["width"], newest["height"]) == (1024, 1024)


async def _latest(client: Client[Any]) -> list[str]:
    (content,) = await client.read_resource("gpt-image://latest")
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/markdown"
    return content.text.splitlines()


async def test_the_latest_images_are_short_markdown_for_people(client: Client[Any]) -> None:
    assert await _latest(client) == ["# Latest images", "", "There is no image yet."]
    made = await _made(client, prompt="a *bold* [link](http://x.example) <b>`boat`\n# " + "x" * 500)
    title, empty, line = await _latest(client)
    assert (title, empty) == ("# Latest images", "")
    assert line.startswith(f"- [{made['filename']}](file:///")
    assert made["id"] in line
    assert "a \\*bold\\* \\[link\\](http" in line
    assert "\\<b\\>\\`boat\\`" in line
    assert "(1024x1024, sandbox, $" in line
    assert len(line) < 500
    ids = [(await _made(client))["id"] for _ in range(11)]
    lines = await _latest(client)
    assert len(lines) == 2 + 10
    assert ids[-1] in lines[2]


async def test_models_tell_what_each_accepts_and_costs(client: Client[Any]) -> None:
    told = await _json(client, "gpt-image://models")
    models = {model["name"]: model for model in told["models"]}
    assert set(models) == {model.name for model in load_catalogue().offered(today())}
    assert len(models) < len(load_catalogue().models)
    assert told["default"] == "gpt-image-2"
    newest = models["gpt-image-2"]
    assert newest["status"] == "available"
    assert newest["prices_1024x1024"]["high"] == {"cost_usd_estimated": 0.21072}
    assert "multiples of 16" in newest["sizes"]


def test_the_status_of_a_model_follows_the_day() -> None:
    catalogue = load_catalogue()
    name, end = next(
        (model.name, model.shutdown.date)
        for model in catalogue.models
        if model.shutdown and model.shutdown.confidence == "documented"
    )

    def listed(today: date) -> CatalogueDetails:
        return catalogue_details(catalogue, default="", today=today)

    models = {model.name: model for model in listed(date(2020, 1, 1)).models}
    assert models[name].status == f"available, announced to end on {end}"
    assert models["gpt-image-1.5"].sizes == ["1024x1024", "1536x1024", "1024x1536"]
    assert name not in [model.name for model in listed(end).models]
    assert any(f"{name} ended {end}" in sentence for sentence in listed(end).ended)
    assert "days ago" in (listed(date(2099, 1, 1)).note or "")


async def test_the_guide_is_short_markdown(client: Client[Any]) -> None:
    (content,) = await client.read_resource("gpt-image://guide/prompting")
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/markdown"
    assert content.text.startswith("# ")
    assert len(content.text.split()) < 600
    tools = {tool.name for tool in await client.list_tools()}
    assert {"get_image", "estimate_cost"} <= tools
    assert all(tool in content.text for tool in ("get_image", "estimate_cost"))
