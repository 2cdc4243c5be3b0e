"""Following the steps of ``docs/team.md`` on a machine of which the reader is no administrator.

The commands run as they are written, in one shell, with free ports in the place of those on the page.
``sudo``, ``apt-get`` and what makes an environment are stand-ins: PostgreSQL is the server of the tests, and
the environment is the one that the tests run in.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.docs.pages import DOCS, ROOT, read_page
from tests.postgresql import find_postgresql
from tests.programs import required
from tests.team.haproxy import free_port

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_PORTS = ("8001", "8002", "8003", "8080", "9000")
_END = "walked"
_PROGRAMS = {
    "sudo": 'if [ "$1" = -u ]; then shift 2; fi\nexec "$@"',
    "apt-get": "exit 0",
    "psql": 'PGUSER=tests PGDATABASE=postgres exec "{psql}" "$@"',
    "python3": 'mkdir -p "$3/bin" && ln -s "{pip}" "$3/bin/pip"',
    "pip": "exit 0",
    "gpt-image-mcp": 'exec "{python}" -m gpt_image_mcp "$@"',
    "moto_server": 'exec "{python}" -m moto.server "$@"',
}


class Walk:
    """What came of the steps.

    Attributes:
        root: The address of the balancer.
        said: What the commands printed.
    """

    def __init__(self, ports: dict[str, str], said: str) -> None:
        self.root = f"http://127.0.0.1:{ports['8080']}"
        self.replicas = [f"http://127.0.0.1:{ports[port]}" for port in _PORTS[:3]]
        self.said = said


def steps() -> str:
    """The commands of the page, in order."""
    page = read_page(DOCS / "team.md")
    begin, end = page.text.index("## Without containers"), page.text.index("## With containers")
    lines = (page.text.count("\n", 0, begin), page.text.count("\n", 0, end))
    fences = [fence for fence in page.fences if fence.language == "sh"]
    assert all(lines[0] < fence.line < lines[1] for fence in fences)
    return "".join(fence.text for fence in fences)


@contextmanager
def walk(folder: Path, database_server: str) -> Generator[Walk]:
    """Follows the page in a folder; in the end ends everything that it started.

    Args:
        folder: The reader's, empty.
        database_server: The address of PostgreSQL, without a database.
    """
    required(shutil.which("haproxy"), "HAProxy")
    ports = {port: str(free_port()) for port in _PORTS}
    script = re.sub(r"\b(8001|8002|8003|8080|9000)\b", lambda found: ports[found[1]], steps())
    programs = _install(folder / "programs")
    work = folder / "work"
    work.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": database_server.rpartition(":")[2],
        "CHECKOUT": str(ROOT),
    }
    bash, lines = required(shutil.which("bash"), "bash"), f"{script}\necho\necho {_END}\nwait"
    with (
        (work / "errors.log").open("w") as errors,
        subprocess.Popen(
            [bash, "-euo", "pipefail", "-c", lines],
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as shell,
    ):
        try:
            yield Walk(ports, _said(shell, work))
        finally:
            os.killpg(shell.pid, signal.SIGKILL)


def _said(shell: subprocess.Popen[str], work: Path) -> str:
    assert shell.stdout is not None
    said = ""
    for line in shell.stdout:
        if line.strip() == _END:
            return said
        said += line
    logs = "\n".join(f"{log.name}:\n{log.read_text()}" for log in sorted(work.glob("*.log")))
    raise AssertionError(f"{said}\n{logs}")


def _install(folder: Path) -> Path:
    postgresql = required(find_postgresql(), "PostgreSQL")
    psql = shutil.which("psql") or str(postgresql / "psql")
    folder.mkdir()
    for name, text in _PROGRAMS.items():
        program = folder / name
        filled = text.format(psql=psql, pip=folder / "pip", python=sys.executable)
        program.write_text(f"#!/bin/sh\n{filled}\n")
        program.chmod(0o755)
    return folder
