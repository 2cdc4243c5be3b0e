"""Where images go, and where they must not."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.errors import OutputRejected

if TYPE_CHECKING:
    from gpt_image_mcp.settings import Settings

APP = "gpt-image-mcp"
_SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr"),
    *("/var/root", "/System", "/private/etc", "/private/var/root"),
    *("C:\\Windows", "C:\\Program Files", "C:\\Program Files (x86)", "C:\\ProgramData"),
)
_CREDENTIALS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", "Library/Keychains"),
    *(".config/gcloud", ".config/gh", ".config/op"),
)


def project_folder(settings: Settings) -> Path:
    """The folder the server works for: the configured one, else the working directory."""
    return Path(settings.project_dir).expanduser().absolute() if settings.project_dir else Path.cwd()


def default_folder(settings: Settings) -> Path:
    """The folder of a project's images where none is configured.

    The name holds the project's own and a hash of its real path, so that two projects never share one.
    """
    root = _project_root(project_folder(settings).resolve())
    digest = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return platformdirs.user_config_path(APP, appauthor=False) / "output" / f"{root.name or 'root'}-{digest}"


def output_folder(settings: Settings, output_dir: str) -> Path:
    """The folder for a call: its own, else the configured one, else the project's default.

    Raises:
        OutputRejected: If it is relative without a project to be relative to, or guarded.
    """
    wanted = output_dir.strip().strip("\"'") or settings.output_dir
    if not wanted:
        return default_folder(settings)
    if "\0" in wanted:
        message = f"The output folder {wanted!r} holds a NUL character."
        raise OutputRejected(message, next_step="Pass a plain folder path as output_dir.")
    folder = Path(wanted).expanduser()
    if not folder.is_absolute():
        folder = _below_project(folder, settings)
    if not settings.allow_unsafe_output_dir:
        _guard(folder)
    return folder


def require_writable(folder: Path) -> Path:
    """Makes the folder and proves, with a file that is gone again, that images can be saved there.

    Raises:
        OutputRejected: If they cannot; nothing was sent yet.
    """
    probe = folder / f".{secrets.token_hex(8)}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch(exist_ok=False)
        probe.unlink()
    except (OSError, ValueError) as error:
        message = f"The output folder {folder} cannot be written: {getattr(error, 'strerror', error)}."
        raise OutputRejected(
            message, next_step="Pass another output_dir, or set GPT_IMAGE_OUTPUT_DIR to a folder of yours."
        ) from error
    return folder


def fallback_folders(settings: Settings) -> tuple[Path, ...]:
    """Where a paid image goes when its folder fails after the call: the default one, then the system's."""
    return default_folder(settings), Path(tempfile.gettempdir()) / APP


def _project_root(folder: Path) -> Path:
    """The git repository that a folder belongs to, else the folder itself."""
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def _below_project(folder: Path, settings: Settings) -> Path:
    base = project_folder(settings)
    if base == Path(base.anchor):
        message = f"The output folder {str(folder)!r} is relative, and the server was started in {base}."
        raise OutputRejected(message, next_step="Pass an absolute path, or set GPT_IMAGE_PROJECT_DIR.")
    return base / folder


def _guard(folder: Path) -> None:
    """Looks through links, also those above folders that do not exist yet."""
    real, home = Path(os.path.realpath(folder)), Path(os.path.realpath(Path.home()))
    guarded = [home / part for part in _CREDENTIALS]
    if not real.is_relative_to(home):
        guarded += [Path(os.path.realpath(part)) for part in _SYSTEM]
    hit = next((part for part in guarded if real.is_relative_to(part)), None)
    if hit is not None:
        message = f"The output folder {folder} is in {hit}, which holds system files or credentials."
        raise OutputRejected(
            message,
            next_step="Pass another output_dir; if you really mean it, set "
            "GPT_IMAGE_ALLOW_UNSAFE_OUTPUT_DIR=1.",
        )
