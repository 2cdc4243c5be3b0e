"""The ledger of calls: what is reserved for each, whether it still runs, what it cost and its result."""

from __future__ import annotations

import logging
import statistics
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, or_, select, update

from gpt_image_mcp.library.admission import Charge, counts, refusal, standing_of
from gpt_image_mcp.library.audit import note_ended, note_refused
from gpt_image_mcp.library.call_records import call_record, dump_error, readable_calls
from gpt_image_mcp.library.clock import CALL_LEASE_SECONDS, by_database, lease_window, now_of, steady_now
from gpt_image_mcp.library.lost_calls import error_of_lost_call, lost_calls
from gpt_image_mcp.library.naming import is_of_model
from gpt_image_mcp.library.ownership import owned, signed
from gpt_image_mcp.library.processes import is_gone, this_process
from gpt_image_mcp.library.schema import calls, dollars, images, nanodollars
from gpt_image_mcp.library.spending import day_of
from gpt_image_mcp.values.budgets import Limit
from gpt_image_mcp.values.owners import LOCAL, Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from sqlalchemy import Connection, Row

    from gpt_image_mcp.errors import ImageError
    from gpt_image_mcp.library.database import Database
    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.values.budgets import Payer, Standing
    from gpt_image_mcp.values.history import CallRecord, CallStart, CallStatus
    from gpt_image_mcp.values.images import Kind

