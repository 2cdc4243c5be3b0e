"""Deciding a call before it is made: the request, its price, its folder and its name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpt_image_mcp.calls.destination import choose_destination, named_format
from gpt_image_mcp.catalogue.prices import quote
from gpt_image_mcp.catalogue.validation import require_key, require_still, validate_request
from gpt_image_mcp.folders import project_folder
from gpt_image_mcp.library.naming import Naming
from gpt_image_mcp.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.calls.destination import Destination
    from gpt_image_mcp.catalogue.models import ImageModel
    from gpt_image_mcp.library.store import Library
    from gpt_image_mcp.money import Quote
    from gpt_image_mcp.values.images import Kind, Requested
    from gpt_image_mcp.values.options import OutputOptions
    from gpt_image_mcp.values.pixels import Pixels
    from gpt_image_mcp.values.requests import Backdrop, ImageRequest
    from gpt_image_mcp.values.sessions import SessionTurn

SANDBOX_MODEL = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything decided about a call before it is sent.

    Attributes:
        prompt: The caller's words; ``request.prompt`` is what is sent.
        edit_type: The kind of edit; empty for a generation.
        exact_size: What the images are cut to afterwards, if that is wanted.
        backdrop: What puts the original pixels back afterwards, if that is wanted.
        session: The turn that this call is, if it is one.
    """

    call_id: str
    kind: Kind
    prompt: str
    request: ImageRequest
    model: ImageModel | None
    requested: Requested
    quote: Quote
    naming: Naming
    destination: Destination
    project_dir: Path
    sandbox: bool
    edit_type: str = ""
    exact_size: Pixels | None = None
    backdrop: Backdrop | None = None
    session: SessionTurn | None = None
    notes: tuple[str, ...] = ()


def plan_call(  # noqa: PLR0913 - each is a choice of the caller
    kind: Kind,
    prompt: str,
    options: OutputOptions,
    *,
    call_id: str,
    settings: Settings,
    moderation: str = "auto",
    has_markup: bool = False,
) -> Plan:
    """What all calls have in common: model, options, name and folder, checked.

    Raises:
        RequestError: If the model, the folder or an argument cannot be used.
    """
    chosen = as_meant(options, settings)
    checked = validate_request(
        prompt, chosen, moderation=moderation, settings=settings, has_markup=has_markup
    )
    if kind in ("batch", "session"):
        require_still(checked.request.output_format, f"a {kind}")
    sandbox = is_free(options, settings)
    if not sandbox:
        require_key(settings)
    destination = choose_destination(chosen, settings)
    return Plan(
        call_id=call_id,
        kind=kind,
        prompt=checked.request.prompt,
        request=checked.request,
        model=checked.model,
        requested=checked.requested,
        quote=quote(checked.model, checked.request),
        naming=Naming(
            kind=kind,
            label=options.filename_prefix,
            filename=destination.filename,
            replaceable=destination.replaceable,
        ),
        destination=destination,
        project_dir=project_folder(settings),
        sandbox=sandbox,
        exact_size=checked.exact_size,
        notes=checked.notes,
    )


def as_meant(options: OutputOptions, settings: Settings) -> OutputOptions:
    """The options with the model that is asked, and the format that an exact name says.

    Raises:
        OutputRejected: If the ending of the name cannot be had.
    """
    return replace(without_sandbox(options, settings), output_format=named_format(options))


def expected_seconds(plan: Plan, library: Library) -> float | None:
    """What calls of this kind took before, else what is said of the model; None if nothing is known."""
    request = plan.request
    measured = library.ledger.typical_seconds(
        kind=plan.kind,
        model=request.model,
        quality=request.quality,
        size=request.size,
        sandbox=plan.sandbox,
    )
    if measured is None and not plan.sandbox and plan.model:
        return plan.model.typical_seconds
    return measured


def is_sandbox(model: str) -> bool:
    """Whether a model name asks for the sandbox."""
    return model.strip().lower() == SANDBOX_MODEL


def is_free(options: OutputOptions, settings: Settings) -> bool:
    """Whether a call is made in the sandbox, where nothing is paid."""
    return settings.sandbox or is_sandbox(_named(options, settings))


def without_sandbox(options: OutputOptions, settings: Settings) -> OutputOptions:
    """The options with a real model: ``sandbox`` is not a model but a place to run the default one."""
    if not is_sandbox(_named(options, settings)):
        return options
    built_in = Settings.model_fields["model"].default
    return replace(options, model=built_in if is_sandbox(settings.model) else settings.model)


def _named(options: OutputOptions, settings: Settings) -> str:
    """The model of a call in the words of the caller, or of the settings."""
    return options.model.strip() or settings.model
