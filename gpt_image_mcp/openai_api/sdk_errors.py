"""Turns each exception of the SDK into the error of our tree that it means.

The words of endpoints enter our messages here, so here the key is taken out of them.
"""

from __future__ import annotations

import json
import math
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import ImageError, InternalError, OutcomeUnknown
from gpt_image_mcp.openai_api.answer_documents import as_object, parse_documents
from gpt_image_mcp.openai_api.error_body import read_error_body
from gpt_image_mcp.openai_api.error_kinds import WEBSITE
from gpt_image_mcp.openai_api.error_mapping import map_error, map_refusal_inside
from gpt_image_mcp.openai_api.error_response import ErrorResponse
from gpt_image_mcp.openai_api.unsent import unreachable, unsendable_header, unsent_error
from gpt_image_mcp.redaction import key_of, redact, without_password

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx2
    import openai

    from gpt_image_mcp.openai_api.images_response import UnusableBody

_MOST_CHARACTERS = 600
_LONGEST_REFUSAL_BYTES = 50_000
_LONGEST_ID_CHARACTERS = 200
_OPENAI_HOST = ".api.openai.com"
_LOOK_AT_USAGE = (
    "Look at the usage page of the account before you call again; a repetition may be billed a second time."
)


@asynccontextmanager
async def errors_translated(model: str, *, prompt: str = "") -> AsyncGenerator[None]:
    """Turns what the SDK raises inside the block, for a request with this prompt, into our errors."""
    import httpx2
    import openai

    try:
        yield
    except openai.APIConnectionError as error:
        raise _connection_error(error) from error
    except openai.APIResponseValidationError as error:
        reason = redact(f"the answer has an unexpected shape ({error})", key_of(error.request))
        raise lost(reason, _request_id(error)) from error
    except openai.APIError as error:
        raise map_error(replace(_error_response(error), prompt=prompt), model=model) from error
    except httpx2.HTTPError as error:
        # The SDK reads the body of a refusal without translating what breaks meanwhile.
        raise broken(error, None) from error
    except UnicodeEncodeError:
        # Its message, and its traceback, show the header.
        raise unsendable_header() from None
    except openai.OpenAIError as error:
        message = f"The OpenAI client could not be used: {redact(str(error))}."
        raise InternalError(message, next_step="Check OPENAI_BASE_URL and the proxy settings.") from error


def lost(reason: str, request_id: str | None, *, next_step: str = _LOOK_AT_USAGE) -> OutcomeUnknown:
    """The error for a request that was sent and whose answer cannot be used."""
    message = (
        f"The request was sent, but {redact(reason)}. Whether a picture was made and billed cannot be told."
    )
    return OutcomeUnknown(message, next_step=next_step, request_id=request_id)


def unusable(error: UnusableBody, content: bytes, response: httpx2.Response, *, prompt: str) -> ImageError:
    """The error for an answer that arrived whole and holds no usable image.

    A refusal in it is told as that. Whatever else it says, a picture may have been made.
    """
    answer = replace(_read_last_error(content, response), prompt=prompt)
    if answer.is_html:
        return lost(f"a website answered: {answer.message}", answer.request_id, next_step=WEBSITE.next_step)
    refusal = map_refusal_inside(answer, model="the model") if answer.is_error else None
    if refusal is not None:
        return refusal
    reason = redact(str(error), key_of(response.request))[:_MOST_CHARACTERS]
    return lost(reason, answer.request_id)


def request_id_of(response: httpx2.Response) -> str | None:
    """The id under which OpenAI knows the request."""
    request_id = response.headers.get("x-request-id")
    return redact(request_id, key_of(response.request))[:_LONGEST_ID_CHARACTERS] if request_id else None


def broken(cause: Exception, request_id: str | None, *, key: str = "") -> OutcomeUnknown:
    """The error for a connection that broke, or fell silent, after a request was sent.

    Args:
        cause: What the HTTP client raised.
        request_id: OpenAI's id of the request.
        key: The key that it carried, which the words of the cause may repeat.
    """
    import httpx2

    if isinstance(cause, httpx2.TimeoutException):
        return lost("no answer came within the time limit (GPT_IMAGE_TIMEOUT_SECONDS)", request_id)
    if isinstance(cause, httpx2.TooManyRedirects):
        return lost("the address in OPENAI_BASE_URL leads from one to another without end", request_id)
    said = redact(str(cause), key)
    return lost(
        f"the connection broke after the request was sent ({type(cause).__name__}: {said})", request_id
    )


