"""An OpenID Connect provider on loopback, with keys of its own, that lets in whoever it is told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwk, jws
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.requests import Request
    from starlette.responses import Response

AUDIENCE, CLIENT_ID, CLIENT_SECRET = "gpt-image-mcp", "our-client", "a secret of the test"
SCOPES = "images:read images:spend"


@dataclass
class Issuer:
    """A running provider.

    Attributes:
        url: Its address, which is the issuer of its tokens.
        person: The claims of whoever signs in next.
    """

    url: str
    key: jwk.RSAKey
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "anna"})
    _grants: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])

    def token(self, *, key: jwk.RSAKey | None = None, **claims: Any) -> str:
        """A signed token that is good unless a claim says otherwise; None leaves a claim out."""
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "anna",
            "scope": SCOPES,
            "iat": now,
            "exp": now + 3600,
        }
        kept = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        # In ASCII, so that a text may hold half a character.
        return jws.serialize_compact({"alg": "RS256", "kid": "first"}, json.dumps(kept), key or self.key)

    def unsigned(self) -> str:
        """A token that says it needs no signature."""
        return f"{_part({'alg': 'none', 'kid': 'first'})}.{self.token().split('.')[1]}."

    def confused(self) -> str:
        """A token signed with the public key as if that were a secret."""
        signed = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{self.token().split('.')[1]}"
        digest = hmac.digest(self.public_pem().encode(), signed.encode(), hashlib.sha256)
        return f"{signed}.{_base64(digest)}"

    def public_pem(self) -> str:
        """The public key."""
        return self.key.as_pem(private=False).decode()

    def settings(self) -> dict[str, str]:
        """Those of a server that takes this issuer's tokens."""
        return {
            "GPT_IMAGE_AUTH": "jwt",
            "GPT_IMAGE_AUTH_ISSUER": self.url,
            "GPT_IMAGE_AUTH_AUDIENCE": AUDIENCE,
            "GPT_IMAGE_AUTH_JWKS_URL": f"{self.url}/keys",
        }

    async def discover(self, _request: Request) -> Response:
        """Where everything is."""
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def keys(self, _request: Request) -> Response:
        """The public key."""
        return JSONResponse({"keys": [{**self.key.as_dict(private=False), "kid": "first", "use": "sig"}]})

    async def authorize(self, request: Request) -> Response:
        """Lets the person in, as a browser would see it after a password."""
        asked, code = request.query_params, secrets.token_urlsafe()
        assert asked["client_id"] == CLIENT_ID
        self._grants[code] = {
            "challenge": asked["code_challenge"],
            "scope": asked.get("scope", ""),
            **self.person,
        }
        return RedirectResponse(
            f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 302
        )

    async def grant(self, request: Request) -> Response:
        """Tokens for a code, to the client that proves itself, once."""
        form = await request.form()
        password = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '%20')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        assert request.headers["authorization"] in {f"Basic {password}", f"Basic {plain}"}
        person = self._grants.pop(str(form["code"]))
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        assert _base64(digest) == person.pop("challenge")
        scope = person.pop("scope")
        return JSONResponse(
            {
                "access_token": self.token(scope=scope, **person),
                "id_token": self.token(aud=CLIENT_ID, scope=None, **person),
                "token_type": "Bearer",
                "expires_in": 3600,
                "scope": scope,
            }
        )


@contextmanager
def issuer() -> Generator[Issuer]:
    """A provider that runs in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    key = jwk.RSAKey.generate_key(2048)
    running = Issuer(f"http://127.0.0.1:{listener.getsockname()[1]}", key)
    routes = [
        Route("/.well-known/openid-configuration", running.discover),
        Route("/keys", running.keys),
        Route("/authorize", running.authorize),
        Route("/token", running.grant, methods=["POST"]),
    ]
    config = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield running
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _part(document: dict[str, str]) -> str:
    return _base64(json.dumps(document).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
