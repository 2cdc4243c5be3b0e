"""``POST /v1/responses`` of the sandbox, for the image tool alone."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.openai_api.sandbox.edits import Pictures, check_pictures
from gpt_image_mcp.openai_api.sandbox.failures import REFUSALS, Refusal
from gpt_image_mcp.openai_api.sandbox.validation import RequestRefused, refused, validate_edit_fields

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.openai_api.sandbox.forms import FormFile
    from gpt_image_mcp.openai_api.sandbox.generations import ResolvedRequest
    from gpt_image_mcp.openai_api.sandbox.uploads import Uploads
    from gpt_image_mcp.values.json import JsonObject

_HOST = re.compile(r"(gpt-(?!image)|o\d)[\w.-]*")
_FIELDS = frozenset(
    {"model", "input", "reasoning", "safety_identifier", "store", "tool_choice", "tools", "user"}
)
_TOOL_ONLY = frozenset({"type", "action", "input_image_mask", "moderation"})
_TOOL_OUTPUT = frozenset(
    {
        *("background", "complexity", "frame_count", "frame_duration_ms", "input_fidelity", "model"),
        *("output_compression", "output_format", "quality", "size"),
    }
)
_PARTS = ("input_text", "input_image")
_MODERATION = ("auto", "low")
_ACTIONS = ("auto", "edit", "generate")
_TOKENS_PER_IMAGE = 1200
_CALL_TOKENS = 60
# Of a host model that did not call the tool, or was stopped before.
_NOTHING_DRAWN: dict[str, None] = {"tool_usage": None}


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid request: the fields of the image call, its model, and the files it names."""

    host: str
    body: JsonObject
    model: ImageModel
    pictures: Pictures


def prompt_of(body: JsonObject) -> str:
    """The text of a request's input; empty if there is none."""
    return " ".join(str(part.get("text")) for part in _content(body) if part["type"] == "input_text")


def validate_response(body: JsonObject, uploads: Uploads, today: dt.date) -> Asked:
    """Checks a request as the API does. CPU work.

    Raises:
        RequestRefused: With the API's error.
    """
    for name in body:
        if name not in _FIELDS:
            message = f"Unknown parameter: '{name}'."
            raise refused(message, name, "unknown_parameter")
    host = str(body.get("model"))
    if not _HOST.fullmatch(host):
        message = f"The requested model '{host}' does not exist or cannot be used with the Responses API."
        raise RequestRefused(Refusal(status=400, message=message, code="model_not_found", param="model"))
    tool = _tool(body)
    fields = {name: value for name, value in tool.items() if name not in _TOOL_ONLY}
    model = validate_edit_fields({**fields, "prompt": prompt_of(body)}, today)
    images = tuple(_file(part.get("file_id"), uploads) for part in _images(body))
    return Asked(host, fields, model, check_pictures(images, _mask(tool, uploads)))


def answer(resolved: ResolvedRequest, image: bytes, asked: Asked, *, names: tuple[str, ...]) -> JsonObject:
    """The JSON of an answer; ``names`` are failures to play."""
    call = {
        "id": "ig_sandbox",
        "type": "image_generation_call",
        "status": "completed",
        "action": "edit",
        **resolved.echo(),
        "revised_prompt": resolved.drawing.prompt,
        "result": base64.b64encode(image).decode(),
    }
    document: JsonObject = {
        "id": "resp_sandbox",
        "object": "response",
        "created_at": resolved.created,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": asked.host,
        "output": [call],
        "usage": _host_usage(resolved, asked),
        "tool_usage": {"image_gen": resolved.usage()},
    }
    for name in names:
        if name in _PLAYS:
            document.update(_PLAYS[name](call))
    if "no_tool_usage" in names:
        del document["tool_usage"]
    return document


def _host_usage(resolved: ResolvedRequest, asked: Asked) -> JsonObject:
    read = len(resolved.drawing.prompt) // 4 + _TOKENS_PER_IMAGE * len(asked.pictures.images)
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": _CALL_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + _CALL_TOKENS,
    }


def _refusing(_call: JsonObject) -> JsonObject:
    part = {"type": "refusal", "refusal": "I'm sorry, but I can't help with that picture."}
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {"output": [message], **_NOTHING_DRAWN}


