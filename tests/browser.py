"""A headless Chromium, driven over its debugging pipe (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_KEY_CODES = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def find_chromium() -> str | None:
    """The path of a Chromium on this machine."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """One page of the browser; ``events`` are those that came while answers were awaited."""

    read: int
    write: int
    session_id: str = ""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _unread: bytes = b""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command; gives its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self.session_id:
            message["sessionId"] = self.session_id
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Goes to a page and waits until it is loaded."""
        self.events.clear()
        self.send("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def evaluate(self, script: str) -> Any:
        """The value of an expression; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Waits until an expression is true; fails after 15 seconds."""
        met = self.evaluate(
            "new Promise(done => { const end = performance.now() + 15000; (function look() {"
            f" if ({condition}) done(true); else if (performance.now() > end) done(false);"
            " else setTimeout(look, 5); })(); })"
        )
        assert met, f"never true: {condition}"

    def press(self, key: str) -> None:
        """One key, down and up."""
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        code = {"windowsVirtualKeyCode": _KEY_CODES[key]} if key in _KEY_CODES else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, **code)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            piece = os.read(self.read, 1 << 16)
            assert piece, "the browser is gone"
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextlib.contextmanager
def chromium(executable: str, profile: Path) -> Generator[Page]:
    """A browser with one empty page of 1280x900, in a profile of its own."""
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()
    command = [
        executable,
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"),
        *("--disable-dev-shm-usage", f"--user-data-dir={profile}", "--window-size=1280,900"),
    ]
    actions = [(os.POSIX_SPAWN_DUP2, theirs_read, 3), (os.POSIX_SPAWN_DUP2, theirs_write, 4)]
    quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
    pid = os.posix_spawn(executable, command, os.environ, file_actions=[*actions, quiet])
    os.close(theirs_read)
    os.close(theirs_write)
    try:
        page = Page(read=ours_read, write=ours_write)
        target = page.send("Target.createTarget", url="about:blank")["targetId"]
        page.session_id = page.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            page.send(f"{domain}.enable")
        yield page
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(ours_read)
        os.close(ours_write)
