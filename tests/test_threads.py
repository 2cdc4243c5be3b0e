"""Work in threads, up to the end of the process."""

from __future__ import annotations

import subprocess
import sys

# A worker that is still busy when the main thread has ended; nothing can be given to a pool any more.
LATE = """
import concurrent.futures.thread as pools
import time
from gpt_image_mcp.threads import beside, computed

def save():
    while not pools._shutdown:
        time.sleep(0.01)
    print(beside(len, b"abc").result(), computed(len, b"ab"))

pools.ThreadPoolExecutor(1).submit(save)
"""


def test_an_image_is_saved_while_python_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATE], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("3 2\n", "")
