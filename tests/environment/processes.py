"""Whole processes in an environment of their own: the server, a command, ``doctor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tests.faults.processes import INITIALIZE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "gpt_image_mcp")
DRAW = ("generate", "a fox", "--size", "816x816", "--quality", "low")
_SECONDS = 50


@dataclass(frozen=True)
class Machine:
    """Where and how processes are started.

    Attributes:
        settings: Variables to set; those with None are removed.
        cwd: The working directory.
        wrapper: A command that starts the process instead, such as ``setpriv``.
    """

    settings: Mapping[str, str | None]
    cwd: Path | str | None = None
    wrapper: Sequence[str] = ()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """One command, to its end."""
        return subprocess.run(
            [*self.wrapper, *PROGRAM, *arguments],
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            env=self._environment(),
            cwd=self.cwd,
        )

    def serve(self, **arguments: object) -> Served:
        """A server that lists its tools and draws once."""
        process = subprocess.Popen(
            [*self.wrapper, *PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment(),
            cwd=self.cwd,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        draw = {"name": "generate_image", "arguments": {"prompt": "夜景", "quality": "low", **arguments}}
        sent: list[tuple[str, object]] = [
            ("initialize", {**INITIALIZE, "protocolVersion": "2025-11-25"}),
            ("tools/list", {}),
            ("tools/call", draw),
        ]
        lines = [
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            for number, (method, params) in enumerate(sent)
        ]
        answers: dict[int, dict[str, object]] = {}
        try:
            process.stdin.write("".join(f"{line}\n" for line in lines).encode())
            process.stdin.flush()
            while len(answers) < len(sent) and (line := process.stdout.readline()):
                message = json.loads(line.decode("utf-8"))
                answers |= {message["id"]: message["result"]} if "id" in message else {}
        except BrokenPipeError:
            pass
        _, errors = process.communicate(timeout=_SECONDS)
        return Served(process.returncode, answers, errors.decode("utf-8", "replace"))

    def _environment(self) -> dict[str, str]:
        given = {**os.environ, **self.settings}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Served:
    """What a server did."""

    exit_code: int
    answers: Mapping[int, Mapping[str, object]]
    errors: str

    @property
    def lists_tools(self) -> bool:
        """Whether it answered the request for the list."""
        return bool(self.answers.get(1, {}).get("tools"))

    @property
    def said(self) -> str:
        """The texts of the result of the call."""
        content = cast("list[dict[str, str]]", self.answers[2]["content"])
        return "\n".join(block["text"] for block in content if block["type"] == "text")

    @property
    def has_drawn(self) -> bool:
        """Whether the call went well."""
        return 2 in self.answers and not self.answers[2].get("isError")
