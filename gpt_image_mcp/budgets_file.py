"""The file of budgets: what each person, group and model may cost, in TOML; see ``docs/team.md``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from gpt_image_mcp.money import MOST_USD
from gpt_image_mcp.regular_files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails


def _amount(value: object) -> object:
    """A number; texts and truth values, which pydantic would take for one, are none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        message = "it must be a number of US dollars such as 12.50, without quotes"
        raise ValueError(message)  # noqa: TRY004 - what pydantic turns into its own error
    return value


_Usd: TypeAlias = Annotated[Decimal, Field(ge=0, le=MOST_USD, allow_inf_nan=False), BeforeValidator(_amount)]
_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]
_MOST_BYTES = 1_000_000
_ONLY_WHAT_IS_KNOWN = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What calls may cost together, in US dollars a day and a month; None for no limit."""

    __pydantic_config__: ClassVar = _ONLY_WHAT_IS_KNOWN

    daily_usd: _Usd | None = None
    monthly_usd: _Usd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerAllowance(Allowance):
    """The allowance of a person or a group; ``models`` are dollars a month for single models."""

    models: dict[_Name, _Usd] = field(default_factory=dict[str, Decimal])


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetsFile:
    """Allowances by name."""

    __pydantic_config__: ClassVar = _ONLY_WHAT_IS_KNOWN

    people: dict[_Name, PayerAllowance] = field(default_factory=dict[str, PayerAllowance])
    groups: dict[_Name, PayerAllowance] = field(default_factory=dict[str, PayerAllowance])
    models: dict[_Name, Allowance] = field(default_factory=dict[str, Allowance])


def read_budgets(path: Path) -> BudgetsFile:
    """What a file of budgets says.

    Raises:
        ValueError: If it cannot be read, is no TOML, or has an entry that means nothing; says where.
    """
    try:
        document = tomllib.loads(read_regular(path, max_bytes=_MOST_BYTES).decode(), parse_float=Decimal)
        return TypeAdapter(BudgetsFile).validate_python(document)
    except OSError as error:
        message = f"it cannot be read ({error.strerror or error})"
    except ValidationError as error:
        message = "; ".join(_worded(fault) for fault in error.errors(include_url=False))
    except (ArithmeticError, ValueError, RecursionError) as error:  # no TOML or UTF-8, or beyond all bounds
        message = f"it is no TOML ({error})"
    raise ValueError(message)


def _worded(fault: ErrorDetails) -> str:
    """What is wrong with an entry, and where it is."""
    where, place = ".".join(map(str, fault["loc"])), fault["loc"]
    if fault["type"] != "unexpected_keyword_argument":
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
    holder = BudgetsFile if len(place) == 1 else Allowance if place[0] == "models" else PayerAllowance
    return f"{where}: {place[-1]} is not known there; allowed are {', '.join(f.name for f in fields(holder))}"
