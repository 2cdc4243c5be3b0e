"""The command that exports the audit log of a served library."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.dates import parse_since, parse_until
from gpt_image_mcp.settings import read_settings


def audit(*, since: str = "", until: str = "", person: str = "", group: str = "") -> int:
    """Print what people of a served library did, as JSON lines, oldest first.

    Args:
        since: A date, a month such as 2026-11, today, yesterday, 24h, 7d or 4w.
        until: As since.
        person: Only of this person, as their sign-in names them.
        group: Only of this group.
    """
    from pydantic import TypeAdapter

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.audit import AuditEntry

    now = datetime.now(UTC)
    earliest, latest = parse_since(since, now), parse_until(until, now)
    with closing(Library(read_settings())) as library:
        entries = library.audit.entries(since=earliest, until=latest, person=person, group=group)
        Console().print_json_lines(TypeAdapter(AuditEntry), entries)
    return 0
