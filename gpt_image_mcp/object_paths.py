"""Paths that stand for objects of a store, and the addresses under which everybody knows these objects.

Nearly all of this program works with paths. An object of a store has one too: below one folder of the user's
cache, where the copy of it lies that this machine may have. Such a path is never shown or kept: the address
is, ``s3://BUCKET/KEY``, from which every machine makes its own path.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import BeforeValidator, PlainSerializer

_APP, _ROOT = "gpt-image-mcp", "objects"
_SCHEMES = ("s3", "gs", "az")
_BEGINNINGS = tuple(f"{scheme}://" for scheme in _SCHEMES)
_ADDRESS = re.compile(rf"({'|'.join(_SCHEMES)})://([^/\x00-\x1f\x7f]+(?:/[^\x00-\x1f\x7f]*)?)", re.IGNORECASE)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html says how long a key may be; the other
# two are bounds of the file system that a copy of it lies in.
_LONGEST_KEY_BYTES, _LONGEST_NAME_BYTES, _MOST_FOLDERS = 1024, 255, 200


def object_root() -> Path:
    """The folder that the paths of all objects are below; links on the way to it are followed."""
    return _real(platformdirs.user_cache_path(_APP, appauthor=False)) / _ROOT


@cache
def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))


def object_path(address: str) -> Path | None:
    """The path that stands for an object, or for a folder of them; None if the text is no such address.

    Raises:
        ValueError: If it begins like one, and no object can be called so.
    """
    if not address[:5].lower().startswith(_BEGINNINGS):
        return None
    found = _ADDRESS.fullmatch(address)
    parts = found[2].split("/") if found else [".."]
    if {".", ".."} & set(parts):
        message = "it is no address of an object"
        raise ValueError(message)
    sizes_bytes = [len(part.encode()) for part in parts]
    is_long = sum(sizes_bytes[1:]) + len(parts) > _LONGEST_KEY_BYTES or max(sizes_bytes) > _LONGEST_NAME_BYTES
    if is_long or len(parts) > _MOST_FOLDERS:
        message = (
            f"it has more than {_LONGEST_KEY_BYTES:,} bytes, or {_LONGEST_NAME_BYTES} in one name, or is "
            f"more than {_MOST_FOLDERS} folders deep"
        )
        raise ValueError(message)
    return object_root().joinpath(found[1].lower() if found else "", *parts)


def object_address(path: Path) -> str:
    """The address of the object that a path stands for; empty for any other path."""
    if _ROOT not in str(path):  # which is quickly told of most
        return ""
    path = Path(os.path.normpath(path))
    root = object_root()
    if not path.is_relative_to(root):
        return ""
    scheme, *parts = path.relative_to(root).parts or ("",)
    return f"{scheme}://{'/'.join(parts)}" if parts and scheme in _SCHEMES else ""


def is_object(path: Path) -> bool:
    """Whether a path stands for an object of a store."""
    return bool(object_address(path))


def location(path: Path) -> str:
    """What a file is called towards everybody: the address of an object, or else its path."""
    return object_address(path) or str(path)


def address_of(path: Path) -> str:
    """The address of a file: that of an object, or else a file URI."""
    return object_address(path) or path.as_uri()


def _own_path(value: object) -> object:
    return str(object_path(value) or value) if isinstance(value, str) and "://" in value else value


# A path as documents hold it, which other machines read too.
StoredPath = Annotated[
    Path, BeforeValidator(_own_path), PlainSerializer(location, return_type=str, when_used="json")
]
