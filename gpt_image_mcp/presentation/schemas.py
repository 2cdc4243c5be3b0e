"""The JSON schemas of structured results, as tools publish them.

Written out rather than generated from ``answers.py``: building those models takes 40 ms that a client would
wait for at every start, and generated schemas carry noise that is paid for in every conversation. A test
holds the two together.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_OBJECT: Schema = {"type": "object"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_NUMBERS: Schema = {"type": "array", "items": _NUMBER}


def _object(required: Schema, optional: Schema) -> Schema:
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": list(required)}


_IMAGE = _object(
    {
        "id": _TEXT,
        "file_path": _TEXT,
        "filename": _TEXT,
        "uri": _TEXT,
        "size_bytes": _INTEGER,
        "mime_type": _TEXT,
        "width": _INTEGER,
        "height": _INTEGER,
    },
    {},
)

IMAGES_SCHEMA = _object(
    {
        "status": {"enum": ["completed", "running"]},
        "model": _TEXT,
        "prompt": _TEXT,
        "requested": _OBJECT,
        "images": {"type": "array", "items": _IMAGE},
        "cost_basis": _TEXT,
        "route": _TEXT,
        "notes": _TEXTS,
        "sandbox": {"type": "boolean"},
        "next": _TEXT,
    },
    {
        "applied": _OBJECT,
        "usage": _OBJECT,
        "cost_usd_estimated": _NUMBER,
        "session_id": _TEXT,
        "turn": _INTEGER,
        "parent_turn": _INTEGER,
        "job_id": _TEXT,
        "elapsed_seconds": _NUMBER,
        "expected_seconds": _NUMBER,
    },
)

# The same result with what a caller acts on; the whole of it stands on one tool, because each repetition is
# paid for in every conversation.
BRIEF_IMAGES_SCHEMA = _object(
    {
        "status": _TEXT,
        "images": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": _TEXT, "file_path": _TEXT}},
        },
        "next": _TEXT,
    },
    {"cost_usd_estimated": _NUMBER, "job_id": _TEXT},
)

# What a reference leads to: images, or the items of a batch.
FOUND_SCHEMA = _object(
    {"status": _TEXT, "next": _TEXT},
    {
        "images": BRIEF_IMAGES_SCHEMA["properties"]["images"],
        "items": {"type": "array"},
        "cost_usd_estimated": _NUMBER,
        "job_id": _TEXT,
    },
)

HISTORY_SCHEMA = _object(
    {
        "images": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": _TEXT, "file_path": _TEXT, "prompt": _TEXT}},
        },
        "total": _INTEGER,
        "cost_usd_total": _NUMBER,
        "cost_usd_by_day": _OBJECT,
        "cost_usd_by_model": _OBJECT,
        "next": _TEXT,
    },
    {"next_offset": _INTEGER, "cost_usd_by_session": _OBJECT, "open_calls": {"type": "array"}},
)

SESSION_IMAGES_SCHEMA: Schema = {
    **BRIEF_IMAGES_SCHEMA,
    "properties": {
        **BRIEF_IMAGES_SCHEMA["properties"],
        "session_id": _TEXT,
        "turn": _INTEGER,
        "parent_turn": _INTEGER,
    },
    "required": [*BRIEF_IMAGES_SCHEMA["required"], "session_id", "turn"],
}

BATCH_SCHEMA = _object(
    {
        "status": _TEXT,
        "items": {"type": "array", "items": _object({"input": _TEXT, "status": _TEXT}, {"error": _TEXT})},
        "total": _INTEGER,
        "next": _TEXT,
    },
    {"cost_usd_estimated": _NUMBER, "job_id": _TEXT},
)

SESSIONS_SCHEMA = _object(
    {
        "sessions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"session_id": _TEXT, "status": _TEXT, "turns": _INTEGER, "last_prompt": _TEXT},
            },
        },
        "next": _TEXT,
    },
    {},
)

ENDED_SCHEMA = _object({"ended": {"type": "boolean"}, "session_id": _TEXT, "next": _TEXT}, {})

EXPORT_SCHEMA = _object(
    {
        "status": _TEXT,
        "files": {
            "type": "array",
            "items": {"type": "object", "properties": {"file_path": _TEXT}},
        },
        "notes": _TEXTS,
        "next": _TEXT,
    },
    {},
)

_QUOTE: Schema = {"cost_usd_estimated": _NUMBER, "cost_range_usd": _NUMBERS}

ESTIMATE_SCHEMA = _object(
    {
        "model": _TEXT,
        "size": _TEXT,
        "quality": _TEXT,
        "n": _INTEGER,
        "output_format": _TEXT,
        "input_images": _INTEGER,
        "cost_basis": _TEXT,
        "by_quality": {"type": "object", "additionalProperties": {"type": "object", "properties": _QUOTE}},
        "budget": _OBJECT,
        "notes": _TEXTS,
        "next": _TEXT,
    },
    _QUOTE,
)
