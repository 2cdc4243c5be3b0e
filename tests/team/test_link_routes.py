"""Pictures in and out over HTTP, by links: a person's own, once, for five minutes, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp.types import TextResourceContents
from PIL import Image

from gpt_image_mcp.team.links import Links
from tests.team.pictures import PICTURE, png
from tests.team.serving import LINK_KEY, call, client_of, serve_people

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from gpt_image_mcp.team.links import LinkKind
    from tests.mcp_app.http_servers import Served

FIVE_MINUTES_AGO = Links(LINK_KEY, lambda: 1_700_000_000.0)
LINKS = Links(LINK_KEY)
NOWHERE = (404, "This link leads nowhere. Ask for a new one.\n")
ENDED = (410, "This link was used or is older than five minutes. Ask for a new one.\n")
_DRAW = {"prompt": "a boat", "size": "816x816", "quality": "low"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'


def _bomb() -> bytes:
    stream = io.BytesIO()
    Image.new("1", (90_000, 1000)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the tests that leave it as it was."""
    with serve_people(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
async def web() -> AsyncIterator[httpx2.AsyncClient]:
    """A program that is no client of MCP and has no token, such as curl."""
    async with httpx2.AsyncClient(timeout=60) as client:
        yield client


async def _refused(running: Served, tool: str, person: str = "anna", **arguments: Any) -> str:
    async with client_of(person, running) as client:
        result = await client.call_tool(tool, arguments, raise_on_error=False)
    (block,) = result.content
    assert result.is_error
    assert block.type == "text"
    return str(block.text)


async def _read(running: Served, address: str) -> dict[str, Any]:
    """The JSON of a resource."""
    async with client_of("anna", running) as client:
        (part,) = await client.read_resource(address)
    assert isinstance(part, TextResourceContents)
    found: dict[str, Any] = json.loads(part.text)
    return found


async def _drawn(running: Served) -> dict[str, Any]:
    """The newest image of Anna's, which she has just drawn."""
    image: dict[str, Any] = (await call(running, "generate_image", **_DRAW))["images"][0]
    return image


async def _sent(running: Served, web: httpx2.AsyncClient, data: bytes = PICTURE) -> str:
    """The reference of a picture that Anna sent."""
    link = await call(running, "create_upload_link")
    answer = await web.put(link["upload_url"], content=data)
    assert answer.status_code == 201
    return str(link["ref"])


def _said(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.text


def _uploads_of(running: Served, person: str) -> list[Path]:
    return sorted(running.folder.glob(f"**/people/{person}-*/uploads/*"))


async def test_a_picture_goes_in_is_edited_and_the_result_comes_out_as_it_was_saved(
    served: Served, web: httpx2.AsyncClient
) -> None:
    picture = served.folder / "a photo [1] of (home) & sea; 'x'.png"
    picture.write_bytes(png("teal"))
    link = await call(served, "create_upload_link", local_file=str(picture))
    command = ("sh", "-c", link["curl"].replace("curl ", "curl -sS ", 1))
    curl = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await curl.communicate()
    assert said.decode().startswith(f"Received. Pass {link['ref']} ")
    edited = await call(served, "edit_image", prompt="at night", images=[link["ref"]], quality="low")
    (image,) = edited["images"]
    fetched = await web.get(image["download_url"])
    assert fetched.status_code == 200
    assert fetched.content == Path(image["file_path"]).read_bytes()
    assert len(fetched.content) == image["size_bytes"]


async def test_a_file_goes_out_with_what_keeps_it_harmless(served: Served, web: httpx2.AsyncClient) -> None:
    image = await _drawn(served)
    for answer in (await web.get(image["download_url"]), await web.head(image["download_url"])):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-length"] == str(image["size_bytes"])
        assert answer.headers["content-disposition"] == f"inline; filename*=utf-8''{image['filename']}"
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.content == b""


async def test_a_drawing_is_saved_and_not_shown_and_any_name_stays_one_header(
    served: Served, web: httpx2.AsyncClient
) -> None:
    named = {**_DRAW, "filename": "böse, gut; so.svg", "output_format": "svg"}
    models = await _read(served, "gpt-image://models")
    named["model"] = next(model["name"] for model in models["models"] if "svg" in model["formats"])
    image = (await call(served, "generate_image", **named))["images"][0]
    answer = await web.get(image["download_url"])
    assert answer.headers["content-type"] == "image/svg+xml"
    assert re.fullmatch(
        r"attachment; filename\*=utf-8''b%C3%B6se[\w%.-]*\.svg", answer.headers["content-disposition"]
    )


async def test_every_place_that_shows_an_image_says_where_it_is_fetched(
    served: Served, web: httpx2.AsyncClient
) -> None:
    image = await _drawn(served)
    ref = image["id"]
    found = (await call(served, "get_image", ref=ref))["images"][0]
    listed = (await call(served, "find_images", limit=1))["images"][0]
    started = await call(served, "start_edit_session", prompt="a sail", images=[ref], quality="low")
    batch = await call(served, "batch_edit_images", prompt="dusk", images=[ref], quality="low")
    exported = await call(served, "export_image", ref=ref, preset="favicon")
    metadata = await _read(served, f"gpt-image://images/{ref}/metadata")
    async with client_of("anna", served) as client:
        text = (await client.call_tool("get_image", {"ref": ref})).content[-1]
    of_images = [found, listed, metadata, started["images"][0], batch["items"][0]["images"][0]]
    for shown in (*of_images, *exported["files"]):
        answer = await web.get(shown["download_url"])
        assert answer.content == Path(shown["file_path"]).read_bytes()
    assert text.type == "text"
    (address,) = re.findall(r"Download for five minutes: (\S+)", text.text)
    assert (await web.get(address)).status_code == 200
    assert "Next: Show the user the download_url" in text.text


@pytest.mark.parametrize("kind", ["image", "export", "upload"])
async def test_a_link_that_is_old_has_ended_whatever_it_names(
    served: Served, web: httpx2.AsyncClient, kind: LinkKind
) -> None:
    for named in ("20261121-150301-a1b2c3", "../x", "upload-20261121-150301-a1b2c3"):
        address = f"{served.root}/{kind}s/{FIVE_MINUTES_AGO.sign(kind, named, 'anna')}"
        assert _said(await web.request("PUT" if kind == "upload" else "GET", address)) == ENDED


async def test_what_a_link_cannot_lead_to_is_all_the_same(served: Served, web: httpx2.AsyncClient) -> None:
    image = await _drawn(served)
    exported = (await call(served, "export_image", ref=image["id"], width=64))["files"][0]
    file = Path(exported["file_path"])
    sha256, other = hashlib.sha256(file.read_bytes()).hexdigest(), hashlib.sha256(PICTURE).hexdigest()
    secret = served.folder / "secret.png"
    secret.write_bytes(PICTURE)
    outside = Path(*[".."] * 12, *secret.parts[1:])
    token = image["download_url"].rpartition("/")[2]
    addresses = [
        f"/images/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}",
        f"/exports/{token}",
        "/images/x",
        f"/images/{LINKS.sign('image', '20261121-150301-a1b2c3', 'anna')}",
        f"/images/{LINKS.sign('image', image['id'], 'berta')}",
        *(f"/images/{LINKS.sign('image', image['id'], name)}" for name in ("Anna", "nobody", "../anna", "")),
        f"/exports/{LINKS.sign('export', f'{sha256}/{file.name}', 'berta')}",
        *(f"/exports/{LINKS.sign('export', name, 'anna')}" for name in (file.name, f"{other}/{file.name}")),
        f"/exports/{LINKS.sign('export', f'{other}/{outside}', 'anna')}",
        f"/exports/{LINKS.sign('export', f'{other}/{secret}', 'anna')}",
        f"/exports/{LINKS.sign('export', f'{sha256}/.metadata/' + image['id'] + '.json', 'anna')}",
        f"/exports/{LINKS.sign('export', f'{sha256}/nothing.png', 'anna')}",
    ]
    for address in addresses:
        assert _said(await web.get(served.root + address)) == NOWHERE, address
    assert (await web.get(exported["download_url"])).status_code == 200


async def test_a_deleted_image_and_one_that_was_changed_are_not_given(
    served: Served, web: httpx2.AsyncClient
) -> None:
    deleted, changed = await _drawn(served), await _drawn(served)
    await call(served, "delete_image", ref=deleted["id"], confirm=True)
    assert _said(await web.get(deleted["download_url"])) == NOWHERE
    Path(changed["file_path"]).write_bytes(PICTURE)
    answer = await web.get(changed["download_url"])
    assert answer.status_code == 503
    assert str(served.folder) not in answer.text


async def test_of_an_export_whose_name_another_picture_took_nothing_is_given(
    served: Served, web: httpx2.AsyncClient
) -> None:
    image = await _drawn(served)
    named = {"filename": "taken.png", "ref": image["id"]}
    exported = (await call(served, "export_image", **named, width=64))["files"][0]
    await call(served, "generate_image", **_DRAW, filename="taken.png", overwrite=True)
    assert _said(await web.get(exported["download_url"])) == NOWHERE


async def test_a_link_with_something_behind_it_is_a_wrong_one(
    served: Served, web: httpx2.AsyncClient
) -> None:
    image = await _drawn(served)
    for behind in ("/", "%0A", "%20", "%00", "."):
        assert _said(await web.get(f"{image['download_url']}{behind}")) == NOWHERE


async def test_an_upload_is_whatever_an_image_is(served: Served, web: httpx2.AsyncClient) -> None:
    ref = await _sent(served, web)
    mask = Image.new("RGBA", (816, 816), "black")
    mask.paste((0, 0, 0, 0), (0, 0, 400, 400))
    mask.save(stream := io.BytesIO(), "PNG")
    hole = await _sent(served, web, stream.getvalue())
    image = await _drawn(served)
    low: dict[str, Any] = {"prompt": "a sail", "quality": "low"}
    assert (await call(served, "get_image", ref=ref))["source"] == ref
    assert len((await call(served, "get_image", ref=[ref, image["id"]]))["images"]) == 2
    assert (await call(served, "export_image", ref=ref, width=64))["source"] == ref
    masked = await call(served, "edit_image", **low, images=[ref], mask=hole)
    composed = await call(served, "edit_image", **low, images=[image["id"], ref])
    assert {masked["status"], composed["status"]} == {"completed"}
    batch = await call(served, "batch_edit_images", **low, images=[ref], references=[ref])
    assert [item["status"] for item in batch["items"]] == ["completed"]
    session = await call(served, "start_edit_session", **low, images=[ref])
    session_id = session["session_id"]
    for path in _uploads_of(served, "anna"):
        path.unlink()
    later = await call(served, "continue_edit_session", session_id=session_id, from_turn=0, **low)
    assert later["parent_turn"] == 0


async def test_an_upload_is_its_owners_alone_and_no_image_of_the_library(
    served: Served, web: httpx2.AsyncClient
) -> None:
    ref = await _sent(served, web)
    never = "upload-20261121-150301-a1b2c3"
    edit: dict[str, Any] = {"prompt": "a sail", "quality": "low"}
    of_another = await _refused(served, "edit_image", "berta", images=[ref], **edit)
    of_nobody = await _refused(served, "edit_image", "berta", images=[never], **edit)
    assert of_another.startswith("input_not_found: ")
    assert of_another == of_nobody.replace(never, ref)
    assert "There is no" in await _refused(served, "get_image", "berta", ref=ref)
    assert (await _refused(served, "delete_image", ref=ref)).startswith("invalid_argument: ")
    assert not _uploads_of(served, "berta")


async def test_a_link_takes_one_picture_by_put_or_post(served: Served, web: httpx2.AsyncClient) -> None:
    link = await call(served, "create_upload_link")
    sent = await web.post(link["upload_url"], content=PICTURE, headers={"Content-Type": "image/png"})
    assert sent.status_code == 201
    assert _said(await web.put(link["upload_url"], content=PICTURE)) == ENDED
    token = link["upload_url"].rpartition("/")[2]
    changed = f"{served.root}/uploads/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    assert _said(await web.put(changed, content=PICTURE)) == NOWHERE
    of_berta = f"{served.root}/uploads/{LINKS.sign('upload', link['ref'], 'berta')}"
    assert _said(await web.put(of_berta, content=PICTURE)) == ENDED


async def test_of_two_who_send_to_two_replicas_at_once_one_is_taken_and_any_replica_has_it(
    tmp_path: Path, web: httpx2.AsyncClient
) -> None:
    with serve_people(tmp_path) as first, serve_people(tmp_path) as second:
        for _ in range(4):
            link = await call(first, "create_upload_link")
            path = link["upload_url"].removeprefix(first.root)
            before = _uploads_of(first, "anna")
            sending = (web.put(replica.root + path, content=PICTURE) for replica in (first, second))
            answers = await asyncio.gather(*sending)
            assert sorted(answer.status_code for answer in answers) == [201, 410]
            assert len(_uploads_of(first, "anna")) == len(before) + 1
            for replica in (first, second):
                assert (await call(replica, "get_image", ref=link["ref"]))["width"] == 816


async def _pieces(size_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(size_bytes // 1_000_000):
        yield bytes(1_000_000)


@pytest.mark.parametrize("how", ["declared", "chunked"])
async def test_fifty_one_megabytes_are_too_many_and_the_link_takes_a_smaller_picture(
    served: Served, web: httpx2.AsyncClient, how: str
) -> None:
    link = await call(served, "create_upload_link")
    headers = {"Content-Length": "51000000"} if how == "declared" else {}
    answer = await web.put(link["upload_url"], content=_pieces(51_000_000), headers=headers)
    assert _said(answer) == (413, "A picture may have 50,000,000 bytes at most: scale it down.\n")
    assert (await web.put(link["upload_url"], content=PICTURE)).status_code == 201


async def test_what_no_edit_takes_is_refused_in_the_same_words_and_uses_nothing_up(
    served: Served, web: httpx2.AsyncClient
) -> None:
    link = await call(served, "create_upload_link")
    bad = {"text": b"no picture", "bomb": _bomb(), "drawing": SVG, "cut": PICTURE[:-30], "none": b""}
    for data in bad.values():
        answer = await web.put(link["upload_url"], content=data)
        assert answer.status_code == 422
        if not data:
            continue
        url = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        words = await _refused(served, "edit_image", prompt="a sail", images=[url])
        said = answer.text.removeprefix(link["ref"]).partition(". ")[0]
        assert said in words, (said, words)
    assert not [path for path in _uploads_of(served, "anna") if path.name.startswith(link["ref"])]
    assert (await web.put(link["upload_url"], content=PICTURE)).status_code == 201


async def _raw(running: Served, request: bytes) -> bytes:
    """What answers a request after which the client sends no more."""
    host, port = running.root.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    writer.write_eof()
    answer = b""
    with suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    return answer


async def test_half_a_picture_and_one_of_a_wrong_length_are_not_taken(
    served: Served, web: httpx2.AsyncClient
) -> None:
    link = await call(served, "create_upload_link")
    head = f"PUT {link['upload_url'].removeprefix(served.root)} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    half, size = PICTURE[: len(PICTURE) // 2], len(PICTURE)
    bodies = {
        "half": b"Content-Length: %d\r\n\r\n" % size + half,
        "half, in chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + half,
        "longer than it says": b"Content-Length: %d\r\n\r\n" % (size // 2) + PICTURE,
        "no number": b"Content-Length: many\r\n\r\n" + PICTURE,
        "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + PICTURE,
    }
    for how, body in bodies.items():
        assert b" 201 " not in (await _raw(served, head + body)).partition(b"\r\n")[0], how
    assert not [path for path in _uploads_of(served, "anna") if path.name.startswith(link["ref"])]
    assert (await web.put(link["upload_url"], content=PICTURE)).status_code == 201


async def test_whoever_stops_in_the_middle_of_a_picture_is_cut_off(served: Served) -> None:
    link = await call(served, "create_upload_link")
    host, port = served.root.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"PUT {link['upload_url'].removeprefix(served.root)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    writer.write(f"{head}Content-Length: {len(PICTURE)}\r\n\r\n".encode() + PICTURE[:100])
    async with asyncio.timeout(90):
        with suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_where_the_disk_takes_no_more_it_says_to_come_back_and_the_link_stays(
    tmp_path: Path, web: httpx2.AsyncClient
) -> None:
    with serve_people(tmp_path, "prlimit", "--fsize=4000000") as running:
        link = await call(running, "create_upload_link")
        answer = await web.put(link["upload_url"], content=_pieces(8_000_000))
        assert _said(answer) == (503, "The library cannot be used now. Try again in a minute.\n")
        assert (await web.put(link["upload_url"], content=PICTURE)).status_code == 201


async def test_a_group_fetches_what_it_shares_and_not_what_one_of_it_sent(
    tmp_path: Path, web: httpx2.AsyncClient
) -> None:
    with serve_people(tmp_path, GPT_IMAGE_SHARE_GROUPS="1") as running:
        image, ref = await _drawn(running), await _sent(running, web)
        shown = (await call(running, "get_image", "berta", ref=image["id"]))["images"][0]
        fetched = await web.get(shown["download_url"])
        assert fetched.content == Path(image["file_path"]).read_bytes()
        assert "There is no" in await _refused(running, "get_image", "berta", ref=ref)


async def test_addresses_begin_with_the_one_that_is_set(tmp_path: Path) -> None:
    with serve_people(tmp_path, GPT_IMAGE_AUTH_BASE_URL="https://images.example/team") as running:
        link = await call(running, "create_upload_link")
        image = await _drawn(running)
    assert link["upload_url"].startswith("https://images.example/team/uploads/")
    assert image["download_url"].startswith("https://images.example/team/images/")


async def test_without_a_key_there_are_no_links_and_the_operator_is_told_how_to_have_them(
    tmp_path: Path, web: httpx2.AsyncClient
) -> None:
    with serve_people(tmp_path, GPT_IMAGE_LINK_KEY="") as running:
        assert running.process.stderr is not None
        assert "set GPT_IMAGE_LINK_KEY" in running.process.stderr.readline()
        image = await _drawn(running)
        async with client_of("anna", running) as client:
            listed = {tool.name for tool in await client.list_tools()}
        refused = await _refused(running, "create_upload_link")
        address = f"{running.root}/images/{LINKS.sign('image', image['id'], 'anna')}"
        assert _said(await web.get(address)) == NOWHERE
    assert "download_url" not in image
    assert "create_upload_link" not in listed
    assert "GPT_IMAGE_LINK_KEY" in refused


async def test_a_form_is_refused_with_how_to_send_the_picture_and_uses_nothing_up(
    served: Served, web: httpx2.AsyncClient
) -> None:
    link = await call(served, "create_upload_link")
    answer = await web.put(link["upload_url"], files={"file": ("photo.png", PICTURE)})
    assert answer.status_code == 415
    assert "curl -T FILE, not curl -F" in answer.text
    assert (await web.put(link["upload_url"], content=PICTURE)).status_code == 201


async def test_a_drawing_is_to_be_converted_before_it_is_sent(
    served: Served, web: httpx2.AsyncClient
) -> None:
    link = await call(served, "create_upload_link")
    said = (await web.put(link["upload_url"], content=SVG)).text
    assert "Convert it to PNG" in said
    assert "export_image" not in said


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("edit_image", {"prompt": "a sail", "images": ["photo.png"]}),
        ("edit_image", {"prompt": "a sail", "images": ["/tmp/photo.png"]}),
        ("batch_edit_images", {"prompt": "a sail", "images": ["photo.png"]}),
        ("start_edit_session", {"prompt": "a sail", "images": ["photo.png"]}),
        ("get_image", {"ref": "photo.png"}),
        ("export_image", {"ref": "photo.png"}),
    ],
)
async def test_for_a_local_file_people_are_told_how_to_send_it(
    served: Served, tool: str, arguments: dict[str, Any]
) -> None:
    words = await _refused(served, tool, **arguments)
    assert "photo.png is a local path" in words
    assert "create_upload_link" in words
    assert str(served.folder) not in words
    assert "GPT_IMAGE" not in words


@pytest.mark.parametrize(
    "named",
    [
        {"filename": "a/x.png"},
        {"filename": "/tmp/x.png"},
        {"filename": "~/x.png"},
        {"output_dir": "a"},
        {"output_dir": "/tmp"},
        {"output_dir": "s3://images/a"},
    ],
)
async def test_a_folder_of_the_server_is_refused_without_naming_any(
    served: Served, named: dict[str, str]
) -> None:
    words = await _refused(served, "generate_image", **_DRAW, **named)
    assert words.startswith("output_rejected: ")
    assert "Pass a plain name without a folder" in words
    assert str(served.folder) not in words
    assert "GPT_IMAGE" not in words


async def test_people_are_given_addresses_of_what_was_exported_or_made_in_a_batch(served: Served) -> None:
    ref = (await _drawn(served))["id"]
    one = await call(served, "export_image", ref=ref, width=64)
    icons = await call(served, "export_image", ref=ref, preset="app_icon")
    batch = await call(served, "batch_edit_images", prompt="dusk", images=[ref], quality="low")
    for result in (one, icons, batch):
        assert result["next"].startswith("Show the user the download_url")
        assert "file_path" not in result["next"]
