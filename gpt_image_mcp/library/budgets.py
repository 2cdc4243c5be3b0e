"""Which limits hold for a caller: those of the settings, and what the file of budgets says instead."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gpt_image_mcp.budgets_file import Allowance, BudgetsFile, PayerAllowance, read_budgets
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.environment import refused
from gpt_image_mcp.values.budgets import Limit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.budgets import Payer, Period
    from gpt_image_mcp.values.owners import Owner

_log = logging.getLogger(__name__)


class Budgets:
    """The limits of one configuration. The file is read again when it changes.

    Args:
        settings: The limits that hold for everybody, and where the file is.

    Raises:
        InvalidSetting: If there is a file that cannot be used. One that breaks later is logged, and what it
            said before holds.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stamp: tuple[int, ...] = ()
        self._file = BudgetsFile()
        if settings.budgets_file is not None:
            self._stamp = _stamp(settings.budgets_file)
            try:
                self._file = self._read(settings.budgets_file)
            except ValueError as error:
                raise refused({"GPT_IMAGE_BUDGETS_FILE": str(error)}) from error

    def limits_of(self, owner: Owner) -> tuple[Limit, ...]:
        """The limits on the calls of a caller. Blocking: looks whether the file was changed."""
        return tuple(self._limits(owner, self._latest()))

    def _limits(self, owner: Owner, file: BudgetsFile) -> Iterator[Limit]:
        settings = self._settings
        if settings.max_cost_usd is not None:
            yield Limit(usd=settings.max_cost_usd, period="call")
        yield from self._allowed(Allowance(daily_usd=settings.daily_budget_usd))
        for model, allowance in file.models.items():
            yield from self._allowed(allowance, model=model)
        if owner.name:
            usual = Allowance(daily_usd=settings.user_daily_usd, monthly_usd=settings.user_monthly_usd)
            yield from self._of_payer("person", owner.name, file.people.get(owner.name), usual=usual)
        if owner.group:
            usual = Allowance(monthly_usd=settings.group_monthly_usd)
            yield from self._of_payer("group", owner.group, file.groups.get(owner.group), usual=usual)

    def _of_payer(
        self, payer: Payer, name: str, exceptions: PayerAllowance | None, *, usual: Allowance
    ) -> Iterator[Limit]:
        """The limits of a person or a group: as the file says, and what it does not say as usual."""
        said = exceptions or PayerAllowance()
        allowance = Allowance(
            daily_usd=usual.daily_usd if said.daily_usd is None else said.daily_usd,
            monthly_usd=usual.monthly_usd if said.monthly_usd is None else said.monthly_usd,
        )
        yield from self._allowed(allowance, payer=payer, name=name)
        for model, usd in said.models.items():
            yield from self._allowed(Allowance(monthly_usd=usd), payer=payer, name=name, model=model)

    def _allowed(
        self, allowance: Allowance, *, payer: Payer = "library", name: str = "", model: str = ""
    ) -> Iterator[Limit]:
        known, names = self._model(model) if model else ("", ())
        periods: tuple[tuple[Period, Decimal | None], ...] = (
            ("day", allowance.daily_usd),
            ("month", allowance.monthly_usd),
        )
        for period, usd in periods:
            if usd is not None:
                yield Limit(usd=usd, period=period, payer=payer, name=name, model=known, model_names=names)

    def _model(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The model that an entry means, which of a snapshot is the model itself, and its other names here.

        Raises:
            ValueError: If no model is known by this name: a budget for it would hold for nothing.
        """
        aliases = self._settings.model_aliases
        known = _canonical(aliases.get(name, name))
        if not known:
            message = f"no model is known as {name!r}, see gpt-image-mcp models"
            raise ValueError(message)
        return known, tuple(alias for alias, of in aliases.items() if _canonical(of) == known)

    def _latest(self) -> BudgetsFile:
        """What the file says now, or said when it last could be used."""
        path = self._settings.budgets_file
        if path is not None and (stamp := _stamp(path)) != self._stamp:
            self._stamp = stamp
            try:
                self._file = self._read(path)
            except ValueError as error:
                _log.error("%s is broken, so the budgets of before still hold: %s", path, error)
        return self._file

    def _read(self, path: Path) -> BudgetsFile:
        file = read_budgets(path)
        payers = (*file.people.values(), *file.groups.values())
        for model in (*file.models, *(model for payer in payers for model in payer.models)):
            self._model(model)
        return file


def _canonical(name: str) -> str:
    """The name of a known model, of a snapshot that of its model; empty for another."""
    model = load_catalogue().find(name)
    return (model.snapshot_of or model.name) if model else ""


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes with a file; empty if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
