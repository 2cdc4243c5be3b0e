"""The table of settings, from the settings class."""

from __future__ import annotations

from pydantic_core import PydanticUndefined

from gpt_image_mcp.settings import Settings, variable_names
from tests.docs.pages import cell, table


def settings_table() -> str:
    """Every setting with its variables, its default and its meaning."""
    return "\n" + table(["variable", "default", "meaning"], [_row(field) for field in Settings.model_fields])


def _row(field: str) -> list[str]:
    names = ", ".join(f"`{name}`" for name in variable_names(field))
    return [names, _default(field), cell(Settings.model_fields[field].description or "")]


def _default(field: str) -> str:
    value = Settings.model_fields[field].default
    if value in (None, "", PydanticUndefined) or field == "database_url":
        return "none"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, frozenset):
        return "`all`"
    return f"`{value}`"
