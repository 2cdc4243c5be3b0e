"""What whoever watches over a server asks: whether it can make images, and what all calls come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.threads import in_database

if TYPE_CHECKING:
    from gpt_image_mcp.services.readiness import Readiness
    from gpt_image_mcp.services.resources import Resources
    from gpt_image_mcp.values.call_totals import CallTotal
    from gpt_image_mcp.values.readiness import PartState


@dataclass(frozen=True, slots=True)
class Operations:
    """Watches over what all studios of a process use."""

    readiness: Readiness
    resources: Resources

    async def check_parts(self) -> tuple[PartState, ...]:
        """Whether database, storage and key can be used, within about a second. Nothing is spent."""
        return await self.readiness.check()

    async def call_totals(self) -> tuple[CallTotal, ...]:
        """What the calls of everybody who uses the library come to.

        Raises:
            StorageFailed: If the database cannot be used.
        """
        return await in_database(self._sum_up)

    def _sum_up(self) -> tuple[CallTotal, ...]:
        from gpt_image_mcp.library.call_totals import call_totals

        return call_totals(self.resources.database)
