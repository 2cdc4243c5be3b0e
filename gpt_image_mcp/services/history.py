"""The history of a user's images, for programs: searched, traced, rebuilt, pruned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from gpt_image_mcp.threads import in_database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.services.container import Container
    from gpt_image_mcp.services.image_search import SearchTerms
    from gpt_image_mcp.services.lineage import Lineage
    from gpt_image_mcp.services.maintenance import Pruned, Rebuilt
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.history import FoundImages
    from gpt_image_mcp.values.images import StoredImage


@dataclass(frozen=True, slots=True)
class History:
    """The images that one library knows. Every method raises ``StorageFailed`` if it cannot be used."""

    settings: Settings
    bench: Container

    async def search(self, *, limit: int = 20, offset: int = 0, **terms: Unpack[SearchTerms]) -> FoundImages:
        """The images that match, newest first, and what all of them cost.

        Args:
            limit: How many to give, at most 100.
            offset: How many to skip.
            **terms: ``query``, ``session_id``, ``model``, ``since`` and ``until``.

        Raises:
            InvalidArgument: If a date is none, the time ends before it begins, or a number is out of range.
            NotFound: If there never was such a session.
        """
        from gpt_image_mcp.services.image_search import search

        return await in_database(search, terms, await self.bench.library(), limit=limit, offset=offset)

    async def newest(self, limit: int) -> tuple[StoredImage, ...]:
        """The newest images, newest first, without what they cost together."""
        library = await self.bench.library()
        return await in_database(library.images.newest, limit)

    async def trace(self, ref: str) -> Lineage:
        """An image with those it was made from and those made of it.

        Raises:
            NotFound: If the library has no such image.
        """
        from gpt_image_mcp.services.lineage import trace

        return await in_database(trace, ref, await self.bench.library(), settings=self.settings)

    async def complete_ids(self, start: str, *, limit: int) -> tuple[str, ...]:
        """Ids of images that begin with a text, newest first."""
        library = await self.bench.library()
        return await in_database(library.images.complete_ids, start, limit=limit)

    async def rebuild(self, folders: Sequence[Path] = ()) -> Rebuilt:
        """Reads the metadata files of all known folders, and of those named, into the database again.

        In the folders named, metadata inside of image files count too, for images that are not known
        otherwise. A damaged database is set aside first.

        Raises:
            InvalidArgument: If a named folder is none.
            StorageFailed: If no database can be made.
        """
        from gpt_image_mcp.services.maintenance import rebuild

        return await in_database(rebuild, await self.bench.library(), folders, settings=self.settings)

    async def prune(
        self, *, older_than: str = "", keep_mb: float | None = None, is_confirmed: bool = False
    ) -> Pruned:
        """Deletes old images: files, metadata and history. Those of open sessions stay.

        With them go edit sessions that have no image left, and the copies of start images that no session
        can use any more.

        Args:
            older_than: A date or a span such as 30d; empty for no limit in time.
            keep_mb: The oldest go until the files of all images together have at most so many megabytes.
            is_confirmed: Without, nothing is deleted and the result says what would be.

        Raises:
            InvalidArgument: If neither limit is given, or one is malformed.
        """
        from gpt_image_mcp.services.maintenance import prune

        return await in_database(
            prune,
            await self.bench.library(),
            older_than=older_than,
            keep_mb=keep_mb,
            is_confirmed=is_confirmed,
            settings=self.settings,
        )
