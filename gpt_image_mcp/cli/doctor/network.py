"""Checks of the connection to the API, the key and the model, without making an image.

The first request is sent without the key, by the same HTTP client that the SDK uses, so it meets the same
proxies and certificates.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.planning import is_sandbox
from gpt_image_mcp.catalogue.model_choice import known_model
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.catalogue.validation import has_key
from gpt_image_mcp.cli.doctor.findings import failed, ok, refused, skipped, warning
from gpt_image_mcp.dates import http_date, today
from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    NotSent,
    OrganizationNotVerified,
    OutcomeUnknown,
    UpstreamRejected,
    WrongAddress,
)
from gpt_image_mcp.openai_api import OPENAI_BASE_URL, OpenAIApi
from gpt_image_mcp.openai_api.error_kinds import VERIFY_LINK
from gpt_image_mcp.openai_api.unsent import (
    require_sendable,
    through_proxy,
    unreachable,
    unsent_error,
    unusable_configuration,
)
from gpt_image_mcp.redaction import without_password

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gpt_image_mcp.cli.doctor.findings import Finding
    from gpt_image_mcp.settings import Settings

CHECK_SECONDS = 10.0
_MOST_SKEW_SECONDS = 300
_STATUS_LINK = "https://status.openai.com"


async def check_network(settings: Settings, *, seconds: float = CHECK_SECONDS) -> AsyncIterator[Finding]:
    """Connection, clock, key and model; what depends on a failed check is skipped.

    Args:
        settings: Address, key and model.
        seconds: How long each check may take.
    """
    if settings.sandbox:
        yield skipped("network", "GPT_IMAGE_SANDBOX is on: nothing is sent, so nothing is checked.")
        yield check_sandbox_model(settings)
        return
    answered: str | None = None
    try:
        answered = await _knock(settings, seconds)
    except _Unreachable as problem:
        yield problem.finding
    else:
        yield ok("connection", f"{_endpoint(settings)} answers{through_proxy(_address(settings))}.")
        yield check_clock(answered, datetime.now(UTC))
    if answered is None or not has_key(settings):
        reason = "without a connection" if answered is None else "without a key"
        yield skipped("key accepted", f"Not checked {reason}.")
        yield skipped("model", f"{settings.model}: not checked {reason}.")
        return
    api = OpenAIApi(settings)
    try:
        async for finding in _check_account(api, settings, seconds):
            yield finding
    finally:
        await api.aclose()


def check_sandbox_model(settings: Settings) -> Finding:
    """Whether the sandbox has the configured model. It has all models that are not shut down."""
    name, there = settings.model, load_catalogue().living(today())
    if is_sandbox(name) or known_model(name, settings) in there:
        return ok("model", f"{name} is there in the sandbox.")
    names = ", ".join(model.name for model in there if not model.snapshot_of)
    return failed("model", f"The sandbox has no model {name}.", f"Set GPT_IMAGE_MODEL to one of {names}.")


def check_clock(date: str, now: datetime) -> Finding:
    """Compares this machine's clock with that of a server.

    Args:
        date: The ``Date`` header of its answer; empty if there was none.
        now: The time of this machine.
    """
    theirs = http_date(date)
    if theirs is None:
        return skipped("clock", "The server did not tell its time.")
    seconds = (now - theirs).total_seconds()
    if abs(seconds) <= _MOST_SKEW_SECONDS:
        return ok("clock", "It agrees with the server's.")
    direction = "ahead of" if seconds > 0 else "behind"
    return warning(
        "clock",
        f"It is {abs(seconds) / 60:.0f} minutes {direction} the server's.",
        "Set the clock of this machine: certificates, daily budgets and dates of images depend on it.",
    )


class _Unreachable(Exception):
    """Nothing at the address answers HTTP requests."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.said)
        self.finding = finding


