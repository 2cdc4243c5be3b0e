"""Input images: from a reference of the caller's to a file that the API takes.

A reference is a path (also with ``~``), a ``file://``, ``http(s)://`` or ``data:`` URL, a library id or a
``gpt-image://`` address. The bytes decide what an input is, never its name; what is no image is refused.
"""

from __future__ import annotations

import asyncio
import base64
import difflib
import glob
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from gpt_image_mcp.downloads import Fetcher
from gpt_image_mcp.errors import InputNotFound, InputRejected, InvalidArgument, NotFound, OutputRejected
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.ids import image_id_in
from gpt_image_mcp.imaging.normalise import normalise
from gpt_image_mcp.openai_api.image_extraction import BASE64_SIGNATURE
from gpt_image_mcp.paths import is_file_url, is_within, local_path, unquoted
from gpt_image_mcp.services.references import find_image
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.values.requests import InputImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage

_AT_ONCE = 4
_SHOWN_CHARACTERS = 120
_WEB = ("http://", "https://")
_BYTES_PER_MB = 1_000_000
# Base64 of a PNG, JPEG, WebP or GIF without the data: in front; no path is that long.
_BARE_BASE64 = re.compile(BASE64_SIGNATURE + r"[A-Za-z0-9+/_=\s-]{200,}")
_NEXT = "Pass a file path, an http address, a data URL or an image id."
_NEXT_WITHOUT_FILES = "Pass an http address, a data URL or an image id."


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of an input.

    Attributes:
        label: What messages call it.
        path: Its file, if it is one.
        image: The library's entry for that file, which may have been changed since.
    """

    data: bytes
    label: str
    path: Path | None = None
    image: StoredImage | None = None

    @property
    def sha256(self) -> str:
        """The digest of the bytes, computed at each access."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Inputs:
    """Reads input images."""

    settings: Settings
    library: Library

    async def load(self, refs: Sequence[str], *, already: int = 0) -> tuple[InputImage, ...]:
        """The images of an edit, in order, ready to be sent.

        Args:
            refs: What the caller passed.
            already: How many images come before these in the same request.

        Raises:
            InputNotFound: If there is nothing.
            InputRejected: If it is not allowed, too large or not an image.
        """
        slots = asyncio.Semaphore(_AT_ONCE)

        async def load(position: int, ref: str) -> InputImage:
            async with slots:
                source = await self.read(ref)
                return await in_thread(self._acceptable, source, position)

        loading = [asyncio.create_task(load(already + index, ref)) for index, ref in enumerate(refs, start=1)]
        try:
            return tuple(await asyncio.gather(*loading))
        finally:
            for task in loading:
                task.cancel()

    async def read(self, ref: str) -> Source:
        """The bytes that a reference leads to, whether or not they are an image.

        Raises:
            InputNotFound: If there is nothing.
            InputRejected: If it is not allowed, or too large.
        """
        ref = unquoted(ref)
        if not ref:
            message = "An image reference is empty."
            raise InvalidArgument(message, next_step=_NEXT)
        if ref.lower().startswith(_WEB):
            fetcher = Fetcher(self._max_bytes, allow_private=self.settings.allow_private_urls)
            return Source(await fetcher.fetch(ref), _shown(ref.partition("?")[0]))
        if ref.lower().startswith("data:") or _BARE_BASE64.match(ref):
            return await in_thread(self._embedded, ref)
        return await in_thread(self._local, ref)

    @property
    def _max_bytes(self) -> int:
        return int(self.settings.max_input_mb * _BYTES_PER_MB)

    def _local(self, ref: str) -> Source:
        if image_id_in(ref):
            return self._own(ref)
        if "://" in ref and not is_file_url(ref):
            message = f"{_shown(ref)} is an address of a kind that is not read."
            raise InputRejected(message, next_step=_NEXT)
        try:
            path = local_path(ref, base=project_folder(self.settings))
        except (ValueError, RuntimeError, OutputRejected) as error:
            message = f"{_shown(ref)!r} is not a path: {error}."
            raise InputNotFound(message, next_step=_NEXT) from error
        self._require_allowed(path)
        return Source(self._read_file(path, ref), str(path), path, self.library.at(path))

    def _own(self, ref: str) -> Source:
        try:
            image = find_image(ref, self.library, settings=self.settings)
        except NotFound as error:
            raise InputNotFound(error.message, next_step=error.next_step) from error
        return Source(self._read_file(image.file_path, ref), image.id, image.file_path, image)

    def _require_allowed(self, path: Path) -> None:
        """Refuses a local file outside the configured folders, links followed."""
        roots = self.settings.input_roots
        if roots is not None and not is_within(path, roots):
            if not roots:
                message = f"{_shown(str(path))} is a local path, and this server reads no local files."
                raise InputRejected(
                    message, next_step=f"{_NEXT_WITHOUT_FILES} Or name folders in GPT_IMAGE_INPUT_ROOTS."
                )
            allowed = ", ".join(str(root) for root in roots)
            message = f"{path} is outside the folders that input files may come from ({allowed})."
            raise InputRejected(message, next_step="Pass a file from there, or extend GPT_IMAGE_INPUT_ROOTS.")

    def _read_file(self, path: Path, ref: str) -> bytes:
        try:
            if path.is_dir():
                message = f"{path} is a folder, not an image."
                raise InputRejected(message, next_step="Pass a file; batch_edit_images takes folders.")
            if path.exists() and not path.is_file():
                message = f"{path} is a device or pipe, not a file."
                raise InputRejected(message, next_step=_NEXT)
            with path.open("rb") as stream:
                data = stream.read(self._max_bytes + 1)
            size = len(data) if len(data) <= self._max_bytes else path.stat().st_size
        except FileNotFoundError as error:
            raise _not_there(path) from error
        except OSError as error:
            message = f"{_shown(ref)} cannot be read: {error.strerror or error}."
            raise InputNotFound(message, next_step="Check the path and its permissions.") from error
        if len(data) > self._max_bytes:
            raise self._too_large(f"{path} has {size:,} bytes")
        return data

    def _embedded(self, url: str) -> Source:
        """What a ``data:`` URL holds, in base64 or percent-encoded."""
        head, comma, body = (
            url.partition(",") if url.lower().startswith("data:") else ("data:;base64", ",", url)
        )
        label = f"the data URL ({_shown(head)})"
        if not comma:
            message = f"{label} has no comma, so it holds no data."
            raise InputRejected(message, next_step="Write data:image/png;base64,… or pass a file path.")
        if len(body) * 3 // 4 > self._max_bytes + 4:
            raise self._too_large(f"{label} has about {len(body) * 3 // 4 / _BYTES_PER_MB:.1f} MB")
        is_base64 = head.lower().rstrip().endswith(";base64")
        try:
            plain = unquote_to_bytes(body) if "%" in body or not is_base64 else body.encode("ascii")
            data = _from_base64(plain) if is_base64 else plain
        except ValueError as error:
            message = f"{label} is not valid {'base64' if is_base64 else 'text'}: {error}."
            raise InputRejected(message, next_step="Encode the file again, or pass its path.") from error
        return Source(self._bounded(data, label), label)

    def _bounded(self, data: bytes, label: str) -> bytes:
        if len(data) > self._max_bytes:
            raise self._too_large(f"{label} has {len(data):,} bytes")
        return data

    def _too_large(self, what: str) -> InputRejected:
        message = f"{what}; at most {self.settings.max_input_mb:g} MB are sent (GPT_IMAGE_MAX_INPUT_MB)."
        return InputRejected(message, next_step="Scale the image down and pass that.")

    def _acceptable(self, source: Source, position: int) -> InputImage:
        converted = normalise(source.data, source=source.label, is_first=position == 1)
        image_id, notes = self._origin(source)
        return InputImage(
            name=f"image-{position}.{converted.picture.extension}",
            data=converted.data,
            mime_type=converted.picture.mime_type,
            width=converted.picture.width,
            height=converted.picture.height,
            source=source.label,
            image_id=image_id,
            notes=(*notes, *converted.notes),
        )

    def _origin(self, source: Source) -> tuple[str, tuple[str, ...]]:
        """The id of the library's image, recognised by its bytes or else by its path, and notes about it."""
        digest = source.sha256
        if source.image and source.image.sha256 == digest:
            return source.image.id, ()
        if known := self.library.images.find_by_sha256(digest):
            if source.path:
                self.library.follow(known, source.path)
            return known.id, ()
        if source.image is None:
            return "", ()
        note = f"Image {source.image.id} was changed since it was made; the file as it is now was sent."
        return source.image.id, (note,)


def _from_base64(text: bytes) -> bytes:
    """Base64 in either alphabet, with or without padding and line breaks.

    Raises:
        ValueError: If it is not.
    """
    text = b"".join(text.split()).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def _not_there(path: Path) -> InputNotFound:
    if glob.has_magic(path.name):
        step = "Pass a path; only a batch takes patterns, and there this one must match a file."
        return InputNotFound(f"No file has the name {path}.", next_step=step)
    return InputNotFound(f"There is no file {path}.", next_step=_likely(path))


def _likely(path: Path) -> str:
    """The next step for a missing file: similar names in its folder."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"The folder {path.parent} cannot be read either; pass an absolute path."
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f"Did you mean {', '.join(close)}?" if close else "Check the name, or pass an absolute path."


def _shown(ref: str) -> str:
    return ref if len(ref) <= _SHOWN_CHARACTERS else f"{ref[: _SHOWN_CHARACTERS - 1]}…"
