"""The use cases, each a short method: what a tool, a command or a program can ask for.

    async with Studio(Settings()) as studio:
        result = await studio.generate("a paper boat on a calm lake", size="16:9", quality="low")

A ``Studio`` opens nothing until it is used: no database, no connection, no folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, Unpack

from gpt_image_mcp.references import reference_to
from gpt_image_mcp.services.container import Container, utc_now
from gpt_image_mcp.settings import Settings, read_settings
from gpt_image_mcp.threads import in_database, in_drawing, in_folders
from gpt_image_mcp.values.options import OutputOptions
from gpt_image_mcp.values.owners import LOCAL, Owner
from gpt_image_mcp.values.views import ViewOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from gpt_image_mcp.money import Estimate
    from gpt_image_mcp.services.batch_items import BatchItem
    from gpt_image_mcp.services.comparison import SheetArguments
    from gpt_image_mcp.services.estimates import EstimateArguments
    from gpt_image_mcp.services.exports import ExportArguments
    from gpt_image_mcp.services.history import History
    from gpt_image_mcp.services.operations import Operations
    from gpt_image_mcp.services.resources import Resources
    from gpt_image_mcp.services.transfers import Transfers
    from gpt_image_mcp.services.viewing import Viewable
    from gpt_image_mcp.values.comparisons import Comparison
    from gpt_image_mcp.values.deletions import Deletion
    from gpt_image_mcp.values.exports import ExportResult
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.options import OutputArguments
    from gpt_image_mcp.values.progress import ProgressWatcher, Stage
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.results import BatchResult, ImageResult
    from gpt_image_mcp.values.sessions import EndedSession, SessionSummary
    from gpt_image_mcp.values.views import Previews


class Studio:
    """Makes, finds and shows images for one configuration.

    Calls that cost money have some arguments in common. ``wait_seconds`` is how long to wait before a result
    with status ``running`` is returned; None waits until the images are there. ``watch`` is awaited with each
    step of the work. ``output`` are the fields of ``OutputOptions``.

    Args:
        settings: What the environment says, if not given.
        owner: Whom it is for; by default whoever uses this machine.
        resources: What several studios use together, and whoever made them closes; None for its own.
        clock: The time that the memory of rejected routes goes by.

    Raises:
        InvalidSetting: If no settings are given and the environment's are malformed.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        owner: Owner = LOCAL,
        resources: Resources | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings or read_settings()
        self._services = Container(self.settings, owner=owner, resources=resources, clock=clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Lets sent requests finish within the grace period and closes everything."""
        await self._services.aclose()

    def for_owner(self, owner: Owner, settings: Settings) -> Studio:
        """The studio of another person, which uses the same database and connections; it is closed first."""
        return Studio(settings, owner=owner, resources=self._services.resources)

    async def generate(
        self,
        prompt: str,
        *,
        moderation: str = "auto",
        wait_seconds: float | None = None,
        watch: ProgressWatcher | None = None,
        **output: Unpack[OutputArguments],
    ) -> ImageResult:
        """Makes images from a prompt.

        Args:
            prompt: What to draw, up to 32,000 characters.
            moderation: ``auto`` or ``low``.

        Raises:
            RequestError: If the request cannot be made as asked; nothing was sent.
            UpstreamError: If the API refuses or fails.
        """
        from gpt_image_mcp.calls.generation import Generation

        call = Generation(
            prompt=prompt,
            output=OutputOptions(**output),
            moderation=moderation,
            settings=self.settings,
            connections=self._services.connections,
        )
        return await self._services.run(call, wait_seconds=wait_seconds, watch=watch)

    async def edit(
        self,
        prompt: str,
        images: Sequence[str],
        *,
        mask: str = "",
        regions: Sequence[object] = (),
        edit_type: str = "free",
        input_fidelity: str = "auto",
        keep_unmasked: bool = True,
        markup: str = "",
        marks: Sequence[object] = (),
        wait_seconds: float | None = None,
        watch: ProgressWatcher | None = None,
        **output: Unpack[OutputArguments],
    ) -> ImageResult:
        """Edits an image, or composes several into one.

        Args:
            prompt: What to change, up to 32,000 characters.
            images: 1 to 16 paths, addresses, ``data:`` URLs or library ids; the first is the one edited.
            mask: A reference to a mask file, as for an image; empty for none.
            regions: Parts of image 1 to edit, as in ``docs/masks.md``.
            edit_type: What kind of edit it is: one of ``catalogue.edit_types``.
            input_fidelity: ``auto``, ``low`` or ``high``; for the models that take it.
            keep_unmasked: Whether the original pixels are put back outside mask and regions.
            markup: A reference to a PNG with hints drawn on it; or marks for us to draw (``docs/masks.md``).

        Raises:
            RequestError: If the request cannot be made as asked; nothing was sent.
            UpstreamError: If the API refuses or fails.
        """
        from gpt_image_mcp.services.edit_planning import parse_options
        from gpt_image_mcp.services.edits import Edit

        call = Edit(
            services=await self._services.edits(),
            kind="edit",
            prompt=prompt,
            images=images,
            output=OutputOptions(**output),
            options=parse_options(
                mask=mask,
                regions=regions,
                edit_type=edit_type,
                input_fidelity=input_fidelity,
                keep_unmasked=keep_unmasked,
                markup=markup,
                marks=marks,
            ),
        )
        return await self._services.run(call, wait_seconds=wait_seconds, watch=watch)

    async def batch_edit(
        self,
        prompt: str,
        images: Sequence[str],
        *,
        references: Sequence[str] = (),
        edit_type: str = "free",
        on_error: str = "continue",
        concurrency: int = 3,
        wait_seconds: float | None = None,
        watch: ProgressWatcher | None = None,
        **output: Unpack[OutputArguments],
    ) -> BatchResult:
        """Makes the same edit on each of up to 100 images.

        Args:
            images: As for ``edit``, and folders and globs.
            references: Up to 8 pictures that go along with each image.
            edit_type: What kind of edit it is.
            on_error: ``continue``, or ``stop`` to begin no further image after a failure.
            concurrency: How many at once.

        Raises:
            RequestError: If the batch cannot be made as asked; nothing was sent.
            ImageError: If every image failed.
        """
        from gpt_image_mcp.services.batch_items import make_items

        options = OutputOptions(**output)
        items = await in_folders(
            make_items,
            images,
            prompt,
            references=references,
            output=options,
            edit_type=edit_type,
            settings=self.settings,
        )
        return await self.edit_each(
            items, on_error=on_error, concurrency=concurrency, wait_seconds=wait_seconds, watch=watch
        )

    async def edit_each(
        self,
        items: Sequence[BatchItem],
        *,
        on_error: str = "continue",
        concurrency: int = 3,
        wait_seconds: float | None = None,
        watch: ProgressWatcher | None = None,
    ) -> BatchResult:
        """A batch whose images have prompts and options of their own; otherwise as ``batch_edit``."""
        batches = await self._services.batches()
        result = await batches.run(
            items, on_error=on_error, concurrency=concurrency, wait_seconds=wait_seconds, watch=watch
        )
        return batches.runner.acknowledged(result)

    async def start_session(
        self,
        prompt: str,
        images: Sequence[str],
        *,
        mask: str = "",
        regions: Sequence[object] = (),
        wait_seconds: float | None = None,
        watch: ProgressWatcher | None = None,
        **output: Unpack[OutputArguments],
    ) -> ImageResult:
        """Starts an edit session with its first turn; arguments and errors as for ``edit``."""
        from gpt_image_mcp.services.edit_planning import parse_options
        from gpt_image_mcp.services.session_turns import FirstTurn

        call = FirstTurn(
            services=await self._services.edits(),
            sessions=await self._services.sessions(),
            prompt=prompt,
            images=images,
            output=OutputOptions(**output),
            options=parse_options(mask=mask, regions=regions),
        )
        return await self._services.run(call, wait_seconds=wait_seconds, watch=watch)

    async def continue_session(
        self,
        session_id: str,
        prompt: str,
        *,
        from_turn: int = -1,
        images: Sequence[str] = (),
        mask: str = "",
        regions: Sequence[object] = (),
        wait_seconds: float | None = None,
        watch: ProgressWatcher | None = None,
        **output: Unpack[OutputArguments],
    ) -> ImageResult:
        """Edits the image of the latest turn of a session, or of an earlier one.

        Args:
            session_id: From ``start_session``.
            from_turn: -1 for the latest turn, 0 for the start images, 1 for the first result, and so on.
            images: Extra references for this turn; mask and regions are for it too.

        Raises:
            NotFound: If the session was ended or never was.
            ImageError: As for ``edit``; the session is then as it was.
        """
        from gpt_image_mcp.services.edit_planning import parse_options
        from gpt_image_mcp.services.session_turns import NextTurn

        call = NextTurn(
            services=await self._services.edits(),
            sessions=await self._services.sessions(),
            session_id=session_id.strip(),
            from_turn=from_turn,
            prompt=prompt,
            images=images,
            output=OutputOptions(**output),
            options=parse_options(mask=mask, regions=regions),
        )
        return await self._services.run(call, wait_seconds=wait_seconds, watch=watch)

    async def end_session(self, session_id: str) -> EndedSession:
        """Ends a session; its images stay.

        Raises:
            NotFound: If it never was.
        """
        sessions = await self._services.sessions()
        return await in_database(sessions.end, session_id)

    async def list_sessions(self) -> tuple[SessionSummary, ...]:
        """The sessions that can be continued, latest first."""
        sessions = await self._services.sessions()
        return await in_database(sessions.list)

    async def estimate(self, **asked: Unpack[EstimateArguments]) -> Estimate:
        """Quotes images without making them, at every quality, and what an amount pays for.

        Raises:
            RequestError: If the call could not be made as described.
        """
        from gpt_image_mcp.services.estimates import estimate

        library = await self._services.library()
        return await in_database(estimate, asked, settings=self.settings, library=library)

    async def get(
        self, ref: str, *, wait_seconds: float | None = None, watch: ProgressWatcher | None = None
    ) -> ImageResult | BatchResult | InputImage:
        """Looks at an image, at the last one of a session, or collects the result of a job.

        An image from elsewhere comes as an edit would read it.

        Args:
            ref: An id of an image, a session or a job, or whatever ``edit`` takes as an image.

        Raises:
            ImageError: What the job failed with, or why there is nothing to look at.
        """
        meant = await in_folders(reference_to, ref, self.settings)
        if meant.kind != "job":
            return await (await self._services.lookup()).look_up(meant)
        runner = await self._services.runner()
        return runner.acknowledged(await runner.collect(meant.text, wait_seconds=wait_seconds, watch=watch))

    async def compare(
        self, refs: Sequence[str], options: ViewOptions | None = None, **sheet: Unpack[SheetArguments]
    ) -> Comparison:
        """Shows up to 12 pictures on one labelled sheet; arguments and errors as of ``Comparing.run``."""
        from gpt_image_mcp.services.comparison import Comparing

        comparing = Comparing(self.settings, await self._services.library(), self.get)
        return await comparing.run(refs, options or ViewOptions(), **sheet)

    @property
    def operations(self) -> Operations:
        """What whoever watches over a server asks: whether it is ready, and what all calls come to."""
        return self._services.operations

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Where the calls stand that run now."""
        return self._services.jobs.stages

    def abandon(self, job_id: str) -> None:
        """Stops a job whose request was not sent yet; one that was sent finishes and its image is kept."""
        self._services.jobs.abandon(job_id)

    def release(self) -> None:
        """Has everybody go now who waits ``wait_seconds`` for a call, with its job's id; the calls go on."""
        self._services.jobs.release()

    async def find(self, ref: str) -> StoredImage:
        """The image of an id, resource address or path.

        Raises:
            NotFound: If there is no such image.
        """
        from gpt_image_mcp.services.references import find_image

        library = await self._services.library()
        return await in_folders(find_image, ref, library, settings=self.settings)

    async def export(self, ref: str, **options: Unpack[ExportArguments]) -> ExportResult:
        """Converts an image into files of another format or size, without OpenAI and free of charge.

        Raises:
            RequestError: If the image, the folder or an option cannot be used; nothing was written.
        """
        return await (await self._services.exports()).run(ref, **options)

    async def delete(self, ref: str, *, confirm: bool = False) -> Deletion:
        """Deletes one image of the library, or says what would go if it is not confirmed.

        Its file, previews, metadata and entry go; its parents and children stay, and so does what it cost.

        Raises:
            RequestError: If it is none of ours, was changed, or is in use; nothing was deleted.
        """
        from gpt_image_mcp.services.deletion import delete

        library = await self._services.library()
        return await in_database(delete, ref, library, settings=self.settings, is_confirmed=confirm)

    async def transfers(self) -> Transfers:
        """Pictures in and out by link, for clients that are elsewhere."""
        return await self._services.transfers()

    @property
    def history(self) -> History:
        """The images made so far: search, lineage, costs, upkeep."""
        from gpt_image_mcp.services.history import History

        return History(self.settings, self._services)

    async def preview(self, result: Viewable, options: ViewOptions | None = None) -> Previews:
        """The images of a result small enough to be part of an answer, as the settings or the options say.

        Raises:
            StorageFailed: If the library cannot be opened. An image that cannot be shown is only noted.
        """
        viewing = await self._services.viewing()
        return await in_drawing(viewing.show, result, options or ViewOptions())

    @staticmethod
    def answering() -> AbstractContextManager[None]:
        """Acknowledges results when the block ends, and not at all if it fails.

        After an acknowledged result the same call makes a new image; without one it is given the same result,
        free of charge. A server builds its answer inside the block.
        """
        from gpt_image_mcp.calls.acknowledgements import held_back

        return held_back()
