"""The search of the history: images with the state of their files, their costs, and open calls."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypedDict

from gpt_image_mcp.catalogue.validation import MAX_PROMPT_CHARACTERS
from gpt_image_mcp.dates import parse_since, parse_until
from gpt_image_mcp.errors import InvalidArgument, NotFound, StorageFailed, quoted
from gpt_image_mcp.object_paths import is_object
from gpt_image_mcp.references import classify
from gpt_image_mcp.values.history import FoundImage, FoundImages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gpt_image_mcp.library.search.query import SearchCriteria
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.values.history import CallRecord, FileState
    from gpt_image_mcp.values.images import StoredImage

MOST_AT_ONCE = 100
_LARGEST_OFFSET = 1_000_000_000
_MOST_OPEN_CALLS = 5


class SearchTerms(TypedDict, total=False):
    """What to look for, as a caller writes it; whatever is left out matches every image.

    ``since`` and ``until`` are dates, times, today, yesterday, or spans such as 7d.
    """

    query: str
    session_id: str
    model: str
    since: str
    until: str


def search(terms: SearchTerms, library: Library, *, limit: int, offset: int) -> FoundImages:
    """One page of the images that match, newest first. Blocking.

    Raises:
        InvalidArgument: If a date cannot be read, ``until`` is not after ``since``, ``limit`` or ``offset``
            is out of range, or ``query`` is too long.
        NotFound: If there is no such session.
    """
    _require_page(limit, offset)
    criteria = _criteria(terms)
    found = library.search.run(criteria, limit=limit, offset=offset)
    if criteria.session_id and not found.total:
        _require_session(criteria.session_id, library)
    shown = offset + len(found.images)
    is_of_time = not criteria.query and not criteria.session_id
    group = library.owner.group
    return FoundImages(
        images=tuple(_found(found.images)),
        total=found.total,
        next_offset=shown if found.images and shown < found.total else None,
        spending=found.spending,
        open_calls=_open_calls(criteria, library) if is_of_time else (),
        is_sums_only=limit == 0,
        is_library_empty=not found.total and not library.images.newest(1),
        group=group,
        group_usd=library.search.group_usd(criteria) if group and is_of_time else None,
    )


def complete(typed: str, library: Library, *, limit: int) -> tuple[StoredImage, ...]:
    """Images that a text may mean while it is typed: by the id, or else by words. Blocking."""
    from gpt_image_mcp.library.search.query import SearchCriteria

    typed = typed[:MAX_PROMPT_CHARACTERS]
    found = library.images.find_by_beginning(classify(typed).image_id or typed.strip(), limit=limit)
    return found or library.search.run(SearchCriteria(query=typed), limit=limit).images


def _found(images: Sequence[StoredImage]) -> Iterator[FoundImage]:
    """The images of a page, each with the state of its file and with what it was paid together."""
    calls = {image.id: image.provenance.call_id for image in images}
    finished = {
        parent: image.id
        for image in images
        for parent in image.provenance.parents
        if calls.get(parent) == image.provenance.call_id
    }
    for image in images:
        yield FoundImage(image=image, file=file_state(image), paid_with=finished.get(image.id, ""))


def file_state(image: StoredImage) -> FileState:
    """The state of an image's file, judged by its size alone, because reading every file takes long.

    An object counts as present: a page of a hundred would be a hundred requests, and only we delete there.
    """
    if is_object(image.file_path):
        return "present"
    try:
        size_bytes = image.file_path.stat().st_size
    except OSError:
        return "missing"
    return "present" if size_bytes == image.size_bytes else "changed"


def _require_page(limit: int, offset: int) -> None:
    if not 0 <= limit <= MOST_AT_ONCE:
        message = f"limit is {limit}; it goes from 0 (sums only) to {MOST_AT_ONCE}."
        raise InvalidArgument(message, next_step="Use a limit in this range, and offset for further pages.")
    if not 0 <= offset <= _LARGEST_OFFSET:
        message = f"offset is {offset}; it goes from 0 to {_LARGEST_OFFSET:,}."
        raise InvalidArgument(message, next_step="Use next_offset of the last page as offset.")


def _require_session(session_id: str, library: Library) -> None:
    """Refuses an unknown session. One that was deleted, but has images left, is known."""
    from gpt_image_mcp.library.search.query import SearchCriteria

    known = (
        library.sessions.find(session_id)
        or library.search.run(SearchCriteria(session_id=session_id), limit=1).total
    )
    if not known:
        message = f"There is no edit session {quoted(session_id)}."
        raise NotFound(message, next_step="Leave out session_id to search the images of all sessions.")


def _open_calls(criteria: SearchCriteria, library: Library) -> tuple[CallRecord, ...]:
    with contextlib.suppress(StorageFailed):  # what is there can be read also where nothing can be written
        library.ledger.give_up_lost_calls()
    return library.ledger.open_calls(
        model=criteria.model, since=criteria.since, until=criteria.until, limit=_MOST_OPEN_CALLS
    )


def _criteria(terms: SearchTerms) -> SearchCriteria:
    from gpt_image_mcp.library.search.query import SearchCriteria

    query = terms.get("query", "").strip()
    if len(query) > MAX_PROMPT_CHARACTERS:
        message = f"query has {len(query):,} characters; no prompt has more than {MAX_PROMPT_CHARACTERS:,}."
        raise InvalidArgument(message, next_step="Pass some words of the prompt.")
    now = datetime.now(UTC)
    since, until = terms.get("since", ""), terms.get("until", "")
    criteria = SearchCriteria(
        query=query,
        model=terms.get("model", "").strip(),
        session_id=terms.get("session_id", "").strip(),
        since=parse_since(since, now),
        until=parse_until(until, now),
    )
    if criteria.since and criteria.until and criteria.since >= criteria.until:
        message = f"until {quoted(until)} ends before since {quoted(since)} begins, so nothing can match."
        raise InvalidArgument(message, next_step="Exchange them, or leave one out.")
    return criteria
