"""The output schemas in the package are those of the models.

``UPDATE_SCHEMAS=1 uv run pytest tests/presentation`` writes the file anew.
"""

from __future__ import annotations

import json
import os

from gpt_image_mcp.presentation.schemas import SCHEMAS_FILE
from tests.presentation.schema_file import generate_schemas


def test_the_file_has_the_schemas_of_the_models() -> None:
    generated = json.dumps(generate_schemas(), indent=1) + "\n"
    if os.environ.get("UPDATE_SCHEMAS"):
        SCHEMAS_FILE.write_text(generated, encoding="utf-8")
    assert SCHEMAS_FILE.read_text(encoding="utf-8") == generated
