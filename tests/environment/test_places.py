"""Homes, working directories, disks and consoles as machines have them: one sentence, or a picture."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpt_image_mcp.cli.app import run
from tests.environment.processes import DRAW, PROGRAM, Machine

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

SANDBOX = {"GPT_IMAGE_SANDBOX": "1"}
NO_HOME = {**SANDBOX, "HOME": None, "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None}
NOBODY = ("setpriv", "--reuid", "4242", "--clear-groups")
NIGHT_VIEW = "夜景"

as_nobody = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can become a user that the system does not know",
)


@pytest.fixture
def open_project() -> Generator[Path]:
    """A project folder beside a home, which any user can reach and write to; pytest's own are closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for path in (Path(folder), Path(folder, "project"), Path(folder, "home")):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
        yield Path(folder, "project")


def _findings(machine: Machine) -> dict[str, str]:
    checks = json.loads(machine.run("doctor", "--json").stdout)["checks"]
    return {check["name"]: f"{check['said']} Next: {check['next']}" for check in checks}


@as_nobody
def test_without_any_home_server_command_and_doctor_say_which_variable_to_set(open_project: Path) -> None:
    machine = Machine(NO_HOME, cwd=open_project, wrapper=NOBODY)
    served = machine.serve()
    said = _findings(machine)["settings"]
    assert "HOME is not set" in said
    assert "Set HOME" in said
    for process in (
        served.errors,
        machine.run(*DRAW).stderr.decode(),
        machine.run("config", "cursor").stderr.decode(),
    ):
        assert process == f"invalid_argument: {said}\n"
    assert served.exit_code == 2


@as_nobody
@pytest.mark.parametrize("output_dir", [None, "out"])
def test_folders_of_the_xdg_variables_are_enough_without_a_home(
    output_dir: str | None, open_project: Path
) -> None:
    folders = {f"XDG_{name}_HOME": str(open_project / name) for name in ("CONFIG", "DATA", "CACHE")}
    settings = {**NO_HOME, **folders, "GPT_IMAGE_OUTPUT_DIR": output_dir and str(open_project / output_dir)}
    machine = Machine(settings, cwd=open_project, wrapper=NOBODY)
    served = machine.serve()
    assert served.has_drawn, served.errors
    assert machine.run(*DRAW).returncode == 0


@as_nobody
@pytest.mark.parametrize("home", ["gone", "home"])
def test_a_home_that_cannot_be_written_is_refused_before_the_call(home: str, open_project: Path) -> None:
    (open_project.parent / "home").chmod(0o555)
    open_project.parent.chmod(0o755)
    settings = {**NO_HOME, "HOME": str(open_project.parent / home)}
    machine = Machine(settings, cwd=open_project, wrapper=NOBODY)
    served, found = machine.serve(), _findings(machine)
    assert served.lists_tools
    assert not served.has_drawn
    assert "GPT_IMAGE_OUTPUT_DIR" in found["output folder"]
    assert "GPT_IMAGE_DATABASE_URL" in found["database"]
    assert found["database"].partition(" Next: ")[0] in served.said
    assert found["database"].partition(" Next: ")[0] in machine.run(*DRAW).stderr.decode()
    named = {
        "GPT_IMAGE_OUTPUT_DIR": str(open_project / "out"),
        "GPT_IMAGE_DATABASE_URL": f"sqlite:///{open_project}/library.db",
    }
    assert Machine({**settings, **named}, cwd=open_project, wrapper=NOBODY).serve().has_drawn


@as_nobody
def test_a_working_directory_that_may_not_be_looked_into_is_a_project_too(open_project: Path) -> None:
    open_project.chmod(0o700)
    settings = {**NO_HOME, "HOME": str(open_project.parent / "home")}
    assert Machine(settings, cwd=open_project, wrapper=NOBODY).serve().has_drawn


