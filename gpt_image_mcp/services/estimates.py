"""Quoting images without making them, and what an amount of money pays for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, cast

from gpt_image_mcp import dates
from gpt_image_mcp.calls.planning import is_sandbox, without_sandbox
from gpt_image_mcp.catalogue.model_choice import host_of
from gpt_image_mcp.catalogue.models import load_catalogue
from gpt_image_mcp.catalogue.prices import quote
from gpt_image_mcp.catalogue.size_rules import makeable_size
from gpt_image_mcp.catalogue.sizes import AUTO
from gpt_image_mcp.catalogue.validation import (
    PINNED,
    QUALITIES,
    has_key,
    require_single,
    validate_input_images,
    validate_request,
)
from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.money import MOST_USD, Budget, Estimate, Fit, Quote
from gpt_image_mcp.values.options import OutputArguments, OutputOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.catalogue.validation import ValidRequest
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.money import KeyState
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.pixels import Pixels
    from gpt_image_mcp.values.requests import ImageRequest

MOST_IMAGES = 1000
_ANY_PROMPT = "any"
_USUAL_MAX_N = 10


class EstimateArguments(OutputArguments, total=False):
    """What a quote is of: output options, input images, whether there is markup, and an amount to spend."""

    input_images: int
    budget_usd: float
    markup: bool


def estimate(asked: EstimateArguments, *, settings: Settings, library: Library) -> Estimate:
    """Quotes images of this kind, at every quality, without making them.

    ``n`` may be up to 1000, in as many calls as it takes, each with all input images. ``budget_usd`` is an
    amount for which to say what fits; 0 for none.

    Raises:
        RequestError: If a call could not be made as described.
    """
    input_images, budget_usd = asked.get("input_images", 0), asked.get("budget_usd", 0)
    output = {name: value for name, value in asked.items() if name in OutputArguments.__annotations__}
    options = OutputOptions(**cast("OutputArguments", output))
    _check(options.n, budget_usd)
    real = without_sandbox(options, settings)
    one = replace(real, n=1 if real.n > _USUAL_MAX_N else real.n)
    checked = validate_request(
        _ANY_PROMPT, one, moderation="auto", settings=settings, has_markup=asked.get("markup", False)
    )
    validate_input_images(input_images, checked.model)
    host_model = ""
    if input_images and settings.force_responses_edits:
        require_single(options.n, PINNED)
        host_model = host_of(settings, dates.today())
    request = replace(checked.request, prompt="", n=options.n)
    price = partial(_quote, input_images=input_images, host_model=host_model)
    model = checked.model
    amount = Decimal(str(budget_usd)) if budget_usd else None
    fits: tuple[Fit, ...] = ()
    if model and amount:
        needs = replace(checked.needs, quality=AUTO)
        others = [other for other in _others(model) if not needs.lacking(other)]
        fits = tuple(_fits(model, request, amount, price=price, exact_size=checked.exact_size, others=others))
    return Estimate(
        model=request.model,
        size=request.size,
        quality=request.quality,
        n=options.n,
        output_format=request.output_format,
        input_images=input_images,
        quote=price(model, request),
        by_quality={
            quality: price(model, replace(request, quality=quality))
            for quality in (model.qualities if model else ())
        },
        budget=_budget(settings, library, request.model),
        key=_key(options, settings),
        has_key=has_key(settings),
        budget_usd=amount,
        fits=fits,
        best_fit=_best(fits),
        notes=(*_exact_notes(checked), *checked.notes),
    )


def _exact_notes(checked: ValidRequest) -> list[str]:
    """What is asked for where another size is delivered."""
    exact, asked = checked.exact_size, checked.request.size
    return [f"{asked} is asked for, and cut to {exact} on this machine."] if exact else []


def _check(n: int, budget_usd: float) -> None:
    if not 1 <= n <= MOST_IMAGES:
        message = f"n is {n}; it must be from 1 to {MOST_IMAGES}."
        raise InvalidArgument(message, next_step="Pass how many images you want; they may be several calls.")
    if not 0 <= budget_usd <= MOST_USD:
        message = f"budget_usd is {budget_usd}; it must be from 0 to {MOST_USD:,} US dollars."
        raise InvalidArgument(message, next_step="Pass what the images may cost together, or leave it out.")


def _quote(model: ImageModel | None, request: ImageRequest, *, input_images: int, host_model: str) -> Quote:
    """The price of all images of a request, in calls that make as many as they can."""
    most = model.max_n if model else _USUAL_MAX_N
    calls, rest = divmod(request.n, most)
    price = partial(quote, model, input_images=input_images, host_model=host_model)
    sizes = [(calls, most)] if calls else []
    sizes += [(1, rest)] if rest else []
    parts = [(times, price(replace(request, n=n))) for times, n in sizes]
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]

    def summed(amounts: list[tuple[int, Decimal | None]]) -> Decimal | None:
        known = [times * amount for times, amount in amounts if amount is not None]
        return sum(known, Decimal(0)) if len(known) == len(amounts) else None

    return Quote(
        expected_usd=summed([(times, part.expected_usd) for times, part in parts]),
        low_usd=summed([(times, part.low_usd) for times, part in parts]),
        high_usd=summed([(times, part.high_usd) for times, part in parts]),
        basis=f"{calls + bool(rest)} calls of at most {most} images. A full one: {parts[0][1].basis}",
    )


def _fits(
    asked: ImageModel,
    request: ImageRequest,
    amount: Decimal,
    *,
    price: Callable[[ImageModel, ImageRequest], Quote],
    exact_size: Pixels | None,
    others: Iterable[ImageModel],
) -> Iterator[Fit]:
    """What an amount pays for: the model at each quality, then each other at about the one asked for.

    For ``auto``, that is the best that the amount pays for.
    """
    for quality in asked.qualities:
        yield from _fit(asked, replace(request, quality=quality), amount, price=price)
    for model in others:
        size = makeable_size(model, request.size, exact_size=exact_size)
        if not size:
            continue
        like = replace(request, model=model.name, size=size)
        kinds = [
            fit
            for quality in _about(request.quality, model)
            for fit in _fit(model, replace(like, quality=quality), amount, price=price)
        ]
        yield from [fit for fit in kinds if fit.is_enough][-1:] or kinds[:1]


def _others(asked: ImageModel) -> list[ImageModel]:
    """The other models that live."""
    return [model for model in load_catalogue().offered(dates.today()) if model.name != asked.name]


def _fit(
    model: ImageModel,
    request: ImageRequest,
    amount: Decimal,
    *,
    price: Callable[[ImageModel, ImageRequest], Quote],
) -> Iterator[Fit]:
    """What an amount pays for of one kind; nothing where the price is not known."""
    each, total = price(model, replace(request, n=1)), price(model, request)
    if each.high_usd and total.high_usd:
        yield Fit(
            model=request.model,
            quality=request.quality,
            size=request.size,
            each=each,
            total=total,
            count=min(int(amount // each.high_usd), MOST_IMAGES),
            is_enough=total.high_usd <= amount,
        )


def _best(fits: Sequence[Fit]) -> Fit | None:
    """The best quality of which the amount pays for all, and of equal ones the dearest."""
    enough = [fit for fit in fits if fit.is_enough]
    return max(enough, key=lambda fit: (QUALITIES.index(fit.quality), fit.total.high_usd or 0), default=None)


def _about(quality: str, model: ImageModel) -> tuple[str, ...]:
    """The quality, or the best of a model that has none as good; for ``auto`` all, cheapest first."""
    if quality == AUTO:
        return model.qualities
    return (quality if quality in model.qualities else model.qualities[-1],)


def _key(options: OutputOptions, settings: Settings) -> KeyState:
    if settings.sandbox or is_sandbox(options.model.strip() or settings.model):
        return "sandbox"
    return "set" if has_key(settings) else "missing"


def _budget(settings: Settings, library: Library, model: str) -> Budget:
    standings = library.ledger.standings(library.limits(), model)
    return Budget(
        per_call_usd=settings.max_cost_usd,
        daily_usd=settings.daily_budget_usd,
        spent_today_usd=library.ledger.spent_usd(),
        left_today_usd=min(
            (standing.left_usd for standing in standings if standing.limit.period == "day"), default=None
        ),
        standings=tuple(standing for standing in standings if not standing.limit.setting),
        is_of_person=bool(library.owner.name),
    )
