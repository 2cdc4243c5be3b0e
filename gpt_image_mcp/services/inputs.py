"""Input images: from a reference of the caller's to a file that the API takes.

What a reference may be is told in ``references.py``. The bytes decide what an input is, never its name; what
is no image is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gpt_image_mcp.downloads import Fetcher
from gpt_image_mcp.errors import (
    DatabaseFailed,
    InputNotFound,
    InputRejected,
    NotFound,
    StorageFailed,
    UnstorableValue,
    cut,
)
from gpt_image_mcp.imaging.normalise import normalise, require_editable
from gpt_image_mcp.library.uploads import read_upload
from gpt_image_mcp.openai_api.image_extraction import MOST_ESCAPES, decode_image, without_escapes
from gpt_image_mcp.references import reference_to
from gpt_image_mcp.regular_files import NotAFile, TooManyBytes, read_regular
from gpt_image_mcp.services.references import find_file, find_image, not_there, what_to_pass
from gpt_image_mcp.threads import in_drawing, in_folders, in_thread
from gpt_image_mcp.values.requests import InputImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.references import Reference
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import StoredImage

_AT_ONCE = 4
_LONGEST_HEAD = 10_000  # of a data URL, before its comma
_BYTES_PER_MB = 1_000_000
# They are in memory twice: as they are, and in the request.
_MOST_BYTES_TOGETHER = 200_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of an input.

    Attributes:
        label: What messages call it.
        path: Its file, if it is one.
        image: The library's entry for that file, which may have been changed since.
        notes: What the caller should know about where it was found.
    """

    data: bytes
    label: str
    path: Path | None = None
    image: StoredImage | None = None
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """The digest of the bytes, computed at each access."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def is_named_by_id(self) -> bool:
        """Whether a certain image was asked for, and not whatever its file holds now."""
        return self.image is not None and self.label == self.image.id


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
            InputRejected: If it is not allowed, too large, a GIF, an SVG or no image.
        """
        slots, total = asyncio.Semaphore(_AT_ONCE), 0

        def count(data: bytes) -> None:
            nonlocal total
            total += len(data)
            if total > _MOST_BYTES_TOGETHER:
                raise _too_large_together()

        async def load(position: int, ref: str) -> InputImage:
            async with slots:
                source = await self.read(ref)
                count(source.data)
                require_editable(source.data, source=source.label)
                image = await in_drawing(self._acceptable, source, position)
                if image.original:  # which is kept beside what was made of it
                    count(image.data)
                return image

        loading = [asyncio.create_task(load(already + index, ref)) for index, ref in enumerate(refs, start=1)]
        try:
            return tuple(await asyncio.gather(*loading))
        finally:
            for task in loading:
                task.cancel()

    async def look_at(self, text: str) -> InputImage:
        """An image as it is, if it is one that can be read; to be shown, not sent.

        Raises:
            InputNotFound: If there is nothing.
            InputRejected: If it is not allowed, too large or not an image.
        """
        return await in_drawing(self._acceptable, await self.read(text), 1, is_shown=True)

    async def read(self, text: str) -> Source:
        """The bytes that a reference leads to, whether or not they are an image.

        Raises:
            InputNotFound: If there is nothing.
            InputRejected: If it is not allowed, or too large.
            StorageFailed: If the database cannot be used.
        """
        ref = await in_folders(reference_to, text, self.settings)
        if ref.kind == "web":
            fetcher = Fetcher(self._max_bytes, allow_private=self.settings.allow_private_urls)
            return Source(await fetcher.fetch(ref.text), ref.shown)
        return await (in_thread(self._embedded, ref) if ref.kind == "data" else in_folders(self._local, ref))

    @property
    def _max_bytes(self) -> int:
        return int(self.settings.max_input_mb * _BYTES_PER_MB)

    def _local(self, ref: Reference) -> Source:
        if ref.kind == "upload":
            return Source(self._read_upload(ref), ref.text)
        if ref.kind not in ("image", "object"):
            path, notes = find_file(ref, self.settings)
            return Source(self._read_file(path, ref), str(path), path, self.library.at(path), notes)
        try:
            image = find_image(ref.text, self.library, settings=self.settings)
            data = self.library.read(image)
        except NotFound as error:
            raise InputNotFound(error.message, next_step=error.next_step) from error
        except (DatabaseFailed, UnstorableValue):  # which says nothing of the image
            raise
        except StorageFailed as error:
            raise InputRejected(
                error.message, next_step=error.next_step, retryable=error.retryable
            ) from error
        if len(data) > self._max_bytes:
            raise self._too_large(f"{cut(image.file_path)} has {len(data):,} bytes")
        return Source(data, image.id, image.file_path, image)

    def _read_upload(self, ref: Reference) -> bytes:
        """The bytes of a picture that its owner sent through a link."""
        path = self.library.uploads.find(ref.text, datetime.now(UTC))
        try:
            if path is not None:
                return read_upload(path, max_bytes=self._max_bytes)
        except OSError as error:
            raise self._no_upload(ref) from error
        raise self._no_upload(ref)

    @staticmethod
    def _no_upload(ref: Reference) -> InputNotFound:
        message = f"There is no {ref.text}: nothing was sent to its address, or that was over 24 hours ago."
        step = "Send the picture to the upload_url first, or call create_upload_link for a new one."
        return InputNotFound(message, next_step=step)

    def _read_file(self, path: Path, ref: Reference) -> bytes:
        try:
            return read_regular(path, max_bytes=self._max_bytes, within=self.settings.input_roots)
        except FileNotFoundError as error:
            raise not_there(path, ref, self.settings) from error
        except TooManyBytes as error:
            raise self._too_large(f"{cut(path)} has {error.size_bytes:,} bytes") from error
        except NotAFile as error:
            is_folder = os.path.isdir(path)
            kind = "folder, not an image" if is_folder else "device or pipe, not a file"
            takes_folders = "Pass a file; batch_edit_images takes folders."
            step = takes_folders if is_folder else what_to_pass(self.settings)
            raise InputRejected(f"{cut(path)} is a {kind}.", next_step=step) from error
        except OSError as error:
            message = f"{ref.shown} cannot be read: {error.strerror or error}."
            raise InputNotFound(message, next_step="Check the path and its permissions.") from error

    def _embedded(self, ref: Reference) -> Source:
        """What base64, or a ``data:`` URL in base64 or percent-encoded, holds."""
        if ref.text.count("%") > MOST_ESCAPES:
            message = f"A data URL has more than {MOST_ESCAPES:,} characters written as %XX."
            raise InputRejected(
                message, next_step="Encode it in base64 (data:image/png;base64,…), or pass a path."
            )
        text = without_escapes(ref.text).decode(errors="replace") if ref.text[4:5] == "%" else ref.text
        is_url = text[:5].lower() == "data:"
        label = f"the data URL ({ref.shown.partition(',')[0]})" if is_url else f"the base64 {ref.shown}"
        # In base64 no more than two characters make a byte, or four where some are written as %XX.
        if len(text) > self._max_bytes * (4 if "%" in text else 2) + _LONGEST_HEAD:
            raise self._too_large(f"{label} has {len(text):,} characters")
        try:
            data = decode_image(text)
        except ValueError as error:
            reason = "it has no comma, so it holds no data" if is_url and "," not in text else error
            step = "Encode the file again (data:image/png;base64,…), or pass its path."
            raise InputRejected(f"{label} cannot be decoded: {reason}.", next_step=step) from error
        if len(data) > self._max_bytes:
            raise self._too_large(f"{label} has {len(data):,} bytes")
        return Source(data, label)

    def _too_large(self, what: str) -> InputRejected:
        message = f"{what}; at most {self.settings.max_input_mb:g} MB are sent (GPT_IMAGE_MAX_INPUT_MB)."
        return InputRejected(message, next_step="Scale the image down and pass that.")

    def _acceptable(self, source: Source, position: int, *, is_shown: bool = False) -> InputImage:
        converted = normalise(source.data, source=source.label, is_first=position == 1, is_shown=is_shown)
        image_id, notes = self._origin(source)
        return InputImage(
            name=f"image-{position}.{converted.picture.extension}",
            data=converted.data,
            mime_type=converted.picture.mime_type,
            width=converted.picture.width,
            height=converted.picture.height,
            source=source.label,
            image_id=image_id,
            notes=(*source.notes, *notes, *converted.notes),
            original=source.data if converted.data is not source.data else b"",
        )

    def _origin(self, source: Source) -> tuple[str, tuple[str, ...]]:
        """The id of the library's image, recognised by its bytes or else by its path, and notes about it.

        Raises:
            InputNotFound: If an image was named by its id, and its file holds another one of the library.
        """
        digest = source.sha256
        if source.image and source.image.sha256 == digest:
            return source.image.id, ()
        if known := self.library.images.find_by_sha256(digest):
            if source.is_named_by_id:
                message = f"Image {source.label} is gone: {cut(source.path)} holds image {known.id} now."
                raise InputNotFound(message, next_step="Pass that id, if that image is meant.")
            if source.path:
                self.library.follow(known, source.path)
            return known.id, ()
        if source.image is None:
            return "", ()
        note = f"Image {source.image.id} was changed since it was made; the file as it is now was sent."
        return source.image.id, (note,)


def _too_large_together() -> InputRejected:
    message = (
        f"The images of this call have more than {_MOST_BYTES_TOGETHER // _BYTES_PER_MB} MB together, which "
        "are not sent at once."
    )
    return InputRejected(message, next_step="Scale them down (export_image), or pass fewer.")
