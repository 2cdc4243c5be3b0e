"""Tokens of our own, for a server without another issuer: a file of their hashes.

A token has 256 random bits, so that a plain SHA-256 of it tells nobody the token. It is shown once, when it
is made.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import tomllib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

import platformdirs
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from gpt_image_mcp.atomic_files import write_over
from gpt_image_mcp.errors import InvalidArgument, NotFound, StorageFailed, quoted
from gpt_image_mcp.folders import APP
from gpt_image_mcp.regular_files import read_regular
from gpt_image_mcp.team.scopes import READ, SPEND, Scope

if TYPE_CHECKING:
    from pathlib import Path

    from gpt_image_mcp.settings import Settings

DEFAULT_SCOPES: tuple[Scope, ...] = (READ, SPEND)
_PREFIX = "gptimg_"  # by which secret scanners know one
_MOST_BYTES = 10_000_000
_HEADER = "# Tokens of gpt-image-mcp, as hashes. Change it with: gpt-image-mcp token add, token revoke.\n\n"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_LONGEST_NAME = 255  # what the columns of the library take


def _readable(name: str) -> str:
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= _LONGEST_NAME:
        raise ValueError(f"it must be 1 to {_LONGEST_NAME} visible characters without blanks around them")
    return name


_Name = Annotated[str, AfterValidator(_readable)]


class StoredToken(BaseModel):
    """What is kept of a token.

    Attributes:
        name: Who signs in with it; the owner of what is made.
        made: When it was made.
        ends: From when it is refused; None for never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Name
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    groups: tuple[_Name, ...] = ()
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
    made: AwareDatetime
    ends: AwareDatetime | None = None

    @property
    def id(self) -> str:
        """What tells it from other tokens of the same name."""
        return self.sha256[:8]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: list[StoredToken] = Field(default=[])


class FileIdentity(NamedTuple):
    """What another content of a file has not: device, inode, time, size and permissions."""

    device: int
    inode: int
    changed_ns: int
    size_bytes: int
    mode: int


class TokensFile:
    """The file of tokens. Commands change it one at a time; servers read it meanwhile. Blocking.

    Args:
        path: Where it is; it need not be there. It may be a link, as those of container secrets are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def identity(self) -> FileIdentity | None:
        """What changes when the file does; None if it is not there."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return FileIdentity(found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)

    def read(self) -> list[StoredToken]:
        """All tokens, the ended ones too; none if there is no file.

        Raises:
            StorageFailed: If it is damaged, cannot be read, or may be written by other users.
        """
        try:
            data = read_regular(self.path, max_bytes=_MOST_BYTES)
            _require_private(self.path)
            return _Document.model_validate(tomllib.loads(data.decode())).token
        except FileNotFoundError:
            return []
        except OSError as error:
            reason = error.strerror or str(error)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        except (ValueError, RecursionError) as error:  # neither TOML nor UTF-8
            reason = str(error)
        message = f"The file of tokens {self.path} cannot be used: {reason}."
        raise StorageFailed(message, next_step="Mend it, or move it away and make new tokens.")

    def add(
        self, name: str, *, groups: tuple[str, ...] = (), scopes: tuple[str, ...] = (), days: int = 0
    ) -> tuple[str, StoredToken]:
        """A new token, and what is kept of it; other tokens of the name stay valid.

        Args:
            name: Who signs in with it.
            groups: Whose budget and, if they share, whose images it is for.
            scopes: What it may do; none means to read and to spend.
            days: After how many it ends; 0 for never.

        Raises:
            InvalidArgument: If a name or a scope is none.
            StorageFailed: If the file cannot be read or written; then there is no token.
        """
        token, made = _PREFIX + secrets.token_urlsafe(32), datetime.now(UTC).replace(microsecond=0)
        try:
            stored = StoredToken.model_validate(
                {
                    "name": name,
                    "sha256": hashed(token),
                    "groups": groups,
                    "scopes": scopes or DEFAULT_SCOPES,
                    "made": made,
                    "ends": made + timedelta(days=days) if days else None,
                }
            )
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            reason = fault["msg"].removeprefix("Value error, ")
            message = f"The {fault['loc'][0]} {quoted(fault['input'])} cannot be used: {reason}."
            step = "Pass another; gpt-image-mcp token add --help says what is allowed."
            raise InvalidArgument(message, next_step=step) from None
        self._write([*self.read(), stored])
        return token, stored

    def revoke(self, name: str, *, token_id: str = "") -> list[StoredToken]:
        """Ends the tokens of a name, or the one of an id, at once; gives them.

        Raises:
            NotFound: If there is none.
            StorageFailed: If the file cannot be read or written.
        """
        tokens = self.read()
        revoked = [token for token in tokens if token.name == name and token_id in ("", token.id)]
        if not revoked:
            message = f"No token of {quoted(name)}{f' has the id {quoted(token_id)}' if token_id else ''}."
            raise NotFound(message, next_step="See gpt-image-mcp token list.")
        self._write([token for token in tokens if token not in revoked])
        return revoked

    def _write(self, tokens: list[StoredToken]) -> None:
        import tomlkit

        kept = _Document(token=tokens).model_dump(exclude_none=True)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # what replaces it has its permissions
            write_over(self.path, (_HEADER + tomlkit.dumps(kept)).encode(), follows_links=True)
        except OSError as error:
            message = f"The file of tokens {self.path} cannot be written: {error.strerror or error}."
            step = "Make it writable, or set GPT_IMAGE_AUTH_TOKENS_FILE to another."
            raise StorageFailed(message, next_step=step) from error


def tokens_file(settings: Settings) -> TokensFile:
    """The file of tokens that is configured."""
    default = platformdirs.user_data_path(APP, appauthor=False) / "tokens.toml"
    return TokensFile(settings.auth_tokens_file or default)


def hashed(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _require_private(path: Path) -> None:
    """Refuses a file into which other users can write a token; Windows does not tell."""
    if hasattr(os, "getuid") and path.stat().st_mode & _OTHERS_WRITE:
        raise OSError(None, "other users may write to it (chmod go-w)")