def _failed_call(call: JsonObject) -> JsonObject:
    error = {"code": "server_error", "message": "The image tool failed.", "type": "server_error"}
    return {"output": [{**call, "status": "failed", "result": None, "error": error}]}


def _moderated_call(call: JsonObject) -> JsonObject:
    error = REFUSALS["moderation_blocked"].body()["error"]
    return {"output": [{**call, "status": "failed", "result": None, "error": error}]}


def _failed_response(_call: JsonObject) -> JsonObject:
    error = {"code": "server_error", "message": "The model failed to generate a response."}
    return {"status": "failed", "output": [], "error": error, **_NOTHING_DRAWN}


def _incomplete_response(_call: JsonObject) -> JsonObject:
    reason = {"reason": "content_filter"}
    return {"status": "incomplete", "output": [], "incomplete_details": reason, **_NOTHING_DRAWN}


def _empty_call(call: JsonObject) -> JsonObject:
    return {"output": [{**call, "result": None}]}


_PLAYS: dict[str, Callable[[JsonObject], JsonObject]] = {
    "host_refuses": _refusing,
    "image_call_failed": _failed_call,
    "image_call_moderated": _moderated_call,
    "response_failed": _failed_response,
    "response_incomplete": _incomplete_response,
    "no_result": _empty_call,
}


def _tool(body: JsonObject) -> JsonObject:
    tools = _list(body.get("tools"), "tools")
    if len(tools) != 1:
        message = "The sandbox expects one tool, image_generation."
        raise refused(message, "tools")
    tool = _object(tools[0], "tools[0]")
    _one_of(tool.get("type"), ("image_generation",), "tools[0].type")
    _one_of(tool.get("action", "auto"), _ACTIONS, "tools[0].action")
    _one_of(tool.get("moderation", "auto"), _MODERATION, "tools[0].moderation")
    if body.get("tool_choice") != {"type": "image_generation"}:
        message = "The sandbox expects tool_choice to force image_generation."
        raise refused(message, "tool_choice")
    for name in tool:
        if name not in _TOOL_ONLY | _TOOL_OUTPUT:
            message = f"Unknown parameter: 'tools[0].{name}'."
            raise refused(message, f"tools[0].{name}", "unknown_parameter")
    return tool


def _object(value: object, param: str) -> JsonObject:
    if not isinstance(value, dict):
        message = f"Invalid type for '{param}': expected an object."
        raise refused(message, param, "invalid_type")
    return cast("JsonObject", value)


def _list(value: object, param: str) -> list[object]:
    if not isinstance(value, list):
        message = f"Invalid type for '{param}': expected a list."
        raise refused(message, param, "invalid_type")
    return cast("list[object]", value)


def _one_of(value: object, allowed: tuple[str, ...], param: str) -> None:
    if value not in allowed:
        supported = ", ".join(f"'{choice}'" for choice in allowed)
        message = f"Invalid value: '{value}'. Supported values are: {supported}."
        raise refused(message, param)


def _content(body: JsonObject) -> list[JsonObject]:
    items = [_object(item, "input[]") for item in _list(body.get("input"), "input")]
    contents = [_list(item.get("content"), "input[].content") for item in items]
    parts = [_object(part, "input[].content[]") for content in contents for part in content]
    for part in parts:
        _one_of(part.get("type"), _PARTS, "input[].content[].type")
    return parts


def _images(body: JsonObject) -> list[JsonObject]:
    return [part for part in _content(body) if part["type"] == "input_image"]


def _mask(tool: JsonObject, uploads: Uploads) -> FormFile | None:
    mask = tool.get("input_image_mask")
    if mask is None:
        return None
    return _file(_object(mask, "tools[0].input_image_mask").get("file_id"), uploads)


def _file(file_id: object, uploads: Uploads) -> FormFile:
    if not isinstance(file_id, str):
        message = "Missing required parameter: 'file_id'."
        raise refused(message, "file_id", "missing_required_parameter")
    upload = uploads.find(file_id)
    if upload.purpose != "vision":
        message = f"The file {file_id} has the purpose {upload.purpose}; expected vision."
        raise refused(message, "file_id")
    return upload.file
