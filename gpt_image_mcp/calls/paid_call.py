"""What the runner needs to know of a call that costs money, and the job that makes it.

There is one class for each kind of call: ``Generation``, ``Edit``, ``FirstTurn``, ``NextTurn`` and
``BatchItemEdit``. How all of them are carried out is in ``runner.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from gpt_image_mcp.calls.jobs import Job
from gpt_image_mcp.errors import Cancelled
from gpt_image_mcp.library.clock import CALL_LEASE_SECONDS
from gpt_image_mcp.library.kept_bodies import keep_body
from gpt_image_mcp.threads import in_database, to_the_end
from gpt_image_mcp.values.results import BatchResult, ImageResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from gpt_image_mcp.calls.planning import Plan
    from gpt_image_mcp.values.responses import GeneratedImages

_Result = TypeVar("_Result", ImageResult, BatchResult)


@dataclass(eq=False, slots=True, kw_only=True)
class PlannedJob(Job[_Result], ABC):
    """A job whose outcome is kept in the library.

    Attributes:
        plan: Completed when the inputs are there.
        is_reserved: Whether the library has a row of it, which must be settled whatever happens.
        alive_at: When the library last heard that it runs, by the monotonic clock.
        is_given_up: Whether another process took it for lost meanwhile, and may have made it again.
        spent_usd: What a job that failed is known to have cost; None if that is unknown or nothing.
    """

    plan: Plan
    is_reserved: bool = False
    alive_at: float = field(default_factory=monotonic)
    is_given_up: bool = False
    spent_usd: Decimal | None = None

    @property
    def may_be_lost(self) -> bool:
        """Whether others may have made it again, as its process was stopped; then no more is sent."""
        return self.is_given_up or monotonic() - self.alive_at > CALL_LEASE_SECONDS


@dataclass(eq=False, slots=True, kw_only=True)
class PaidJob(PlannedJob[ImageResult]):
    """The job of one paid call."""

    def mark_sent(self) -> None:
        """As for any job.

        Raises:
            Cancelled: If others may have made the call again meanwhile.
        """
        if self.may_be_lost:
            message = (
                f"The library heard nothing of this call for more than {CALL_LEASE_SECONDS:g} s, because the "
                "server was stopped or the database away, so it may have been made again. It was not sent."
            )
            raise Cancelled(message, next_step="Call again if you still want the image.", retryable=True)
        super(PaidJob, self).mark_sent()  # which without names is not found in a class with slots

    async def keep_body(self, body: bytes) -> None:
        """Writes the answer to disk, before anything interprets it."""
        self.body_path = await to_the_end(in_database(keep_body, self.id, body))

    def report(self) -> ImageResult:
        """The result of a call that is not finished yet."""
        plan = self.plan
        return ImageResult(
            status="running",
            call_id=plan.call_id,
            prompt=plan.prompt,
            model=plan.request.model,
            requested=plan.requested,
            notes=plan.notes,
            sandbox=plan.sandbox,
            session=plan.session,
            elapsed_seconds=round(self.elapsed_seconds, 1),
            expected_seconds=self.expected_seconds,
            partial=self.partial() if self.partial else b"",
        )


class PaidCall(ABC):
    """One call that costs money. The runner calls the methods in the order in which they stand here."""

    @property
    @abstractmethod
    def identity(self) -> tuple[object, ...]:
        """What the caller said, besides the inputs: an equal identity and equal inputs make the same call."""

    @property
    def inputs(self) -> Sequence[str]:
        """References to the images that go up with the call."""
        return ()

    @abstractmethod
    def plan(self, call_id: str) -> Plan:
        """Decides the call from its arguments alone, before any input is read. Blocking.

        Raises:
            RequestError: If it cannot be made as asked.
        """

    def occupy(self, job: PaidJob) -> AbstractAsyncContextManager[None]:
        """What the job holds while it runs, such as the lease of a session; nothing by default."""
        del job
        return nullcontext()

    async def prepare(self, plan: Plan) -> Plan:
        """Reads the inputs and completes the plan with them; without inputs it is complete.

        Raises:
            RequestError: If an input cannot be used.
        """
        return plan

    @abstractmethod
    async def send(self, job: PaidJob) -> GeneratedImages:
        """Makes the request of the job's plan. This alone costs money.

        Raises:
            UpstreamError: If the API refuses or fails.
        """

    def on_arrival(self, plan: Plan) -> Plan:
        """The plan by which the picture that came is saved; by default the one it was made by. Blocking."""
        return plan

    def record(self, plan: Plan, result: ImageResult) -> ImageResult:
        """Writes down what belongs to the result besides its images, such as the turn of a session. Blocking.

        The images are safe by then, so a failure is only a note.
        """
        del plan
        return result
