"""The lineage of an image: what it was made from, and what was made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpt_image_mcp.library.storage import exists
from gpt_image_mcp.services.image_search import file_state
from gpt_image_mcp.services.references import image_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.history import FileState
    from gpt_image_mcp.values.images import StoredImage

# Parents and children are always complete; of the relatives beyond them nobody reads more than this.
_MOST_FOLLOWED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """An image in a lineage, with its own relatives: a parent with its parents, a child with its children.

    Attributes:
        image: None if the library does not know it any more.
        is_deleted: Whether a user deleted it.
        beyond: Its relatives; empty too if they are listed at another place, or the lineage was cut here.
    """

    image_id: str
    image: StoredImage | None
    is_deleted: bool = False
    beyond: tuple[Relative, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What an image was made from, and what was made from it.

    Attributes:
        parents: All images that it was made from.
        children: All images that were made from it.
        is_cut: Whether relatives beyond parents and children were left out, because there are very many.
    """

    image: StoredImage
    file: FileState
    parents: tuple[Relative, ...]
    children: tuple[Relative, ...]
    is_cut: bool


def trace(ref: str, library: Library, *, settings: Settings) -> Lineage:
    """The lineage of an image; a file that was moved or copied is recognised by its bytes. Blocking.

    Raises:
        NotFound: If the library has no such image.
    """
    image = image_of(ref, library, settings=settings)
    parents = _Walk(library, lambda child: child.provenance.parents)
    children = _Walk(library, lambda parent: library.images.children_of(parent.id))
    return Lineage(
        image=image,
        file=true_state(image, library),
        parents=parents.all_from(image),
        children=children.all_from(image),
        is_cut=parents.is_cut or children.is_cut,
    )


@dataclass(slots=True)
class _Walk:
    """A walk over the relatives of an image in one direction.

    An image can be reached on several ways. It is listed on each, but its own relatives only on the first.
    After ``_MOST_FOLLOWED`` images no further relatives are looked for.
    """

    library: Library
    relatives_of: Callable[[StoredImage], Iterable[str]]
    known: set[str] = field(default_factory=set[str])
    is_cut: bool = False

    def all_from(self, image: StoredImage) -> tuple[Relative, ...]:
        self.known.add(image.id)
        return self._listed(dict.fromkeys(self.relatives_of(image)))

    def _listed(self, image_ids: Iterable[str]) -> tuple[Relative, ...]:
        # A whole generation is noted before any of it is followed, so that the nearest place counts as first.
        new = set(image_ids) - self.known
        self.known |= new
        return tuple([self._relative(image_id, is_new=image_id in new) for image_id in image_ids])

    def _relative(self, image_id: str, *, is_new: bool) -> Relative:
        image = self.library.images.find_image(image_id)
        beyond = self._beyond(image) if image and is_new else ()
        is_deleted = image is None and self.library.deletions.deleted_at(image_id) is not None
        return Relative(image_id=image_id, image=image, is_deleted=is_deleted, beyond=beyond)

    def _beyond(self, image: StoredImage) -> tuple[Relative, ...]:
        image_ids = dict.fromkeys(self.relatives_of(image))
        if image_ids and len(self.known) > _MOST_FOLLOWED:
            self.is_cut = True
            return ()
        return self._listed(image_ids)


def true_state(image: StoredImage, library: Library) -> FileState:
    """The state of an image's file, judged by its bytes.

    Raises:
        StorageFailed: If the store does not give them.
    """
    state = file_state(image)
    if state != "present" or library.digest(image) == image.sha256:
        return state
    return "changed" if exists(image.file_path) else "missing"  # it may have gone while it was read
