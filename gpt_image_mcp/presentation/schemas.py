"""The JSON schemas of structured content, as tools publish them.

They are generated from the models and kept in a file, because building the models takes 40 ms that a client
would wait for at every start. ``tests/presentation`` chooses what each tool publishes, writes the file and
compares it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

SCHEMAS_FILE = Path(__file__).with_name("output_schemas.json")
# By the name of the tool.
OUTPUT_SCHEMAS: dict[str, Schema] = json.loads(SCHEMAS_FILE.read_bytes())
