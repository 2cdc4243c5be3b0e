"""What every test stands on: an empty home, an empty project folder, and no settings of the machine."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# No test depends on the speed of the machine: properties neither, as is so by default in CI.
settings.register_profile(
    "any speed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any speed")
# Processes inherit a signal that is ignored, as SIGHUP is under nohup, and not one that is handled.
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)
_FOREIGN = ("AWS_", "AZURE_", "IDENTITY_", "MSI_", "OPENAI_", "GPT_IMAGE_", "FASTMCP_", "XDG_")
_ALIASES = ("DEFAULT_OUTPUT_DIR", "MAX_FILE_SIZE_MB", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The working directory of the test, under a home of its own."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name.upper() in _ALIASES:
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    folder = tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    # Where an image goes that no other folder takes; a rebuild of another test would find it there.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test that opens a connection to anywhere but this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            assert str(address[0]) in {"127.0.0.1", "::1", "localhost"}, f"a test connects to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def no_collection() -> Generator[None]:
    """Nothing that lies in a circle is let go of during the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
