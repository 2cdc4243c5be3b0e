"""``/v1/files`` of the sandbox; uploads stay until they are deleted, so tests see what is left behind."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpt_image_mcp.openai_api.sandbox.failures import Refusal
from gpt_image_mcp.openai_api.sandbox.validation import RequestRefused, refused

if TYPE_CHECKING:
    from gpt_image_mcp.openai_api.sandbox.forms import Form, FormFile
    from gpt_image_mcp.values.json import JsonObject

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_SHORTEST_SECONDS, _LONGEST_SECONDS = 3600, 2_592_000
_FIELDS = frozenset({"purpose", "expires_after[anchor]", "expires_after[seconds]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that was uploaded and not deleted."""

    id: str
    file: FormFile
    purpose: str
    created_at: int
    expires_after_seconds: int | None

    def document(self) -> JsonObject:
        """The JSON of a file object."""
        expiry = self.expires_after_seconds
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.file.data),
            "created_at": self.created_at,
            "expires_at": None if expiry is None else self.created_at + expiry,
            "filename": self.file.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass(slots=True)
class Uploads:
    """The files of the sandbox, by id."""

    kept: dict[str, Upload] = field(default_factory=dict[str, Upload])
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def create(self, form: Form) -> JsonObject:
        """``POST /v1/files``.

        Raises:
            RequestRefused: With the API's error.
        """
        unknown = set(form.fields) - _FIELDS
        if unknown:
            name = min(unknown)
            message = f"Unknown parameter: '{name}'."
            raise refused(message, name, "unknown_parameter")
        purpose = form.fields.get("purpose", "")
        if purpose not in PURPOSES:
            message = f"'{purpose}' is not one of {list(PURPOSES)} - 'purpose'"
            raise refused(message, "purpose")
        files = form.named("file")
        if len(files) != 1 or not files[0].data:
            message = "Missing required parameter: 'file'."
            raise refused(message, "file", "missing_required_parameter")
        upload = Upload(
            id=f"file-sandbox-{next(self.numbers)}",
            file=files[0],
            purpose=purpose,
            created_at=int(time.time()),
            expires_after_seconds=_expiry(form.fields),
        )
        self.kept[upload.id] = upload
        return upload.document()

    def delete(self, file_id: str) -> JsonObject:
        """``DELETE /v1/files/{id}``.

        Raises:
            RequestRefused: If there is no such file.
        """
        self.find(file_id)
        del self.kept[file_id]
        return {"id": file_id, "object": "file", "deleted": True}

    def list(self) -> JsonObject:
        """``GET /v1/files``, all on one page."""
        documents = [upload.document() for upload in self.kept.values()]
        # Without has_more the SDK asks for further pages for ever.
        return {"object": "list", "data": documents, "has_more": False}

    def find(self, file_id: str) -> Upload:
        """The upload of this id.

        Raises:
            RequestRefused: If there is none.
        """
        if file_id not in self.kept:
            message = f"No such File object: {file_id}"
            raise RequestRefused(Refusal(status=404, message=message, param="id"))
        return self.kept[file_id]


def _expiry(fields: dict[str, str]) -> int | None:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at" or not re.fullmatch("[0-9]{1,9}", seconds or ""):
        message = "Invalid 'expires_after'."
        raise refused(message, "expires_after")
    if not _SHORTEST_SECONDS <= int(seconds or 0) <= _LONGEST_SECONDS:
        message = f"Invalid 'expires_after.seconds': expected {_SHORTEST_SECONDS} to {_LONGEST_SECONDS}."
        raise refused(message, "expires_after")
    return int(seconds or 0)
