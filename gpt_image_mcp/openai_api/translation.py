"""Each exception of the SDK as the error of our tree that it means."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.errors import ImageError, InternalError, OutcomeUnknown, UpstreamUnavailable
from gpt_image_mcp.refusals import Refusal, explain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import openai


@asynccontextmanager
async def errors_translated(model: str) -> AsyncGenerator[None]:
    """Turns what the SDK raises inside the block into our errors."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise explain(_refusal(error), model=model) from error
    except openai.APIConnectionError as error:
        raise _connection_error(error) from error
    except openai.APIResponseValidationError as error:
        raise lost(f"the answer has an unexpected shape ({error})", _request_id(error)) from error
    except openai.APIError as error:
        raise explain(_refusal(error), model=model) from error
    except openai.OpenAIError as error:
        message = f"The OpenAI client could not be used: {error}."
        raise InternalError(message, next_step="Check OPENAI_BASE_URL and the proxy settings.") from error


def lost(reason: str, request_id: str | None) -> OutcomeUnknown:
    """The error for a request that was sent and whose answer cannot be used."""
    message = f"The request was sent, but {reason}. Whether a picture was made and billed cannot be told."
    return OutcomeUnknown(
        message,
        next_step="Look at the usage page of the account before you call again; a repetition may be billed "
        "a second time.",
        request_id=request_id,
    )


def _refusal(error: openai.APIError) -> Refusal:
    import openai

    status, retry_after = 0, ""
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        retry_after = error.response.headers.get("retry-after", "")
    body: object = error.body
    fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    details = fields.get("moderation_details")
    return Refusal(
        status=status,
        message=str(fields.get("message") or error.message),
        code=str(error.code or ""),
        type=str(error.type or ""),
        param=str(error.param or ""),
        details=cast("dict[str, object]", details) if isinstance(details, dict) else {},
        retry_after=retry_after,
        request_id=_request_id(error),
    )


def _request_id(error: openai.APIError) -> str | None:
    request_id = getattr(error, "request_id", None)
    return request_id if isinstance(request_id, str) else None


def _connection_error(error: openai.APIConnectionError) -> ImageError:
    """A request that never left can be repeated; one that broke off later may have been billed."""
    import httpx2

    cause = error.__cause__
    reason = f"{type(cause).__name__}: {cause}" if cause else str(error)
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return UpstreamUnavailable(
            f"No connection to {error.request.url.host} ({reason}); nothing was sent.",
            next_step="Check the network, the proxy settings and OPENAI_BASE_URL, then call again.",
        )
    if isinstance(cause, httpx2.TimeoutException):
        return lost("no answer came within the time limit (GPT_IMAGE_TIMEOUT_SECONDS)", None)
    return lost(f"the connection broke after the request was sent ({reason})", None)
