"""Signing in to real servers: with JWT and through an OpenID Connect provider on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastmcp import Client
from joserfc import jwk

from gpt_image_mcp.cli.app import run
from tests import web
from tests.mcp_app.http_servers import Served, serve, serve_by_fastmcp
from tests.team.browserless import Person
from tests.team.issuer import AUDIENCE, CLIENT_ID, CLIENT_SECRET, Issuer, issuer
from tests.web import answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:Using in-memory token storage:UserWarning")  # the client's
MINUTES_5 = 300
KEY = "0123456789abcdef0123456789abcdef"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Issuer]:
    with issuer() as running:
        yield running


@pytest.fixture(scope="module")
def served(provider: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that takes the provider's JWT."""
    with serve(tmp_path_factory.mktemp("served"), **provider.settings()) as running:
        yield running


def _asked(url: str, token: str = "", **headers: str) -> httpx2.Response:
    """The answer to a request of MCP with a token."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return httpx2.post(url, json=PING, headers={"Accept": "application/json, text/event-stream", **headers})


async def _names(url: str, auth: Any) -> set[str]:
    """The prompts of all images that whoever signs in can find, after making one."""
    async with Client(url, auth=auth) as client:
        await client.call_tool("generate_image", {"prompt": "a boat", "quality": "low"})
        found = (await client.call_tool("find_images", {})).structured_content or {}
    return {image["id"] for image in found["images"]}


async def test_a_good_token_lets_its_person_in_and_another_persons_images_stay_theirs(
    served: Served, provider: Issuer
) -> None:
    annas, bens = (
        await _names(served.url, provider.token()),
        await _names(served.url, provider.token(sub="ben")),
    )
    assert annas
    assert bens
    assert not annas & bens


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1_700_000_000},
        {"exp": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["another", "third"]},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a" * 256},
        {"sub": "anna\0"},
        {"sub": "anna\ud800"},
        {"sub": ["anna"]},
    ],
    ids=str,
)
def test_a_token_with_a_claim_that_is_wrong_or_missing_is_refused(
    claims: dict[str, Any], served: Served, provider: Issuer
) -> None:
    answer = _asked(served.url, provider.token(**claims))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_that_was_not_signed_by_the_issuer_is_refused(served: Served, provider: Issuer) -> None:
    good = provider.token()
    forged = [
        provider.token(key=jwk.RSAKey.generate_key(2048)),
        provider.unsigned(),
        provider.confused(),
        good[:-8] + "AAAAAAAA",
        good.rpartition(".")[0] + ".",
        "no.token.at all",
        "\x7f",
    ]
    assert [_asked(served.url, token).status_code for token in forged] == [401] * len(forged)
    assert _asked(served.url, good).status_code == 200


def test_a_request_without_a_token_is_told_what_to_ask_for(served: Served) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}):
        answer = _asked(served.url, **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer scope="images:read images:spend"'


@pytest.mark.parametrize("scope", [None, "", "openid", "images:spend", "admin", "images:read2"])
def test_a_token_without_the_scope_to_read_is_refused_with_403(
    scope: str | None, served: Served, provider: Issuer
) -> None:
    answer = _asked(served.url, provider.token(scope=scope))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert "images:read" in answer.json()["error_description"]


@pytest.mark.parametrize(
    "claims",
    [
        {"scp": "images:read images:spend"},
        {"scp": ["images:read"]},
        {"roles": ["images:read", "images:spend"]},
    ],
    ids=str,
)
def test_scopes_are_taken_from_the_claims_of_other_issuers_too(
    claims: dict[str, Any], served: Served, provider: Issuer
) -> None:
    assert _asked(served.url, provider.token(scope=None, **claims)).status_code == 200


def test_of_clocks_that_differ_a_token_may_begin_in_30_seconds_but_not_have_ended(
    served: Served, provider: Issuer
) -> None:
    now = int(time.time())
    times: list[dict[str, Any]] = [
        {"nbf": now + 20},
        {"nbf": now + MINUTES_5, "iat": now + MINUTES_5},
        {"exp": now - 1},
        {"exp": now - MINUTES_5},
        {"exp": now + MINUTES_5},
        {"iat": now + MINUTES_5},
    ]
    answers = [_asked(served.url, provider.token(**claims)).status_code for claims in times]
    assert answers == [200, 401, 401, 401, 200, 200]


def test_the_issuer_is_advertised_where_the_address_of_the_server_is_known(
    provider: Issuer, tmp_path: Path
) -> None:
    with serve(tmp_path, **provider.settings(), GPT_IMAGE_AUTH_BASE_URL="https://images.example") as running:
        challenge = _asked(running.url).headers["www-authenticate"]
        assert (
            'resource_metadata="https://images.example/.well-known/oauth-protected-resource/mcp"' in challenge
        )
        found = httpx2.get(f"{running.root}/.well-known/oauth-protected-resource/mcp").json()
        by_name = _asked(running.url, provider.token(), Host="images.example").status_code
    assert found["authorization_servers"] == [f"{provider.url}/"]
    assert found["scopes_supported"] == ["images:read", "images:spend"]
    assert by_name == 200


async def test_fastmcps_own_command_asks_for_the_same_tokens(provider: Issuer, tmp_path: Path) -> None:
    pem = provider.public_pem().replace("\n", "\\n")
    settings = {**provider.settings(), "GPT_IMAGE_AUTH_PUBLIC_KEY": pem}
    del settings["GPT_IMAGE_AUTH_JWKS_URL"]
    with serve_by_fastmcp(tmp_path, **settings) as running:
        assert _asked(running.url).status_code == 401
        assert _asked(running.url, provider.confused()).status_code == 401
        assert await _names(running.url, provider.token())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _oidc(provider: Issuer, port: int, **settings: str) -> dict[str, str]:
    return {
        "GPT_IMAGE_AUTH": "oidc",
        "GPT_IMAGE_AUTH_ISSUER": provider.url,
        "GPT_IMAGE_AUTH_CLIENT_ID": CLIENT_ID,
        "GPT_IMAGE_AUTH_CLIENT_SECRET": CLIENT_SECRET,
        "GPT_IMAGE_AUTH_BASE_URL": f"http://127.0.0.1:{port}",
        "GPT_IMAGE_LINK_KEY": KEY,
        **settings,
    }


@pytest.mark.parametrize("audience", ["", AUDIENCE], ids=["id tokens", "access tokens"])
async def test_a_person_signs_in_through_a_provider(audience: str, provider: Issuer, tmp_path: Path) -> None:
    port = _free_port()
    with serve(
        tmp_path, *("--port", str(port)), **_oidc(provider, port, GPT_IMAGE_AUTH_AUDIENCE=audience)
    ) as running:
        person = Person(running.url)
        assert await _names(running.url, person)
        assert any(address.startswith(provider.url) for address in person.visited)
        assert _asked(running.url).status_code == 401
        # The provider's own token is for the provider's client, and not for this server.
        assert _asked(running.url, provider.token(aud=CLIENT_ID)).status_code == 401


@pytest.mark.parametrize("body", [b"x" * 100_000, [b"x" * 50_000] * 2], ids=["declared", "in chunks"])
def test_whoever_is_not_signed_in_can_send_no_large_body(
    body: bytes | list[bytes], provider: Issuer, tmp_path: Path
) -> None:
    port = _free_port()
    with serve(tmp_path, *("--port", str(port)), **_oidc(provider, port)) as running:
        for path in ("/register", "/token", "/authorize", "/consent", "/nowhere"):
            content = iter(body) if isinstance(body, list) else body
            answer = httpx2.post(f"{running.root}{path}", content=content)
            assert answer.status_code == 413, path
            assert "65,536 bytes elsewhere" in answer.json()["error"]["message"]
        usual = {"redirect_uris": ["http://localhost:1/callback"], "client_name": "a client"}
        assert httpx2.post(f"{running.root}/register", json=usual).status_code == 201


def test_a_sign_in_that_begins_with_what_is_none_leaves_no_traceback_in_the_log(
    provider: Issuer, tmp_path: Path
) -> None:
    port = _free_port()
    with serve(tmp_path, *("--port", str(port)), **_oidc(provider, port)) as running:
        client = {"redirect_uris": ["http://localhost:1/callback"], "client_name": "a client"}
        known = httpx2.post(f"{running.root}/register", json=client).json()["client_id"]
        sent = {"client_id": known, "response_type": "code", "code_challenge": "a" * 43}
        answers = [
            httpx2.post(f"{running.root}/authorize", headers={"Content-Type": form}, content=b"a=b")
            for form in ("multipart/form-data", "multipart/form-data; boundary=x")
        ]
        nobody = (f"https://{host}.example/client.json" for host in ("\u202e", "a" * 64, "a..b"))
        answers += (
            httpx2.get(f"{running.root}/authorize", params={**sent, **wrong})
            for wrong in ({"resource": "http://[::1"}, *({"client_id": one} for one in nobody))
        )
        assert [answer.status_code // 100 for answer in answers] == [4, 4, 3, 4, 4, 4]
        running.process.send_signal(signal.SIGTERM)
        assert running.process.stderr is not None
        assert "Traceback" not in running.process.stderr.read()


async def test_a_replica_takes_the_sign_in_of_another(
    provider: Issuer, tmp_path: Path, database_url: str
) -> None:
    port = _free_port()
    settings = _oidc(provider, port, GPT_IMAGE_DATABASE_URL=database_url)
    (tmp_path / "second").mkdir()
    with (
        serve(tmp_path, *("--port", str(port)), **settings) as first,
        serve(tmp_path / "second", **settings) as second,
    ):
        person = Person(first.url)
        made = await _names(first.url, person)
        tokens = await person.context.storage.get_tokens()
        assert tokens is not None
        assert await _names(second.url, tokens.access_token) > made
    with serve(tmp_path, *("--port", str(port)), **{**settings, "GPT_IMAGE_LINK_KEY": KEY[::-1]}) as rotated:
        assert _asked(rotated.url, tokens.access_token).status_code == 401


def _refused(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> int:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return run(["serve", "--transport", "http", "--port", "0"])


def _without(settings: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in settings.items() if key != name}


JWT = {
    "GPT_IMAGE_AUTH": "jwt",
    "GPT_IMAGE_AUTH_ISSUER": "https://issuer.example",
    "GPT_IMAGE_AUTH_AUDIENCE": AUDIENCE,
    "GPT_IMAGE_AUTH_JWKS_URL": "https://issuer.example/keys",
}
OIDC = _oidc(Issuer("https://issuer.example", jwk.RSAKey.generate_key(2048)), 1)
TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (_without(JWT, "GPT_IMAGE_AUTH_ISSUER"), "GPT_IMAGE_AUTH_ISSUER"),
        (_without(JWT, "GPT_IMAGE_AUTH_AUDIENCE"), "GPT_IMAGE_AUTH_AUDIENCE"),
        (_without(JWT, "GPT_IMAGE_AUTH_JWKS_URL"), "GPT_IMAGE_AUTH_JWKS_URL"),
        ({**JWT, "GPT_IMAGE_AUTH_PUBLIC_KEY": "x"}, "GPT_IMAGE_AUTH_PUBLIC_KEY"),
        ({**_without(JWT, "GPT_IMAGE_AUTH_JWKS_URL"), "GPT_IMAGE_AUTH_PUBLIC_KEY": "none"}, "PEM"),
        (_without(OIDC, "GPT_IMAGE_AUTH_CLIENT_ID"), "GPT_IMAGE_AUTH_CLIENT_ID"),
        (_without(OIDC, "GPT_IMAGE_AUTH_CLIENT_SECRET"), "GPT_IMAGE_AUTH_CLIENT_SECRET"),
        (_without(OIDC, "GPT_IMAGE_AUTH_BASE_URL"), "GPT_IMAGE_AUTH_BASE_URL"),
        (_without(OIDC, "GPT_IMAGE_LINK_KEY"), "GPT_IMAGE_LINK_KEY"),
        ({**OIDC, "GPT_IMAGE_AUTH_PROVIDER": "entra"}, "tenant"),
        ({**OIDC, "GPT_IMAGE_AUTH_PROVIDER": "entra", "GPT_IMAGE_AUTH_ISSUER": "common"}, "tenant"),
        *(
            ({**OIDC, "GPT_IMAGE_AUTH_ISSUER": f"http://127.0.0.1{rest}"}, "GPT_IMAGE_AUTH_ISSUER")
            for rest in (":99999", ":abc", " b")
        ),
        ({**OIDC, "GPT_IMAGE_AUTH_PROVIDER": "google"}, "domain"),
        ({**OIDC, "GPT_IMAGE_AUTH_PROVIDER": "keycloak"}, "GPT_IMAGE_AUTH_AUDIENCE"),
        *(
            ({**JWT, "GPT_IMAGE_AUTH_JWKS_URL": address}, "GPT_IMAGE_AUTH_JWKS_URL")
            for address in (
                "https://h:99999/k",
                "https://h:0/k",
                "https://h:x/k",
                "http://[::1/k",
                "http://a b/k",
            )
        ),
        ({**JWT, "GPT_IMAGE_AUTH": "password"}, "GPT_IMAGE_AUTH"),
        ({"GPT_IMAGE_TRUSTED_PROXIES": "proxy.example"}, "GPT_IMAGE_TRUSTED_PROXIES"),
        ({"GPT_IMAGE_TRUSTED_PROXIES": "*"}, "GPT_IMAGE_TRUSTED_PROXIES"),
    ],
)
def test_settings_that_are_missing_or_contradict_stop_the_start(
    settings: dict[str, str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _refused(monkeypatch, settings) == 2
    shown = capsys.readouterr().err
    assert named in shown.replace("\n", " ")
    assert "Next: " in shown
    assert CLIENT_SECRET not in shown


def test_a_provider_that_is_down_or_none_stops_the_start_with_its_address(
    provider: Issuer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    down = f"http://127.0.0.1:{_free_port()}"
    assert _refused(monkeypatch, {**_oidc(provider, 1), "GPT_IMAGE_AUTH_ISSUER": down}) == 1
    shown = capsys.readouterr().err
    assert "upstream_unavailable" in shown
    assert down in shown
    assert "Traceback" not in shown
    monkeypatch.setenv("GPT_IMAGE_AUTH_ISSUER", f"{provider.url}/realm")
    assert run(["serve", "--transport", "http", "--port", "0"]) == 2
    assert "GPT_IMAGE_AUTH_ISSUER" in capsys.readouterr().err


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    "page",
    [answer(b"[" * 200_000), answer(b"null"), answer(status="404 Not Found")],
    ids=["deep", "null", "404"],
)
async def test_an_answer_of_no_provider_is_told_in_a_sentence(
    page: bytes, log_format: str, provider: Issuer, project: Path
) -> None:
    async with web.serve({"/.well-known/openid-configuration": page}) as running:
        settings = _oidc(provider, 1, GPT_IMAGE_LOG_FORMAT=log_format)
        settings["GPT_IMAGE_AUTH_ISSUER"] = f"http://127.0.0.1:{running.port}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gpt_image_mcp", "serve", "--transport", "http", "--port", "0"),
            env={**os.environ, **settings},
            cwd=project,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
    assert process.returncode == 2
    assert b"Traceback" not in said
    assert b"leads to no OpenID Connect provider" in said
