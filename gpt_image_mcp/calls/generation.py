"""A generation: images from words alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.paid_call import PaidCall, PaidJob
from gpt_image_mcp.calls.planning import Plan, plan_call

if TYPE_CHECKING:
    from gpt_image_mcp.openai_api.connections import Connections
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.options import OutputOptions
    from gpt_image_mcp.values.responses import GeneratedImages


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation(PaidCall):
    """Images from a prompt."""

    prompt: str
    output: OutputOptions
    moderation: str
    settings: Settings
    connections: Connections

    @property
    def identity(self) -> tuple[object, ...]:
        """Everything that was said."""
        return ("generation", self.prompt, self.moderation, self.output)

    def plan(self, call_id: str) -> Plan:
        """Checks the arguments against the model and the disk."""
        return plan_call(
            "image",
            self.prompt,
            self.output,
            call_id=call_id,
            moderation=self.moderation,
            settings=self.settings,
        )

    async def send(self, job: PaidJob) -> GeneratedImages:
        """Asks for the images."""
        return await self.connections.api(sandbox=job.plan.sandbox).generate(job.plan.request, job)
