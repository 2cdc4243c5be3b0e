"""``delete_image`` through a real client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp.types import TextContent

from gpt_image_mcp.presentation.deletion import DeletionContent

if TYPE_CHECKING:
    from fastmcp import Client
    from fastmcp.client.client import CallToolResult


async def _call(client: Client[Any], tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def _make(client: Client[Any]) -> tuple[str, Path]:
    made = await _call(client, "generate_image", prompt="a fox", quality="low", size="816x816")
    assert made.structured_content is not None
    image = made.structured_content["images"][0]
    return image["id"], Path(image["file_path"])


async def test_an_image_is_deleted_in_two_calls_after_it_was_said_what_goes(client: Client[Any]) -> None:
    image_id, path = await _make(client)
    child = await _call(client, "edit_image", prompt="night", images=[image_id], quality="low")
    assert child.structured_content is not None
    child_id = child.structured_content["images"][0]["id"]
    planned = await _call(client, "delete_image", ref=image_id)
    plan = DeletionContent.model_validate(planned.structured_content)
    assert (plan.status, plan.id, plan.file_path) == ("unconfirmed", image_id, str(path))
    assert (plan.size_bytes, plan.children) == (path.stat().st_size, [child_id])
    for fact in (image_id, str(path), child_id, "nothing was yet", "confirm true", f"Next: {plan.next}"):
        assert fact in _text(planned)
    done = await _call(client, "delete_image", ref=image_id, confirm=True)
    assert DeletionContent.model_validate(done.structured_content).status == "deleted"
    assert not path.exists()
    again = await _call(client, "delete_image", ref=image_id, confirm=True)
    assert again.is_error
    assert _text(again).startswith(f"not_found: Image {image_id} was deleted on ")


async def test_the_history_counts_what_was_deleted(client: Client[Any]) -> None:
    image_id, _ = await _make(client)
    await _call(client, "delete_image", ref=image_id, confirm=True)
    found = await _call(client, "find_images")
    assert found.structured_content is not None
    assert (found.structured_content["total"], found.structured_content["deleted_images"]) == (0, 1)
    assert "deleted" in _text(found)


async def test_other_spellings_of_the_call_are_understood_and_none_confirms_by_itself(
    client: Client[Any],
) -> None:
    image_id, path = await _make(client)
    for arguments in ({"image_id": image_id}, {"ref": image_id, "confirm": None}, {"path": str(path)}):
        planned = await _call(client, "remove_image", **arguments)
        assert not planned.is_error, _text(planned)
        assert path.exists()
    done = await _call(client, "delete-image", image=image_id, confirmed="true")
    assert not done.is_error, _text(done)
    assert not path.exists()


async def test_the_tool_says_that_it_destroys_and_is_not_repeatable(client: Client[Any]) -> None:
    hints = {tool.name: tool.annotations for tool in await client.list_tools()}["delete_image"]
    assert hints is not None
    # Where nothing is said, a tool writes, and does more when it is called again.
    assert (hints.read_only_hint or False, hints.idempotent_hint or False) == (False, False)
    assert (hints.destructive_hint, hints.open_world_hint) == (True, False)
