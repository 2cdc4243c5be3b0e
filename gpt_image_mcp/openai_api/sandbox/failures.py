"""Every documented failure of the API, on demand.

A directive in the prompt chooses one: ``[sandbox:rate_limited]`` fails each time, ``[sandbox:503*2]`` the
first two times this prompt is sent. ``[sandbox:delay=1.5]`` answers after so many seconds. Several
directives work together. The bodies are those that public projects quote; they are listed in ``REFUSALS``,
transport faults and damaged answers in ``FAULTS`` and ``DAMAGES``, pictures that are not transparent in
``FALSE_TRANSPARENCY``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpt_image_mcp.values.json import JsonObject

_DIRECTIVE = re.compile(
    r"\[sandbox:\s*([a-z0-9_]+)\s*(?:\*\s*(\d{1,9}))?\s*(?:=\s*(\d*\.?\d{1,9}))?\s*\]", re.IGNORECASE
)
DELAY = "delay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error answer: status and the ``error`` object of its body."""

    status: int
    message: str
    code: str | None = None
    type: str = "invalid_request_error"
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    details: JsonObject | None = None

    def about(self, model: str) -> Refusal:
        """The same with the model that was asked for in the place of ``gpt-image-2``."""
        return replace(self, message=self.message.replace("gpt-image-2", model))

    def body(self) -> JsonObject:
        """The JSON of the answer."""
        error: JsonObject = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        if self.details is not None:
            error["moderation_details"] = self.details
        return {"error": error}


def _server_error(status: int, message: str) -> Refusal:
    return Refusal(status=status, message=message, type="server_error")


def _spending(code: str, message: str, status: int = 400) -> Refusal:
    return Refusal(status=status, message=message, code=code, type="billing_error")


REFUSALS: dict[str, Refusal] = {
    "moderation_blocked": Refusal(
        status=400,
        message="Your request was rejected by the safety system. If you believe this is an error, contact us "
        "at help.openai.com and include the request ID req_sandbox. safety_violations=[sexual].",
        code="moderation_blocked",
        type="image_generation_user_error",
        details={"moderation_stage": "input", "categories": ["sexual"]},
    ),
    "launch_400": Refusal(
        status=400,
        message="Invalid value: 'gpt-image-2'. Value must be 'dall-e-2'.",
        code="invalid_value",
        param="model",
    ),
    "input_fidelity": Refusal(
        status=400,
        message="The model 'gpt-image-2' does not support the 'input_fidelity' parameter.",
        code="invalid_input_fidelity_model",
        param="input_fidelity",
    ),
    "invalid_size": Refusal(
        status=400, message="Invalid size '872x2048'. Width and height must both be divisible by 16."
    ),
    "transparent_unsupported": Refusal(
        status=400,
        message="Transparent background is not supported for this model.",
        code="invalid_value",
        param="background",
    ),
    "invalid_image_file": Refusal(
        status=400,
        message="Invalid image file or mode for image 1, please check your image file.",
        code="invalid_image_file",
    ),
    "unknown_parameter": Refusal(
        status=400,
        message="Unknown parameter: 'quality'.",
        code="unknown_parameter",
        param="quality",
    ),
    "organization_not_verified": Refusal(
        status=403,
        message="Your organization must be verified to use the model `gpt-image-2`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization.",
    ),
    "organization_not_verified_400": Refusal(
        status=400,
        message="Your organization must be verified to use the model `gpt-image-2`.",
    ),
    "permission_denied": Refusal(
        status=403,
        message="You have insufficient permissions for this operation.",
        code="insufficient_permissions",
    ),
    "rate_limited": Refusal(
        status=429,
        message="Rate limit reached for gpt-image-2 in organization org-sandbox on input-images per min: "
        "Limit 250, Used 250, Requested 1. Please try again in 240ms.",
        code="rate_limit_exceeded",
        type="input-images",
        headers={"retry-after": "1"},
    ),
    "insufficient_quota": Refusal(
        status=429,
        message="You exceeded your current quota, please check your plan and billing details.",
        code="insufficient_quota",
        type="insufficient_quota",
    ),
    "billing_hard_limit_reached": _spending(
        "billing_hard_limit_reached", "Billing hard limit has been reached."
    ),
    "billing_not_active": _spending("billing_not_active", "Your account is not active.", 429),
    "project_spend_limit_exceeded": _spending("project_spend_limit_exceeded", "Project limit reached.", 429),
    "organization_spend_limit_exceeded": _spending(
        "organization_spend_limit_exceeded", "Organization limit reached.", 429
    ),
    "model_not_found": Refusal(
        status=404,
        message="The model `gpt-image-2` does not exist or you do not have access to it.",
        code="model_not_found",
    ),
    "500": _server_error(500, "The server had an error while processing your request. Sorry about that!"),
    "502": _server_error(502, "Bad gateway."),
    "503": _server_error(503, "The engine is currently overloaded, please try again later."),
    "504": _server_error(504, "Gateway timeout."),
    "520": _server_error(520, "Web server is returning an unknown error."),
    "524": _server_error(524, "A timeout occurred."),
    "529": _server_error(529, "The service is overloaded."),
}
# Faults of the connection: before anything is sent, after it, while waiting.
FAULTS = ("connect_error", "reset", "timeout")
# Answers with status 200 (html: 502) that are not what they should be.
DAMAGES = (
    *("html", "truncated_json", "truncated_image", "not_an_image", "empty_data", "error_in_200"),
    *("wrong_format", "url_instead_of_b64", "relative_url", "unasked_stream", "task_id", "no_usage"),
    *("bytes_after_end", "stream_error", "stream_cut"),
)
# Answers of the Responses API that hold no image, or not all that they should.
RESPONSE_DAMAGES = (
    *("host_refuses", "image_call_failed", "image_call_moderated", "response_failed", "response_incomplete"),
    *("no_result", "no_tool_usage"),
)
# What models put in the place of transparency, in pictures that should have it.
CHECKERBOARD, HALO = "painted_checkerboard", "coloured_halo"
FALSE_TRANSPARENCY = ("opaque_picture", CHECKERBOARD, HALO)
NAMES = (*REFUSALS, *FAULTS, *DAMAGES, *RESPONSE_DAMAGES, *FALSE_TRANSPARENCY)
# The rejection that only the edits endpoint gives.
LAUNCH_ERA = "launch_400"


@dataclass(frozen=True, slots=True)
class Directives:
    """What a prompt asks the sandbox to do, and the prompt without it."""

    prompt: str
    names: tuple[str, ...] = ()
    delay_seconds: float = 0.0


class UnknownDirective(Exception):
    """A directive that the sandbox does not know; the API answers with a 400 that lists those it knows."""


class DirectiveReader:
    """Reads directives and counts how often each was played for a prompt."""

    def __init__(self) -> None:
        self._played: Counter[tuple[str, str]] = Counter()

    def read(self, prompt: str) -> Directives:
        """The directives that hold for this request.

        Raises:
            UnknownDirective: If the prompt names one that does not exist.
        """
        names: list[str] = []
        delay_seconds = 0.0
        for name, times, value in _DIRECTIVE.findall(prompt):
            directive = name.lower()
            if directive == DELAY and value:
                delay_seconds = float(value)
            elif directive not in NAMES:
                raise UnknownDirective(directive)
            elif self._is_due(prompt, directive, times):
                names.append(directive)
        return Directives(_DIRECTIVE.sub("", prompt).strip(), tuple(names), delay_seconds)

    def _is_due(self, prompt: str, directive: str, times: str) -> bool:
        self._played[prompt, directive] += 1
        return not times or self._played[prompt, directive] <= int(times)
