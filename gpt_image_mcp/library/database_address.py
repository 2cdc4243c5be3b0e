"""The address of the library database: read, shown, and written as another driver reads it."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from gpt_image_mcp.errors import DatabaseFailed

# What asyncpg understands; any other it would send to the server as a variable.
_OF_ASYNCPG = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "host", "port", "passfile"})


def read_address(text: str) -> URL:
    """The parts of a SQLAlchemy address.

    Raises:
        DatabaseFailed: If it is none, or if an ``@`` in its password made a part of that the host.
    """
    try:
        address = make_url(text)
    except (ArgumentError, ValueError):
        raise _unreadable() from None  # what SQLAlchemy says may repeat the password
    if "@" in (address.host or ""):
        raise _unreadable()
    return address


def shown_address(text: str) -> str:
    """An address without its password, and without its options, one of which may be a password.

    Raises:
        DatabaseFailed: If it is none.
    """
    return read_address(text).set(query={}).render_as_string(hide_password=True)


def asyncpg_address(text: str) -> str:
    """An address of PostgreSQL as asyncpg reads it; empty for another database.

    Raises:
        DatabaseFailed: If it is none.
    """
    if not text:
        return ""
    address = read_address(text)
    if address.get_backend_name() != "postgresql":
        return ""
    options = {name: value for name, value in address.query.items() if name in _OF_ASYNCPG}
    return address.set(drivername="postgresql", query=options).render_as_string(hide_password=False)


def _unreadable() -> DatabaseFailed:
    return DatabaseFailed(
        "The address of the library database in GPT_IMAGE_DATABASE_URL cannot be read.",
        next_step="Write it as postgresql://user:password@host:5432/name; in the password @, : and / are "
        "written as %40, %3A and %2F.",
    )
