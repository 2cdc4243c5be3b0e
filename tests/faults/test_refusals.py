"""Refusals as gateways word them: the code and advice that fit, their own words, one request, no money."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.errors import ImageError
from tests.faults.observed import QUICK, calls, spent_usd, studio_for
from tests.faults.scripted import answer, refusal, serve_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.scripted import Reply

KEY = "house-key-0123456789-abcdef"


@dataclass(frozen=True)
class Refused:
    """An answer, and what must come of it.

    Attributes:
        status: Of the answer.
        body: Of the answer; a text is sent as it is.
        code: Of the error.
        says: Words of the gateway that are kept.
        advice: Words of what to do.
    """

    status: int
    body: object
    code: str
    says: str
    advice: str

    @property
    def reply(self) -> Reply:
        """The answer itself."""
        if not isinstance(self.body, str):
            return answer(self.body, status=self.status)
        kind = "text/html" if self.body.startswith("<") else "text/plain"
        return answer(self.body.encode(), status=self.status, content_type=kind)


def _credit(status: int, body: object, says: str) -> Refused:
    return Refused(status, body, "quota_exhausted", says, "credit")


def _filtered(status: int, body: object, says: str) -> Refused:
    return Refused(status, body, "moderation_blocked", says, "Rephrase")


def _rejected(status: int, body: object, says: str, advice: str) -> Refused:
    return Refused(status, body, "upstream_rejected", says, advice)


REFUSED: dict[str, Refused] = {
    # Credit and quota, by any status
    "402 with an error": _credit(402, {"error": {"message": "Pay up", "code": 402}}, "Pay up"),
    "402 in plain text": _credit(402, "Payment Required", "Payment Required"),
    "402 as a page": _credit(402, "<html><title>Add funds</title></html>", "Add funds"),
    "403 for a balance": _credit(403, {"detail": "Insufficient balance: 0.00"}, "Insufficient balance"),
    "403 for a user's quota": _credit(
        403, {"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}}, "额度不足"
    ),
    "400 for credits": _credit(400, {"errors": ["You have insufficient credits."]}, "insufficient credits"),
    "400 for a budget": _credit(
        400, {"error": {"message": "Budget has been exceeded! Max 1.0"}}, "Budget has been exceeded"
    ),
    "429 for credits": _credit(429, {"message": "Not enough credits left"}, "Not enough credits"),
    "429 with a code as the error": _credit(
        429, {"error": "insufficient_quota", "message": "Nothing left"}, "Nothing left"
    ),
    "503 for credits": _credit(503, {"detail": "Out of credits"}, "Out of credits"),
    # Content filters
    "Azure's filter": _filtered(
        400,
        {
            "error": {
                "code": "content_filter",
                "message": "The response was filtered",
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {"violence": {"filtered": True}},
                },
            }
        },
        "violence",
    ),
    "Azure's filter of images": _filtered(
        400, {"error": {"code": "contentFilter", "message": "Your task failed"}}, "Your task failed"
    ),
    "Azure's policy inside": _filtered(
        400,
        {"error": {"code": "400", "message": "no", "inner_error": {"code": "ResponsibleAIPolicyViolation"}}},
        "no",
    ),
    "a gateway's flag": _filtered(403, {"error": {"message": "Your input was flagged"}}, "flagged"),
    "sensitive words": _filtered(
        400, {"error": {"code": "DataInspectionFailed", "message": "Unfit."}}, "Unfit."
    ),
    "words of the provider behind": _filtered(
        502,
        {
            "error": {
                "message": "Provider returned error",
                "metadata": {"raw": "refused by the safety system"},
            }
        },
        "safety system",
    ),
    "a policy in words": _filtered(422, {"detail": "Prompt violates our content policy"}, "violates"),
    "a filter with 403": _filtered(
        403, {"errors": [{"message": "Request blocked by content filter"}]}, "blocked by content filter"
    ),
    "a filter in a list": _filtered(
        400, [{"error": {"code": "PROHIBITED_CONTENT", "message": "x y"}}], "x y"
    ),
    # Region and network
    "a country": _rejected(
        403,
        {
            "error": {
                "code": "unsupported_country_region_territory",
                "message": "Country, region, or territory",
            }
        },
        "territory",
        "supported region",
    ),
    "a location with 400": _rejected(
        400, {"error": {"message": "User location is not supported"}}, "User location", "supported region"
    ),
    "451": _rejected(451, {"detail": "Blocked here"}, "Blocked here", "supported region"),
    "an address with 401": Refused(
        401,
        {"error": {"message": "Your IP is not authorized", "code": "ip_not_authorized"}},
        "authentication_failed",
        "not authorized",
        "allow-list",
    ),
    "an address with 403": Refused(
        403,
        {"detail": "IP address 192.0.2.1 is not in the whitelist"},
        "authentication_failed",
        "192.0.2.1",
        "allow-list",
    ),
    "a web filter": _rejected(
        403, "<html><title>Blocked by the firewall</title></html>", "Blocked by the firewall", "firewall"
    ),
    # Size
    "413 as a page": _rejected(
        413, "<html><h1>413 Request Entity Too Large</h1></html>", "Entity Too Large", "client_max_body_size"
    ),
    "413 with a detail": _rejected(413, {"detail": "Too big"}, "Too big", "smaller"),
    "400 for the size of the body": _rejected(
        400, {"message": "request body too large"}, "request body too large", "smaller"
    ),
    # Endpoint or model
    "404 of a route": _rejected(404, {"detail": "Not Found"}, "Not Found", "/v1"),
    "404 as a page": _rejected(404, "<html><title>404 Not Found</title></html>", "404 Not Found", "/v1"),
    "404 of an address": _rejected(
        404, {"error": {"message": "Invalid URL (POST /images/generations)"}}, "Invalid URL", "/v1"
    ),
    "404 in text": _rejected(404, "404 page not found", "404 page not found", "/v1"),
    "405": _rejected(405, {"detail": "Method Not Allowed"}, "Method Not Allowed", "gateway"),
    "501": _rejected(501, {"error": "not implemented here"}, "not implemented here", "gateway"),
    "404 of a model": _rejected(
        404, {"error": {"message": "Model gpt-image-2 does not exist"}}, "does not exist", "another model"
    ),
    "404 of a deployment": _rejected(
        404, {"error": {"code": "DeploymentNotFound", "message": "x"}}, "x", "name of a deployment"
    ),
    "403 of a model": _rejected(
        403,
        {"error": {"code": "model_not_found", "message": "Project has no access"}},
        "no access",
        "another model",
    ),
    "503 of a model": _rejected(
        503,
        {"error": {"message": "No available channel for model x"}},
        "No available channel",
        "another model",
    ),
    # Other shapes, and the key in each
    "401 with a detail": Refused(
        401, {"detail": f"Key {KEY} expired"}, "authentication_failed", "expired", "OPENAI_API_KEY"
    ),
    "401 with a cut key": Refused(
        401, f"Invalid key {KEY[:4]}****{KEY[-4:]}", "authentication_failed", "Invalid key", "OPENAI_API_KEY"
    ),
    "403 without a hint": Refused(
        403, {"message": f"{KEY} may not"}, "authentication_failed", "may not", "permission"
    ),
    "407": Refused(407, "who are you", "authentication_failed", "proxy refused", "HTTP_PROXY"),
    "a validation error": _rejected(
        422, {"detail": [{"loc": ["body", "size"], "msg": "bad size"}]}, "parameter size", "Correct"
    ),
    "an unknown shape": _rejected(418, {"kettle": {"is": "short"}}, '"short"', "Correct"),
    "a text": _rejected(400, f"no, {KEY}", "no, ***", "Correct"),
    # Inside an answer that says it went well
    "credit in a 200": _credit(200, {"error": {"message": "x", "code": "insufficient_quota"}}, "x"),
    "a filter in a 200": _filtered(
        200, {"error": {"code": "content_filter", "message": "filtered"}}, "filtered"
    ),
    "a key in a 200": Refused(
        200, {"error": {"code": 401, "message": "bad token"}}, "authentication_failed", "bad token", "key"
    ),
    "credit in a stream": _credit(
        200, 'data: {"error": {"message": "No credits left", "code": 402}}\n\n', "No credits left"
    ),
    "a number for credit in a 200": _credit(200, {"code": 402, "msg": "please pay"}, "please pay"),
    "a detail in a 200": _credit(200, {"detail": "Insufficient credits"}, "Insufficient credits"),
}


PROMPT = "a sign that says: payment required, try again in 9 days, blocked by a guardrail"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (504, f"timed out; prompt: {PROMPT}", "outcome_unknown"),
        (520, {"error": {"message": "Insufficient credits"}}, "outcome_unknown"),
        (400, {"error": {"message": f"Invalid value for prompt '{PROMPT[:60]}'…"}}, "upstream_rejected"),
        (200, {"error": {"message": f"could not finish {PROMPT}"}}, "outcome_unknown"),
        (666, "what is this", "outcome_unknown"),
        (499, {"message": "client closed request"}, "outcome_unknown"),
        (511, "<html><title>Guest network</title></html>", "upstream_rejected"),
        (403, {"error": {"code": "insufficient_quota", "message": "our safety system"}}, "quota_exhausted"),
    ],
)
async def test_a_quoted_prompt_decides_nothing(status: int, body: object, code: str) -> None:
    refused = Refused(status, body, code, "", "")
    async with serve_script(refused.reply) as endpoint, studio_for(endpoint, max_retries=0) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.generate(PROMPT, **QUICK)
        assert caught.value.code == code
        assert len(endpoint.posts) == 1


async def test_a_pause_that_a_prompt_speaks_of_holds_nobody_back() -> None:
    limited = refusal(429, f"slow down: {PROMPT}")
    async with serve_script(limited) as endpoint, studio_for(endpoint, max_retries=0) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.generate(PROMPT, **QUICK)
        assert caught.value.code == "rate_limited"
        assert len((await studio.generate("a fox", **QUICK)).images) == 1


def _written_by_php(key: str) -> str:
    return json.dumps(key).replace("/", "\\/")


def _written_by_net(key: str) -> str:
    return json.dumps(key).replace("+", "\\u002B").replace("/", "\\u002f")


def _written_in_numbers(key: str) -> str:
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"'


@pytest.mark.parametrize("write", [_written_by_php, _written_by_net, _written_in_numbers])
@pytest.mark.parametrize("status", [401, 400, 200])
async def test_a_key_in_escapes_of_json_is_not_shown(status: int, write: Callable[[str], str]) -> None:
    key = "azure/key+with/slashes+0123456789"
    reply = answer(f'{{"error": {{"message": {write(key)}}}}}'.encode(), status=status)
    async with serve_script(reply) as endpoint, studio_for(endpoint, api_key=key) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.generate("a fox", **QUICK)
    assert key[:8] not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_keeps_its_words_and_costs_nothing(name: str, tmp_path: Path) -> None:
    refused, settings = REFUSED[name], {"max_retries": 1, "output_dir": str(tmp_path), "api_key": KEY}
    async with serve_script(refused.reply) as endpoint, studio_for(endpoint, **settings) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.generate("a fox", **QUICK)
        error = caught.value
        assert error.code == refused.code
        assert refused.says in error.message
        assert refused.advice in error.next_step
        assert not error.retryable
        assert len(endpoint.posts) == 1
        assert [call.status for call in calls()] == ["failed"]
        assert await spent_usd(studio) == 0
    written = b"".join(path.read_bytes() for path in Path.home().rglob("*") if path.is_file())
    for piece in (KEY, KEY[:9], KEY[-8:]):
        assert piece not in f"{error} {error!r}"
        assert piece.encode() not in written
    assert KEY[-4:] not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "queued", "prompt": "a sign that says payment required"},
        {"error": {"message": "boiler on fire", "code": "server_error"}},
        {"error": {"message": "busy", "code": 503}},
    ],
)
async def test_words_in_a_good_answer_that_are_no_refusal_leave_the_outcome_open(body: object) -> None:
    async with serve_script(answer(body)) as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.generate("a fox", **QUICK)
        assert caught.value.code == "outcome_unknown"
        assert len(endpoint.posts) == 1
        assert await spent_usd(studio) > 0


# Of these Python reads some backwards, some only from bytes that are none of text, and one in hours.
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "charset",
    ["hex", "zlib_codec", "bz2_codec", "uu", "rot13", "idna", "undefined", "utf-32", "punycode", "none such"],
)
async def test_a_refusal_is_read_as_utf8_whatever_charset_it_names(charset: str) -> None:
    kind = f"application/json; charset={charset}"
    body = json.dumps({"error": {"message": "a" * 3_000_000, "code": "bad"}}).encode()
    reply = answer(body, status=400, content_type=kind)
    async with serve_script(reply) as endpoint, studio_for(endpoint) as studio:
        with pytest.raises(ImageError) as caught:
            await studio.generate("a fox", **QUICK)
        assert caught.value.code == "upstream_rejected"
        assert "aaaa" in caught.value.message
        assert await spent_usd(studio) == 0
