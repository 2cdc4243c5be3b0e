"""Requests that cannot leave this machine: said so, nothing reserved, and no header shown."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from gpt_image_mcp.errors import ImageError, NotSent
from tests.certificates import write_certificate
from tests.faults.observed import QUICK, calls, spent_usd, studio_for
from tests.faults.scripted import unused_address
from tests.standin import serve_standin
from tests.web import answer, serve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpt_image_mcp import Studio

SECRET, REST = "a1b2c3d4e5f6a7b8", "c9d0e1f2a3b4c5d6"
HTTPS = "https://gateway.invalid/v1"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def _refused(studio: Studio) -> ImageError:
    """The error of a call; the library has given back what it reserved."""
    async with studio:
        with pytest.raises(ImageError) as caught:
            await studio.generate("a fox", **QUICK)
        assert [call.status for call in calls()] == ["failed"]
        assert await spent_usd(studio) == 0
        with pytest.raises(ImageError) as remembered:
            await studio.get(calls()[0].id)
        assert str(remembered.value) == str(caught.value)
    return caught.value


def _assert_unsent(error: ImageError, code: str, names: str) -> None:
    assert isinstance(error, NotSent)
    assert error.code == code
    assert "nothing was sent" in error.message
    assert names in f"{error.message} {error.next_step}"


def _assert_hidden(error: ImageError, secret: str, log: str) -> None:
    """No part of a secret is in the error, in what led to it, in a file or in the log."""
    shown: list[str] = [log]
    cause: BaseException | None = error
    while cause is not None:
        shown += [str(cause), repr(cause)]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    shown += [path.read_bytes().decode("latin-1") for path in Path.home().rglob("*") if path.is_file()]
    text = "\n".join(shown)
    for spelling in (secret, quote(secret), base64.b64encode(secret.encode()).decode()[:12], secret[:8]):
        assert spelling not in text


KEYS = {
    "a line break": f"{SECRET}\n{REST}",
    "a Windows line break": f"{SECRET}\r\n{REST}",
    "a tabulator": f"{SECRET}\t{REST}",
    "a zero byte": f"{SECRET}\0{REST}",
    "an escape character": f"{SECRET}\x1b[0m{REST}",
    "a delete character": f"{SECRET}\x7f{REST}",
    "an accent": f"{SECRET}é{REST}",
    "another script": f"{SECRET}ключ{REST}",
    "a line separator": f"{SECRET}\u2028{REST}",
    "a soft hyphen": f"{SECRET}\u00ad{REST}",
    "a lone surrogate": f"{SECRET}\udc80{REST}",
    "a typographic quote": f"\u201c{SECRET}{REST}\u201d",
}


@pytest.mark.parametrize("name", KEYS)
async def test_a_key_that_no_header_carries_is_not_sent_and_not_shown(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = await _refused(studio_for(unused_address(), api_key=KEYS[name]))
    _assert_unsent(error, "authentication_failed", "OPENAI_API_KEY")
    for part in (SECRET, REST):
        _assert_hidden(error, part, caplog.text)


@pytest.mark.parametrize("value", [f"org-{SECRET}\nX-Evil: 1", f"org-{SECRET}é", f"org-{SECRET}\x00"])
@pytest.mark.parametrize(
    ("field", "variable"), [("org_id", "OPENAI_ORG_ID"), ("project_id", "OPENAI_PROJECT_ID")]
)
async def test_an_id_that_no_header_carries_is_named_by_its_variable(
    field: str, variable: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = await _refused(studio_for(unused_address(), **{field: value}))
    _assert_unsent(error, "invalid_argument", variable)
    _assert_hidden(error, SECRET, caplog.text)


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http:///v1",
        "https://:443/v1",
        "http://[::1/v1",
        "http://gateway.invalid:99999/v1",
        "http://gateway.invalid:port/v1",
        "http://gateway.invalid/v1\nX-Evil: 1",
        "https://user:" + SECRET + "@[::1/v1",
    ],
)
async def test_an_address_that_is_none_is_named_by_its_variable(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = await _refused(studio_for(address))
    _assert_unsent(error, "invalid_argument", "OPENAI_BASE_URL")
    _assert_hidden(error, SECRET, caplog.text)


@pytest.mark.parametrize(
    ("environment", "code", "names"),
    [
        ({"HTTPS_PROXY": f"ftp://user:{SECRET}@proxy.invalid:21"}, "invalid_argument", "HTTPS_PROXY"),
        ({"ALL_PROXY": f"gopher://user:{SECRET}@proxy.invalid"}, "invalid_argument", "ALL_PROXY"),
        ({"HTTPS_PROXY": f"http://user:{SECRET}@[::1"}, "invalid_argument", "HTTPS_PROXY"),
        *(
            ({name: f"{scheme}://user:{SECRET}@127.0.0.1:{port}"}, "invalid_argument", name)
            for name, scheme in (("HTTPS_PROXY", "http"), ("ALL_PROXY", "socks5"), ("ALL_PROXY", "http"))
            for port in (0, 65536, 99999, "abc")
        ),
        ({"HTTPS_PROXY": "127.0.0.1:99999"}, "invalid_argument", "HTTPS_PROXY"),
        ({"ALL_PROXY": f"socks5://user:{SECRET}@127.0.0.1:9"}, "upstream_unavailable", "ALL_PROXY"),
        ({"HTTPS_PROXY": f"socks5h://user:{SECRET}@127.0.0.1:9"}, "upstream_unavailable", "HTTPS_PROXY"),
        ({"SSL_CERT_FILE": "/nowhere/roots.pem"}, "invalid_argument", "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": __file__}, "invalid_argument", "SSL_CERT_FILE"),
        ({"HTTPS_PROXY": f"http://user:{SECRET}@127.0.0.1:9"}, "upstream_unavailable", "HTTPS_PROXY"),
    ],
)
async def test_what_the_environment_spoils_is_named_by_its_variable(
    environment: Mapping[str, str],
    code: str,
    names: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    error = await _refused(studio_for(HTTPS, max_retries=0))
    _assert_unsent(error, code, names)
    assert SECRET not in f"{error} {caplog.text}"


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        ("407 Proxy Authentication Required", "authentication_failed", "HTTPS_PROXY"),
        ("403 Forbidden", "upstream_unavailable", "proxy"),
        ("502 Bad Gateway", "upstream_unavailable", "proxy"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_has_let_nothing_through(
    status: str, code: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve({"gateway.invalid:443": answer(status=status)}) as web:
        monkeypatch.setenv("HTTPS_PROXY", web.url("").replace("http://", f"http://user:{SECRET}@"))
        error = await _refused(studio_for(HTTPS, max_retries=0))
    _assert_unsent(error, code, says)
    assert SECRET not in str(error)


async def test_a_proxy_that_closes_the_tunnel_has_let_nothing_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        error = await _refused(studio_for(HTTPS, max_retries=0))
    _assert_unsent(error, "upstream_unavailable", "HTTPS_PROXY")


async def test_a_host_that_has_no_address_was_sent_nothing() -> None:
    error = await _refused(studio_for("https://no-such-host.invalid/v1", max_retries=0))
    _assert_unsent(error, "upstream_unavailable", "OPENAI_BASE_URL")
    assert error.retryable


@pytest.mark.parametrize("variable", ["", "SSL_CERT_DIR"])
async def test_a_host_that_nobody_vouches_for_was_sent_nothing(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if variable:
        monkeypatch.setenv(variable, "/nowhere/certificates")
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    certificate = write_certificate(tmp_path / "own.pem", expires=expires)
    async with serve_standin(certificate=certificate) as standin:
        error = await _refused(studio_for(standin.base_url, max_retries=0))
        assert [request for request in standin.requests if request.method == "POST"] == []
    _assert_unsent(error, "upstream_unavailable", "SSL_CERT_DIR")


async def test_a_header_of_the_environment_that_cannot_be_sent_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Token: {SECRET}é")
    error = await _refused(studio_for(unused_address(), max_retries=0))
    _assert_unsent(error, "invalid_argument", "OPENAI_CUSTOM_HEADERS")
    _assert_hidden(error, SECRET, caplog.text)
    assert os.environ["OPENAI_CUSTOM_HEADERS"]
