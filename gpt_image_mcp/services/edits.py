"""An edit as a paid call: images that a caller named, changed or combined into one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from gpt_image_mcp import dates
from gpt_image_mcp.calls.budget import Reservations
from gpt_image_mcp.calls.paid_call import PaidCall, PaidJob
from gpt_image_mcp.catalogue.model_choice import host_of
from gpt_image_mcp.catalogue.validation import require_no_markup, require_single
from gpt_image_mcp.openai_api.routing import Router
from gpt_image_mcp.services.edit_planning import (
    EditOptions,
    check_count,
    complete_plan,
    most_quoted,
    plan_edit,
    quoted,
)
from gpt_image_mcp.threads import in_database, in_drawing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.openai_api.connections import Connections
    from gpt_image_mcp.openai_api.routing import WallClock
    from gpt_image_mcp.services.inputs import Inputs
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.images import Kind
    from gpt_image_mcp.values.options import OutputOptions
    from gpt_image_mcp.values.requests import InputImage
    from gpt_image_mcp.values.responses import GeneratedImages


@dataclass(frozen=True, slots=True)
class EditServices:
    """What every edit works with.

    Attributes:
        clock: The time that the memory of rejected routes goes by.
    """

    settings: Settings
    inputs: Inputs
    connections: Connections
    clock: WallClock

    def router(self, *, sandbox: bool) -> Router:
        """The router of the API, or of the sandbox."""
        settings = self.settings
        return Router(
            self.connections.api(sandbox=sandbox),
            self.inputs.library.route_memo,
            endpoint="sandbox" if sandbox else settings.base_url or "",
            host_model=host_of(settings, dates.today()),
            is_pinned=settings.force_responses_edits,
            clock=self.clock,
        )


@dataclass(frozen=True, kw_only=True)
class Edit(PaidCall):
    """One edit of images that a caller named.

    Raises:
        InvalidArgument: If there is no image, or too many.
    """

    services: EditServices
    kind: Kind
    prompt: str
    images: Sequence[str]
    output: OutputOptions
    options: EditOptions

    def __post_init__(self) -> None:
        check_count(self.images)

    @property
    def identity(self) -> tuple[object, ...]:
        """Prompt and options."""
        return ("edit", self.prompt, self.options.without_files, self.output)

    @property
    def inputs(self) -> Sequence[str]:
        """The images, the mask and the markup."""
        return [*self.images, *self.options.files]

    def plan(self, call_id: str) -> Plan:
        """Checks the arguments against the model and the disk."""
        return self.plan_with(self.output, call_id)

    def plan_with(self, output: OutputOptions, call_id: str) -> Plan:
        """The plan of this edit with other output options."""
        settings = self.services.settings
        return plan_edit(self.kind, self.prompt, call_id, output=output, edit=self.options, settings=settings)

    def most_quoted(self) -> Quote:
        """The most that it may cost, whatever is in its images, which are not read.

        Raises:
            RequestError: If the model or an argument cannot be used.
        """
        settings = self.services.settings
        return most_quoted(
            self.prompt,
            output=self.output,
            edit=self.options,
            images=len(self.images),
            host_model=host_of(settings, dates.today()),
            settings=settings,
        )

    def occupy(self, job: PaidJob) -> AbstractAsyncContextManager[None]:
        """A place among those whose images are in memory."""
        return self.services.connections.edits.slot(job.owner)

    async def prepare(self, plan: Plan) -> Plan:
        """Reads the images, the mask and the markup."""
        return await self.complete(plan, await self.services.inputs.load(self.images), size=self.output.size)

    async def complete(self, plan: Plan, images: tuple[InputImage, ...], *, size: str) -> Plan:
        """The plan with these images, its mask, its size and its price.

        Raises:
            RequestError: If the mask, the regions or the markup do not fit image 1, or the call the route.
        """
        services, options = self.services, self.options
        detour = await services.router(sandbox=plan.sandbox).detour(plan.request.model)
        if detour:
            require_single(plan.request.n, detour)
            require_no_markup(detour, has_markup=options.has_markup)
        mask, markup = [await services.inputs.read(ref) if ref.strip() else None for ref in options.files]
        files = (mask, markup)
        host_model = host_of(services.settings, dates.today()) if detour else ""
        return await in_drawing(
            complete_plan, plan, images, files=files, size=size, edit=options, host_model=host_model
        )

    async def send(self, job: PaidJob) -> GeneratedImages:
        """Makes the request by the route that is open."""
        router = self.services.router(sandbox=job.plan.sandbox)
        return await router.edit(job.plan.request, job, before_detour=partial(self._reserve_host, job))

    async def _reserve_host(self, job: PaidJob) -> None:
        """Reserves for the host model too, where nobody knew before that the edit would need one.

        Raises:
            BudgetExceeded: If a limit does not leave enough.
        """
        quote = quoted(job.plan, host_of(self.services.settings, dates.today()))
        if quote == job.plan.quote:
            return
        await in_database(Reservations(self.services.inputs.library).make_dearer, job.id, quote)
        job.plan = replace(job.plan, quote=quote)
