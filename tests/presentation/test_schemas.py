"""The output schemas in the package are those of the models.

``UPDATE_SCHEMAS=1 uv run pytest tests/presentation`` writes the file anew.
"""

from __future__ import annotations

import json
import os

import pytest

from gpt_image_mcp.presentation.schemas import OUTPUT_SCHEMAS, SCHEMAS_FILE
from tests.presentation.schema_file import PUBLISHED, generate_schemas


def test_the_file_has_the_schemas_of_the_models() -> None:
    generated = json.dumps(generate_schemas(), indent=1) + "\n"
    if os.environ.get("UPDATE_SCHEMAS"):
        SCHEMAS_FILE.write_text(generated, encoding="utf-8")
    assert SCHEMAS_FILE.read_text(encoding="utf-8") == generated


@pytest.mark.parametrize("tool", ["generate_image", "find_images", "estimate_cost"])
def test_one_tool_of_each_kind_publishes_every_field(tool: str) -> None:
    (model,) = PUBLISHED[tool].models
    assert OUTPUT_SCHEMAS[tool]["properties"].keys() == model.model_fields.keys()
