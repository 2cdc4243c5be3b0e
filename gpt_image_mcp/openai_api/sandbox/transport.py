"""The sandbox as an httpx2 transport: what the SDK talks to instead of the network."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn, cast

import httpx2

from gpt_image_mcp import dates
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.openai_api.sandbox import edits, generations, responses
from gpt_image_mcp.openai_api.sandbox.failures import (
    LAUNCH_ERA,
    NAMES,
    REFUSALS,
    DirectiveReader,
    Refusal,
    UnknownDirective,
)
from gpt_image_mcp.openai_api.sandbox.forms import Form, read_form
from gpt_image_mcp.openai_api.sandbox.uploads import Uploads
from gpt_image_mcp.openai_api.sandbox.validation import RequestRefused, find_model, validate_generation
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Callable, Iterable

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.openai_api.sandbox.failures import Directives
    from gpt_image_mcp.openai_api.sandbox.generations import ResolvedRequest
    from gpt_image_mcp.values.json import JsonObject

HOST = "sandbox.invalid"
GENERATIONS, EDITS, RESPONSES = "/v1/images/generations", "/v1/images/edits", "/v1/responses"
_IMAGE_ENDPOINTS = (GENERATIONS, EDITS, RESPONSES)
_REMEMBERED_FILES = 100
# What some gateways leave behind the end of a file.
_PADDING = bytes(1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """A request as the sandbox saw it, without the key; for tests."""

    method: str
    path: str
    headers: dict[str, str]
    json: JsonObject | None
    form: Form | None = None


class SandboxTransport(httpx2.AsyncBaseTransport):
    """Answers as the OpenAI API would.

    Args:
        failures: Names of failures to play, one for each image request, before any other.
        file_failures: Names of failures for requests to ``/v1/files``, one for each.
        rejects_edits: Whether ``/v1/images/edits`` answers as in the weeks after a model's launch.
        delay_seconds: How long every image request takes at least.
        today: The day by which models are shut down or not.
        remembered_requests: How many to keep for tests to look at, each with all its files.

    Attributes:
        requests: The latest requests, oldest first.
        uploads: The files that were uploaded and not deleted.
    """

    def __init__(
        self,
        *,
        failures: Iterable[str] = (),
        file_failures: Iterable[str] = (),
        rejects_edits: bool = False,
        delay_seconds: float = 0,
        today: Callable[[], dt.date] = dates.today,
        remembered_requests: int = 1000,
    ) -> None:
        self.requests: deque[ReceivedRequest] = deque(maxlen=remembered_requests)
        self.uploads = Uploads()
        self.rejects_edits = rejects_edits
        self._failures = deque(failures)
        self._file_failures = deque(file_failures)
        self._delay_seconds = delay_seconds
        self._today = today
        self._directives = DirectiveReader()
        self._numbers = itertools.count(1)
        self._files: dict[str, bytes] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request, one answer; refusals are answers, faults of the connection are exceptions."""
        content = await request.aread()
        try:
            received = await in_thread(_received, request, content)
            self.requests.append(received)
            return await self._routed(request, received)
        except RequestRefused as error:
            return self._refuse(error.refusal)

    async def _routed(self, request: httpx2.Request, received: ReceivedRequest) -> httpx2.Response:
        method, path = request.method, request.url.path
        if method == "GET" and path.startswith("/files/"):
            return self._file(path.removeprefix("/files/"))
        _require_key(request)
        if path.startswith("/v1/files"):
            return self._files_endpoint(request, received)
        if method == "POST" and path in _IMAGE_ENDPOINTS:
            return await self._image_endpoint(request, received)
        if method == "GET" and path == "/v1/models":
            return self._answer({"object": "list", "data": [_model(name) for name in self._model_names()]})
        if method == "GET" and path.startswith("/v1/models/"):
            name = path.removeprefix("/v1/models/")
            return self._answer(_model(find_model({"model": name}, self._today()).name))
        message = f"Invalid URL ({method} {path})"
        raise RequestRefused(Refusal(status=404, message=message))

    async def _image_endpoint(self, request: httpx2.Request, received: ReceivedRequest) -> httpx2.Response:
        """What the endpoints that make images have in common: checks, failures on demand, time."""
        path = request.url.path
        checked = await in_thread(self._checked, path, received)
        directives = self._read(checked.prompt)
        await _let_pass(max(directives.delay_seconds, self._delay_seconds), request)
        is_edit = path == EDITS
        if is_edit and (self.rejects_edits or LAUNCH_ERA in directives.names):
            raise RequestRefused(REFUSALS[LAUNCH_ERA].about(checked.model.name))
        for name in directives.names:
            if name in REFUSALS and (name != LAUNCH_ERA or path == GENERATIONS):
                raise RequestRefused(REFUSALS[name].about(checked.model.name))
        _break_connection(directives.names, request)
        resolved = checked.resolved(directives, int(time.time()))
        if checked.asked is not None:
            image = (await in_thread(resolved.images))[0]
            return self._damaged(
                responses.answer(resolved, image, checked.asked, names=directives.names), directives.names
            )
        if checked.streams:
            return self._streamed(resolved, directives.names)
        return await self._plain(resolved, directives.names)

    def _checked(self, path: str, received: ReceivedRequest) -> _Checked:
        """A valid request to one of the image endpoints. CPU work."""
        if path == EDITS:
            form = _form_of(received)
            body = edits.read_fields(form)
            model, pictures = edits.validate_edit(form, body, self._today())
            return _Checked(body, body["prompt"], model, pictures)
        if received.json is None:
            message = "We could not parse the JSON body of your request."
            raise RequestRefused(Refusal(status=400, message=message))
        if path == GENERATIONS:
            model = validate_generation(received.json, self._today())
            return _Checked(received.json, received.json.get("prompt", ""), model)
        asked = responses.validate_response(received.json, self.uploads, self._today())
        prompt = responses.prompt_of(received.json)
        return _Checked(asked.body, prompt, asked.model, asked.pictures, asked)

    def _model_names(self) -> list[str]:
        return [model.name for model in load_catalogue().living(self._today())]

    def _files_endpoint(self, request: httpx2.Request, received: ReceivedRequest) -> httpx2.Response:
        if self._file_failures and (name := self._file_failures.popleft()):
            _break_connection((name,), request)
            raise RequestRefused(REFUSALS[name])
        file_id = request.url.path.removeprefix("/v1/files").strip("/")
        if request.method == "POST" and not file_id:
            return self._answer(self.uploads.create(_form_of(received)))
        if request.method == "DELETE" and file_id:
            return self._answer(self.uploads.delete(file_id))
        if request.method == "GET":
            return self._answer(self.uploads.find(file_id).document() if file_id else self.uploads.list())
        message = f"Invalid URL ({request.method} {request.url.path})"
        raise RequestRefused(Refusal(status=404, message=message))

    def _read(self, prompt: str) -> Directives:
        if self._failures and (name := self._failures.popleft()):
            prompt = f"{prompt} [sandbox:{name}]"
        try:
            return self._directives.read(prompt)
        except UnknownDirective as error:
            message = (
                f"The sandbox has no failure {str(error)!r}; it has {', '.join(NAMES)} and delay=SECONDS."
            )
            raise RequestRefused(Refusal(status=400, message=message)) from error

    async def _plain(self, resolved: ResolvedRequest, names: tuple[str, ...]) -> httpx2.Response:
        if "wrong_format" in names:
            resolved = _in_another_format(resolved)
        images = await in_thread(resolved.images)
        if "truncated_image" in names:
            images = [data[: len(data) // 2] for data in images]
        if "not_an_image" in names:
            images = [b"these bytes are no image" for _ in images]
        if "bytes_after_end" in names:
            images = [data + _PADDING for data in images]
        document = generations.answer(resolved, images)
        if "no_usage" in names:
            del document["usage"]
        if "url_instead_of_b64" in names:
            document["data"] = [{"url": self._published(data, resolved)} for data in images]
        if "relative_url" in names:
            links = [self._published(data, resolved) for data in images]
            document["data"] = [{"url": link.removeprefix(f"https://{HOST}")} for link in links]
        if "task_id" in names:
            document = {"task_id": "task_sandbox", "status": "queued"}
        return self._damaged(document, names)

    def _damaged(self, document: JsonObject, names: tuple[str, ...]) -> httpx2.Response:
        if "html" in names:
            page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>"
            return httpx2.Response(502, html=page)
        if "empty_data" in names:
            return self._answer({**document, "data": []})
        if "error_in_200" in names:
            return self._answer({"error": {"message": "The upstream failed.", "code": "upstream_error"}})
        answer = self._answer(document)
        if "unasked_stream" in names:
            event = b"data: " + answer.content + b"\n\n"
            return httpx2.Response(200, content=event, headers=self._request_id())
        if "truncated_json" in names:
            half = answer.content[: len(answer.content) // 2]
            return httpx2.Response(200, content=half, headers={"content-type": "application/json"})
        return answer

    def _streamed(self, resolved: ResolvedRequest, names: tuple[str, ...]) -> httpx2.Response:
        headers = {"content-type": "text/event-stream", **self._request_id()}
        return httpx2.Response(200, stream=_EventStream(resolved, names), headers=headers)

    def _published(self, data: bytes, resolved: ResolvedRequest) -> str:
        """Puts an image at an address of its own, as some gateways do."""
        name = f"{next(self._numbers)}.{resolved.drawing.output_format}"
        self._files[name] = data
        while len(self._files) > _REMEMBERED_FILES:
            del self._files[next(iter(self._files))]
        return f"https://{HOST}/files/{name}"

    def _file(self, name: str) -> httpx2.Response:
        data = self._files.get(name)
        return httpx2.Response(404) if data is None else httpx2.Response(200, content=data)

    def _answer(self, document: JsonObject) -> httpx2.Response:
        return httpx2.Response(200, json=document, headers=self._request_id())

    def _refuse(self, refusal: Refusal) -> httpx2.Response:
        headers = {**self._request_id(), **refusal.headers}
        return httpx2.Response(refusal.status, json=refusal.body(), headers=headers)

    def _request_id(self) -> dict[str, str]:
        return {"x-request-id": f"req_sandbox_{next(self._numbers)}"}


@dataclass(frozen=True, slots=True)
class _Checked:
    """A valid request for images: its fields, prompt and model, and what only some endpoints have."""

    body: JsonObject
    prompt: str
    model: ImageModel
    pictures: edits.Pictures | None = None
    asked: responses.Asked | None = None

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))

    def resolved(self, asked: Directives, created: int) -> ResolvedRequest:
        return generations.resolve(self.body, self.model, asked, created=created, pictures=self.pictures)


class _EventStream(httpx2.AsyncByteStream):
    """The events of a streamed call, each drawn in a worker thread when it is read."""

    def __init__(self, resolved: ResolvedRequest, names: tuple[str, ...]) -> None:
        self._events = generations.events(resolved)
        self._names = names

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if "stream_error" in self._names:
            error = {"type": "error", "error": {"message": "The image failed.", "code": "server_error"}}
            yield f"event: error\ndata: {json.dumps(error)}\n\n".encode()
            return
        while (event := await in_thread(next, self._events, None)) is not None:
            if "stream_cut" in self._names and b"completed" in event[:60]:
                return
            yield event


def _json(content: bytes) -> JsonObject | None:
    try:
        document: object = json.loads(content)
    except ValueError:
        return None
    return cast("JsonObject", document) if isinstance(document, dict) else None


def _received(request: httpx2.Request, content: bytes) -> ReceivedRequest:
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    is_form = request.headers.get("content-type", "").startswith("multipart/")
    return ReceivedRequest(
        method=request.method,
        path=request.url.path,
        headers=headers,
        json=None if is_form else _json(content),
        form=read_form(request, content) if is_form else None,
    )


def _form_of(received: ReceivedRequest) -> Form:
    if received.form is None:
        message = "Invalid content type. Expected 'multipart/form-data'."
        raise RequestRefused(Refusal(status=400, message=message, code="unsupported_content_type"))
    return received.form


def _require_key(request: httpx2.Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "You didn't provide an API key."
        raise RequestRefused(Refusal(status=401, message=message, code=None))
    if "invalid" in key:
        message = f"Incorrect API key provided: {key[:4]}***. You can find your API key at https://platform.openai.com."
        raise RequestRefused(Refusal(status=401, message=message, code="invalid_api_key"))


def _break_connection(names: tuple[str, ...], request: httpx2.Request) -> None:
    """Raises what the network would."""
    if "connect_error" in names:
        _raise(httpx2.ConnectError, "Connection refused", request)
    if "reset" in names:
        _raise(httpx2.ReadError, "Connection reset by peer", request)
    if "timeout" in names:
        _raise(httpx2.ReadTimeout, "The read operation timed out", request)


async def _let_pass(seconds: float, request: httpx2.Request) -> None:
    """Lets the time of an answer pass, or as much of it as the client waits for."""
    patience_seconds = request.extensions.get("timeout", {}).get("read")
    if patience_seconds is None or seconds <= patience_seconds:
        await asyncio.sleep(seconds)
    else:
        await asyncio.sleep(patience_seconds)
        _raise(httpx2.ReadTimeout, "The read operation timed out", request)


def _raise(kind: type[httpx2.TransportError], message: str, request: httpx2.Request) -> NoReturn:
    raise kind(message, request=request)


def _in_another_format(resolved: ResolvedRequest) -> ResolvedRequest:
    other = "webp" if resolved.drawing.output_format == "png" else "png"
    return replace(resolved, drawing=replace(resolved.drawing, output_format=other))


def _model(name: str) -> JsonObject:
    return {"id": name, "object": "model", "created": 0, "owned_by": "system"}
