"""The table of settings, from the settings class."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticUndefined

from gpt_image_mcp.serving_settings import ServingSettings
from gpt_image_mcp.settings import Settings, variable_names
from tests.docs.pages import cell, table


def settings_table() -> str:
    """Every setting with its variables, its default and its meaning; those of a served library last."""
    schemas = Settings.model_json_schema(by_alias=False)["properties"]
    rows = {field: _row(field, schema) for field, schema in schemas.items()}
    served = [rows.pop(field) for field in ServingSettings.model_fields]
    head = ["variable", "default", "values", "meaning"]
    return f"\n{table(head, list(rows.values()))}\n## Of a served library\n\n{table(head, served)}"


def _row(field: str, schema: dict[str, Any]) -> list[str]:
    names = ", ".join(f"`{name}`" for name in variable_names(field))
    return [names, _default(field), _allowed(schema), cell(schema["description"])]


def _allowed(schema: dict[str, Any]) -> str:
    """What values there are; empty where any text will do."""
    schema = schema.get("anyOf", [schema])[0]
    if schema["type"] == "boolean":
        return "`0`, `1`"
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None:
        return f"{low:g} or more" if high is None else f"{low:g} to {high:.10g}"
    if above is not None:
        return f"more than {above:g}" if high is None else f"more than {above:g}, at most {high:.10g}"
    return ""


def _default(field: str) -> str:
    value = Settings.model_fields[field].default
    if value in (None, "", (), PydanticUndefined) or field == "database_url":
        return "none"
    if isinstance(value, bool):
        return f"`{int(value)}`"
    if isinstance(value, frozenset):
        return "`all`"
    return f"`{value}`"
