"""The history of a user's images: search, lineage, and maintenance. It is public as ``Studio.history``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from gpt_image_mcp.threads import in_database, in_drawing, in_folders

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
    from gpt_image_mcp.values.views import InlineImage


@dataclass(frozen=True, slots=True)
class History:
    """The history of one library. Every method raises ``StorageFailed`` if its database cannot be used."""

    settings: Settings
    bench: Container

    async def search(self, *, limit: int = 20, offset: int = 0, **terms: Unpack[SearchTerms]) -> FoundImages:
        """One page of the images that match, newest first, with the number and the cost of all that match.

        Args:
            limit: How many to give, at most 100; 0 for the sums only.
            offset: How many to skip.
            **terms: ``query``, ``session_id``, ``model``, ``since`` and ``until``.

        Raises:
            InvalidArgument: If a date cannot be read, ``until`` is not after ``since``, or a number is out of
                range.
            NotFound: If there is no such session.
        """
        from gpt_image_mcp.services.image_search import search

        return await in_database(search, terms, await self.bench.library(), limit=limit, offset=offset)

    async def newest(self, limit: int) -> tuple[StoredImage, ...]:
        """The newest images, newest first, without the sums that a search makes."""
        library = await self.bench.library()
        return await in_database(library.images.newest, limit)

    async def read(self, image: StoredImage) -> bytes:
        """The bytes of an image's file.

        Raises:
            NotFound: If the file is gone.
            StorageFailed: If it was changed and may not be read.
        """
        return await in_folders((await self.bench.library()).read, image)

    async def thumbnail(self, ref: str) -> InlineImage:
        """A small preview of an image.

        Raises:
            NotFound: If there is no such image, or its file is gone.
            StorageFailed: If its file cannot be decoded.
        """
        from gpt_image_mcp.services.references import find_image

        image = await in_folders(find_image, ref, await self.bench.library(), settings=self.settings)
        return await in_drawing((await self.bench.viewing()).thumbnail, image)

    async def trace(self, ref: str) -> Lineage:
        """The lineage of an image: what it was made from, and what was made from it.

        Raises:
            NotFound: If the library has no such image.
        """
        from gpt_image_mcp.services.lineage import trace

        return await in_folders(trace, ref, await self.bench.library(), settings=self.settings)

    async def complete(self, typed: str, *, limit: int) -> tuple[StoredImage, ...]:
        """Images that a text may mean while it is typed, newest first: by the id, or else by words."""
        from gpt_image_mcp.services.image_search import complete

        return await in_database(complete, typed, await self.bench.library(), limit=limit)

    async def rebuild(self, folders: Sequence[Path] = ()) -> Rebuilt:
        """Fills the database from the metadata files of all known folders and of the given ones.

        For an image that has no metadata file, the metadata embedded in image files of the given folders
        count too. A damaged database is set aside first.

        Raises:
            InvalidArgument: If one of ``folders`` is not a folder.
            StorageFailed: If no database can be made.
        """
        from gpt_image_mcp.services.maintenance import rebuild

        return await in_database(
            rebuild, (await self.bench.library()).of_everybody(), folders, settings=self.settings
        )

    async def prune(
        self, *, older_than: str = "", keep_mb: float | None = None, is_confirmed: bool = False
    ) -> Pruned:
        """Deletes old images with their metadata, and takes them out of the history.

        Images of open sessions stay. Of calls whose images are all deleted only the numbers stay, not the
        prompt and the result. Edit sessions without any image left are deleted too, and so are the copies of
        start images that no session can use any more.

        Args:
            older_than: A date or a span such as 30d; images made before are deleted. Empty for no such limit.
            keep_mb: Megabytes that the files of all images may have together; the oldest beyond are deleted.
            is_confirmed: If false, nothing is deleted, and the result says what would be.

        Raises:
            InvalidArgument: If neither limit is given, or one is malformed.
        """
        from gpt_image_mcp.services.maintenance import prune

        return await in_database(
            prune,
            (await self.bench.library()).of_everybody(),
            older_than=older_than,
            keep_mb=keep_mb,
            is_confirmed=is_confirmed,
            settings=self.settings,
        )
