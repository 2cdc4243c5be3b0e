"""Telling whether two calls are the same: same arguments, same inputs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from gpt_image_mcp.folder_walks import find_spelled
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.object_paths import is_object, location
from gpt_image_mcp.paths import named_path
from gpt_image_mcp.references import reference_to

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpt_image_mcp.settings import Settings


def key_of_call(what: object, images: Iterable[str], settings: Settings) -> str:
    """The idempotency key of a call. Blocking: looks at files.

    Args:
        what: Everything the caller said besides the images.
        images: References to the inputs.
        settings: What else decides where the call goes, what is made and where it is kept.

    Raises:
        OutputRejected: If there is no project folder.
    """
    return key_from(what, identities(images, settings), _circumstances(settings))


def key_from(*parts: object) -> str:
    """A digest of what makes up a call; the same parts give the same digest in every process."""
    # JSON would not do: texts may hold what is not valid Unicode. Our values show all that they hold.
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def identities(refs: Iterable[str], settings: Settings) -> list[str]:
    """What each image reference means at this moment. Blocking: looks at files, but does not read them.

    Raises:
        OutputRejected: If there is no project folder.
    """
    return [_identity(ref, settings) for ref in refs]


def _identity(text: str, settings: Settings) -> str:
    """A file by path, size and time of change; data by their digest; anything else by its own text."""
    ref, base = reference_to(text, settings), project_folder(settings)
    if ref.kind == "data":
        return hashlib.sha256(ref.text.encode("utf-8", "surrogatepass")).hexdigest()
    if ref.kind != "path":
        return ref.text
    try:
        roots = settings.input_roots
        (path,) = find_spelled(named_path(ref.text, base=base, within=roots), within=roots)
        status = path.stat()
    except (OSError, ValueError, RuntimeError):
        return ref.text
    return f"{path}|{status.st_size}|{status.st_mtime_ns}"


def _circumstances(settings: Settings) -> tuple[object, ...]:
    """The settings under which the same words are another call."""
    return (
        settings.sandbox,
        settings.base_url,
        settings.model,
        settings.model_aliases,
        settings.quality,
        *_places(settings),
        settings.force_responses_edits,
        settings.responses_edit_model,
    )


def _places(settings: Settings) -> tuple[object, ...]:
    """Where images go: in a store it is the same from whatever folder a replica runs."""
    folder = Path(settings.output_dir)
    return (location(folder),) if is_object(folder) else (settings.output_dir, project_folder(settings))
