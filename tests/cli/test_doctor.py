"""``doctor``: what is wrong is named, with what to do, and nothing is spent."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
import pytest
from PIL import Image

from gpt_image_mcp import Settings, Studio
from gpt_image_mcp.cli.app import run
from gpt_image_mcp.cli.doctor.checks import run_checks
from gpt_image_mcp.errors import OutcomeUnknown
from gpt_image_mcp.openai_api.sandbox.transport import SandboxTransport
from tests.certificates import write_certificate
from tests.standin import Standin, serve_standin
from tests.web import answer, pretend, serve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from gpt_image_mcp.cli.doctor.findings import Finding

KEY = "sk-proj-0123456789-abcdefgh"
NOW = dt.datetime.now(dt.UTC)


async def _found(**settings: str) -> dict[str, Finding]:
    """The findings of all checks, by name."""
    os.environ.update(settings)
    return {finding.name: finding for finding in await run_checks()}


@pytest.fixture(autouse=True)
def _environment(project: Path) -> Iterator[None]:
    """Takes back what a test sets, before the rest of its environment goes."""
    del project
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


class Scripted(SandboxTransport):
    """A sandbox with other answers to some paths."""

    def __init__(self, **answers: httpx2.Response) -> None:
        super().__init__()
        self._scripted = {
            f"/v1/{name.replace('__', '/').replace('_', '-')}": it for name, it in answers.items()
        }

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The scripted answer, once a key comes along."""
        if request.url.path in self._scripted and "authorization" in request.headers:
            return self._scripted[request.url.path]
        return await super().handle_async_request(request)


@asynccontextmanager
async def _openai(
    monkeypatch: pytest.MonkeyPatch, folder: Path, transport: SandboxTransport | None = None
) -> AsyncGenerator[Standin]:
    """A stand-in where the real API would be: the same name, with a trusted certificate."""
    certificate = write_certificate(folder / "trusted.pem", expires=NOW + dt.timedelta(days=1))
    os.environ["SSL_CERT_FILE"] = str(certificate)
    async with serve_standin(transport, certificate=certificate) as standin:
        port = httpx2.URL(standin.base_url).port
        assert port is not None
        pretend(monkeypatch, {"api.openai.com": [["203.0.113.7"]]}, {"203.0.113.7": port})
        yield standin


async def test_a_healthy_setup_has_nothing_to_complain_about(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with _openai(monkeypatch, tmp_path) as standin:
        found = await _found(OPENAI_API_KEY=KEY)
    assert [finding for finding in found.values() if finding.state in ("failed", "warning")] == []
    assert [name for name, finding in found.items() if finding.state == "skipped"] == ["organisation"]
    assert "settings/organization" in found["organisation"].next_step
    assert "https://api.openai.com/v1" in found["connection"].said
    assert "gpt-image-2" in found["model"].said
    assert {request.method for request in standin.requests} == {"GET"}
    assert KEY not in str(found)


async def test_the_sandbox_needs_neither_key_nor_network() -> None:
    found = await _found(GPT_IMAGE_SANDBOX="1")
    assert found["key"].state == found["network"].state == "skipped"
    assert "connection" not in found


@pytest.mark.parametrize("name", ["gpt-4o", "dall-e-3"])
async def test_a_model_that_the_sandbox_refuses_is_a_failure_with_those_it_takes(name: str) -> None:
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_MODEL=name)
    assert found["model"].state == "failed"
    assert name in found["model"].said
    assert "gpt-image-2, gpt-image-2.5-sunburst, " in found["model"].next_step
    assert "dall-e" not in found["model"].next_step


@pytest.mark.parametrize("name", ["", "GPT-Image-2.5-Flare", "gpt-image-2-2026-04-21", "Sandbox"])
async def test_a_model_that_the_sandbox_takes_is_fine(name: str) -> None:
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_MODEL=name)
    assert found["model"].state == "ok"


async def test_without_a_key_the_connection_is_looked_at_all_the_same() -> None:
    async with serve_standin() as standin:
        found = await _found(OPENAI_BASE_URL=standin.base_url)
    assert found["connection"].state == found["clock"].state == "ok"
    assert found["key"].state == "failed"
    assert "OPENAI_API_KEY" in found["key"].next_step
    assert found["key accepted"].state == found["model"].state == "skipped"


