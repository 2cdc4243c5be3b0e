"""What an error response means: the error of our tree, in the API's own words, with what to do next."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp import dates
from gpt_image_mcp.errors import (
    ImageError,
    OutcomeUnknown,
    RateLimited,
    UpstreamError,
    UpstreamUnavailable,
    cut,
)
from gpt_image_mcp.openai_api.error_body import STATUSES_AS_CODES
from gpt_image_mcp.openai_api.error_kinds import ERROR_KINDS, REJECTIONS, WEBSITE
from gpt_image_mcp.openai_api.retry_after import LONGEST_RETRY_AFTER_SECONDS, pause_seconds
from gpt_image_mcp.redaction import HIDDEN

if TYPE_CHECKING:
    from gpt_image_mcp.openai_api.error_kinds import ErrorKind
    from gpt_image_mcp.openai_api.error_response import ErrorResponse

_LONGEST_WORDS_CHARACTERS = 600
_HTTP_UNAUTHORIZED = 401
# A key as refusals show it: cut, starred, or by its last characters.
_CUT_KEY = re.compile(
    r"(?<!\S)\S*(?:\*{2,}|\.{3}|…)\S*|(?<=ending in )\S+|(?<=ending with )\S+|(?<=ends with )\S+"
)


def map_error(response: ErrorResponse, *, model: str) -> ImageError:
    """The error of our tree that a response means."""
    kind = _kind(response) or next(kind for kind in REJECTIONS if kind.matches(response))
    return _error(kind, response, model)


def map_refusal_inside(response: ErrorResponse, *, model: str) -> ImageError | None:
    """The refusal that an answer with status 200 carries; None if a picture may have been made all the same.

    Its code may be the status that it should have had.
    """
    if response.code in STATUSES_AS_CODES:
        response = replace(response, status=int(response.code))
    kind = _kind(response)
    if kind is None or issubclass(kind.error, UpstreamUnavailable | OutcomeUnknown):
        return None
    return _error(kind, response, model)


def website_error(response: ErrorResponse) -> ImageError:
    """The error for a website where the API should be, whatever its status is."""
    return _error(WEBSITE, response, "")


def _kind(response: ErrorResponse) -> ErrorKind | None:
    """The kind that a code names, whatever the words are; else the first that matches."""
    named = next((kind for kind in ERROR_KINDS if kind.is_named(response)), None)
    return named or next((kind for kind in ERROR_KINDS if kind.matches(response)), None)


def _error(kind: ErrorKind, response: ErrorResponse, model: str) -> ImageError:
    pause = pause_seconds(
        milliseconds=response.retry_after_ms, header=response.retry_after, words=response.own_words
    )
    said = kind.said.format(url=response.url or "The address", model=cut(model), refused=_refused(response))
    able = kind.needs.able(dates.today()) if kind.needs else ""
    next_step = kind.next_step.format(model=cut(model), when=_when(pause), able=able)
    message = f"{said} ({_circumstances(response)}): {_words(response)}."
    if not issubclass(kind.error, UpstreamError):
        return kind.error(message, next_step=next_step, request_id=response.request_id)
    error = kind.error
    if issubclass(error, UpstreamUnavailable) and (pause or 0) > LONGEST_RETRY_AFTER_SECONDS:
        error = RateLimited  # who asks for a long pause is limiting its callers, whatever status it gives
    return error(message, next_step=next_step, request_id=response.request_id, retry_after_seconds=pause)


def _circumstances(response: ErrorResponse) -> str:
    """The status, and what the response names beside its words."""
    status = f"HTTP {response.status}" if response.status else "an error in the stream"
    code = response.code if not response.code.isdigit() else ""
    about = f"parameter {response.param}" if response.param else ""
    stage = f"stage: {response.stage}" if response.stage else ""
    return ", ".join(filter(None, (status, code, about, stage)))


def _words(response: ErrorResponse) -> str:
    """The API's own words, on one line and of bounded length."""
    text = " ".join(response.message.split())
    if response.status == _HTTP_UNAUTHORIZED:
        text = _CUT_KEY.sub(HIDDEN, text)
    return text[:_LONGEST_WORDS_CHARACTERS].rstrip(".") or "no reason given"


def _when(seconds: float | None) -> str:
    return "in a minute" if seconds is None else f"in {seconds:.0f} s"


def _refused(response: ErrorResponse) -> str:
    """What a moderation refused, and why, as far as it says so."""
    found = re.search(r"safety_violations=\[([^\]]*)\]", response.message)
    named = ", ".join(response.categories) or (found[1] if found else "")
    what = {"input": "the prompt or an input image", "output": "the picture that was made"}
    return what.get(response.stage, "it") + (f" for {named}" if named else "")
