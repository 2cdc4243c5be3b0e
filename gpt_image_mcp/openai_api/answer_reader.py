"""Reading the answer to a paid request: it is kept first, then searched for its images."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.errors import ImageError, OutcomeUnknown, UpstreamError, UpstreamRejected
from gpt_image_mcp.openai_api.content_encoding import MOST_BYTES
from gpt_image_mcp.openai_api.error_mapping import map_error
from gpt_image_mcp.openai_api.images_response import ImagesBody, UnusableBody, read_images_body
from gpt_image_mcp.openai_api.received_body import LARGE_BYTES, ReceivedBody
from gpt_image_mcp.openai_api.request_bodies import streams
from gpt_image_mcp.openai_api.responses_response import ResponsesBody, read_response_body
from gpt_image_mcp.openai_api.sdk_errors import lost, read_error, request_id_of, unusable
from gpt_image_mcp.openai_api.sse import read_stream
from gpt_image_mcp.redaction import key_of, redact, redact_body
from gpt_image_mcp.threads import in_thread
from gpt_image_mcp.values.responses import ChatUsage, GeneratedImages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import httpx2

    from gpt_image_mcp.openai_api.connection import Connection
    from gpt_image_mcp.openai_api.observer import Observer
    from gpt_image_mcp.values.requests import ImageRequest

# A noisy picture of the largest size has 45 MB in base64.
_MOST_BYTES_FOR_EACH = 50_000_000
# How much of an answer without an image is quoted, and in how much of it the key is looked for before.
_QUOTED_CHARACTERS, _MOST_REDACTED_BYTES = 300, 4_000
# As many images as are saved of an answer.
_MOST_FETCHED = 20
# The image of such a response may still be made, and billed.
_UNFINISHED = ("queued", "in_progress")


@dataclass(slots=True)
class AnswerReader:
    """Reads the answer to one request.

    Attributes:
        connection: Reads bodies, and fetches what an answer links to.
        request: What was asked for.
        observer: Has the answer written to disk, and is told of partial images.
        is_alone: Whether other large answers wait until the images of this one are saved.
    """

    connection: Connection
    request: ImageRequest
    observer: Observer
    is_alone: bool = False

    async def read(self, response: httpx2.Response) -> GeneratedImages:
        """The images in an answer of an images endpoint.

        Raises:
            UpstreamError: If it is a refusal, or holds no image.
        """
        async with self._receiving() as received:
            try:
                final = await self._receive(response, received)
            except ImageError as error:
                return await self._salvage(await self._whole(received), error, response)
            whole = final or await self._whole(received)
            await self._keep(whole, response)
            try:
                return await self._complete(await self._images_in(whole), response)
            except UnusableBody as error:
                failure = self._unusable(error, whole, response)
                if not final:
                    raise failure from None
            return await self._salvage(await self._whole(received), failure, response)

    async def read_of_host(self, response: httpx2.Response, *, host_model: str) -> GeneratedImages:
        """The images in an answer of the Responses API, wherever a gateway puts them.

        Raises:
            UpstreamError: If there are none, with the reason.
        """
        async with self._receiving() as received:
            try:
                await self.connection.read(response, received)
            except UpstreamError:
                if received:
                    await self._keep(await self._whole(received), response)
                raise
            whole = await self._whole(received)
            await self._keep(whole, response)
            try:
                answer = await in_thread(read_response_body, whole)
            except UnusableBody as error:
                made = await self._salvage(whole, self._unusable(error, whole, response), response)
                return replace(made, route="responses", host=ChatUsage(model=host_model, usage=None))
            return await self._of_host(answer, whole, response=response, host_model=host_model)

    def _most_bytes(self) -> int:
        """How much of the answer is read: room for what was asked for, and for as much as one more."""
        pictures = self.request.n + self.request.partial_images + 1
        return min(MOST_BYTES, pictures * _MOST_BYTES_FOR_EACH)

    @asynccontextmanager
    async def _receiving(self) -> AsyncGenerator[ReceivedBody]:
        """What comes of the answer, while that is read.

        Those who wait for a large one go on when its images are saved, or when reading it failed.
        """
        with closing(ReceivedBody(self._most_bytes())) as received:
            try:
                yield received
            except BaseException:
                if self.is_alone:
                    self.connection.large_answers.release()
                raise
        if self.is_alone:
            self.observer.add_cleanup(self._let_others_go_on)

    async def _let_others_go_on(self) -> tuple[str, ...]:
        self.connection.large_answers.release()
        return ()

    async def _be_alone(self) -> None:
        """Waits until the images of the large answers before this one are saved."""
        if not self.is_alone:
            await self.connection.large_answers.acquire()
            self.is_alone = True

    async def _whole(self, received: ReceivedBody) -> bytes:
        """All that came; of a large answer when it is its turn."""
        if received.is_large:
            await self._be_alone()
        return await received.read()

    async def _of_host(
        self, answer: ResponsesBody, whole: bytes, *, response: httpx2.Response, host_model: str
    ) -> GeneratedImages:
        host = ChatUsage(model=host_model, usage=answer.host_usage)
        if answer.images:
            made = GeneratedImages(
                images=answer.images, properties=answer.properties, request_id=request_id_of(response)
            )
        else:
            failure = self._no_image(answer, response, host_model)
            failure.billed = GeneratedImages(
                images=(), usage=answer.usage, host=host, svg_author=answer.svg_author
            )
            if answer.failure is not None:
                raise failure
            # The words of a host model that called no tool may link anywhere.
            with_links = answer.was_called or not answer.outputs
            made = await self._salvage(whole, failure, response, with_links=with_links)
        return replace(made, route="responses", host=host, usage=answer.usage, svg_author=answer.svg_author)

    async def _receive(self, response: httpx2.Response, received: ReceivedBody) -> bytes:
        """Reads the answer; of a stream it gives the final event, else nothing."""
        # Some gateways answer a call for a stream without streaming.
        if not streams(self.request) or "json" in response.headers.get("content-type", ""):
            await self.connection.read(response, received)
            return b""
        final = await read_stream(
            response, self.observer.receive_partial, received=received, request=self.request
        )
        if len(final) > LARGE_BYTES:
            await self._be_alone()
        return final

    async def _salvage(
        self, whole: bytes, failure: ImageError, response: httpx2.Response, *, with_links: bool = True
    ) -> GeneratedImages:
        """The images in what came of an answer that broke, or was not of the kind that was asked for.

        Raises:
            ImageError: ``failure`` if there is none.
        """
        if not whole:
            raise failure
        await self._keep(whole, response)
        try:
            answer = await self._images_in(whole)
        except UnusableBody:
            raise failure from None
        if not with_links and not any(answer.images):
            raise failure
        return await self._complete(answer if with_links else replace(answer, urls=()), response)

    async def _images_in(self, body: bytes) -> ImagesBody:
        sent = {image.data for image in self.request.images}
        return await in_thread(read_images_body, body, sent)

    async def _complete(self, answer: ImagesBody, response: httpx2.Response) -> GeneratedImages:
        """The images of an answer, with those to which it only links."""
        fetched, notes = await self._fetch(answer.urls, response, is_only=not any(answer.images))
        if answer.usage is None:
            notes.append("The endpoint reported no token usage.")
        if any(fetched):
            notes.append(
                "The endpoint answered with an address instead of the image; it was fetched from there."
            )
        return GeneratedImages(
            images=(*answer.images, *fetched),
            properties=answer.properties,
            usage=answer.usage,
            svg_author=answer.svg_author,
            request_id=request_id_of(response),
            notes=tuple(notes),
        )

    async def _fetch(
        self, links: tuple[str, ...], response: httpx2.Response, *, is_only: bool
    ) -> tuple[list[bytes], list[str]]:
        """Downloads the images to which an answer links, side by side.

        Returns:
            Their files, empty where one was not fetched, and a note for each for which that was tried.

        Raises:
            OutcomeUnknown: If none could be fetched, and they are the only images of the answer.
        """
        dead: dict[str, OutcomeUnknown] = {}

        if links[1:]:
            await self._be_alone()
        max_bytes = self._most_bytes() // max(1, len(links[:_MOST_FETCHED]))

        async def fetch(link: str) -> bytes:
            try:
                return await self.connection.download(link, response, max_bytes=max_bytes)
            except OutcomeUnknown as error:
                dead[link] = error
                return b""

        fetched = await asyncio.gather(*map(fetch, links[:_MOST_FETCHED]))
        if dead and is_only and not any(fetched):
            raise next(iter(dead.values()))
        shown = [redact(link, key_of(response.request)) for link in dead]
        fetched += [b""] * len(links[_MOST_FETCHED:])
        return fetched, [f"An image could not be fetched from {link}." for link in shown]

    async def _keep(self, body: bytes, response: httpx2.Response) -> None:
        """Has an answer written to disk, without the key, before anything interprets it."""
        await self.observer.keep_body(await in_thread(redact_body, body, key_of(response.request)))

    def _unusable(self, error: UnusableBody, body: bytes, response: httpx2.Response) -> ImageError:
        """The error for an answer in which no image is found, with the first characters of it."""
        begin = " ".join(body[:_MOST_REDACTED_BYTES].decode(errors="replace").split())
        quoted = redact(begin, key_of(response.request))[:_QUOTED_CHARACTERS]
        reason = UnusableBody(f"{str(error)[:200]}; it begins: {quoted}" if quoted else str(error))
        return unusable(reason, body, response, prompt=self.request.prompt)

    def _no_image(self, answer: ResponsesBody, response: httpx2.Response, host_model: str) -> ImageError:
        """The error that says why an answer of the Responses API holds no image."""
        request_id = request_id_of(response)
        if answer.failure is not None:
            error = read_error(answer.failure, response.request, status=200, request_id=request_id)
            return map_error(replace(error, prompt=self.request.prompt), model=host_model)
        if answer.was_called:
            return lost("the image tool ended without a result", request_id)
        if answer.status in _UNFINISHED:
            return lost(
                f"the answer says that the image is not finished (status {answer.status})", request_id
            )
        said = f' It said: "{redact(answer.said, key_of(response.request))[:300]}"' if answer.said else ""
        message = (
            f"The host model {host_model} answered without making an image (status {answer.status}, output: "
            f"{', '.join(answer.outputs) or 'nothing'}).{said}"
        )
        return UpstreamRejected(
            message,
            next_step="Rephrase the prompt as a plain instruction for the picture; if it goes on, choose "
            "another host model with OPENAI_RESPONSES_EDIT_MODEL.",
            request_id=request_id,
        )
