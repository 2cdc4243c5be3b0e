"""The command that checks the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from gpt_image_mcp.cli.commands.parameters import AsJson
from gpt_image_mcp.cli.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpt_image_mcp.cli.doctor.findings import Finding


class CheckContent(BaseModel):
    """The structured content of one check."""

    name: str
    state: str
    said: str
    next: str


class DoctorContent(BaseModel):
    """The structured content of all checks; ``healthy`` is true if none failed."""

    healthy: bool
    checks: list[CheckContent]


async def doctor(*, as_json: AsJson = False) -> int:
    """Check settings, folders, database, connection, key and model; nothing is spent.

    Args:
        as_json: Print the checks as JSON.
    """
    from gpt_image_mcp.cli.doctor.checks import run_checks

    findings = await run_checks()
    is_healthy = all(finding.state != "failed" for finding in findings)
    if as_json:
        Console().print_json(_answer(findings, is_healthy=is_healthy))
    else:
        Console().print_findings(findings)
    return 0 if is_healthy else 1


def _answer(findings: Sequence[Finding], *, is_healthy: bool) -> DoctorContent:
    checks = [
        CheckContent(name=finding.name, state=finding.state, said=finding.said, next=finding.next_step)
        for finding in findings
    ]
    return DoctorContent(healthy=is_healthy, checks=checks)
