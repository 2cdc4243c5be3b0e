"""The command that lists the models."""

from __future__ import annotations

from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.dates import today


def models() -> int:
    """List the models: what each accepts and costs."""
    from gpt_image_mcp.catalogue.models import load_catalogue

    Console().print_models(load_catalogue(), today=today())
    return 0
