"""Objects of a store: S3, Google Cloud Storage, Azure, and what speaks like them, all through obstore.

Which credentials and which endpoint are used is in the store's usual variables, which obstore reads when a
bucket is first used: https://developmentseed.org/obstore/latest/api/store/
"""

from __future__ import annotations

import errno
import mimetypes
import re
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from gpt_image_mcp.environment import variables_set
from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.object_paths import location, object_address, object_path
from gpt_image_mcp.regular_files import TooManyBytes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime
    from pathlib import Path

    from obstore.store import ClientConfig, ObjectStore, RetryConfig

# A request that fails is repeated for ten seconds, and each may take ten: then whoever waits is told.
_CLIENT: ClientConfig = {"connect_timeout": "5s", "timeout": "10s"}
_RETRIES: RetryConfig = {
    "max_retries": 10,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
# Options of ours replace those of the environment, so this one is read here.
_HTTP_ALLOWED, _YES = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP"), ("1", "true", "yes")
# What the texts of obstore hold, and what that means.
_CAUSES = (
    ("NoSuchBucket|ContainerNotFound", "there is no such bucket"),
    ("PermissionDenied|Unauthenticated|status code: 40[13]", "it refuses our credentials"),
    ("BadScheme", "its endpoint begins with http://, which AWS_ALLOW_HTTP=true has to allow"),
    ("PanicException", "its variables hold an endpoint, region or key that cannot be used"),
    ("NotSupported|NotImplemented", "it does not know conditional writes (If-None-Match)"),
    (r"credential|169\.254\.|metadata\.google", "there are no credentials for it"),
)
_STATUS = re.compile(r"status code: (\d{3}[ \w]*)")


def bucket_of(path: Path) -> str:
    """The address of the bucket of an object."""
    return _parts(path)[0]


def put(path: Path, data: bytes, *, is_new: bool) -> bool:
    """Writes an object; false if it must be new and is not.

    Raises:
        StorageFailed: If the store does not take it.
    """
    store, key = _place(path)
    import obstore
    from obstore.exceptions import AlreadyExistsError

    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        with _explained(path):
            obstore.put(
                store,
                key,
                data,
                mode="create" if is_new else "overwrite",
                attributes={"Content-Type": kind},
                use_multipart=False,
            )
    except AlreadyExistsError:
        return False
    except FileNotFoundError:  # what is missing for a new object is the bucket
        raise _failed(path, "NoSuchBucket") from None
    return True


def get(path: Path, *, max_bytes: int) -> bytes:
    """The bytes of an object.

    Raises:
        FileNotFoundError: If it is gone.
        TooManyBytes: If it has more than ``max_bytes``.
        StorageFailed: If the store does not give it.
    """
    store, key = _place(path)
    import obstore

    with _explained(path):
        found = obstore.get(store, key)
        if found.meta["size"] > max_bytes:
            raise TooManyBytes(path, found.meta["size"])
        return bytes(found.bytes())


def size(path: Path) -> int:
    """The size of an object in bytes.

    Raises:
        FileNotFoundError: If it is gone.
        StorageFailed: If the store does not tell.
    """
    store, key = _place(path)
    import obstore

    with _explained(path):
        return obstore.head(store, key)["size"]


def delete(path: Path) -> None:
    """Deletes an object that may be there.

    Raises:
        StorageFailed: If the store does not delete it.
    """
    store, key = _place(path)
    import obstore

    with suppress(FileNotFoundError), _explained(path):
        obstore.delete(store, key)


def objects_below(folder: Path) -> Iterator[tuple[Path, datetime]]:
    """The objects below a folder, and when each was written.

    Raises:
        StorageFailed: If the store does not list them.
    """
    store, prefix = _place(folder)
    import obstore

    with _explained(folder):
        for entries in obstore.list(store, prefix=prefix or None):  # pyright: ignore[reportUnknownMemberType]
            for entry in entries:
                path = object_path(f"{bucket_of(folder)}/{entry['path']}")
                if path is not None:
                    yield path, entry["last_modified"]


def _place(path: Path) -> tuple[ObjectStore, str]:
    """The store of an object, open, and its key there."""
    bucket, key = _parts(path)
    return _store(bucket), key


def _parts(path: Path) -> tuple[str, str]:
    scheme, _, rest = object_address(path).partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key


@cache
def _store(bucket: str) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        message = "GPT_IMAGE_STORAGE names an object store, and the library for it is not installed."
        step = 'Install the extra team: pip install "gpt-image-mcp-server[team]".'
        raise StorageFailed(message, next_step=step) from error
    is_http_allowed = any(value.lower() in _YES for value in variables_set(_HTTP_ALLOWED).values())
    options: ClientConfig = {**_CLIENT, "allow_http": is_http_allowed}
    try:
        return from_url(bucket, client_options=options, retry_config=_RETRIES)
    except (BaseError, ValueError) as error:
        raise _failed(bucket, str(error)) from None


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Words the errors of obstore, whose own texts repeat requests and answers at length."""
    from obstore.exceptions import AlreadyExistsError, BaseError

    try:
        yield
    except (TooManyBytes, AlreadyExistsError):
        raise
    except FileNotFoundError as error:
        if "NoSuchBucket" not in str(error):
            raise FileNotFoundError(errno.ENOENT, "it is not in the store", location(path)) from None
        raise _failed(path, "NoSuchBucket") from None
    except (BaseError, OSError, ValueError) as error:
        raise _failed(path, f"{type(error).__name__} {error}") from None
    except BaseException as error:
        # So obstore ends where it is told to send what cannot be sent. Nothing catches it, nor can import it.
        if type(error).__name__ != "PanicException":
            raise
        raise _failed(path, "PanicException") from None


def _failed(where: Path | str, said: str) -> StorageFailed:
    """The error of a store, without what obstore says: it may repeat an address with its signature.

    It names the bucket alone: others hear of it too, for whom the name of the object is not.
    """
    cause = next((meant for pattern, meant in _CAUSES if re.search(pattern, said, re.IGNORECASE)), "")
    status = _STATUS.search(said)
    cause = cause or (f"it answered {status[1].strip()}" if status else "it does not answer")
    bucket = where if isinstance(where, str) else bucket_of(where)
    message = f"The object store does not work for {bucket}: {cause}."
    step = "Check the store, GPT_IMAGE_STORAGE and the variables of the store; gpt-image-mcp doctor asks it."
    return StorageFailed(message, next_step=step, retryable=True)