async def test_a_key_that_openai_refuses_is_said_to_be_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with _openai(monkeypatch, tmp_path):
        found = await _found(OPENAI_API_KEY="sk-invalid-0123456789-abcd")
    assert found["key accepted"].state == "failed"
    assert "401" in found["key accepted"].said
    assert found["model"].state == "skipped"


async def test_a_model_that_the_key_may_not_use_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with _openai(monkeypatch, tmp_path):
        unknown = await _found(OPENAI_API_KEY=KEY, GPT_IMAGE_MODEL="gpt-image-9")
        gone = await _found(OPENAI_API_KEY=KEY, GPT_IMAGE_MODEL="gpt-image-1")
    assert unknown["model"].state == gone["model"].state == "failed"
    assert "gpt-image-9" in unknown["model"].said
    assert "settings/organization" in unknown["model"].next_step
    assert "gpt-image-2" in gone["model"].next_step


@pytest.mark.parametrize(
    ("path", "response", "check", "words"),
    [
        ("models", httpx2.Response(504), "key accepted", "no usable answer"),
        ("models", httpx2.Response(503), "key accepted", "503"),
        ("models", httpx2.Response(200, json=[]), "key accepted", "something else"),
        ("models__gpt_image_2", httpx2.Response(504), "model", "no usable answer"),
        ("models__gpt_image_2", httpx2.Response(503), "model", "503"),
        (
            "models__gpt_image_2",
            httpx2.Response(403, json={"error": {"message": "Your organization must be verified."}}),
            "model",
            "verified",
        ),
    ],
)
async def test_an_api_that_fails_is_said_to_fail(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    path: str,
    response: httpx2.Response,
    check: str,
    words: str,
) -> None:
    async with _openai(monkeypatch, tmp_path, Scripted(**{path: response})):
        found = await _found(OPENAI_API_KEY=KEY)
    assert found[check].state == "failed"
    assert words in found[check].said
    assert found[check].next_step


async def test_a_gateway_without_a_list_of_models_is_no_failure() -> None:
    missing = httpx2.Response(404, json={"detail": "Not Found"})
    transport = Scripted(models=missing, models__gpt_image_2=missing)
    async with serve_standin(transport) as standin:
        found = await _found(OPENAI_API_KEY="token", OPENAI_BASE_URL=standin.base_url)
    assert found["key"].state == "ok"
    assert found["key accepted"].state == found["model"].state == "skipped"
    assert "organisation" not in found


async def test_a_website_where_the_api_should_be_is_named_with_its_title() -> None:
    page = httpx2.Response(200, html="<html><title>Our gateway</title>hello</html>")
    async with serve_standin(Scripted(models=page, models__gpt_image_2=page)) as standin:
        found = await _found(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=standin.base_url)
    for name in ("key accepted", "model"):
        assert found[name].state == "failed"
        assert "Our gateway" in found[name].said
        assert "/v1" in found[name].next_step


async def test_a_redirect_to_https_is_named_with_the_address_to_use() -> None:
    moved = httpx2.Response(301, headers={"location": "https://gateway.example/v1/models"})
    async with serve_standin(Scripted(models=moved, models__gpt_image_2=moved)) as standin:
        found = await _found(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=standin.base_url)
    assert found["key accepted"].state == "failed"
    assert "https://gateway.example/v1 " in found["key accepted"].next_step.replace(";", " ")


async def test_a_gateway_that_answers_something_else_is_no_failure_either() -> None:
    other = httpx2.Response(200, json={"hello": "world"})
    async with serve_standin(Scripted(models=other, models__gpt_image_2=other)) as standin:
        found = await _found(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=standin.base_url)
    assert found["key accepted"].state == found["model"].state == "skipped"


async def test_a_gateway_that_refuses_the_key_is_a_failure() -> None:
    async with serve_standin() as standin:
        found = await _found(OPENAI_API_KEY="sk-invalid-0123456789-abcd", OPENAI_BASE_URL=standin.base_url)
    assert found["key accepted"].state == "failed"
    assert found["model"].state == "skipped"


