"""The output options, whose fields tools, commands and methods share."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import get_type_hints

from gpt_image_mcp.values.options import OutputArguments, OutputOptions


def test_type_checkers_see_every_field_with_its_type() -> None:
    types = get_type_hints(OutputOptions)
    assert get_type_hints(OutputArguments) == {
        field.name: types[field.name] for field in fields(OutputOptions)
    }


def test_the_arguments_make_the_same_options_again() -> None:
    options = OutputOptions(model="sandbox", n=3, filename="boat.png", overwrite=True)
    assert options.arguments() == asdict(options)
    assert OutputOptions(**options.arguments()) == options