async def _knock(settings: Settings, seconds: float) -> str:
    """Sends a request without the key; any response will do. Returns its ``Date`` header.

    Raises:
        _Unreachable: If there is no response.
    """
    import httpx2
    from socksio.exceptions import SOCKSError

    address = _address(settings)
    try:
        require_sendable(settings, address)
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(timeout=seconds) as client,
            client.stream("GET", f"{address.rstrip('/')}/models") as response,
        ):
            return str(response.headers.get("date", ""))  # whatever the body is, and however long
    except (httpx2.TimeoutException, TimeoutError) as error:
        said = f"{_endpoint(settings)} did not answer in {seconds:g} s{through_proxy(address)}."
        step = "Check the network and the firewall; in some networks HTTPS_PROXY has to name a proxy."
        raise _Unreachable(failed("connection", said, step)) from error
    except NotSent as error:
        raise _Unreachable(refused("connection", error)) from error
    except (httpx2.HTTPError, SOCKSError) as error:
        reason = unsent_error(error, address) or unreachable(error, address)
        raise _Unreachable(refused("connection", reason)) from error
    except (httpx2.InvalidURL, ValueError, OSError) as error:
        raise _Unreachable(refused("connection", unusable_configuration(error, address))) from error


async def _check_account(api: OpenAIApi, settings: Settings, seconds: float) -> AsyncIterator[Finding]:
    """Whether the key is accepted and has access to the model."""
    try:
        async with asyncio.timeout(seconds):
            names = await api.list_models()
    except (ImageError, TimeoutError) as error:
        yield _list_failed(error, settings)
        if settings.base_url is None or isinstance(error, AuthenticationFailed):
            yield skipped("model", f"{settings.model}: not checked, because the key was not accepted.")
            return
    else:
        yield ok("key accepted", f"{_endpoint(settings)} lists {len(names)} model(s) for it.")
    yield await _check_model(api, settings, seconds)
    if settings.base_url is None:
        yield skipped(
            "organisation",
            "Whether it is verified for images cannot be told without paying for one.",
            f"If a call answers organization_not_verified, verify it at {VERIFY_LINK}.",
        )


def _list_failed(error: ImageError | TimeoutError, settings: Settings) -> Finding:
    name = "key accepted"
    if _is_silent(error) and settings.base_url is not None:
        said = f"Unknown: {_endpoint(settings)} has no list of models, as many gateways."
        return skipped(name, said)
    if isinstance(error, OutcomeUnknown | TimeoutError):
        return _no_answer(name, settings)
    return refused(name, error)


def _is_silent(error: ImageError | TimeoutError) -> bool:
    """Whether an endpoint only does not tell its models, and is otherwise what it should be."""
    return isinstance(error, UpstreamRejected) and not isinstance(error, WrongAddress)


async def _check_model(api: OpenAIApi, settings: Settings, seconds: float) -> Finding:
    """Whether the key has access to the configured model."""
    name = settings.model
    try:
        async with asyncio.timeout(seconds):
            await api.find_model(name)
    except OrganizationNotVerified as error:
        return refused("model", error)
    except UpstreamRejected as error:
        return refused("model", error) if isinstance(error, WrongAddress) else _no_model(settings)
    except (OutcomeUnknown, TimeoutError):
        return _no_answer("model", settings)
    except ImageError as error:
        return refused("model", error)
    if known_model(name, settings) is None:
        said = f"{name} is there, but not in the catalogue: its sizes and prices are unknown here."
        return warning("model", said, "Check GPT_IMAGE_MODEL; gpt-image-mcp models lists those known.")
    return ok("model", f"{name} is there for this key.")


def _no_model(settings: Settings) -> Finding:
    name = settings.model
    if settings.base_url is not None:
        said = f"Unknown: {_endpoint(settings)} does not tell whether it has {name}."
        return skipped("model", said, "If images fail, ask the gateway how it calls the model.")
    known = known_model(name, settings)
    gone = f" OpenAI shuts it down on {known.shutdown.date}." if known and known.shutdown else ""
    other = known.shutdown.instead if known and known.shutdown else "another model"
    return failed(
        "model",
        f"{name} is not available to this key, its project or its organisation.{gone}",
        f"Set GPT_IMAGE_MODEL to {other}, or give the key's project access; some models appear only after "
        f"the organisation is verified: {VERIFY_LINK}.",
    )


def _no_answer(name: str, settings: Settings) -> Finding:
    said = f"{_endpoint(settings)} gave no usable answer."
    return failed(name, said, f"Try again in a minute; if it goes on, look at {_STATUS_LINK}.")


def _address(settings: Settings) -> str:
    return settings.base_url or OPENAI_BASE_URL


def _endpoint(settings: Settings) -> str:
    return without_password(_address(settings))
