"""What signed links lead to, beside MCP: the files of results, and a place for people's own pictures.

A browser and curl have no token, so whoever has a link may use it: its signature is the permission, and what
it names is looked up as its owner's at that moment.
"""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from fastmcp import Context
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response

from gpt_image_mcp.errors import ImageError, InputRejected, LinkEnded, NotFound
from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.lifespan import studios_of
from gpt_image_mcp.mcp_app.signed_addresses import EXPORTS, IMAGES, UPLOADS
from gpt_image_mcp.team.links import ended_link, links_of, wrong_link
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.values.owners import Owner

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request

    from gpt_image_mcp.studio import Studio
    from gpt_image_mcp.team.links import LinkKind
    from gpt_image_mcp.values.downloads import Download

_BYTES_PER_MB = 1_000_000
_STATUS: tuple[tuple[type[ImageError], int], ...] = ((LinkEnded, 410), (NotFound, 404), (InputRejected, 422))
_BROKEN = "The library cannot be used now. Try again in a minute.\n"
_NO_FORM = (
    "This is a form with the picture in it. Send the picture itself as the body: curl -T FILE, not curl -F.\n"
)
# A drawing can hold scripts: nothing in a file may run, whatever a browser takes it for.
_HARMLESS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


# A path, so that a link with a slash behind it is a wrong one, not the same.
_SIGNED = "{token:path}"


@mcp.custom_route(IMAGES + _SIGNED, methods=["GET"])
async def image_file(request: Request) -> Response:
    """The file of the image that a link names."""
    try:
        (image_id,), opening = _named(request, "image")
        async with opening as studio:
            return _file(await (await studio.transfers()).image(image_id))
    except ImageError as error:
        return _refusal(error)


@mcp.custom_route(EXPORTS + _SIGNED, methods=["GET"])
async def exported_file(request: Request) -> Response:
    """The exported file that a link names."""
    try:
        (name,), opening = _named(request, "export")
        async with opening as studio:
            return _file(await (await studio.transfers()).export(name))
    except ImageError as error:
        return _refusal(error)


@mcp.custom_route(UPLOADS + _SIGNED, methods=["PUT", "POST"])
async def upload(request: Request) -> Response:
    """Takes the picture that is the body of the request, once."""
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        return PlainTextResponse(_NO_FORM, 415, _HARMLESS)
    try:
        (upload_id,), opening = _named(request, "upload")
        async with opening as studio:
            transfers = await studio.transfers()
            if not await transfers.is_awaited(upload_id):
                raise ended_link()
            with TemporaryFile() as file:
                await _receive(request, file, max_bytes=int(studio.settings.max_input_mb * _BYTES_PER_MB))
                if not await transfers.receive(upload_id, file):
                    raise ended_link()
    except ImageError as error:
        return _refusal(error)
    except ClientDisconnect:  # nobody reads the answer
        return Response(status_code=400)
    except OSError:  # the disk that takes it until it is whole is full
        return PlainTextResponse(_BROKEN, 503, _HARMLESS)
    return PlainTextResponse(f"Received. Pass {upload_id} wherever an image goes.\n", 201, _HARMLESS)


def _named(request: Request, kind: LinkKind) -> tuple[list[str], AbstractAsyncContextManager[Studio]]:
    """What the link of a request names, and the studio of its owner, to be opened.

    Raises:
        NotFound: If the link is wrong or has ended, or there are no links here.
    """
    studios = studios_of(Context(mcp))
    links = links_of(studios.settings)
    if links is None:
        raise wrong_link()
    token = request.path_params["token"]
    if not request.scope["path"].endswith(token):  # Starlette's patterns pass over a line break at the end
        raise wrong_link()
    *named, owner = links.read(kind, token)
    return named, studios.opened_for(Owner(name=owner))


async def _receive(request: Request, file: IO[bytes], *, max_bytes: int) -> None:
    """Writes the body of a request to a file.

    Raises:
        HTTPException: If it is larger, or says that it will be.
        ClientDisconnect: If it breaks off.
    """
    size_bytes, declared = 0, int(request.headers.get("content-length", 0))
    pieces = request.stream()
    while max(size_bytes, declared) <= max_bytes:
        if (piece := await anext(pieces, None)) is None:
            return
        size_bytes += len(piece)
        await in_thread(file.write, piece)
    raise HTTPException(413, f"A picture may have {max_bytes:,} bytes at most: scale it down.\n")


def _file(found: Download) -> Response:
    # Browsers show a drawing badly where nothing in it may run, so they save it.
    shown = "attachment" if found.mime_type == "image/svg+xml" else "inline"
    headers = {**_HARMLESS, "Content-Disposition": f"{shown}; filename*=utf-8''{quote(found.filename)}"}
    return Response(found.data, headers=headers, media_type=found.mime_type)


def _refusal(error: ImageError) -> Response:
    """An error as a sentence; of what a link leads to, nothing is said."""
    if isinstance(error, NotFound) and not isinstance(error, LinkEnded):
        error = wrong_link()
    status = next((number for kind, number in _STATUS if isinstance(error, kind)), None)
    said = f"{error.message} {error.next_step}\n" if status else _BROKEN
    return PlainTextResponse(said, status or 503, _HARMLESS)
