"""The log as JSON, an object on each line, for programs that collect logs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gpt_image_mcp.redaction import without_secrets
from gpt_image_mcp.visible_text import log_visibly, visible

if TYPE_CHECKING:
    from collections.abc import Collection


def log_as_json(secrets: Collection[str]) -> None:
    """Writes what any logger says, and warnings, as JSON to stderr from now on.

    Args:
        secrets: What is hidden wherever it occurs, besides everything that looks like a key or a token.
    """
    log_visibly(secrets)
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines(secrets))
    logging.basicConfig(handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # FastMCP has handlers of its own, which draw.
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
    logging.getLogger("gpt_image_mcp").setLevel(logging.INFO)


class _JsonLines(logging.Formatter):
    def __init__(self, secrets: Collection[str]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in the record."""
        moment = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_secrets(record.getMessage(), self._secrets),
        }
        error = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        if error:
            entry["exception"] = without_secrets(error, self._secrets)
        return visible(json.dumps(entry, ensure_ascii=False))
