"""The parameters that commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import Parameter

from gpt_image_mcp.values.options import OutputOptions

Flag: TypeAlias = Annotated[bool, Parameter(negative="")]
AsJson: TypeAlias = Annotated[bool, Parameter(name="--json", negative="")]
InSandbox: TypeAlias = Annotated[bool, Parameter(name="--sandbox", negative="")]
OutputFile: TypeAlias = Annotated[str, Parameter(name=["--output", "-o"])]
# Each field becomes an option of the command.
Options: TypeAlias = Annotated[OutputOptions, Parameter(name="*")]
DEFAULTS = OutputOptions()