@pytest.mark.parametrize("name", ["server", "mcp_app.app", "studio"])
def test_a_program_that_embeds_the_server_reads_no_dotenv(name: str, project: Path) -> None:
    (project / ".env").write_text("FASTMCP_LOG_LEVEL=verbose\n")
    subprocess.run(
        [sys.executable, "-c", f"import gpt_image_mcp.{name}"], check=True, cwd=project, timeout=50
    )


@pytest.mark.parametrize("content", ["\ufeffFASTMCP_LOG_LEVEL=verbose\n", "FASTMCP_LOG_LEVEL=verbose\n"])
def test_a_dotenv_file_of_the_project_changes_nothing(content: str, project: Path) -> None:
    (project / ".env").write_text(content)
    assert Machine(SANDBOX).serve().has_drawn


@pytest.mark.parametrize("value", ["", " ", "relative/folder"])
def test_xdg_variables_that_name_no_place_are_passed_over(value: str) -> None:
    settings = {**SANDBOX, "XDG_CONFIG_HOME": value, "XDG_DATA_HOME": value}
    done = Machine(settings).run(*DRAW)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.decode().strip()).is_relative_to(Path.home() / ".config")


@pytest.mark.parametrize("value", ["", "/nowhere/tmp"])
def test_a_temporary_folder_that_is_gone_does_not_matter(value: str) -> None:
    assert Machine({**SANDBOX, "TMPDIR": value}).serve().has_drawn


def test_a_server_that_was_started_in_the_root_draws(project: Path) -> None:
    assert Machine(SANDBOX, cwd="/").serve().has_drawn
    done = Machine({**SANDBOX, "GPT_IMAGE_PROJECT_DIR": f"'{project}'"}, cwd="/").run(
        *DRAW, "--output-dir", "out"
    )
    assert Path(done.stdout.decode().strip()).parent == project / "out"


@pytest.fixture
def in_deleted_folder(project: Path) -> Sequence[str]:
    """A command that starts another in a working directory that is gone by then."""
    if sys.platform == "win32":
        pytest.skip("Windows does not delete a folder that is in use")
    gone = project / "gone"
    return "sh", "-c", f'mkdir "{gone}"; cd "{gone}"; rmdir "{gone}"; exec "$@"', "sh"


def test_a_working_directory_that_was_deleted_is_named_with_what_to_set(
    in_deleted_folder: Sequence[str],
) -> None:
    machine = Machine(SANDBOX, wrapper=in_deleted_folder)
    found = _findings(machine)["project folder"]
    assert "GPT_IMAGE_PROJECT_DIR" in found
    assert found.partition(" Next: ")[0] in machine.serve().said


@pytest.mark.parametrize("arguments", [DRAW, (*DRAW, "-o", "fox.png"), ("gallery", "-o", "page.html")])
def test_commands_explain_that_their_working_directory_was_deleted(
    arguments: tuple[str, ...], in_deleted_folder: Sequence[str]
) -> None:
    refused = Machine(SANDBOX, wrapper=in_deleted_folder).run(*arguments)
    assert refused.returncode == 1
    assert b"Traceback" not in refused.stderr
    assert b"Next: " in refused.stderr


def test_a_named_project_is_enough_where_the_working_directory_was_deleted(
    in_deleted_folder: Sequence[str], project: Path
) -> None:
    named = {"GPT_IMAGE_PROJECT_DIR": str(project)}
    assert Machine({**SANDBOX, **named}, wrapper=in_deleted_folder).serve().has_drawn


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("prlimit") is None, reason="Linux sets limits so")
def test_a_limit_of_open_files_is_raised_as_far_as_allowed_or_named(project: Path) -> None:
    enough = Machine(SANDBOX, cwd=project, wrapper=("prlimit", "--nofile=20:64"))
    assert enough.serve().has_drawn
    too_few = Machine(SANDBOX, cwd=project, wrapper=("prlimit", "--nofile=20:63"))
    for process in (served := too_few.serve()).errors, too_few.run(*DRAW).stderr.decode():
        assert "no more than 63 files open, and needs 64. Next: " in process
    assert served.exit_code == 2