async def test_a_model_that_only_the_gateway_knows_is_a_warning() -> None:
    known = httpx2.Response(200, json={"id": "house-model"})
    async with serve_standin(Scripted(models__house_model=known)) as standin:
        found = await _found(
            OPENAI_API_KEY=KEY, OPENAI_BASE_URL=standin.base_url, GPT_IMAGE_MODEL="house-model"
        )
    assert found["model"].state == "warning"
    assert "catalogue" in found["model"].said


async def test_a_certificate_that_nobody_vouches_for_is_named(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "own.pem", expires=NOW + dt.timedelta(days=1))
    async with serve_standin(certificate=certificate) as standin:
        found = await _found(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=standin.base_url)
    assert found["connection"].state == "failed"
    assert "self-signed certificate" in found["connection"].said.replace("self signed", "self-signed")
    assert "SSL_CERT_FILE" in found["connection"].next_step
    assert found["key accepted"].state == "skipped"


async def test_an_expired_certificate_leads_to_the_clock(tmp_path: Path) -> None:
    certificate = write_certificate(tmp_path / "old.pem", expires=NOW - dt.timedelta(days=1))
    async with serve_standin(certificate=certificate) as standin:
        found = await _found(OPENAI_BASE_URL=standin.base_url, SSL_CERT_FILE=str(certificate))
    assert "expired" in found["connection"].said
    assert "clock" in found["connection"].next_step


async def test_https_to_a_port_that_speaks_http_leads_to_the_address() -> None:
    async with serve_standin() as standin:
        found = await _found(OPENAI_BASE_URL=standin.base_url.replace("http:", "https:"))
    assert "OPENAI_BASE_URL" in found["connection"].next_step


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://no-such-host.invalid/v1", "is not known"),
        ("http://127.0.0.1:9/v1", "No connection to"),
        ("http://[::1/v1", "cannot be used"),
    ],
)
async def test_an_address_where_nobody_is_is_named(address: str, words: str) -> None:
    found = await _found(OPENAI_BASE_URL=address)
    assert found["connection"].state == "failed"
    assert words in found["connection"].said


async def test_a_proxy_is_named_without_its_password() -> None:
    async with serve({"api.openai.com:443": answer(status="407 Proxy Authentication Required")}) as web:
        proxy = web.url("").replace("http://", "http://user:secret@")
        found = await _found(HTTPS_PROXY=proxy)
    assert found["connection"].state == "failed"
    assert web.url("") in found["connection"].said
    assert "407" in found["connection"].said
    assert "secret" not in str(found)


async def test_a_proxy_address_that_is_none_is_named_without_its_password() -> None:
    found = await _found(HTTPS_PROXY="ftp://user:secret@proxy.example:21")
    assert "ftp://proxy.example:21" in found["connection"].said
    assert "secret" not in str(found)


async def test_a_host_that_needs_no_proxy_is_reached_without() -> None:
    async with serve_standin() as standin:
        found = await _found(
            OPENAI_BASE_URL=standin.base_url, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1"
        )
    assert standin.base_url in found["connection"].said


