"""The environment variables, as they were meant. No other module reads the environment."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

import platformdirs

from gpt_image_mcp.errors import InvalidSetting, cut
from gpt_image_mcp.paths import unquoted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

# What the SDK, the HTTP client, FastMCP and Python read themselves.
_OF_LIBRARIES = re.compile(
    r"OPENAI_\w+|AZURE_(TENANT_ID|CLIENT_ID|CLIENT_SECRET)|(HTTPS?|ALL)_PROXY|SSL_CERT_(FILE|DIR)|HOME|"
    r"XDG_\w+_HOME|TMPDIR|TE?MP",
    re.IGNORECASE,
)
# What clients and shells fill in. In addresses, :$ begins a password, and % with two digits is a character.
_UNFILLED = re.compile(
    r"\$[{(]|\{\{|\{(env|input):|^<.*>$|(?<![\w:])\$[A-Za-z_]|%[A-Z_]{4,}%|%(?![0-9A-Fa-f]{2})\w+%"
)
_SECRET_NAMES = re.compile("KEY|SECRET|HEADERS|DATABASE_URL")
# The same for variables of everybody, such as those of an object store, without names of files.
_HOLDS_SECRET = re.compile(r"(?:(?<!TLS_)(?<!PUBLIC_)KEY|SECRET|TOKEN|PASSWORD|HEADERS)$", re.IGNORECASE)
# Settings of which the content of a file is judged.
_NAMES_A_FILE = ("GPT_IMAGE_BUDGETS_FILE",)
# Of an address, also of one without a scheme, or with characters in its password that should be escaped.
_PASSWORDS = (
    re.compile(r"://[^/@:\s]*:([^/@\s]+)@"),
    re.compile(r"^[a-z][a-z0-9+.-]*:/+[^/@:\s]*:(\S+)@", re.IGNORECASE),
    re.compile(r"^(?![a-z][a-z0-9+.-]*:/)[^/@:\s]*:(\S+)@", re.IGNORECASE),
)
# A login, a token or a key that somebody put into the wrong variable.
_MAY_BE_SECRET = re.compile(r"[@?]|sk-|^[\w-]{20,}$")


def variables() -> dict[str, str]:
    """All variables without the blanks and quotes around them; what is empty then counts as unset."""
    cleaned = {name: unquoted(value) for name, value in os.environ.items()}
    return {name: value for name, value in cleaned.items() if value}


def variables_set(names: Iterable[str]) -> dict[str, str]:
    """Which of these variables are set and not empty, with their values."""
    found = {name.upper(): value for name, value in variables().items()}
    return {name: found[name.upper()] for name in names if name.upper() in found}


def secrets() -> frozenset[str]:
    """The values of all variables whose names say that they are secret, and the passwords in addresses."""
    found = variables()
    named = {value for name, value in found.items() if _HOLDS_SECRET.search(name) and "://" not in value}
    passwords = (pattern.search(value) for value in found.values() for pattern in _PASSWORDS)
    return frozenset(named | {unquote(password[1]) for password in passwords if password})


def clean_for_libraries() -> dict[str, str]:
    """Cleans in place the variables that libraries read themselves; gives those not filled in, and why not.

    Raises:
        InvalidSetting: If there is no home, without which not even FastMCP can be imported.
    """
    cleaned = variables()
    for name in filter(_OF_LIBRARIES.fullmatch, list(os.environ)):
        del os.environ[name]
    found = {name: value for name, value in cleaned.items() if _OF_LIBRARIES.fullmatch(name)}
    os.environ.update(found)
    _require_home()
    reasons = {name: reason for name, value in found.items() if (reason := unfilled(value))}
    return reasons if _is_zone_usable() else {**reasons, "TZ": "it must be within a day of UTC"}


def ignore_dotenv() -> None:
    """Keeps FastMCP from reading a .env of the project, if it is imported after this."""
    os.environ.setdefault("FASTMCP_ENV_FILE", os.devnull)


def unfilled(value: str) -> str:
    """What is wrong with a value in which a client left ``${HOME}`` or the like; empty if nothing is."""
    reason = "the client did not fill in a variable in it; write the value itself"
    return reason if _UNFILLED.search(value) else ""


def refused(reasons: Mapping[str, str]) -> InvalidSetting:
    """One error for all variables that are malformed.

    Args:
        reasons: What is allowed instead, by the name of each.
    """
    said = (
        f"The file {_shown(name)!r}, which {name} names, cannot be used: {reason}."
        if name in _NAMES_A_FILE
        else f"The environment variable {name} has the value {_shown(name)!r}, which is not allowed: "
        f"{reason}."
        for name, reason in reasons.items()
    )
    values = ", ".join(name for name in reasons if name not in _NAMES_A_FILE)
    files = [f"the file that {name} names" for name in reasons if name in _NAMES_A_FILE]
    steps = [*([f"or unset {values}"] if values else []), *files]
    return InvalidSetting(" ".join(said), next_step=f"Correct {' and '.join(steps)} and start again.")


@contextmanager
def telemetry_understood() -> Generator[None]:
    """A block in which OpenTelemetry reads variables of its own, as it does when it is imported.

    Raises:
        InvalidSetting: If it cannot use one.
    """
    try:
        yield
    except (ValueError, RuntimeError, StopIteration) as error:
        reason = str(error).rstrip(".") or "no reason is given"
        message = f"OpenTelemetry cannot be used with the variables OTEL_... as they are: {reason}."
        raise InvalidSetting(message, next_step="Correct or unset them and start again.") from error


def _shown(name: str) -> str:
    """The value of a variable as far as it may be shown."""
    value = variables_set([name]).get(name, "")
    is_secret = _SECRET_NAMES.search(name) or _MAY_BE_SECRET.search(value)
    return "***" if is_secret else cut(value)


def _is_zone_usable() -> bool:
    """Whether Python can tell the local time: the C library also takes zones days away from UTC."""
    try:
        datetime.now().astimezone()
    except ValueError:
        return False
    return True


def _require_home() -> None:
    try:
        platformdirs.user_config_path()
        platformdirs.user_data_path()
        platformdirs.user_cache_path()
    except RuntimeError as error:
        message = "The environment variable HOME is not set, and the system knows no home of this user."
        step = "Set HOME, or XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_CACHE_HOME, to folders of this user."
        raise InvalidSetting(message, next_step=step) from error
