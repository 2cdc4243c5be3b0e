"""Runs all checks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gpt_image_mcp.cli.doctor.configuration import check_key, check_settings
from gpt_image_mcp.cli.doctor.findings import refused
from gpt_image_mcp.cli.doctor.machine import check_folders, check_installation, check_library
from gpt_image_mcp.cli.doctor.models import check_models
from gpt_image_mcp.cli.doctor.network import check_network
from gpt_image_mcp.cli.doctor.serving import check_serving
from gpt_image_mcp.dates import today
from gpt_image_mcp.environment import secrets
from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.redaction import without_secrets
from gpt_image_mcp.settings import Settings, read_settings
from gpt_image_mcp.threads import in_thread

if TYPE_CHECKING:
    from gpt_image_mcp.cli.doctor.findings import Finding


async def run_checks() -> tuple[Finding, ...]:
    """The findings of all checks, without secrets: a key may stand where none belongs, as in a model."""
    hidden = secrets()
    return tuple(
        replace(
            finding,
            said=without_secrets(finding.said, hidden),
            next_step=without_secrets(finding.next_step, hidden),
        )
        for finding in await _found()
    )


async def _found() -> tuple[Finding, ...]:
    """What all checks found. With a malformed setting nothing could start, so the rest is left out."""
    installation = tuple(await in_thread(lambda: list(check_installation())))
    try:
        settings = read_settings()
    except InvalidSetting as error:
        return (*installation, refused("settings", error))
    on_this_machine = await in_thread(_check_machine, settings)
    return (*installation, *on_this_machine, *[finding async for finding in check_network(settings)])


def _check_machine(settings: Settings) -> tuple[Finding, ...]:
    return (
        *check_settings(settings),
        *check_folders(settings),
        *check_library(settings),
        *check_serving(settings),
        check_key(settings),
        *check_models(settings, today()),
    )
