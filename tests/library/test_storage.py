"""Files of the library as objects: written, read, listed, deleted, and what a store does not do."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.errors import StorageFailed
from gpt_image_mcp.library import object_cache, storage
from gpt_image_mcp.object_paths import address_of, location, object_path, object_root
from gpt_image_mcp.regular_files import NotAFile, TooManyBytes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.object_stores import Bucket

ODD_NAMES = ["ä b #1%20?.png", "a+b&c=d;e,f.png", "名~'()!*.png", "[x]{y}|^`.png", "%2e%2e", "a..b"]


def _folder(bucket: Bucket) -> Path:
    found = object_path(f"{bucket.address}/folder")
    assert found is not None
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_object_of_any_name_is_written_read_listed_and_deleted(name: str, bucket: Bucket) -> None:
    path = storage.write_exclusive(_folder(bucket), [name], b"data")
    assert bucket.read(f"library/folder/{name}") == b"data"
    assert storage.read(path) == b"data"
    assert [found for found, _ in storage.objects_below(_folder(bucket))] == [path]
    assert object_path(location(path)) == path
    storage.delete(path)
    assert (bucket.contents(), storage.size(path), path.exists()) == ([], None, False)


@pytest.mark.parametrize(
    "address",
    [
        "s3://b/../x",
        "s3://b/a/../../x",
        "s3://b/.",
        "s3://",
        "s3:///key",
        "s3://b/a\0b",
        "gs://b/a\nb",
        "S3://b/\ud800",
        f"s3://b/{'é' * 128}",
        f"s3://b{'/1234567' * 129}",
        f"az://b{'/x' * 200}",
    ],
)
def test_what_leads_out_of_a_bucket_or_is_too_long_or_deep_is_no_address(address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind
        object_path(address)


def test_other_paths_are_no_objects(tmp_path: Path) -> None:
    assert object_path("file") is None
    assert object_path("s3/bucket/key") is None
    assert address_of(tmp_path / "objects" / "s3" / "b" / "k") == (tmp_path / "objects/s3/b/k").as_uri()
    assert location(object_root() / ".." / "objects" / "s3" / "b" / "k") == "s3://b/k"
    assert location(object_root() / "s3" / ".." / ".." / "k") == str(object_root() / "s3" / ".." / ".." / "k")


def test_a_name_that_another_machine_took_is_not_written_over(bucket: Bucket) -> None:
    bucket.write("library/folder/logo.png", b"another's")
    path = storage.write_exclusive(_folder(bucket), ["logo.png", "logo-2.png"], b"ours")
    assert path.name == "logo-2.png"
    assert bucket.read("library/folder/logo.png") == b"another's"
    storage.write_over(_folder(bucket) / "logo.png", b"replaced")
    assert bucket.read("library/folder/logo.png") == b"replaced"


def test_a_copy_saves_the_request_and_a_bad_one_does_not(bucket: Bucket) -> None:
    path = storage.write_exclusive(_folder(bucket), ["a.png"], b"whole")
    bucket.requests.clear()
    assert storage.read_saved(path, _sha256(b"whole")) == b"whole"
    assert bucket.requests == []
    for spoil in (lambda: path.write_bytes(b"who"), path.unlink, lambda: os.truncate(path, 0)):
        spoil()
        assert storage.read_saved(path, _sha256(b"whole")) == b"whole"
        assert path.read_bytes() == b"whole"


def test_a_link_in_the_cache_is_neither_read_nor_written_through(bucket: Bucket, tmp_path: Path) -> None:
    path = storage.write_exclusive(_folder(bucket), ["a.png"], b"whole")
    foreign = tmp_path / "foreign.png"
    foreign.write_bytes(b"whole")
    path.unlink()
    path.symlink_to(foreign)
    assert storage.read_saved(path, _sha256(b"whole")) == b"whole"
    storage.write_over(path, b"newer")
    assert foreign.read_bytes() == b"whole"
    assert not path.is_symlink()


def test_a_linked_folder_in_the_cache_is_left_alone(bucket: Bucket, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "a.png").write_bytes(b"mine")
    _folder(bucket).parent.mkdir(parents=True)
    _folder(bucket).symlink_to(foreign)
    path = storage.write_exclusive(_folder(bucket), ["a.png"], b"whole")
    assert storage.read_saved(path, _sha256(b"whole")) == b"whole"
    storage.delete(path)
    assert (foreign / "a.png").read_bytes() == b"mine"


def test_an_object_that_was_changed_or_deleted_behind_our_back_is_told(bucket: Bucket) -> None:
    path = storage.write_exclusive(_folder(bucket), ["a.png"], b"whole")
    object_cache.forget(path)
    bucket.write("library/folder/a.png", b"other")
    with pytest.raises(NotAFile, match="changed"):
        storage.read_saved(path, _sha256(b"whole"))
    with pytest.raises(TooManyBytes):
        storage.read(path, max_bytes=3)
    bucket.delete("library/folder/a.png")
    with pytest.raises(FileNotFoundError) as gone:
        storage.read(path)
    assert gone.value.filename == location(path)
    assert not storage.exists(path)


def test_an_unwritable_cache_costs_nothing_but_requests(bucket: Bucket) -> None:
    object_root().parent.mkdir(parents=True)
    object_root().write_bytes(b"no folder")
    path = storage.write_exclusive(_folder(bucket), ["a.png"], b"whole")
    assert storage.read_saved(path, _sha256(b"whole")) == b"whole"


def test_what_was_not_used_for_longest_is_swept_and_young_copies_stay(bucket: Bucket) -> None:
    paths = [storage.write_exclusive(_folder(bucket), [f"{n}.png"], b"x" * 100) for n in range(4)]
    for age, path in enumerate(paths[:3]):
        used_at = time.time() - 1000 + age
        os.utime(path, (used_at, used_at))
    storage.read_saved(paths[0], _sha256(b"x" * 100))  # used again
    object_cache.sweep(most_bytes=300)
    assert [path.exists() for path in paths] == [True, False, True, True]
    object_cache.sweep(most_bytes=0)
    assert [path.exists() for path in paths] == [True, False, False, True]
    assert storage.read_saved(paths[1], _sha256(b"x" * 100)) == b"x" * 100


def test_a_store_that_fails_for_a_moment_is_asked_again(bucket: Bucket) -> None:
    bucket.fail(500, times=2)
    storage.check(bucket.address)
    path = storage.write_exclusive(_folder(bucket), ["a.png"], b"data")
    bucket.fail(503, times=1)
    assert storage.read(path) == b"data"


@pytest.mark.parametrize("status", [507, 0])
def test_a_store_that_is_full_or_does_not_answer_is_told_in_one_sentence(status: int, bucket: Bucket) -> None:
    bucket.fail(status)
    with pytest.raises(StorageFailed) as failed:
        storage.require_writable(_folder(bucket))
    assert failed.value.retryable
    assert ("it answered 507" in failed.value.message) == (status == 507)
    assert len(failed.value.message) < 300
    bucket.requests.clear()
    with pytest.raises(StorageFailed):  # the next caller does not wait for it too
        storage.require_writable(_folder(bucket))
    assert bucket.requests == []
    bucket.work()


def test_nobody_hears_of_the_file_at_which_the_store_failed_another(bucket: Bucket) -> None:
    bucket.fail(507)
    told: list[str] = []
    for work in (
        partial(storage.write_exclusive, _folder(bucket) / "anna", ["merger.png"], b"data"),
        partial(storage.require_writable, _folder(bucket) / "ben"),
    ):
        with pytest.raises(StorageFailed) as failed:
            work()
        told.append(failed.value.message)
    assert told[0] == told[1]
    assert "anna" not in told[0]
    bucket.work()


def test_a_store_that_says_of_every_name_that_it_is_taken_is_not_asked_for_ever(bucket: Bucket) -> None:
    bucket.fail(412, "PUT")
    with pytest.raises(FileExistsError):
        storage.write_exclusive(_folder(bucket), map("{}.png".format, itertools.count()), b"data")
    assert len(bucket.requests) == 1000
    bucket.work()


def test_a_store_that_took_a_file_is_not_asked_again(bucket: Bucket) -> None:
    storage.require_writable(_folder(bucket))
    assert bucket.requests
    bucket.requests.clear()
    storage.require_writable(_folder(bucket))
    assert bucket.requests == []


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_named() -> None:
    with pytest.raises(StorageFailed, match="s3://missing-1: there is no such bucket"):
        storage.check("s3://missing-1/x")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_said_and_not_shown(status: int, bucket: Bucket) -> None:
    bucket.fail(status)
    with pytest.raises(StorageFailed, match="refuses our credentials") as failed:
        storage.check(bucket.address)
    assert "hidden-in-tests" not in f"{failed.value!s}{failed.value.__cause__!r}"


def test_an_http_endpoint_must_be_allowed(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(StorageFailed, match="AWS_ALLOW_HTTP=true"):
        storage.check(bucket.address)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}") for port in ("99999", "abc")),
        *(("AWS_ENDPOINT_URL", endpoint) for endpoint in ("http://[::1", "http://a b", "http://", "::", "é")),
        *(("AWS_REGION", "a b"), ("AWS_ACCESS_KEY_ID", "a\nb"), ("AWS_SESSION_TOKEN", "s3cr\net")),
    ],
)
def test_variables_of_the_store_that_cannot_be_sent_are_told_in_one_sentence(
    name: str, value: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name != "AWS_ENDPOINT_URL":
        monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(name, value)
    with pytest.raises(StorageFailed, match=r"The object store does not work for s3://[^ ]+: its ") as caught:
        storage.check(bucket.address)
    assert value not in str(caught.value)


def test_a_library_of_files_has_no_store_to_check() -> None:
    storage.check("file")