def test_a_full_disk_is_named_by_the_call_and_by_doctor(project: Path) -> None:
    disk = project / "disk"
    disk.mkdir()
    if not Path("/bin/mount").exists():
        pytest.skip("no mount on this machine")
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        machine = Machine({**SANDBOX, "HOME": str(disk), "XDG_CONFIG_HOME": None, "XDG_DATA_HOME": None})
        served, found = machine.serve(), _findings(machine)
    finally:
        subprocess.run(["/bin/umount", str(disk)], check=True)
    assert found["database"].partition(" Next: ")[0] in served.said
    assert "full" in served.said


@pytest.mark.parametrize(
    "console",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": None},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    ],
)
def test_a_narrow_console_hurts_neither_the_protocol_nor_a_command(
    console: dict[str, str | None], project: Path
) -> None:
    machine = Machine({**SANDBOX, **console}, cwd=project)
    served = machine.serve(output_dir=str(project / NIGHT_VIEW))
    assert served.has_drawn
    assert str(project / NIGHT_VIEW) in served.said
    done = machine.run("generate", NIGHT_VIEW, *DRAW[2:], "--output-dir", NIGHT_VIEW)
    assert done.returncode == 0, done.stderr
    assert len(list((project / NIGHT_VIEW).glob("*.png"))) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
@pytest.mark.parametrize(
    "ending", ["| true", "--json | true", ">&-", "--json >&- 2>&-", ">/dev/full", "2>/dev/full"]
)
def test_a_picture_is_a_success_even_if_nobody_reads_its_path(ending: str, project: Path) -> None:
    command = " ".join(["set -o pipefail;", *PROGRAM, "generate fox", *DRAW[2:], "-o fox.png", ending])
    environment = {**os.environ, **SANDBOX}
    done = subprocess.run(
        ["/bin/bash", "-c", command], env=environment, capture_output=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert (project / "fox.png").is_file()
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("output", "folder"), [("there", "there"), ("new/", "new"), (".", "."), ("~/", "../home")]
)
def test_a_folder_as_output_is_written_into(
    output: str,
    folder: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    (project / "there").mkdir()
    assert run((*DRAW, "-o", output)) == 0
    assert Path(capsys.readouterr().out.strip()).parent.resolve() == (project / folder).resolve()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generate", "a", "red", "fox", "--n", "2"), "gpt-image-mcp generate 'a red fox' --n 2"),
        (("edit", "make", "it", "night", "a.png", "-o", "b.png"), "edit 'make it night' a.png -o b.png"),
        (("batch", "make", "it", "night", "a.png"), "gpt-image-mcp batch 'make it night' a.png"),
        (("generate", "-5 degrees outside"), "goes behind all options and --"),
        (("edit", "-warmer", "a.png"), "goes behind all options and --"),
        (("history", "-fox"), "goes behind all options and --"),
    ],
)
def test_words_without_quotes_and_texts_with_a_dash_are_explained(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert words in capsys.readouterr().err


def test_history_takes_its_words_without_quotes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPT_IMAGE_SANDBOX", "1")
    assert run(("generate", *DRAW[2:], "--", "-5 degrees and a red fox")) == 0
    assert run(("history", "red", "fox")) == 0
    assert "red fox" in capsys.readouterr().out
    run(("history", "blue", "fox"))
    assert "No image" in capsys.readouterr().out


@pytest.mark.parametrize("zone", ["AAA-99:99:99", "XXX+30"])
def test_a_time_zone_days_away_is_refused_with_its_value(zone: str, tmp_path: Path) -> None:
    machine = Machine({**SANDBOX, "HOME": str(tmp_path), "TZ": zone}, cwd=tmp_path)
    for command in (("history",), ("generate", "a fox"), ("doctor",)):
        said = machine.run(*command)
        words = (said.stdout + said.stderr).decode()
        assert "Traceback" not in words
        assert f"TZ has the value '{zone}'" in words