async def test_settings_are_shown_as_they_were_understood(tmp_path: Path) -> None:
    roots = os.pathsep.join((str(tmp_path), str(tmp_path / "missing")))
    found = await _found(
        GPT_IMAGE_SANDBOX="1",
        OPENAI_API_KEY=KEY,
        OPENAI_BASE_URL="https://user:secret@gateway.example/v1",
        GPT_IMAGE_DATABASE_URL=f"sqlite:///{tmp_path}/library.db",
        DEFAULT_OUTPUT_DIR=str(tmp_path / "images"),
        GPT_IMAGE_INPUT_ROOTS=roots,
        GPT_IMAGE_TOOLS="sessions,core",
        GPT_IMAGE_MAX_COST_USD="0.50",
        MAX_FILE_SIZE_MB="10",
        GPT_IMAGE_MAX_INPUT_MB="20",
        OPENAI_API_TIMEOUT="60000",
        GPT_IMAGE_TIMEOUT_SECONDS="60",
        DEFAULT_STYLE="vivid",
    )
    shown = {name: finding.said for name, finding in found.items()}
    assert shown["GPT_IMAGE_SANDBOX"] == "1"
    assert shown["OPENAI_API_KEY"] == shown["GPT_IMAGE_DATABASE_URL"] == "set (not shown)"
    assert shown["OPENAI_BASE_URL"] == "https://gateway.example/v1"
    images = tmp_path / "images"
    assert (
        shown["DEFAULT_OUTPUT_DIR"]
        == f"{images} (DEFAULT_OUTPUT_DIR is another name of GPT_IMAGE_OUTPUT_DIR)"
    )
    assert shown["GPT_IMAGE_INPUT_ROOTS"] == roots
    assert shown["GPT_IMAGE_TOOLS"] == "core,sessions"
    assert shown["GPT_IMAGE_MAX_COST_USD"] == "0.50"
    assert shown["database"].startswith("The one in GPT_IMAGE_DATABASE_URL is whole")
    assert "GPT_IMAGE_MAX_INPUT_MB is set" in shown["MAX_FILE_SIZE_MB"]
    assert "GPT_IMAGE_TIMEOUT_SECONDS is set" in shown["OPENAI_API_TIMEOUT"]
    assert found["DEFAULT_STYLE"].state == "warning"
    assert found["input folder"].state == "warning"
    assert "GPT_IMAGE_MODEL" not in found
    assert "secret" not in str(found)
    assert KEY not in str(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GPT_IMAGE_MODEL", "a.key.that.looks.like.none"),
        ("OPENAI_ORG_ID", KEY),
        ("GPT_IMAGE_AUTH_PUBLIC_KEY", f"-----BEGIN PRIVATE KEY-----\n{KEY[8:]}\n-----END PRIVATE KEY-----"),
    ],
)
async def test_a_secret_in_the_wrong_variable_is_hidden(name: str, value: str) -> None:
    found = await _found(**{"OPENAI_API_KEY": "a.key.that.looks.like.none", name: value})
    said = " ".join(f"{finding.said} {finding.next_step}" for finding in found.values())
    assert name in found
    assert "looks.like" not in said
    assert KEY[8:] not in said


async def test_a_retired_variable_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="OPENAI_USE_DIRECT_EDITS"):
        found = await _found(GPT_IMAGE_SANDBOX="1", OPENAI_USE_DIRECT_EDITS="1")
    assert found["OPENAI_USE_DIRECT_EDITS"].state == "warning"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GPT_IMAGE_QUALTY", "GPT_IMAGE_QUALITY"),
        ("gpt_image_outputdir", "GPT_IMAGE_OUTPUT_DIR"),
        ("GPT_IMAGE_2_OUTPUT_FOLDER", "GPT_IMAGE_OUTPUT_DIR"),
        ("GPT_IMAGE_API_KEY", "OPENAI_API_KEY"),
        ("GPT_IMAGE_BASE_URL", "OPENAI_BASE_URL"),
        ("GPT_IMAGE_TIMEOUT", "GPT_IMAGE_TIMEOUT_SECONDS"),
    ],
)
async def test_a_misspelt_variable_is_a_warning_with_the_nearest_name(name: str, meant: str) -> None:
    found = await _found(GPT_IMAGE_SANDBOX="1", **{name: "secret"})
    assert found[name].state == "warning"
    assert f" {meant} " in found[name].next_step
    assert "secret" not in str(found)


async def test_a_variable_like_no_setting_is_a_warning_without_a_guess() -> None:
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_ZZZ="1")
    assert found["GPT_IMAGE_ZZZ"].state == "warning"
    assert not any(name in found["GPT_IMAGE_ZZZ"].next_step for name in ("GPT_IMAGE_", "OPENAI_"))


async def test_other_names_of_settings_and_empty_variables_are_not_misspelt() -> None:
    found = await _found(
        GPT_IMAGE_SANDBOX="1", GPT_IMAGE_2_SESSION_MAX="5", gpt_image_quality="low", GPT_IMAGE_QUALTY=""
    )
    assert [name for name, finding in found.items() if finding.state == "warning"] == []


async def test_a_malformed_setting_is_the_one_thing_to_correct() -> None:
    found = await _found(GPT_IMAGE_WAIT_SECONDS="soon")
    assert list(found) == ["versions", "formats", "settings"]
    assert found["settings"].state == "failed"
    assert "GPT_IMAGE_WAIT_SECONDS" in found["settings"].said


