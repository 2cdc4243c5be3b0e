"""How people sign in: FastMCP's providers, made of the settings.

A token that is taken names a person, ends, and has our scopes, whoever issued it. Clocks may differ: a token
that begins (nbf) up to 30 seconds from now is taken, one that has ended (exp) is not.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastmcp.server.auth import AccessToken, AuthProvider, JWTVerifier, MultiAuth, RemoteAuthProvider
from fastmcp.server.auth.auth import TokenVerifier
from fastmcp.server.auth.jwt_issuer import derive_jwt_key
from pydantic import AnyHttpUrl

from gpt_image_mcp.environment import secrets
from gpt_image_mcp.errors import (
    AuthenticationFailed,
    ImageError,
    InvalidSetting,
    StorageFailed,
    UpstreamUnavailable,
    cut,
)
from gpt_image_mcp.redaction import without_password, without_secrets
from gpt_image_mcp.settings import variable_names
from gpt_image_mcp.team.identity import owner_of
from gpt_image_mcp.team.scopes import READ, SPEND, scopes_in
from gpt_image_mcp.team.tokens import StoredToken, TokensFile, hashed, tokens_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastmcp.server.auth import OAuthProxy
    from mcp.shared.auth import OAuthClientInformationFull

    from gpt_image_mcp.settings import Settings

_log = logging.getLogger(__name__)
_DISCOVERY = "/.well-known/openid-configuration"
_TENANT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
_CURVES = {256: "ES256", 384: "ES384", 521: "ES512"}
_OPENID, _EMAIL = "openid", "https://www.googleapis.com/auth/userinfo.email"
# Google is asked about a token at most once in this time; so long does one that was withdrawn live on.
_CACHE_SECONDS = 60


def auth_provider(settings: Settings) -> AuthProvider | None:
    """What verifies the tokens of requests; None where nobody signs in.

    Raises:
        InvalidSetting: If a setting is missing, or two contradict each other.
        UpstreamUnavailable: If the OpenID Connect provider does not answer.
    """
    if settings.auth == "none":
        return None
    if settings.auth == "tokens":
        return FileTokens(tokens_file(settings), groups_claim=settings.auth_groups_claim)
    if settings.auth == "jwt":
        return _jwt(settings)
    return _OIDC[settings.auth_provider](settings)


class FileTokens(TokenVerifier):
    """Takes the tokens of a file, which may change while it is used.

    Args:
        file: The file.
        groups_claim: The claim that names the groups of a person.
    """

    def __init__(self, file: TokensFile, *, groups_claim: str) -> None:
        super().__init__(required_scopes=[READ])
        self._file, self._groups_claim = file, groups_claim
        self._identity: object = ""
        self._failure = ""
        self._tokens: dict[str, StoredToken] = {}

    async def verify_token(self, token: str) -> AccessToken | None:
        """What a token stands for; None if it is not in the file, whose end is for FastMCP to judge."""
        stored = self._known().get(hashed(token))
        if stored is None:
            return None
        return AccessToken(
            token=token,
            client_id=stored.name,
            subject=stored.name,
            scopes=list(stored.scopes),
            expires_at=int(stored.ends.timestamp()) if stored.ends else None,
            claims={"sub": stored.name, self._groups_claim: list(stored.groups)},
        )

    def _known(self) -> dict[str, StoredToken]:
        """The tokens of the file as it is now, by hash; none of a file that cannot be used."""
        identity = self._file.identity()
        if identity is None or identity != self._identity:
            self._identity, self._tokens = None, {}
            try:
                self._tokens = {token.sha256: token for token in self._file.read()}
                self._identity, self._failure = identity, ""  # what could not be read is read again
                _log.info("%s has %d tokens.", self._file.path, len(self._tokens))
            except StorageFailed as error:
                if self._failure != error.message:
                    _log.error("Nobody can sign in. %s", error)
                self._failure = error.message
        return self._tokens


class _People(MultiAuth):
    """Another provider, of whose tokens only those are taken that name a person and end.

    Args:
        provider: The provider.
        settings: Those of the server.
        asked_scopes: What clients ask their provider for.
        may_all: Whether people without any scope of ours may read and spend, because the provider can give
            none.
        accepts: What else a token must fulfil.
    """

    def __init__(
        self,
        provider: AuthProvider,
        settings: Settings,
        *,
        asked_scopes: Sequence[str] = (READ, SPEND),
        may_all: bool = False,
        accepts: Callable[[AccessToken], bool] = lambda _: True,
    ) -> None:
        super().__init__(server=provider, required_scopes=[READ])
        self._settings, self._asked = settings, list(asked_scopes)
        self._may_all, self._accepts = may_all, accepts

    async def verify_token(self, token: str) -> AccessToken | None:
        """What a token stands for; None if it is not taken."""
        found = await super().verify_token(token)
        if found is None or found.expires_at is None or not self._accepts(found):
            return None
        try:
            owner_of(found, self._settings)
        except AuthenticationFailed:
            return None
        scopes = scopes_in(found) or ([READ, SPEND] if self._may_all else [])
        return found.model_copy(update={"scopes": scopes})

    def get_challenge_scopes(self, required_scopes: list[str] | None = None) -> list[str]:
        """What clients ask their provider for."""
        del required_scopes
        return self._asked


def _jwt(settings: Settings) -> AuthProvider:
    """Tokens that somebody else signs; the provider is advertised where our own address is known."""
    issuer, audience = _required(settings, "auth_issuer"), _required(settings, "auth_audience")
    if bool(settings.auth_public_key) == bool(settings.auth_jwks_url):
        given = "both" if settings.auth_public_key else "neither"
        message = f"GPT_IMAGE_AUTH=jwt has {given} of GPT_IMAGE_AUTH_JWKS_URL and GPT_IMAGE_AUTH_PUBLIC_KEY."
        raise InvalidSetting(message, next_step="Set one of them: where the keys are, or the key itself.")
    key, algorithm = _public_key(settings.auth_public_key or "")
    verifier = JWTVerifier(
        public_key=key or None,
        jwks_uri=settings.auth_jwks_url,
        issuer=issuer,
        audience=audience,
        algorithm=algorithm,
    )
    if settings.auth_base_url and issuer.startswith(("http://", "https://")):
        servers = [AnyHttpUrl(issuer)]
        advertised = RemoteAuthProvider(
            verifier, servers, settings.auth_base_url, scopes_supported=[READ, SPEND]
        )
        return _People(advertised, settings)
    return _People(verifier, settings)


def _public_key(text: str) -> tuple[str, str]:
    r"""The key as PEM, also if its lines are joined by ``\n``, and the algorithm that goes with it."""
    if not text:
        return "", "RS256"
    pem = text.replace("\\n", "\n")
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, rsa.RSAPublicKey):
        return pem, "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size in _CURVES:
        return pem, _CURVES[key.curve.key_size]
    message = "GPT_IMAGE_AUTH_PUBLIC_KEY is no public key of RSA or of an elliptic curve of NIST, as PEM."
    step = "Set it to the text that begins with -----BEGIN PUBLIC KEY-----; its lines may be joined by \\n."
    raise InvalidSetting(message, next_step=step)


def _generic(settings: Settings) -> AuthProvider:
    """Any provider: with an audience its access tokens are verified, which then are JWT; else id tokens."""
    from fastmcp.server.auth.oidc_proxy import OIDCProxy

    audience = settings.auth_audience
    asked = [_OPENID, READ, SPEND] if audience else [_OPENID, "profile", "email"]
    address = _required(settings, "auth_issuer").removesuffix(_DISCOVERY).rstrip("/") + _DISCOVERY
    options = _proxy_options(settings)
    # FastMCP logs with its traceback what it raises too.
    logging.getLogger("fastmcp.server.auth.oidc_proxy").addFilter(_has_no_traceback)
    try:
        provider = _careful(OIDCProxy)(
            config_url=address,
            audience=audience,
            verify_id_token=not audience,
            valid_scopes=[*asked, "offline_access"],
            **options,
        )
    # OverflowError: of a port that there cannot be, also of a proxy. RecursionError: of its answer.
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OverflowError, RecursionError) as error:
        raise _undiscovered(address, error) from error
    return _People(provider, settings, asked_scopes=asked, may_all=not audience)


def _has_no_traceback(record: logging.LogRecord) -> bool:
    return record.exc_info is None


def _undiscovered(address: str, error: Exception) -> ImageError:
    """Why nothing is known of a provider: it does not answer, or there is none."""
    has_answered = isinstance(error, httpx2.HTTPStatusError) and not error.response.is_server_error
    shown = cut(without_password(address), 200)
    if isinstance(error, httpx2.HTTPError) and not has_answered:
        why = without_secrets(str(error), secrets())
        message = f"The OpenID Connect provider does not answer at {shown}: {why}."
        step = "Start again when it does, or correct GPT_IMAGE_AUTH_ISSUER."
        return UpstreamUnavailable(message, next_step=step)
    message = f"GPT_IMAGE_AUTH_ISSUER leads to no OpenID Connect provider: {shown}."
    return InvalidSetting(message, next_step=f"Set it to the address before {_DISCOVERY}.")


def _entra(settings: Settings) -> AuthProvider:
    """Entra, for the people of one tenant."""
    from fastmcp.server.auth.providers.azure import AzureProvider

    tenant = _TENANT.search(_required(settings, "auth_issuer"))
    if tenant is None:
        message = "GPT_IMAGE_AUTH_ISSUER names no tenant, so that any company's people could sign in."
        raise InvalidSetting(message, next_step="Set it to the id of your tenant, from Entra's overview.")
    provider = _careful(AzureProvider)(
        tenant_id=tenant[0],
        identifier_uri=settings.auth_audience,
        required_scopes=[READ],
        **_proxy_options(settings),
    )
    provider.update_default_scopes([READ, SPEND])
    return _People(provider, settings)


def _google(settings: Settings) -> AuthProvider:
    """Google, for the people of one Workspace domain; its tokens name neither groups nor scopes of ours."""
    from fastmcp.server.auth.providers.google import GoogleProvider

    domain = _required(settings, "auth_issuer").lower()
    if not _DOMAIN.fullmatch(domain) or domain == "accounts.google.com":
        message = "GPT_IMAGE_AUTH_ISSUER names no Workspace domain, so that any Google account could sign in."
        raise InvalidSetting(message, next_step="Set it to your company's domain, such as example.com.")
    provider = _careful(GoogleProvider)(
        required_scopes=[_OPENID, "email"],
        extra_authorize_params={"hd": domain},
        cache_ttl_seconds=_CACHE_SECONDS,
        **_proxy_options(settings),
    )

    def is_of_domain(token: AccessToken) -> bool:
        person: Any = token.claims.get("google_user_data") or {}
        return bool(person.get("hd") == domain)

    return _People(provider, settings, asked_scopes=[_OPENID, _EMAIL], may_all=True, accepts=is_of_domain)


def _keycloak(settings: Settings) -> AuthProvider:
    """A realm of Keycloak, with which clients register themselves."""
    from fastmcp.server.auth.providers.keycloak import KeycloakAuthProvider

    provider = KeycloakAuthProvider(
        realm_url=_required(settings, "auth_issuer"),
        base_url=_required(settings, "auth_base_url"),
        audience=_required(settings, "auth_audience"),
    )
    return _People(provider, settings, asked_scopes=[_OPENID, READ, SPEND])


_OIDC: dict[str, Callable[[Settings], AuthProvider]] = {
    "generic": _generic,
    "entra": _entra,
    "google": _google,
    "keycloak": _keycloak,
}


def _careful(kind: type[OAuthProxy]) -> Any:
    """A proxy of FastMCP that knows no client by an address without a host, at which its own breaks off."""

    class Careful(kind):  # type: ignore[misc, valid-type]
        async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
            client: OAuthClientInformationFull | None = None
            with suppress(UnicodeError):  # of Python, which looks for the host
                client = await super().get_client(client_id)
            return client

    return Careful


def _proxy_options(settings: Settings) -> dict[str, Any]:
    """What FastMCP's proxies need, so that all replicas take each other's sign-ins."""
    from gpt_image_mcp.team.sign_in_storage import sign_in_storage

    key = _required(settings, "link_key")
    return {
        "client_id": _required(settings, "auth_client_id"),
        "client_secret": _required(settings, "auth_client_secret"),
        "base_url": _required(settings, "auth_base_url"),
        "client_storage": sign_in_storage(settings, key),
        "jwt_signing_key": derive_jwt_key(high_entropy_material=key, salt="gpt-image-mcp sign-in"),
    }


def _required(settings: Settings, field: str) -> str:
    """The value of a setting that this way to sign in needs."""
    value = getattr(settings, field)
    if not value:
        way = f"GPT_IMAGE_AUTH={settings.auth}"
        if settings.auth == "oidc":
            way += f" with GPT_IMAGE_AUTH_PROVIDER={settings.auth_provider}"
        (name, *_) = variable_names(field)
        raise InvalidSetting(
            f"{way} needs {name}, which is not set.", next_step=f"Set {name}; see docs/team.md."
        )
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)
