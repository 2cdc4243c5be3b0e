"""What signals to end mean: who repeats one, and who insists."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from gpt_image_mcp.signals import Ending

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def _said(*signals: tuple[float, signal.Signals]) -> list[str]:
    """What signals at these seconds lead to."""
    said, now = list[str](), [0.0]
    ending = Ending(lambda: said.append("begin"), lambda: said.append("insist"), clock=lambda: now[-1])
    for seconds, number in signals:
        now.append(seconds)
        ending(number)
    return said


_WRITES = """
import sys
from gpt_image_mcp.signals import run_until_told

async def work():
    print("begun", file=sys.stderr, flush=True)
    print("x" * 1_000_000)

run_until_told(work(), grace_seconds=0, exit_code=130)
"""


def test_work_whose_output_nobody_reads_ends_too() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command, pipe = (sys.executable, "-c", _WRITES), subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"begun\n"
        process.send_signal(TERM)
        assert process.wait(50) == 130


def test_the_first_begins_the_end_whichever_it_is() -> None:
    for number in (INT, TERM, HUP):
        assert _said((7.0, number)) == ["begin"]


def test_those_that_are_passed_on_change_nothing() -> None:
    assert _said((0, HUP), (0.01, TERM), (60, TERM), (90, HUP)) == ["begin"]


def test_the_ctrl_c_of_a_whole_group_is_one() -> None:
    assert _said((0, INT), (0.1, INT), (0.2, INT)) == ["begin"]


def test_ctrl_c_after_that_insists() -> None:
    assert _said((0, TERM), (0.5, INT), (0.6, INT)) == ["begin", "insist", "insist"]