async def test_the_output_folder_is_really_written(project: Path) -> None:
    folder = project / "made" / "here"
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_OUTPUT_DIR=str(folder))
    assert found["output folder"].state == found["disk space"].state == "ok"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("folder", ["/etc/images", "file.txt", "~/.ssh/images"])
async def test_an_output_folder_that_takes_nothing_is_named(folder: str, project: Path) -> None:
    (project / "file.txt").write_text("a file")
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_OUTPUT_DIR=folder)
    assert found["output folder"].state == "failed"
    assert "output folder" in found["output folder"].said
    assert found["output folder"].next_step


async def test_a_start_in_the_root_folder_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    found = await _found(GPT_IMAGE_SANDBOX="1")
    assert found["project folder"].state == "warning"
    assert "GPT_IMAGE_PROJECT_DIR" in found["project folder"].next_step


async def test_a_project_folder_that_is_none_is_a_warning(project: Path) -> None:
    (project / "file.txt").write_text("a file")
    for folder, words in (("/nope", "/nope does not exist"), ("file.txt", "file.txt is not a folder")):
        found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_PROJECT_DIR=folder)
        assert found["project folder"].state == "warning"
        assert words in found["project folder"].said
        assert "GPT_IMAGE_PROJECT_DIR" in found["project folder"].next_step


async def test_folders_that_cannot_be_looked_at_are_named() -> None:
    folder = "/" + 300 * "x"
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_PROJECT_DIR=folder, GPT_IMAGE_INPUT_ROOTS=folder)
    assert found["project folder"].state == "warning"
    assert found["input folder"].state == "warning"


async def test_a_project_folder_of_another_user_is_a_name_that_does_not_exist() -> None:
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_PROJECT_DIR="~nobody-of-that-name/x")
    assert found["project folder"].state == "warning"
    assert "~nobody-of-that-name/x does not exist" in found["project folder"].said


async def test_the_database_is_counted_and_its_open_ends_are_told() -> None:
    async with Studio(Settings(sandbox=True)) as studio:
        await studio.generate("a boat", quality="low")
        with pytest.raises(OutcomeUnknown):
            await studio.generate("[sandbox:timeout] a boat", quality="low")
    found = await _found(GPT_IMAGE_SANDBOX="1")
    assert f"{os.environ['XDG_DATA_HOME']}/gpt-image-mcp" in found["database"].said
    assert "1 image" in found["database"].said
    assert found["unfinished calls"].state == "warning"


async def test_a_damaged_database_is_a_failure_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_bytes(b"no database at all, " * 500)
    found = await _found(GPT_IMAGE_SANDBOX="1", GPT_IMAGE_DATABASE_URL=f"sqlite:///{tmp_path / 'library.db'}")
    assert found["database"].state == "failed"
    assert "history rebuild" in found["database"].next_step


async def test_formats_that_are_not_installed_are_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("PIL.AvifImagePlugin")
    monkeypatch.delitem(Image.SAVE, "AVIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    found = await _found(GPT_IMAGE_SANDBOX="1")
    assert "HEIC" in found["formats"].said
    assert "AVIF" in found["formats"].said


def test_a_pipe_gets_a_line_for_each_check_and_the_exit_code_tells() -> None:
    command = [sys.executable, "-m", "gpt_image_mcp", "doctor"]
    sound = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "GPT_IMAGE_SANDBOX": "1"}
    )
    assert sound.returncode == 0, sound.stderr
    assert all(line.startswith(("ok: ", "skipped: ")) for line in sound.stdout.splitlines())
    assert sound.stderr == ""


def test_a_failed_check_is_exit_code_1_also_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    os.environ.update({"GPT_IMAGE_SANDBOX": "1", "GPT_IMAGE_OUTPUT_DIR": "/etc/images"})
    assert run(["doctor", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["healthy"] is False
    (folder,) = [check for check in document["checks"] if check["state"] == "failed"]
    assert folder["name"] == "output folder"
    assert folder["next"]


def test_a_terminal_gets_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    os.environ.update({"GPT_IMAGE_SANDBOX": "1", "GPT_IMAGE_OUTPUT_DIR": "/etc/images", "FORCE_COLOR": "1"})
    assert run(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "what was found" in shown
    assert "Next: " in shown
