"""Errors that no single tool call in the sandbox reaches: commands, files, the API's answers, stories."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from fastmcp import Client
from sqlalchemy import text

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.calls.jobs import Job, stopped
from gpt_image_mcp.catalogue.edit_types import apply_edit_type
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.catalogue.sizes import resolve_size
from gpt_image_mcp.cli.client_config.blocks import make_block
from gpt_image_mcp.cli.client_config.launching import Launch
from gpt_image_mcp.cli.client_config.writing import write_block
from gpt_image_mcp.cli.gallery.page import write_gallery
from gpt_image_mcp.cli.manifests import read_manifest
from gpt_image_mcp.cli.output_file import written_to
from gpt_image_mcp.downloads import Fetcher
from gpt_image_mcp.folders import output_folder, project_folder
from gpt_image_mcp.imaging.previews import View, make_preview
from gpt_image_mcp.imaging.regions import Region
from gpt_image_mcp.imaging.shapes import read_shapes
from gpt_image_mcp.library.database import Database
from gpt_image_mcp.mcp_app.http import serve_http
from gpt_image_mcp.openai_api.error_mapping import map_error
from gpt_image_mcp.openai_api.error_response import ErrorResponse
from gpt_image_mcp.server import mcp
from gpt_image_mcp.values.options import OutputOptions
from tests.web import answer, redirect, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.web import Script

    Provoke: TypeAlias = Callable[[], object]

SETTINGS = {
    "GPT_IMAGE_QUALITY": "superb",
    "GPT_IMAGE_WAIT_SECONDS": "soon",
    "GPT_IMAGE_MAX_INPUT_MB": "51",
    "GPT_IMAGE_MAX_CONCURRENCY": "0",
    "GPT_IMAGE_MAX_COST_USD": "-1",
    "GPT_IMAGE_TOOLS": "core,magic",
    "GPT_IMAGE_SANDBOX": "maybe",
    "GPT_IMAGE_DATABASE_URL": "a place",
    "OPENAI_BASE_URL": "api.example.com",
    "OPENAI_API_TIMEOUT": "-5",
}
_QUICK: dict[str, Any] = {"size": "816x816", "quality": "low"}


def _answered(status: int, message: str = "no", **fields: Any) -> Provoke:
    """The error for an answer of the API."""

    def provoke() -> None:
        response = ErrorResponse(status=status, message=message, request_id="req_1", **fields)
        raise map_error(response, model="gpt-image-2")

    return provoke


_MAPPED: Mapping[str, Provoke] = {
    "no words": _answered(422, ""),
    "a named parameter": _answered(400, "Invalid value.", param="size"),
    "an error in a stream": _answered(0, "boom"),
    "a wrong key": _answered(401, "Incorrect API key provided: sk-proj-abc***xyz.", code="invalid_api_key"),
    "a picture that was moderated": _answered(
        400,
        "rejected by the safety system",
        code="moderation_blocked",
        stage="output",
        categories=("violence", "self-harm"),
    ),
    "a rate limit without a pause": _answered(429, "Rate limit"),
    "a rate limit with a pause": _answered(429, "Rate limit", retry_after="12"),
    "an overload with a short pause": _answered(503, "overloaded", retry_after="60"),
    "an overload with a long pause": _answered(503, "overloaded", retry_after="3600"),
    "a code of quota in a gateway's words": _answered(500, '{"code": "insufficient_quota"}', code="500"),
    "a lost answer": _answered(524, "A timeout occurred."),
}


def _fetched(script: Script, **fetcher: Any) -> Provoke:
    """The error for what a web server answers."""

    async def provoke() -> None:
        async with serve({"/a.png": script}) as web:
            await replace(Fetcher(100_000, allow_private=True), **fetcher).fetch(web.url("/a.png"))

    return provoke


async def _never(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


_DOWNLOADS: Mapping[str, Provoke] = {
    "nothing there": _fetched(answer(status="404 Not Found")),
    "not allowed": _fetched(answer(status="403 Forbidden")),
    "not now": _fetched(answer(status="503 Unavailable")),
    "redirects without end": _fetched(redirect("/a.png")),
    "a redirect to another kind of address": _fetched(redirect("ftp://example.com/a.png")),
    "a redirect to a port that there is not": _fetched(redirect("http://example.com:99999/")),
    "a redirect with a password": _fetched(redirect("http://user:pw@example.com/")),
    "too much": _fetched(answer(b"x" * 100_001)),
    "less than was claimed": _fetched(answer(b"x", length=2)),
    "an unknown encoding": _fetched(answer(b"x", Content_Encoding="br")),
    "a damaged encoding": _fetched(answer(b"plain text", Content_Encoding="gzip")),
    "no answer in time": _fetched(_never, timeout_seconds=0.1),
    "an address on this machine": lambda: Fetcher(1000).fetch("http://127.0.0.1/a.png?token=secret"),
    "a name of this machine": lambda: Fetcher(1000).fetch("http://localhost/a.png"),
}


def _serve(*, host: str = "127.0.0.1", port: int = 0, path: str = "/mcp") -> Provoke:
    return lambda: serve_http(mcp, host=host, port=port, path=path)


def _manifest(content: str) -> Provoke:
    def provoke() -> None:
        Path("jobs.jsonl").write_text(content)
        read_manifest(Path("jobs.jsonl"), prompt="", output=OutputOptions())

    return provoke


def _merged(content: str) -> Provoke:
    def provoke() -> None:
        Path("mcp.json").write_text(content)
        write_block(Path("mcp.json").absolute(), make_block("cursor", Launch(command="gpt-image-mcp")))

    return provoke


_COMMANDS: Mapping[str, Provoke] = {
    "an ending that no image has": lambda: written_to(OutputOptions(), "a.bmp"),
    "a file that exists": lambda: written_to(OutputOptions(), "photo.png"),
    "a manifest that is missing": lambda: read_manifest(
        Path("none.jsonl"), prompt="", output=OutputOptions()
    ),
    "an empty manifest": _manifest("\n"),
    "a manifest of something else": _manifest("photo.png\n"),
    "a manifest with an unknown option": _manifest('{"image": "photo.png", "colour": "red"}\n'),
    "a manifest with a wrong value": _manifest('{"image": "photo.png", "n": "many"}\n'),
    "a gallery over another file": lambda: write_gallery([], Path("page.html").absolute()),
    "a gallery over a folder": lambda: write_gallery([], Path("album").absolute()),
    "a configuration that is no JSON": _merged("{"),
    "a configuration with a comment that the client does not take": _merged("{\n  // mine\n}"),
    "a configuration with a list in its place": _merged('{"mcpServers": []}'),
    "an HTTP path that is none": _serve(path="mcp"),
    "a port that is none": _serve(port=99_999),
    "a host that others reach": _serve(host="0.0.0.0"),  # noqa: S104 - it is refused
    "a project folder that is no Unicode": lambda: project_folder(Settings(project_dir="/nowhere/\udcff")),
    "a relative folder without a project": lambda: output_folder(Settings(project_dir="/"), "pictures"),
    "an output folder that is no path": lambda: output_folder(Settings(), "a\0b"),
    "an edit type that is none": lambda: apply_edit_type("a fox", "collage"),
    "a region that is no object": lambda: read_shapes(Region, ["the left half"]),
    "a size that an older model has not": lambda: resolve_size(
        load_catalogue().find("gpt-image-1.5"), "2048x2048"
    ),
}


def _read(url: str) -> None:
    with contextlib.closing(Database(url)) as database, database.reading():
        pass


def _damaged() -> None:
    Path("library.db").write_bytes(b"this is no database " * 400)
    _read("sqlite:///library.db")


def _newer() -> None:
    with contextlib.closing(Database("sqlite:///newer.db")) as database, database.writing() as connection:
        connection.execute(text("UPDATE schema_version SET version = 999"))
    _read("sqlite:///newer.db")


def _stopped(*, is_sent: bool) -> Provoke:
    def provoke() -> None:
        job = _Work(id="job-1")
        if is_sent:
            job.mark_sent()
        raise stopped(job)

    return provoke


class _Work(Job[str]):
    def report(self) -> str:
        """Nothing; it is never asked."""
        return ""


_KEEPING: Mapping[str, Provoke] = {
    "a damaged database": _damaged,
    "a database of a newer version": _newer,
    "an address that is none": lambda: _read("hunter2"),
    "a database server of another kind": lambda: _read("mysql://me:hunter2@127.0.0.1/library"),
    "a folder that cannot be made": lambda: _read("sqlite:////dev/null/library.db"),
    "a file that cannot be previewed": lambda: make_preview(
        Path("note.txt").read_bytes(), View(max_bytes=9999, max_edge=64)
    ),
    "a call stopped before it was sent": _stopped(is_sent=False),
    "a call stopped after it was sent": _stopped(is_sent=True),
}


def _story(tell: Callable[[Studio], Awaitable[object]], **settings: Any) -> Provoke:
    """What a studio, in the sandbox unless told otherwise, says at the end of a story."""

    async def provoke() -> None:
        async with Studio(Settings.model_validate({"sandbox": True, **settings})) as studio:
            await tell(studio)

    return provoke


async def _session(studio: Studio, images: int = 1) -> Any:
    return (await studio.start_session("red", ["photo.png"] * images, **_QUICK)).session


async def _unknown_turn(studio: Studio) -> None:
    await studio.continue_session((await _session(studio)).session_id, "x", from_turn=9)


async def _ended(studio: Studio) -> None:
    session = await _session(studio)
    await studio.end_session(session.session_id)
    await studio.continue_session(session.session_id, "x")


async def _lost_turn(studio: Studio) -> None:
    started: Any = await studio.start_session("red", ["photo.png"], **_QUICK)
    started.images[0].file_path.unlink()
    await studio.continue_session(started.session.session_id, "x")


async def _lost_start(studio: Studio) -> None:
    session = await _session(studio)
    shutil.rmtree(Path.home() / "data" / "gpt-image-mcp" / "inputs")
    await studio.continue_session(session.session_id, "x", from_turn=0)


async def _crowded(studio: Studio) -> None:
    await studio.continue_session((await _session(studio, 10)).session_id, "x", images=["photo.png"] * 7)


async def _deleted(studio: Studio) -> None:
    made = await studio.generate("a fox", **_QUICK)
    await studio.history.prune(keep_mb=0, is_confirmed=True)
    await studio.get(made.call_id)


async def _moved(studio: Studio) -> None:
    made: Any = await studio.generate("a fox", **_QUICK)
    made.images[0].file_path.unlink()
    await studio.get(made.images[0].id)


_STORIES: Mapping[str, Provoke] = {
    "a turn that there is not": _story(_unknown_turn),
    "a session that was ended": _story(_ended),
    "a turn whose image is gone": _story(_lost_turn),
    "more images than a session has room for": _story(_crowded),
    "a result that was deleted": _story(_deleted),
    "an image whose file is gone": _story(_moved),
    "an image without a history": _story(lambda studio: studio.history.trace("photo.png")),
    "deleting without a limit": _story(lambda studio: studio.history.prune()),
    "deleting to a size that is none": _story(lambda studio: studio.history.prune(keep_mb=-1)),
    "rebuilding from nowhere": _story(lambda studio: studio.history.rebuild([Path("nowhere")])),
    "a limit that is none": _story(lambda studio: studio.history.search(limit=-1)),
    "a negative offset": _story(lambda studio: studio.history.search(offset=-1)),
    "a turn whose start image is gone": _story(_lost_start),
    "a quality that the model has not": _story(
        lambda studio: studio.estimate(model="gpt-image-2", quality="max")
    ),
    "a quote for no image": _story(lambda studio: studio.estimate(n=0)),
    "a batch that goes on otherwise": _story(
        lambda studio: studio.batch_edit("x", ["photo.png"], on_error="pray")
    ),
    "a batch of nothing at a time": _story(
        lambda studio: studio.batch_edit("x", ["photo.png"], concurrency=0)
    ),
    "a prompt that its edit type makes too long": _story(
        lambda studio: studio.edit("x" * 31_999, ["photo.png"], edit_type="enhancement")
    ),
    "an export of a negative width": _story(lambda studio: studio.export("photo.png", width=-1)),
    "an icon for social media": _story(
        lambda studio: studio.export("photo.png", preset="social", output_format="ico")
    ),
    "a local file where none is read": _story(lambda studio: studio.edit("x", ["photo.png"]), input_roots=()),
    "a key that cannot be sent": _story(
        lambda studio: studio.generate("x", **_QUICK), sandbox=False, api_key="sk-schl\u00fcssel"
    ),
    "an extension to nowhere": _story(
        lambda studio: studio.edit("x", ["photo.png"], edit_type="outpaint", size="nonsense")
    ),
}


def _asked(ask: Callable[[Client[Any]], Awaitable[object]]) -> Provoke:
    """What the server answers to something else than a tool call."""

    async def provoke() -> None:
        async with Client(mcp) as client:
            await ask(client)

    return provoke


_ASKED: Mapping[str, Provoke] = {
    "a prompt without what it is about": _asked(lambda client: client.get_prompt("logo_icon", {})),
    "a prompt with a choice that is none": _asked(
        lambda client: client.get_prompt("logo_icon", {"idea": "x", "style": "wild"})
    ),
    "a prompt with an unknown argument": _asked(
        lambda client: client.get_prompt("logo_icon", {"idea": "x", "colour": "red"})
    ),
    "a prompt with a list of nothing": _asked(
        lambda client: client.get_prompt("character_consistency", {"character": "a girl", "scenes": ";"})
    ),
    "a resource that there is not": _asked(
        lambda client: client.read_resource("gpt-image://images/20200101-000000-abcdef")
    ),
}

RAISED = {
    "prompts_and_resources": _ASKED,
    "api_answers": _MAPPED,
    "downloads": _DOWNLOADS,
    "commands": _COMMANDS,
    "keeping": _KEEPING,
    "stories": _STORIES,
}
