"""Signed links: who has one may do what it names until it ends, without signing in.

Each kind has a salt of its own, so that a link of one kind is none of another. When it ends stands in it and
not when it was made: of replicas whose clocks differ, one would otherwise refuse what another has just made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, TypeAlias

from gpt_image_mcp.errors import LinkEnded, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsdangerous import URLSafeSerializer

    from gpt_image_mcp.settings import Settings

LinkKind: TypeAlias = Literal["image", "export", "upload"]
LINK_SECONDS = 300
_AGAIN = "Ask for a new one."


@dataclass(frozen=True, slots=True)
class Links:
    """Signs and reads links.

    Attributes:
        key: What they are signed with, the same for all replicas.
        clock: The time, in seconds since 1970.
    """

    key: str = field(repr=False)
    clock: Callable[[], float] = time.time

    def sign(self, kind: LinkKind, *named: str) -> str:
        """The last part of an address that stands for what is named, for five minutes."""
        token: str = self._serializer(kind).dumps([*named, int(self.clock()) + LINK_SECONDS])
        return token

    def read(self, kind: LinkKind, token: str) -> list[str]:
        """What a link names.

        Raises:
            NotFound: If it was not signed here as one of this kind, to the letter.
            LinkEnded: If its time is over.
        """
        from itsdangerous import BadData

        serializer = self._serializer(kind)
        named: list[str]
        try:
            *named, ends_at = serializer.loads(token)
        except BadData as error:
            raise wrong_link() from error
        # Base64 has several spellings of the same signature.
        if serializer.make_signer(serializer.salt).sign(token.rpartition(".")[0]).decode() != token:
            raise wrong_link()
        # An end that is far off was told by a clock that has been set back since.
        if not 0 < ends_at - self.clock() <= 2 * LINK_SECONDS:
            raise ended_link()
        return named

    def _serializer(self, kind: LinkKind) -> URLSafeSerializer:
        from itsdangerous import URLSafeSerializer

        how = {"key_derivation": "hmac", "digest_method": sha256}
        return URLSafeSerializer(self.key, salt=f"gpt-image-mcp {kind}", signer_kwargs=how)


def links_of(settings: Settings) -> Links | None:
    """The links of a served library; None where there are none, for want of a key or of people."""
    if settings.link_key is None or not settings.is_served:
        return None
    return Links(settings.link_key.get_secret_value())


def wrong_link() -> NotFound:
    """The error for a link that leads nowhere, whatever the reason: it says nothing about what exists."""
    return NotFound("This link leads nowhere.", next_step=_AGAIN)


def ended_link() -> LinkEnded:
    """The error for a link that was right, and was used or is too old."""
    return LinkEnded("This link was used or is older than five minutes.", next_step=_AGAIN)