def read_error(
    answered: object,
    request: httpx2.Request,
    *,
    status: int = 0,
    request_id: str | None = None,
) -> ErrorResponse:
    """Reads an error, with the key taken out of it.

    Args:
        answered: Its JSON, as text or parsed; or the text that came in its place.
        request: The request that was answered.
        status: 0 for an error inside a stream.
        request_id: OpenAI's id of the request.
    """
    # After it is parsed: a key may be written with the escapes of JSON or HTML.
    body, key = read_error_body(answered), key_of(request)

    def shown(words: str) -> str:
        return redact(words[:_LONGEST_REFUSAL_BYTES], key)

    return ErrorResponse(
        status=status,
        message=shown(body.message),
        code=shown(body.code),
        inner_code=body.inner_code,
        type=body.type,
        param=shown(body.param),
        stage=shown(body.stage),
        categories=tuple(map(shown, body.categories)),
        request_id=request_id,
        is_openai=is_openai(request.url),
        is_error=body.is_error,
        is_html=body.is_html,
        url=shown(without_password(str(request.url))),
    )


def read_body(response: httpx2.Response) -> ErrorResponse:
    """Reads the error in a response, also in one with a good status, as far as its body was read."""
    import httpx2

    try:
        return _read(response.content, response)
    except httpx2.ResponseNotRead:
        return _read(b"", response)


def _read_last_error(content: bytes, response: httpx2.Response) -> ErrorResponse:
    """Reads the last error of a body, which may be a stream of events; else the whole body."""
    whole = _read(content, response)
    if whole.is_error or len(content) > _LONGEST_REFUSAL_BYTES:
        return whole
    events = [document.value for document in parse_documents(content) if as_object(document.value)]
    read = [_read(json.dumps(value).encode(), response) for value in events]
    return next((answer for answer in reversed(read) if answer.is_error), whole)


def _read(content: bytes, response: httpx2.Response) -> ErrorResponse:
    """Reads the beginning of a body; nothing of one that is too large for an error in a good answer."""
    is_readable = response.is_error or len(content) <= _LONGEST_REFUSAL_BYTES
    text = content[:_LONGEST_REFUSAL_BYTES].decode(errors="replace") if is_readable else ""
    request_id = request_id_of(response)
    return read_error(text, response.request, status=response.status_code, request_id=request_id)


def is_openai(url: httpx2.URL) -> bool:
    """Whether an address is of OpenAI itself, also of one of its regions."""
    return url.scheme == "https" and f".{url.host}".endswith(_OPENAI_HOST)


def _error_response(error: openai.APIError) -> ErrorResponse:
    import openai

    request_id = _request_id(error)
    if not isinstance(error, openai.APIStatusError):
        return read_error(error.body or error.message, error.request, request_id=request_id)
    from gpt_image_mcp.openai_api.http_client import SECONDS_TO_ANSWER

    response = error.response
    read = read_body(response)
    return replace(
        read,
        retry_after=response.headers.get("retry-after", ""),
        retry_after_ms=response.headers.get("retry-after-ms", ""),
        seconds_to_answer=response.extensions.get(SECONDS_TO_ANSWER, math.inf),
    )


def _request_id(error: openai.APIError) -> str | None:
    response: httpx2.Response | None = getattr(error, "response", None)
    return None if response is None else request_id_of(response)


def _connection_error(error: openai.APIConnectionError) -> ImageError:
    """A request that never left can be repeated; one that broke off later may have been billed."""
    cause = error.__cause__
    if isinstance(cause, ImageError):
        return cause
    from gpt_image_mcp.openai_api.http_client import has_left

    address = str(error.request.url)
    unsent = unsent_error(cause, address)
    if unsent is not None:
        return unsent
    if cause is not None and not has_left(error.request):
        return unreachable(cause, address)
    return broken(cause if isinstance(cause, Exception) else error, None, key=key_of(error.request))
