"""The JSON schemas of structured content, as tools publish them.

They are read from a file, because building the models takes 40 ms that a client would wait for at every
start. ``python -m gpt_image_mcp.presentation.generate_schemas`` writes it from the models; a test compares
the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

SCHEMAS_FILE = Path(__file__).with_name("output_schemas.json")
# By the name of the tool.
OUTPUT_SCHEMAS: dict[str, Schema] = json.loads(SCHEMAS_FILE.read_bytes())
