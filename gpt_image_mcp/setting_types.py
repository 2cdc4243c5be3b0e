"""What values of settings look like in the environment, where each is text."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from gpt_image_mcp.money import MOST_USD
from gpt_image_mcp.paths import local_path, unquoted

ToolGroup = Literal["core", "sessions", "export", "remote"]
TOOL_GROUPS: tuple[ToolGroup, ...] = ("core", "sessions", "export", "remote")
_DATABASE_ADDRESS = re.compile(r"\s*[a-z]\w*(\+\w+)?://", re.IGNORECASE)
# A name, or all that end in one; people paste it with the rest of an address.
_HOST = re.compile(r"(?:https?://)?(?P<name>(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::\d+)?(?:/\S*)?")


def _split_paths(value: object) -> object:
    """Splits ``/a:/b`` (``;`` on Windows) into folders; other values stay the same."""
    if not isinstance(value, str):
        return value
    return tuple(_path_of(part) for part in value.split(os.pathsep) if unquoted(part))


def _path_of(text: str) -> Path:
    try:
        path = local_path(text, base=Path())
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if str(path).startswith("~"):
        raise ValueError("the home of another user is not looked up; write the folder itself")
    return path


def _split_groups(value: object) -> object:
    """Splits ``core,sessions`` into a set; ``all`` means every group."""
    if isinstance(value, str):
        names = frozenset(name.strip().lower() for name in value.split(",") if name.strip())
        return frozenset(TOOL_GROUPS) if not names or "all" in names else names
    return value


def _split_hosts(value: object) -> object:
    """Splits ``a.example, http://b:8000/mcp`` into names; other values stay the same."""
    if not isinstance(value, str):
        return value
    found = [_HOST.fullmatch(part) for part in re.split(r"[\s,;]+", value.lower()) if part]
    if not all(found):
        message = "it must be names such as host.docker.internal or *.example.com, with commas between"
        raise ValueError(message)
    return tuple(host["name"] for host in found if host)


def _one_path(value: object) -> object:
    """A path, as people write it; empty is none."""
    if not isinstance(value, str):
        return value
    return _path_of(value) if unquoted(value) else None


def _split_networks(value: object) -> object:
    """Splits ``10.0.0.0/8, 192.168.1.2`` at commas; other values stay the same."""
    if not isinstance(value, str):
        return value
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        for part in found:
            ip_network(part)
    except ValueError as error:
        message = "it must be addresses or networks such as 10.0.0.5 or 10.0.0.0/24, with commas between"
        raise ValueError(message) from error
    return found


def _split_aliases(value: object) -> object:
    """Splits ``ours=gpt-image-2, other=gpt-image-1.5`` into a mapping; other values stay the same."""
    if not isinstance(value, str):
        return value
    pairs = [
        [side.strip() for side in part.split("=")] for part in re.split(r"[,;\n]+", value) if part.strip()
    ]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):  # noqa: PLR2004 - name and model
        message = "it must be names such as my-deployment=gpt-image-2, with commas between"
        raise ValueError(message)
    return dict(pairs)


def web_address(value: object) -> object:
    """The value, if it can be the address of a server.

    Raises:
        ValueError: If it cannot.
    """
    if isinstance(value, str) and not value.startswith(("http://", "https://")):
        message = "it must begin with http:// or https://"
        raise ValueError(message)
    return value


def server_address(value: object) -> object:
    """The value, if it is the address of a server with a host and a port that can be.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(value, str) and not _has_possible_host(value):
        raise ValueError("it must be an address such as https://host.example:8443/path")
    return web_address(value)


def _has_possible_host(address: str) -> bool:
    """Whether an address has a host, and a port from 1 to 65535 or none."""
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", parts.netloc)
    except ValueError:
        return False


def database_address(value: object) -> object:
    """The value, if it can be the address of a database.

    Raises:
        ValueError: If it cannot.
    """
    if isinstance(value, str) and value and not _DATABASE_ADDRESS.match(value):
        message = "it must be an address such as postgresql+psycopg://user:password@host/name"
        raise ValueError(message)
    return value


FilePath = Annotated[Path | None, BeforeValidator(_one_path)]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_networks)]
Paths = Annotated[tuple[Path, ...] | None, NoDecode, BeforeValidator(_split_paths)]
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_hosts)]
Groups = Annotated[frozenset[ToolGroup], NoDecode, BeforeValidator(_split_groups)]
Aliases = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_aliases)]
UsdLimit = Annotated[Decimal | None, Field(ge=0, le=MOST_USD, allow_inf_nan=False)]
