"""The prompts of the server: each recipe as a form, and the message to the model that comes of it."""

from __future__ import annotations

import inspect
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from fastmcp.exceptions import ValidationError
from fastmcp.prompts import Prompt, PromptArgument
from fastmcp.server.dependencies import get_context

from gpt_image_mcp.dates import today
from gpt_image_mcp.errors import ImageError, InvalidArgument, RequestError, cut, quoted
from gpt_image_mcp.mcp_app.app import mcp
from gpt_image_mcp.mcp_app.lifespan import studio_of
from gpt_image_mcp.mcp_app.orders import CHOSEN_DRAFT
from gpt_image_mcp.mcp_app.recipes import RECIPES
from gpt_image_mcp.visible_text import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.mcp_app.orders import Order
    from gpt_image_mcp.settings import Settings
    from gpt_image_mcp.values.json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """One field of a prompt's form.

    Attributes:
        default: Empty where it may stay empty.
        choices: What it may be; empty for any text.
    """

    name: str
    description: str
    default: str = ""
    choices: tuple[str, ...] = ()
    is_required: bool = False

    def as_argument(self) -> PromptArgument:
        """As the protocol shows it, which knows neither choices nor defaults."""
        choices = f" One of: {', '.join(self.choices)}." if self.choices else ""
        default = f" Default: {self.default}." if self.default else ""
        return PromptArgument(
            name=self.name, description=f"{self.description}{choices}{default}", required=self.is_required
        )

    def takes(self, given: str) -> bool:
        """Whether it may be this."""
        return not self.choices or given.strip().lower() in ("", *self.choices)

    def value(self, given: str) -> str:
        """The value to use for what a person filled in.

        Raises:
            InvalidArgument: If it is empty and must not be, or is not one of the choices.
        """
        text = given.strip() or self.default
        if self.is_required and not text:
            message = f"The argument {self.name} is missing."
            raise InvalidArgument(message, next_step=f"Fill it in: {self.description}")
        if not self.takes(text):
            message = f"{self.name} is {quoted(text)}, which is not one of the choices."
            raise InvalidArgument(message, next_step=f"Use {', '.join(self.choices)}.")
        return text.lower() if self.choices else text


class RecipePrompt(Prompt):
    """A recipe as a prompt.

    FastMCP's own prompts of functions build a schema for each parameter, which takes longer at start-up than
    all our tools.
    """

    recipe: Any  # a Callable[..., Order], in words that pydantic need not resolve
    blanks: tuple[Blank, ...]

    async def render(self, arguments: JsonObject | None = None) -> str:
        """The message to the model for what a person filled in.

        Raises:
            ValidationError: If a value cannot be used; says which and why, as invalid params.
        """
        try:
            order: Order = self.recipe(**_filled(self.name, self.blanks, arguments or {}))
            return message_of(order, studio_of(get_context()).settings)
        except ImageError as error:
            raise ValidationError(str(error), log_level=logging.DEBUG) from error


def blanks_of(recipe: Callable[..., Order]) -> tuple[Blank, ...]:
    """The form that a recipe's signature describes."""
    parameters = inspect.signature(recipe, eval_str=True).parameters.values()
    return tuple(_blank(parameter) for parameter in parameters)


def message_of(order: Order, settings: Settings) -> str:
    """The message that tells a model what to do: draft cheaply, look at the draft, finish it.

    Raises:
        ImageError: If the model cannot make this size.
    """
    final = order.finishing()
    steps = (_draft(order), visible(_look(order)), final and _finish(final), visible(order.then))
    numbered = [f"{number}. {step}" for number, step in enumerate(filter(None, steps), start=1)]
    return "\n".join(
        ["Make this picture for me.", "", *numbered, "", *map(visible, _remarks(order, final, settings))]
    )


def _draft(order: Order) -> str:
    return f'Draft: call {order.tool} with quality "low" and these arguments:\n{_json(order.arguments())}'


def _look(order: Order) -> str:
    looked = "the draft, show it to the user"
    if order.drafts > 1:
        looked = "the drafts, show them to the user, ask which one to finish"
    return (
        f"Look at {looked} and check {order.check}. If something is wrong, change one thing of the prompt "
        "and draft again."
    )


def _finish(final: Order) -> str:
    call = f"call {final.tool}"
    if CHOSEN_DRAFT not in final.images:
        return f'Finish: when the user agrees, {call} with the same arguments and quality "{final.quality}".'
    arguments = _json({**final.arguments(), "quality": final.quality})
    return (
        f"Finish: when the user agrees, {call} on the draft; drawing anew would give another picture. "
        f'With quality "{final.quality}", and the id of the draft for {CHOSEN_DRAFT}:\n{arguments}'
    )


def _json(arguments: dict[str, object]) -> str:
    return f"```json\n{visible_lines(json.dumps(arguments, ensure_ascii=False, indent=1))}\n```"


