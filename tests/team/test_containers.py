"""The container files, as far as they can be checked without a container engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import httpx2
import pytest
import yaml

from gpt_image_mcp.mcp_app.listening import address_to_bind
from gpt_image_mcp.settings import Settings, read_settings, variable_names
from tests.docs.pages import ROOT
from tests.mcp_app.http_servers import START_SECONDS, serve
from tests.programs import required

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "deploy"
OWN_ENDS = {"bucket"}  # services that end by themselves
_VARIABLE = re.compile(r"\$\{(\w+)")
_HEALTH_PORT = "8000"


def _instructions() -> list[tuple[str, str]]:
    """The lines of the Containerfile, each an instruction with what it is given."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines)]


def _given(name: str) -> list[str]:
    return [rest for instruction, rest in _instructions() if instruction == name]


def _compose() -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


SERVICES: dict[str, dict[str, Any]] = _compose()["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_write_to_its_image_or_gain_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"cap_add", "privileged"}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - OWN_ENDS - {"admin"}))
def test_every_service_that_stays_is_started_again_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    is_ours = service["image"] == "gpt-image-mcp"
    assert ("healthcheck" in service) != is_ours  # ours is in the image


def test_what_services_wait_for_is_there() -> None:
    for service in SERVICES.values():
        assert service.get("depends_on", {}).keys() <= SERVICES.keys()
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert {name for name in volumes if not name.startswith(".")} <= _compose()["volumes"].keys()
    files = {volume.partition(":")[0] for volume in SERVICES["balancer"]["volumes"]}
    assert files == {"./haproxy.cfg", "./certificate.pem"}  # the second is the reader's
    assert (DEPLOY / "haproxy.cfg").is_file()


def test_replicas_can_write_nowhere_but_in_tmp_and_data() -> None:
    for name in ("replica-1", "replica-2"):
        service = SERVICES[name]
        mounts = [volume.split(":") for volume in service["volumes"]]
        assert [mount[1] for mount in mounts if mount[2:] != ["ro"]] == ["/data"]
        assert service["tmpfs"] == ["/tmp"]
    assert SERVICES["replica-1"]["environment"] == SERVICES["replica-2"]["environment"]


def test_every_setting_in_the_files_is_one() -> None:
    known = {name for field in Settings.model_fields for name in variable_names(field)}
    for file in DEPLOY.iterdir():
        assert set(re.findall(r"\bGPT_IMAGE_\w+", file.read_text())) <= known, file.name


def test_a_replica_of_the_containers_may_listen_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings name sign-in and the proxy that ends TLS; without them the start would be refused."""
    unfilled = re.compile(r"\$\{\w+(?::-(\w+)|\?[^}]*)?\}")
    for name, value in SERVICES["replica-1"]["environment"].items():
        monkeypatch.setenv(name, unfilled.sub(lambda found: found[1] or "x" * 32, value))
    settings = read_settings()
    host = json.loads(_given("CMD")[0])[4]
    assert address_to_bind(host, 8000, settings) == host
    assert settings.user_monthly_usd == 20


def test_the_example_names_every_variable_that_must_be_filled_in() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    required_names = set(re.findall(r"\$\{(\w+)\?", text))
    example = dict(
        line.split("=") for line in (DEPLOY / "env.example").read_text().splitlines() if "=" in line
    )
    assert required_names <= example.keys()
    assert example.keys() <= set(_VARIABLE.findall(text))
    assert not [name for name in required_names if example[name]], "no secret has a default"


def test_the_image_runs_as_nobody_and_names_no_registry() -> None:
    assert _given("USER") == ["10001:10001"]
    assert all("/" not in image for image in _given("FROM"))
    text = (DEPLOY / "Containerfile").read_text()
    assert "--index-url" not in text
    assert ".lock" not in text
    assert _given("ENV")[0].startswith("HOME=/data")


@pytest.mark.timeout(300)
def test_the_commands_of_the_image_install_a_server_that_is_healthy(tmp_path: Path) -> None:
    """In a plain environment, with the paths of the image below a folder."""
    uv = required(shutil.which("uv"), "uv")
    root, venv = tmp_path / "root", tmp_path / "venv"
    wheels = root / "tmp" / "wheel"
    _run([uv, "build", "--quiet", "--wheel", "--out-dir", str(wheels), str(ROOT)])
    _run([uv, "venv", "--quiet", str(venv)])
    pip = venv / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\nshift\nexec "{uv}" pip install --quiet --python "{venv}" "$@"\n')
    pip.chmod(0o755)
    owner = f"-o {os.getuid()} -g {os.getgid()}"
    for command in _given("RUN"):
        moved = re.sub(r"(?<=[ (])/(?=tmp|data|team)", f"{root}/", command)
        moved = moved.replace("-o 10001 -g 10001", owner).replace("--no-cache-dir ", "")
        _run(["sh", "-ec", moved], PATH=f"{venv / 'bin'}:{os.environ['PATH']}")
    assert (root / "data").is_dir()
    program, arguments = json.loads(_given("ENTRYPOINT")[0]), json.loads(_given("CMD")[0])
    done = _run([str(venv / "bin" / program[0]), *arguments, "--help"], HOME=str(root / "data"))
    assert "--transport" in done.stdout
    script = "import obstore, prometheus_client, psycopg, opentelemetry.sdk, itsdangerous; print('all there')"
    assert _run([str(venv / "bin" / "python"), "-c", script]).stdout == "all there\n"


def _run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"
    return done


def test_the_health_check_tells_a_server_that_runs_from_one_that_does_not(tmp_path: Path) -> None:
    (check,) = _given("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert command[0] == "python"
    with serve(tmp_path) as served:
        port = served.root.rpartition(":")[2]
        here = [part.replace(_HEALTH_PORT, port) for part in command[1:]]
        assert subprocess.run([sys.executable, *here], check=False, timeout=START_SECONDS).returncode == 0
        served.process.terminate()
        served.process.wait(START_SECONDS)
    gone = subprocess.run(
        [sys.executable, *here], check=False, stderr=subprocess.DEVNULL, timeout=START_SECONDS
    )
    assert gone.returncode == 1


def test_no_ready_check_of_the_balancer_is_refused_for_its_host(tmp_path: Path) -> None:
    """The balancer asks a replica by a name that only containers know."""
    (host,) = set(re.findall(r"hdr Host (\S+)", (DEPLOY / "haproxy.cfg").read_text()))
    with serve(tmp_path) as served:
        answer = httpx2.get(f"{served.root}/health", headers={"Host": host})
    assert answer.status_code == 200
