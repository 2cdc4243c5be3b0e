"""What saving an image does to its file: nothing, unless its metadata are wanted inside it."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.imaging.xmp import NOT_EMBEDDED, NOT_EMBEDDED_C2PA, read_embedded
from gpt_image_mcp.library.naming import Naming
from gpt_image_mcp.library.sidecars import metadata_path, read_metadata
from gpt_image_mcp.library.store import Library
from gpt_image_mcp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gpt_image_mcp.values.images import Provenance

PLAIN = Naming(kind="image")


@pytest.fixture
def embedding_library() -> Iterator[Library]:
    """A library that writes metadata into files."""
    opened = Library(Settings(embed_metadata=True))
    yield opened
    opened.close()


@pytest.fixture
def signed_png(png: bytes) -> bytes:
    """A small PNG file that says it carries C2PA provenance."""
    chunk = b"caBX" + b"jumb"
    return png[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


def test_a_file_is_kept_as_delivered_unless_metadata_are_wanted_in_it(
    library: Library, png: bytes, signed_png: bytes, provenance: Provenance, tmp_path: Path
) -> None:
    images, notes = library.save([png, signed_png], provenance=provenance, naming=PLAIN, folder=tmp_path)
    assert [image.file_path.read_bytes() for image in images] == [png, signed_png]
    assert [image.c2pa for image in images] == [False, True]
    assert notes == ()


def test_metadata_in_the_file_say_what_the_library_says(
    embedding_library: Library, png: bytes, provenance: Provenance, tmp_path: Path
) -> None:
    (image,), notes = embedding_library.save([png], provenance=provenance, naming=PLAIN, folder=tmp_path)
    data = image.file_path.read_bytes()
    embedded = read_embedded(data)
    assert embedded is not None
    assert (embedded.id, embedded.created_at) == (image.id, image.created_at)
    assert (embedded.prompt, embedded.parents) == (provenance.prompt, provenance.parents)
    assert (embedded.cost, embedded.applied) == (provenance.cost, provenance.applied)
    assert (image.sha256, image.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert embedding_library.images.find_image(image.id) == image
    assert notes == ()


def test_a_signed_file_stays_as_it_is_with_a_note(
    embedding_library: Library, signed_png: bytes, provenance: Provenance, tmp_path: Path
) -> None:
    images, notes = embedding_library.save(
        [signed_png, signed_png], provenance=provenance, naming=PLAIN, folder=tmp_path
    )
    assert {image.file_path.read_bytes() for image in images} == {signed_png}
    assert notes == (NOT_EMBEDDED_C2PA,)
    known = read_metadata(metadata_path(images[0]))
    assert known is not None
    assert known.c2pa


def test_a_file_that_takes_no_metadata_is_kept_with_a_note(
    embedding_library: Library, provenance: Provenance, tmp_path: Path
) -> None:
    (image,), notes = embedding_library.save([b"?"], provenance=provenance, naming=PLAIN, folder=tmp_path)
    assert image.file_path.read_bytes() == b"?"
    assert notes == (NOT_EMBEDDED,)


def test_a_prompt_that_is_no_unicode_is_embedded_as_far_as_it_goes(
    embedding_library: Library, png: bytes, provenance: Provenance, tmp_path: Path
) -> None:
    broken = replace(provenance, prompt="a boat \ud800")
    (image,), _ = embedding_library.save([png], provenance=broken, naming=PLAIN, folder=tmp_path)
    embedded = read_embedded(image.file_path.read_bytes())
    assert embedded is not None
    assert embedded.prompt == "a boat \ufffd"
