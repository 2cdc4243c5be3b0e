"""The commands on the tokens with which people sign in to a served library."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from pydantic import AwareDatetime, BaseModel

from gpt_image_mcp.cli.commands.parameters import AsJson
from gpt_image_mcp.cli.console import Console
from gpt_image_mcp.presentation.text import counted
from gpt_image_mcp.settings import read_settings
from gpt_image_mcp.team.tokens import StoredToken, tokens_file

_LONGEST_DAYS = 36_500

token = App(name="token", help="Make, list and revoke tokens, with which people sign in to a served library.")


class TokenContent(BaseModel):
    """The structured content of one token; ``token`` itself only when it is made."""

    id: str
    name: str
    groups: tuple[str, ...]
    scopes: tuple[str, ...]
    made: AwareDatetime
    ends: AwareDatetime | None
    token: str | None = None


class TokensContent(BaseModel):
    """The structured content of tokens."""

    tokens: list[TokenContent]


@token.command
def add(
    name: str,
    /,
    *,
    groups: str = "",
    scopes: str = "images:read,images:spend",
    days: Annotated[int, Parameter(validator=Number(gte=0, lte=_LONGEST_DAYS))] = 365,
    as_json: AsJson = False,
) -> int:
    """Make a token for a person and print it, this once; the person's other tokens stay valid.

    Args:
        name: The person, such as anna or anna@example.com: the owner of the images that are made with it.
        groups: The person's groups, with commas between.
        scopes: What it may do, with commas between: images:read, images:spend, admin.
        days: After how many it ends; 0 for never.
        as_json: Print the token and what is kept of it as JSON.
    """
    file, console = tokens_file(read_settings()), Console()
    made, stored = file.add(name, groups=_names(groups), scopes=_names(scopes), days=days)
    if as_json:
        console.print_json(_content(stored, token=made))
    else:
        console.print_lines([made])
    console.require_whole()
    if not as_json:
        console.say(f"{_line(stored)}. It is shown this once; {file.path} has its hash.")
    return 0


@token.command(name="list")
def list_tokens(*, as_json: AsJson = False) -> int:
    """List the tokens: id, name, groups, scopes and end; never a token itself.

    Args:
        as_json: Print them as JSON.
    """
    file = tokens_file(read_settings())
    tokens = file.read()
    if as_json:
        Console().print_json(TokensContent(tokens=[_content(stored) for stored in tokens]))
    else:
        Console().print_lines(map(_line, tokens))
        Console().say(f"{counted(len(tokens), 'token')} in {file.path}")
    return 0


@token.command
def revoke(name: str, /, *, token_id: Annotated[str, Parameter(name="--id")] = "") -> int:
    """End the tokens of a person at once; running servers refuse them from then on.

    Args:
        name: The person.
        token_id: Only the token of this id, as token list shows it.
    """
    revoked = tokens_file(read_settings()).revoke(name, token_id=token_id)
    Console().say(f"{counted(len(revoked), 'token')} of {name} revoked.")
    return 0


def _content(stored: StoredToken, *, token: str | None = None) -> TokenContent:
    return TokenContent(id=stored.id, **stored.model_dump(exclude={"sha256"}), token=token)


def _line(stored: StoredToken) -> str:
    groups = f" ({', '.join(stored.groups)})" if stored.groups else ""
    ends = "never ends"
    if stored.ends:
        has_ended = stored.ends <= datetime.now(UTC)
        ends = f"{'ended' if has_ended else 'ends'} {stored.ends:%Y-%m-%d %H:%M} UTC"
    return f"{stored.id}  {stored.name}{groups}  {' '.join(stored.scopes)}  {ends}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
