"""Whether the server can make images: its database, its storage and its key."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING

from gpt_image_mcp.catalogue.validation import require_key
from gpt_image_mcp.errors import ImageError
from gpt_image_mcp.library import storage
from gpt_image_mcp.threads import in_checking
from gpt_image_mcp.values.readiness import PartState

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.services.resources import Resources
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.readiness import Part

PATIENCE_SECONDS = 1.0
_log = logging.getLogger(__name__)
# A look at a store is a request, and stores charge for each.
_STORAGE_GOOD_SECONDS = 15


class Readiness:
    """Looks at all parts at once.

    Args:
        settings: The configuration.
        resources: What is looked at.
    """

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self._looks = (
            _Look("database", lambda: resources.database.ping()),  # noqa: PLW0108 - it is opened then
            _Look(
                "storage",
                lambda: storage.check(settings.storage),
                good_seconds=_STORAGE_GOOD_SECONDS,
            ),
            _Look("key", lambda: None if settings.sandbox else require_key(settings)),
        )

    async def check(self) -> tuple[PartState, ...]:
        """The state of each part; one that does not answer within a second cannot be used."""
        return tuple(await asyncio.gather(*(look.state() for look in self._looks)))


class _Look:
    """Looks at one part, once at a time however many ask: a part that hangs holds one thread."""

    def __init__(self, part: Part, check: Callable[[], None], *, good_seconds: float = 0) -> None:
        self._part: Part = part
        self._check = check
        self._good_seconds = good_seconds
        self._good_until = 0.0
        self._running: asyncio.Task[bool] | None = None
        self._seconds: float | None = None
        self._trouble = ""

    async def state(self) -> PartState:
        if self._running is None or (self._running.done() and monotonic() >= self._good_until):
            self._running = asyncio.create_task(self._look())
        done, _ = await asyncio.wait({self._running}, timeout=PATIENCE_SECONDS)
        is_usable = bool(done) and self._running.result()
        return PartState(part=self._part, is_usable=is_usable, seconds=self._seconds)

    async def _look(self) -> bool:
        started = monotonic()
        try:
            await in_checking(self._check)
        except ImageError as error:
            self._note(error.message)
            return False
        else:
            self._note("")
            self._good_until = monotonic() + self._good_seconds
            return True
        finally:
            self._seconds = monotonic() - started

    def _note(self, trouble: str) -> None:
        """Logs when it begins that a part cannot be used, and when it is over."""
        if trouble and not self._trouble:
            _log.warning("the %s cannot be used: %s", self._part, trouble)
        elif self._trouble and not trouble:
            _log.warning("the %s can be used again", self._part)
        self._trouble = trouble
