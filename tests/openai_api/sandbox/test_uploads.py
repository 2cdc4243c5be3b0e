"""The sandbox's files endpoint: uploads stay, and can be seen, until they are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import httpx2
import openai
import pytest

from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FILE = ("image-1.png", b"\x89PNG bytes", "image/png")


@pytest.fixture
def transport() -> SandboxTransport:
    return SandboxTransport()


@pytest.fixture
async def client(transport: SandboxTransport) -> AsyncIterator[openai.AsyncOpenAI]:
    """The real SDK over a sandbox, with its own retries off."""
    http = httpx2.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http) as made:
        yield made


async def create(client: openai.AsyncOpenAI, **changes: Any) -> openai.types.FileObject:
    # Some arguments are wrong on purpose.
    method: Any = client.files.create
    return cast("openai.types.FileObject", await method(**{"file": FILE, "purpose": "vision", **changes}))


async def test_an_upload_is_kept_with_its_name_type_and_bytes(
    transport: SandboxTransport, client: openai.AsyncOpenAI
) -> None:
    made = await create(client, expires_after={"anchor": "created_at", "seconds": 3600})
    assert (made.filename, made.bytes, made.purpose, made.object) == ("image-1.png", 10, "vision", "file")
    assert made.expires_at == made.created_at + 3600
    kept = transport.uploads.kept[made.id]
    assert (kept.file.data, kept.file.content_type) == (FILE[1], "image/png")
    assert kept.expires_after_seconds == 3600


async def test_without_an_expiry_a_file_stays_for_ever(client: openai.AsyncOpenAI) -> None:
    assert (await create(client)).expires_at is None


async def test_files_left_behind_are_visible_and_deleted_ones_are_not(
    transport: SandboxTransport, client: openai.AsyncOpenAI
) -> None:
    first, second = await create(client), await create(client)
    assert first.id != second.id
    deleted = await client.files.delete(first.id)
    assert (deleted.id, deleted.deleted) == (first.id, True)
    assert list(transport.uploads.kept) == [second.id]
    assert [file.id async for file in client.files.list()] == [second.id]
    assert (await client.files.retrieve(second.id)).filename == "image-1.png"


async def test_a_file_that_is_not_there_is_neither_found_nor_deleted(client: openai.AsyncOpenAI) -> None:
    made = await create(client)
    await client.files.delete(made.id)
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {made.id}"):
        await client.files.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        await client.files.delete(made.id)


@pytest.mark.parametrize("seconds", [3600, 2_592_000])
async def test_the_shortest_and_the_longest_expiry_are_taken(
    client: openai.AsyncOpenAI, seconds: int
) -> None:
    made = await create(client, expires_after={"anchor": "created_at", "seconds": seconds})
    assert made.expires_at == made.created_at + seconds


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"purpose": "edit"}, "purpose", "'edit' is not one of"),
        ({"file": ("empty.png", b"", "image/png")}, "file", "Missing required parameter: 'file'"),
        ({"expires_after": {"anchor": "now", "seconds": 3600}}, "expires_after", "Invalid"),
        ({"expires_after": {"anchor": "created_at"}}, "expires_after", "Invalid"),
        ({"expires_after": {"seconds": 3600}}, "expires_after", "Invalid"),
        ({"expires_after": {"anchor": "created_at", "seconds": 3599}}, "expires_after", "3600 to 2592000"),
        ({"expires_after": {"anchor": "created_at", "seconds": 2_592_001}}, "expires_after", "2592000"),
        ({"expires_after": {"anchor": "created_at", "seconds": "²"}}, "expires_after", "Invalid"),
        ({"extra_body": {"expires": 3600}}, "expires", "Unknown parameter: 'expires'"),
    ],
)
async def test_what_the_api_refuses_is_refused_and_nothing_is_kept(
    transport: SandboxTransport, client: openai.AsyncOpenAI, changes: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        await create(client, **changes)
    assert refusal.value.param == param
    assert words in refusal.value.message
    assert not transport.uploads.kept


@pytest.mark.parametrize(
    ("method", "path", "request_body", "status"),
    [
        ("POST", "/v1/files", {"json": {"purpose": "vision"}}, 400),
        ("POST", "/v1/files", {"data": {"purpose": "vision"}, "files": {"upload": FILE}}, 400),
        ("PUT", "/v1/files", {}, 404),
        ("DELETE", "/v1/files", {}, 404),
        ("POST", "/v1/files/file-1", {"data": {"purpose": "vision"}, "files": {"file": FILE}}, 404),
    ],
)
async def test_what_is_no_request_for_files_is_refused(
    transport: SandboxTransport, method: str, path: str, request_body: dict[str, Any], status: int
) -> None:
    headers = {"authorization": "Bearer sk-test"}
    async with httpx2.AsyncClient(transport=transport, base_url="https://sandbox.invalid") as http:
        answer = await http.request(method, path, headers=headers, **request_body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert not transport.uploads.kept


async def test_planned_failures_meet_one_request_each() -> None:
    transport = SandboxTransport(file_failures=["", "500", "connect_error"])
    http = httpx2.AsyncClient(transport=transport)
    async with openai.AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http) as client:
        made = await create(client)
        with pytest.raises(openai.InternalServerError):
            await client.files.delete(made.id)
        with pytest.raises(openai.APIConnectionError):
            await client.files.delete(made.id)
        assert list(transport.uploads.kept) == [made.id]
        await client.files.delete(made.id)
    assert not transport.uploads.kept


async def test_files_need_a_key(transport: SandboxTransport) -> None:
    async with httpx2.AsyncClient(transport=transport, base_url="https://sandbox.invalid") as http:
        assert (await http.get("/v1/files")).status_code == 401
