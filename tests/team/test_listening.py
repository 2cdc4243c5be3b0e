"""Where a server for several people listens: only where they sign in and TLS protects their tokens."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING

import httpx2
import pytest

from gpt_image_mcp.cli.app import run
from gpt_image_mcp.errors import InvalidSetting
from gpt_image_mcp.mcp_app.listening import address_to_bind
from gpt_image_mcp.settings import Settings
from gpt_image_mcp.team.tokens import TokensFile
from tests.certificates import write_certificate
from tests.mcp_app.http_servers import serve

if TYPE_CHECKING:
    from pathlib import Path

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
TOMORROW = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
ANYWHERE = "0.0.0.0"  # noqa: S104 - what the tests are about


def _refusal(**settings: object) -> str:
    """Why a server with these settings does not listen beyond loopback."""
    with pytest.raises(InvalidSetting) as refused:
        address_to_bind(ANYWHERE, 0, Settings.model_validate(settings))
    return str(refused.value)


def test_beyond_loopback_people_must_sign_in_and_be_protected(tmp_path: Path) -> None:
    both = {"tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}
    assert "GPT_IMAGE_AUTH" in _refusal()
    assert "GPT_IMAGE_AUTH" in _refusal(**both)
    assert "GPT_IMAGE_AUTH" in _refusal(trusted_proxies="10.0.0.0/8")
    for half in ({}, {"tls_cert": both["tls_cert"]}, {"tls_key": both["tls_key"]}):
        assert "GPT_IMAGE_TLS_CERT and GPT_IMAGE_TLS_KEY" in _refusal(auth="tokens", **half)
    for enough in (both, {"trusted_proxies": "10.0.0.0/8, ::1"}):
        assert address_to_bind(ANYWHERE, 0, Settings.model_validate({"auth": "tokens", **enough})) == ANYWHERE


def test_a_server_with_tls_answers_under_its_name_alone(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "both.pem", expires=TOMORROW)
    token, _ = TokensFile(tmp_path / "tokens.toml").add("anna")
    with serve(
        tmp_path,
        *("--host", ANYWHERE),
        GPT_IMAGE_AUTH="tokens",
        GPT_IMAGE_AUTH_TOKENS_FILE=str(tmp_path / "tokens.toml"),
        GPT_IMAGE_AUTH_BASE_URL="https://images.example",
        GPT_IMAGE_TLS_CERT=str(certificate),
        GPT_IMAGE_TLS_KEY=str(certificate),
    ) as running:
        assert running.url.startswith(f"https://{ANYWHERE}:")
        url = running.url.replace(ANYWHERE, "127.0.0.1")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        with httpx2.Client(
            verify=ssl.create_default_context(cafile=str(certificate)), headers=headers
        ) as client:
            answers = {
                host: client.post(url, json=PING, headers={"Host": host}).status_code
                for host in ("images.example", "localhost", "evil.example")
            }
            origin = client.post(url, json=PING, headers={"Origin": "https://evil.example"}).status_code
            assert client.get(url.replace("/mcp", "/health")).status_code == 200
        with pytest.raises(httpx2.TransportError):
            httpx2.post(url.replace("https", "http"), json=PING, headers=headers)
    assert answers == {"images.example": 200, "localhost": 200, "evil.example": 421}
    assert origin == 403


@pytest.mark.parametrize("kind", ["missing", "no certificate", "another key", "half", "a folder"])
def test_files_for_tls_that_cannot_be_used_stop_the_start(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = (write_certificate(tmp_path / name, expires=TOMORROW) for name in ("cert.pem", "key.pem"))
    if kind == "missing":
        key.unlink()
    if kind == "no certificate":
        cert.write_text("a secret that somebody wrote here")
    monkeypatch.setenv("GPT_IMAGE_TLS_CERT", str(tmp_path if kind == "a folder" else cert))
    if kind != "half":
        monkeypatch.setenv("GPT_IMAGE_TLS_KEY", str(key))
    assert run(["serve", "--transport", "http", "--port", "0"]) == 2
    shown = capsys.readouterr().err
    assert "GPT_IMAGE_TLS_CERT" in shown
    assert "GPT_IMAGE_TLS_KEY" in shown
    assert "a secret" not in shown
