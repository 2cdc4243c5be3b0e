"""The command line with which a client starts this server; it depends on how the server was installed."""

from __future__ import annotations

import json
import shutil
import sysconfig
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import BaseModel

from gpt_image_mcp.errors import InvalidArgument

How: TypeAlias = Literal["uvx", "path"]
DISTRIBUTION = "gpt-image-mcp-server"
SCRIPT = "gpt-image-mcp"
_NO_UVX = (
    "There is no uvx on the PATH, so the client may find none either: install uv, or use --command path."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command line that starts the server.

    Attributes:
        note: Why it may not work, for the person; empty if no reason is known.
    """

    command: str
    args: tuple[str, ...] = ()
    note: str = ""


class _VersionControl(BaseModel):
    vcs: str
    commit_id: str


class _DirectUrl(BaseModel):
    """Where a distribution was installed from, if not from a package index.

    Source: https://packaging.python.org/en/latest/specifications/direct-url/
    """

    url: str
    vcs_info: _VersionControl | None = None


def launch(how: How) -> Launch:
    """The command line that starts the server.

    Args:
        how: ``uvx`` runs it from where it was installed from; ``path`` runs the installed script.

    Raises:
        InvalidArgument: If the script is not installed.
    """
    if how == "path":
        return Launch(command=str(_script(Path(sysconfig.get_path("scripts")))))
    source = install_source(distribution(DISTRIBUTION).read_text("direct_url.json"))
    # Programs started from a desktop do not have the shell's PATH, so they need the full path.
    found = shutil.which("uvx")
    return Launch(command=found or "uvx", args=("--from", source, SCRIPT), note="" if found else _NO_UVX)


def install_source(direct_url: str | None) -> str:
    """The argument of ``uvx --from`` that gets the same distribution.

    Args:
        direct_url: The contents of its ``direct_url.json``; None if it came from a package index.
    """
    if direct_url is None:
        return DISTRIBUTION
    origin = _DirectUrl.model_validate(json.loads(direct_url))
    if origin.vcs_info is not None:
        return f"{origin.vcs_info.vcs}+{origin.url}@{origin.vcs_info.commit_id}"
    parts = urlsplit(origin.url)
    return url2pathname(parts.path) if parts.scheme == "file" else origin.url


def _script(folder: Path) -> Path:
    found = next((path for name in (SCRIPT, f"{SCRIPT}.exe") if (path := folder / name).is_file()), None)
    if found is None:
        message = f"There is no {SCRIPT} script in {folder}."
        raise InvalidArgument(message, next_step="Use --command uvx, or install the package first.")
    return found
