"""Where an image comes from and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpt_image_mcp.finding import FileState, file_state
from gpt_image_mcp.references import image_of

if TYPE_CHECKING:
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values import StoredImage

_MOST_RELATIVES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """An image in a lineage with those on its far side: the parents of a parent, the children of a child.

    Attributes:
        image: None if the library does not know it any more.
    """

    image_id: str
    image: StoredImage | None
    beyond: tuple[Relative, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where an image comes from and what was made of it."""

    image: StoredImage
    file: FileState
    parents: tuple[Relative, ...]
    children: tuple[Relative, ...]


def trace(ref: str, library: Library, *, settings: Settings) -> Lineage:
    """The lineage of an image, whose file is also recognised where it was moved to. Blocking.

    Raises:
        NotFound: If the library has no such image.
    """
    image = image_of(ref, library, settings=settings)
    walk = _Walk(library, {image.id})
    return Lineage(
        image=image,
        file=_true_state(image, library),
        parents=walk.parents(image),
        children=walk.children(image.id),
    )


@dataclass(frozen=True, slots=True)
class _Walk:
    """A walk over the relatives of an image that meets each once, and only a sane number of them."""

    library: Library
    seen: set[str] = field(default_factory=set[str])

    def parents(self, image: StoredImage) -> tuple[Relative, ...]:
        found: list[Relative] = []
        for image_id in filter(self._is_new, image.provenance.parents):
            parent = self.library.catalogue.find_image(image_id)
            beyond = self.parents(parent) if parent else ()
            found.append(Relative(image_id=image_id, image=parent, beyond=beyond))
        return tuple(found)

    def children(self, parent_id: str) -> tuple[Relative, ...]:
        found: list[Relative] = []
        for image_id in filter(self._is_new, self.library.search.children_of(parent_id)):
            child = self.library.catalogue.find_image(image_id)
            found.append(Relative(image_id=image_id, image=child, beyond=self.children(image_id)))
        return tuple(found)

    def _is_new(self, image_id: str) -> bool:
        if image_id in self.seen or len(self.seen) > _MOST_RELATIVES:
            return False
        self.seen.add(image_id)
        return True


def _true_state(image: StoredImage, library: Library) -> FileState:
    """As for a list, but the bytes count."""
    state = file_state(image)
    return "changed" if state == "present" and library.digest(image) != image.sha256 else state
