"""Real replicas with homes of their own, which have only PostgreSQL and a bucket in common."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from PIL import Image

from gpt_image_mcp import Settings
from gpt_image_mcp.team.tokens import tokens_file
from tests.team.replicas import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mcp_app.http_servers import Served
    from tests.object_stores import Bucket

    Start = Callable[..., list[Served]]


async def _called(client: Client[Any], tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    assert "/.cache/" not in f"{result.content}{result.structured_content}"
    return result.structured_content


async def test_replicas_go_on_with_each_others_pictures(start_replicas: Start, bucket: Bucket) -> None:
    one, two = start_replicas(2, GPT_IMAGE_STORAGE=bucket.address, **bucket.environment)
    async with one.client() as here, two.client() as there:
        made = (await _called(here, "generate_image", prompt="a boat"))["images"][0]
        assert made["file_path"].startswith(f"{bucket.address}/")
        session = await _called(here, "start_edit_session", prompt="a lake", images=[made["id"]])
        turn = await _called(there, "continue_edit_session", session_id=session["session_id"], prompt="more")
        assert turn["parent_turn"] == 1
        job = (await _called(here, "generate_image", prompt="a fox", wait_seconds=0))["job_id"]
        collected = await _called(there, "get_image", ref=job, wait_seconds=30)
        looked = await there.call_tool("get_image", {"ref": made["file_path"], "crop": [0, 0, 0.5, 0.5]})
        assert [block.type for block in looked.content] == ["image", "text"]
        exported = await _called(there, "export_image", ref=collected["images"][0]["id"], preset="favicon")
        assert exported["folder"].startswith(f"{bucket.address}/")
        again = await there.call_tool("get_image", {"ref": [made["id"], collected["images"][0]["id"]]})
        assert again.content[0].type == "image"
        resource: Any = (await there.read_resource(f"gpt-image://images/{made['id']}"))[0]
        assert len(base64.b64decode(resource.blob)) == made["size_bytes"]
        latest: Any = await there.read_resource("gpt-image://latest")
        assert f"]({made['file_path']})" in latest[0].text
        await _called(there, "delete_image", ref=made["id"], confirm=True)
        with pytest.raises(ToolError, match="deleted"):
            await here.call_tool("get_image", {"ref": made["id"]})


async def test_a_store_that_goes_away_makes_replicas_not_ready_until_it_is_back(
    start_replicas: Start, bucket: Bucket
) -> None:
    (one,) = start_replicas(1, GPT_IMAGE_STORAGE=bucket.address, **bucket.environment)
    wait_until(one)
    bucket.fail(403)
    wait_until(one, "storage")  # which was usable just now
    async with one.client() as client:
        with pytest.raises(ToolError, match=r"^storage_failed: .*refuses our credentials") as refused:
            await client.call_tool("generate_image", {"prompt": "a boat"})
    assert bucket.environment["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)
    bucket.work()
    wait_until(one)


async def test_an_upload_and_an_export_pass_through_any_replica(
    start_replicas: Start, bucket: Bucket, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.toml"
    served = {"GPT_IMAGE_AUTH": "tokens", "GPT_IMAGE_LINK_KEY": "k" * 32, "GPT_IMAGE_STORAGE": bucket.address}
    tokens = tokens_file(Settings(auth_tokens_file=file))
    may = ("images:read", "images:spend")
    anna, berta = (tokens.add(name, groups=(), scopes=may, days=1)[0] for name in ("anna", "berta"))
    one, two = start_replicas(2, GPT_IMAGE_AUTH_TOKENS_FILE=str(file), **served, **bucket.environment)
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(picture, "PNG")
    async with Client(one.url, auth=anna) as here, Client(two.url, auth=anna) as there:
        link = await _called(here, "create_upload_link")
        sent = httpx2.put(_at(two, link["upload_url"]), content=picture.getvalue())
        assert sent.status_code == 201
        (image,) = (await _called(here, "edit_image", prompt="x", images=[link["ref"]]))["images"]
        (export,) = (await _called(there, "export_image", ref=image["id"], width=64))["files"]
        for url, other in ((image["download_url"], two), (export["download_url"], one)):
            answer = httpx2.get(_at(other, url))
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    async with Client(two.url, auth=berta) as stranger:
        for ref in (image["file_path"], image["id"], link["ref"]):
            with pytest.raises(ToolError, match=r"^(not_found|input_not_found|input_rejected): "):
                await stranger.call_tool("get_image", {"ref": ref})
    assert sum("/people/" in key and "/uploads/" in key for key in bucket.contents()) == 1


def _at(served: Served, url: str) -> str:
    """The same address at another replica."""
    return f"{served.root}/{url.split('/', 3)[3]}"