_log = logging.getLogger(__name__)
_REMEMBERED_DURATIONS = 20
# Values go with the execution: building them into a statement takes SQLAlchemy longer than running it.
# A process that was only asleep can still settle its call after the call was given up for lost.
_SETTLE_CALL = (
    update(calls)
    .where(calls.c.id == bindparam("call_id"), calls.c.status.in_(("running", "outcome_unknown")))
    .where(calls.c.finished_at.is_(None))
)
# A call that was given up for lost meanwhile runs again: this comes from the process that runs it.
_STAY_ALIVE = (
    update(calls)
    .where(calls.c.id == bindparam("call_id"), calls.c.finished_at.is_(None))
    .values(status="running", error=None, alive_until=bindparam("until"))
)
_REDACT_CALL = (
    update(calls)
    .where(calls.c.id == bindparam("call_id"), calls.c.status != "running")
    .values(prompt="", result=None, error=None, idempotency_key=None)
)
_IS_OPEN = calls.c.status.in_(("running", "outcome_unknown"))
# Only by whom it was made for: a colleague who looks at it does not take it from them.
_ACKNOWLEDGE = update(calls).where(calls.c.id == bindparam("call_id"), calls.c.owner == bindparam("of"))
_LET_JOIN = update(calls).where(calls.c.id == bindparam("call_id")).values(is_joinable=True)
_FIND_SAME = (
    select(calls)
    .where(calls.c.idempotency_key == bindparam("wanted"), calls.c.owner == bindparam("of"))
    .where(
        or_(
            (calls.c.status == "running")
            & calls.c.alive_until.between(bindparam("first"), bindparam("last")),
            (calls.c.status == "completed")
            & calls.c.acknowledged_at.is_(None)
            & calls.c.started_at.between(bindparam("since"), bindparam("now")),
        )
    )
    .order_by(calls.c.started_at.desc())
)
_JOINABLE_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The calls of a user and what they cost. Every method raises ``StorageFailed`` if it cannot be used.

    Attributes:
        keeps_prompts: Whether the audit log, in which the endings of a person's calls are noted, has prompts.
    """

    database: Database
    owner: Owner = LOCAL
    keeps_prompts: bool = False

    def begin_call(self, call: CallStart, limits: Sequence[Limit]) -> str | None:
        """Reserves what a call may cost and remembers it as running, unless the same call is there already.

        Calls that cost nothing are never over a limit.

        Returns:
            The id of the same call, if it runs or its result was never acknowledged; nothing is reserved
            then. None if this call was begun.

        Raises:
            BudgetExceeded: If it could cost more than a limit leaves; nothing is reserved.
        """
        usd = call.quote.high_usd
        reserved = None if call.is_in_parts else usd
        limits = [limit for limit in limits if limit.period == "call" or not call.is_in_parts]
        with self.database.writing() as connection:
            same = _same_call(connection, call.idempotency_key, self.owner)
            if same is not None:
                return str(same.id)
            values = _call_values(connection, call, reserved or Decimal(0)) | signed(self.owner)
            charge = Charge(model=call.model, usd=usd, day=values["day"])
            refused = None if call.sandbox else refusal(connection, charge, limits)
            if refused is None:
                connection.execute(insert(calls), values)
            elif self.owner.name:
                note_refused(connection, values, keeps_prompts=self.keeps_prompts)
        if refused is not None:
            raise refused
        return None

    def raise_reservation(self, call_id: str, quote: Quote, limits: Sequence[Limit]) -> None:
        """Reserves more for a running call than it began with.

        Raises:
            BudgetExceeded: If it could now cost more than a limit leaves; what was reserved stays.
        """
        with self.database.writing() as connection:
            call = connection.execute(select(calls).where(calls.c.id == call_id)).one()
            usd = quote.high_usd or dollars(call.reserved_nanodollars)
            charge = Charge(model=call.model, usd=usd, day=call.day, call_id=call_id)
            refused = None if call.sandbox else refusal(connection, charge, limits)
            if refused is not None:
                raise refused
            connection.execute(
                update(calls).where(calls.c.id == call_id), {"reserved_nanodollars": nanodollars(usd)}
            )

    def add_ended_call(
        self,
        call: CallStart,
        *,
        status: CallStatus,
        result_json: str | None = None,
        error: ImageError | None = None,
    ) -> None:
        """Remembers a call that ended without having reserved anything; it cost nothing."""
        with self.database.writing() as connection:
            ending = _ending(connection, status, result_json=result_json, error=error, is_acknowledged=True)
            begun = _call_values(connection, call, Decimal(0))
            values = {**begun, **signed(self.owner), **ending, "cost_nanodollars": 0}
            connection.execute(insert(calls), values)

    def finish_call(  # noqa: PLR0913 - each is part of the ending
        self,
        call_id: str,
        *,
        status: CallStatus,
        cost_usd: Decimal | None = None,
        result_json: str | None = None,
        error: ImageError | None = None,
        is_acknowledged: bool = False,
        request_id: str = "",
    ) -> None:
        """Settles a running call, once: its cost takes the place of its reservation.

        Without a cost, a failed call frees its reservation, and any other keeps it, because it may have been
        billed. ``is_acknowledged`` says that the same call, made again, is not to be given this result, and
        ``request_id`` what the API calls the request.
        """
        amount = None if cost_usd is None else nanodollars(cost_usd)
        if amount is None and status == "failed":
            amount = 0
        with self.database.writing() as connection:
            ending = _ending(
                connection, status, result_json=result_json, error=error, is_acknowledged=is_acknowledged
            )
            values = {**ending, "cost_nanodollars": amount, "call_id": call_id}
            is_settled = connection.execute(_SETTLE_CALL, values).rowcount > 0
            if is_settled and self.owner.name:
                prompts = self.keeps_prompts
                note_ended(connection, [call_id], error=error, request_id=request_id, keeps_prompts=prompts)

    def find_call(self, call_id: str) -> CallRecord | None:
        """The call of this id."""
        if not call_id.isascii():
            return None
        with self.database.reading() as connection:
            this = select(calls).where(calls.c.id == call_id, owned(calls, self.owner))
            row = connection.execute(this).one_or_none()
            return None if row is None else call_record(row)

    def stay_alive(self, call_id: str) -> bool:
        """Notes that a call still runs, even if it was given up for lost; whether it was not."""
        with self.database.writing() as connection:
            status = connection.execute(select(calls.c.status).where(calls.c.id == call_id)).scalar()
            until = steady_now(connection) + CALL_LEASE_SECONDS
            connection.execute(_STAY_ALIVE, {"until": until, "call_id": call_id})
            return status == "running"

    def acknowledge(self, call_id: str) -> None:
        """Notes that the result of a call reached whoever asked for it."""
        with self.database.writing() as connection:
            now = now_of(connection).timestamp()
            values = {"acknowledged_at": now, "call_id": call_id, "of": self.owner.name}
            connection.execute(_ACKNOWLEDGE, values)

    def let_join(self, call_id: str) -> None:
        """Lets the same call join this one from now on: its caller is gone, or was given its id."""
        with self.database.writing() as connection:
            connection.execute(_LET_JOIN, {"call_id": call_id})

    def give_up_lost_calls(self) -> None:
        """Marks calls whose process is gone as having an unknown outcome; their reservations stay.

        A process on this machine is looked for; one elsewhere counts as gone when its sign of life is
        overdue.
        """
        with self.database.reading() as connection:
            if not lost_calls(connection):
                return
        with self.database.writing() as connection:
            lost = lost_calls(connection)  # one may have said meanwhile that it lives
            for call_id in lost:
                error = dump_error(error_of_lost_call(call_id))
                given_up = update(calls).where(calls.c.id == call_id)
                connection.execute(given_up.values(status="outcome_unknown", error=error))
            note_ended(connection, lost, keeps_prompts=self.keeps_prompts)
        if lost:
            _log.warning("given up for lost, outcome unknown: %s", ", ".join(lost))

    def results_without_images(self) -> tuple[tuple[str, str], ...]:
        """Id and result of each call that has no image of its own in the library.

        These are batches, whose images belong to calls of their own, and calls that joined another; and calls
        whose images never came into the library.
        """
        of_call = select(images.c.id).where(images.c.call_id == calls.c.id)
        query = select(calls.c.id, calls.c.result).where(calls.c.result.is_not(None), ~of_call.exists())
        with self.database.reading() as connection:
            return tuple((row.id, row.result) for row in connection.execute(query))

    def redact(self, call_ids: Iterable[str]) -> None:
        """Takes the prompts, results and errors out of calls; see ``redact_call``."""
        with self.database.writing() as connection:
            for call_id in call_ids:
                redact_call(connection, call_id)

    def open_calls(
        self, *, model: str = "", since: datetime | None = None, until: datetime | None = None, limit: int
    ) -> tuple[CallRecord, ...]:
        """Calls that run or whose outcome is unknown, latest first. A model stands for its snapshots too."""
        mine = (_IS_OPEN, owned(calls, self.owner))
        query = select(calls).where(*mine)
        if since:
            query = query.where(calls.c.started_at >= since.timestamp())
        if until:
            query = query.where(calls.c.started_at < until.timestamp())
        with self.database.reading() as connection:
            if model:
                names = connection.execute(select(calls.c.model).where(*mine).distinct()).scalars().all()
                query = query.where(calls.c.model.in_([name for name in names if is_of_model(name, model)]))
            rows = connection.execute(query.order_by(calls.c.started_at.desc()).limit(limit)).all()
            return tuple(readable_calls(rows))

    def find_same_call(self, idempotency_key: str) -> CallRecord | None:
        """The latest call with this key that the same call joins.

        It runs or its result was never acknowledged, and its caller is gone or was given its id. Where its
        process is gone, so is its caller.
        """
        with self.database.reading() as connection:
            row = _same_call(connection, idempotency_key, self.owner)
            return None if row is None else call_record(row)

    def spent_usd(self, day: date | None = None) -> Decimal:
        """What was spent or is reserved on a day of the library, by default today, without the sandbox.

        By a person, or for whoever uses this machine by everybody.
        """
        payer: Payer = "person" if self.owner.name else "library"
        mine = Limit(usd=Decimal(0), period="day", payer=payer, name=self.owner.name)
        with self.database.reading() as connection:
            today = day.isoformat() if day else day_of(connection, now_of(connection))
            standing = standing_of(connection, mine, today)
        return standing.spent_usd + standing.reserved_usd

    def standings(self, limits: Iterable[Limit], model: str) -> tuple[Standing, ...]:
        """How far the limits of days and months that count calls of a model are used up now."""
        with self.database.reading() as connection:
            today = day_of(connection, now_of(connection))
            return tuple(
                standing_of(connection, limit, today)
                for limit in limits
                if limit.period != "call" and counts(limit, model)
            )

    def typical_seconds(
        self, *, kind: Kind, model: str, quality: str, size: str, sandbox: bool
    ) -> float | None:
        """The median duration of the latest 20 completed calls like this one; None if there were none."""
        query = (
            select(calls.c.finished_at - calls.c.started_at)
            .where(calls.c.model == model, calls.c.quality == quality, calls.c.size == size)
            .where(calls.c.status == "completed", calls.c.sandbox.is_(sandbox), calls.c.kind == kind)
            .where(calls.c.finished_at >= calls.c.started_at)  # else the clock was set back meanwhile
            .order_by(calls.c.started_at.desc())
            .limit(_REMEMBERED_DURATIONS)
        )
        with self.database.reading() as connection:
            durations = [float(seconds) for (seconds,) in connection.execute(query)]
            return statistics.median(durations) if durations else None


def redact_call(connection: Connection, call_id: str) -> None:
    """Takes prompt, result and error out of a call that has ended, inside the caller's transaction.

    Day, model, status and amounts stay, so that budgets and sums do. Without its key, no later call
    is taken for the same one and given its result.
    """
    connection.execute(_REDACT_CALL, {"call_id": call_id})


def _same_call(connection: Connection, idempotency_key: str, owner: Owner) -> Row[Any] | None:
    """See ``find_same_call``; without a key no call is the same."""
    if not idempotency_key:
        return None
    now, (first, last) = now_of(connection), lease_window(connection, CALL_LEASE_SECONDS)
    values = {
        "first": first,
        "last": last,
        "wanted": idempotency_key,
        "of": owner.name,
        "since": (now - _JOINABLE_FOR).timestamp(),
        "now": now.timestamp(),
    }
    rows = connection.execute(_FIND_SAME, values).all()
    return next((row for row in rows if _is_joinable(row)), None)


def _is_joinable(row: Row[Any]) -> bool:
    if row.status == "running":
        return bool(row.is_joinable) and not is_gone(row.process)
    return row.is_joinable or is_gone(row.process)


def _call_values(connection: Connection, call: CallStart, reserved: Decimal) -> dict[str, Any]:
    started_at = by_database(connection, call.started_at)
    return {
        "id": call.id,
        "kind": call.kind,
        "status": "running",
        "model": call.model,
        "quality": call.quality,
        "size": call.size,
        "prompt": call.prompt,
        "sandbox": call.sandbox,
        "day": day_of(connection, started_at),
        "started_at": started_at.timestamp(),
        "reserved_nanodollars": nanodollars(reserved),
        "alive_until": steady_now(connection) + CALL_LEASE_SECONDS,
        "idempotency_key": call.idempotency_key or None,
        "is_joinable": call.is_joinable,
        "process": this_process(),
    }


def _ending(
    connection: Connection,
    status: CallStatus,
    *,
    result_json: str | None,
    error: ImageError | None,
    is_acknowledged: bool,
) -> dict[str, Any]:
    now = now_of(connection).timestamp()
    return {
        "status": status,
        "finished_at": now,
        "acknowledged_at": now if is_acknowledged else None,
        "result": result_json,
        "error": None if error is None else dump_error(error),
    }