def _blank(parameter: inspect.Parameter) -> Blank:
    kind, description = get_args(parameter.annotation)
    is_required = parameter.default is inspect.Parameter.empty
    return Blank(
        name=parameter.name,
        description=description,
        default="" if is_required else parameter.default,
        choices=get_args(kind) if get_origin(kind) is Literal else (),
        is_required=is_required,
    )


def _filled(prompt: str, blanks: tuple[Blank, ...], arguments: JsonObject) -> dict[str, str]:
    names = [blank.name for blank in blanks]
    unknown = [name for name in arguments if name not in names]
    if unknown:
        message = f"{prompt} has no argument {cut(', '.join(unknown))}."
        raise InvalidArgument(message, next_step=f"It takes {', '.join(names)}.")
    given = _joined(blanks, {name: str(value or "") for name, value in arguments.items()})
    return {blank.name: blank.value(given.get(blank.name, "")) for blank in blanks}


def _joined(blanks: tuple[Blank, ...], given: dict[str, str]) -> dict[str, str]:
    """The arguments, with a text in one piece again that a client split at its blanks.

    Claude Code gives the words typed behind a prompt's name to its arguments, in their order. The argument
    behind the required ones is a choice in every form, so that a word there shows the split.
    """
    names = [blank.name for blank in blanks[: len(given)]]
    is_split = set(names) == {*given} and all(len(word.split()) == 1 for word in given.values())
    if not is_split or all(blank.takes(given.get(blank.name, "")) for blank in blanks):
        return given
    last = sum(blank.is_required for blank in blanks) - 1
    text = " ".join(given[name] for name in names[last:])
    return {**{name: given[name] for name in names[:last]}, names[last]: text}


def _remarks(order: Order, final: Order | None, settings: Settings) -> list[str]:
    """What drafts and the finished picture cost, and what the model may refuse, as far as it is known."""
    name, model = _chosen(order, settings)
    remarks = [_prices(order, name, final=final, model=model)]
    if order.background == "transparent" and (model is None or model.transparency != "yes"):
        remarks.append(f"If {name} refuses the transparent background: {_ways_to_transparency()}.")
    return remarks


def _chosen(order: Order, settings: Settings) -> tuple[str, ImageModel | None]:
    """The model that will make a picture; one that cannot is refused when the picture is asked for."""
    from gpt_image_mcp.catalogue.model_choice import Needs, choose_model, known_model

    needs = Needs(transparent=order.background == "transparent", quality=order.quality)
    try:
        chosen = choose_model(order.model, needs, settings=settings, today=today())
    except RequestError:
        name = order.model or settings.model
        return name, known_model(name, settings)
    return chosen.name, chosen.model


def _ways_to_transparency() -> str:
    from gpt_image_mcp.catalogue.model_choice import Needs

    return f"pass one of the models {Needs(transparent=True).able(today())}, or background opaque"


def _prices(order: Order, name: str, *, final: Order | None, model: ImageModel | None) -> str:
    size, known = _size(order, model), list[str]()
    for made, quality in ((order, "low"), (final, order.quality)):
        price = _price(made, quality, size=size, model=model) if made else ""
        known += [f"quality {quality} {price}"] if price else []
    if known and order.drafts > 1:
        known[0] += f" for each of {order.drafts} drafts"
    costs = f"One picture with {name} at size {size} costs: {', '.join(known)}. " if known else ""
    return (
        f"{costs}Tell the user the cost before the final call; estimate_cost quotes other choices for free."
    )


def _size(order: Order, model: ImageModel | None) -> str:
    from gpt_image_mcp.catalogue.sizes import resolve_size

    return resolve_size(model, order.size).size


def _price(order: Order, quality: str, *, size: str, model: ImageModel | None) -> str:
    """What one picture of an order costs; empty where that is not known."""
    from gpt_image_mcp.catalogue.prices import quotes_by_quality
    from gpt_image_mcp.presentation.text import quote_text
    from gpt_image_mcp.values.requests import ImageRequest

    request = ImageRequest(prompt=order.prompt, model=order.model, size=size, quality=quality)
    quotes = quotes_by_quality(model, request, input_images=len(order.images))
    return quote_text(quotes[quality]) if quality in quotes else ""


def _register(name: str, recipe: Callable[..., Order]) -> None:
    blanks = blanks_of(recipe)
    mcp.add_prompt(
        RecipePrompt(
            name=name,
            title=name.replace("_", " ").capitalize().replace("Ui ", "UI "),
            description=inspect.cleandoc(recipe.__doc__ or ""),
            arguments=[blank.as_argument() for blank in blanks],
            recipe=recipe,
            blanks=blanks,
        )
    )


for _name, _recipe in RECIPES.items():
    _register(_name, _recipe)
