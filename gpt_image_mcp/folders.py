"""The folders that images are saved in, and those that are guarded."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.atomic_files import try_writing
from gpt_image_mcp.environment import variables_set
from gpt_image_mcp.errors import OutputRejected, cut, quoted
from gpt_image_mcp.object_paths import is_object, location, object_path
from gpt_image_mcp.paths import is_within, local_path, real_path, unquoted
from gpt_image_mcp.visible_text import visible, without_unseen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpt_image_mcp.settings import Settings

_ROOT = 0
_log = logging.getLogger(__name__)
APP = "gpt-image-mcp"
_LONGEST_NAME_BYTES = 200
# Not empty, because a full disk still takes empty files.
_PROBE = b"probe" * 1000
_PEOPLE = "people"
_SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run"),
    *("/sbin", "/sys", "/usr", "/var/lib", "/var/spool", "/var/root"),
    *("/System", "/Library", "/private/etc", "/private/var/root"),
    *("C:\\Windows", "C:\\Program Files", "C:\\Program Files (x86)", "C:\\ProgramData"),
)
# What somebody else runs, at the next login or in the next shell.
_RUN = (
    *(".config/autostart", ".config/autostart-scripts", ".config/systemd", ".config/fish", ".config/git"),
    *(".local/share/systemd", ".local/bin", ".bashrc.d", ".zshrc.d", ".oh-my-zsh", "Library/LaunchAgents"),
    *("bin", ".local/share/applications", "Documents/PowerShell"),
    "AppData/Roaming/Microsoft/Windows/Start Menu/Programs/Startup",
)
# What a project runs on commits.
_RUN_IN_PROJECTS = frozenset({".git", ".husky"})
# Variables that move a folder out of the home, with the folder.
_MOVED = {"XDG_CONFIG_HOME": ".config/", "XDG_DATA_HOME": ".local/share/"}
_CREDENTIALS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", "Library/Keychains"),
    *(".config/gcloud", ".config/gh", ".config/op", ".local/share/keyrings", ".oci", ".terraform.d"),
    *("AppData/Roaming/gcloud", "AppData/Roaming/gnupg", "AppData/Roaming/Microsoft/Credentials"),
)


def project_folder(settings: Settings) -> Path:
    """The folder of the user's project: the configured one, else the working directory.

    Raises:
        OutputRejected: If it cannot be found out, or its name is not valid Unicode.
    """
    try:
        folder = local_path(settings.project_dir or ".", base=Path()).absolute()
        str(folder).encode()
    except (OSError, RuntimeError, ValueError) as error:
        message = f"The project folder cannot be used: {getattr(error, 'strerror', None) or error}."
        raise OutputRejected(
            message, next_step="Set GPT_IMAGE_PROJECT_DIR to the absolute path of a folder."
        ) from error
    return folder


def project_root(settings: Settings) -> Path:
    """The real path of the git repository that the project folder belongs to, else of the folder itself."""
    return _project_root(real_path(project_folder(settings)))


def default_folder(settings: Settings) -> Path:
    """The folder of a project's images if none is configured, in the store if there is one.

    Its name is that of the project and a hash of the project's real path, so that no two projects share it.
    """
    return default_root(settings) / _name_of_project(settings)


def _name_of_project(settings: Settings) -> str:
    root = project_root(settings)
    return _unique_name(root.name or "root", str(root))


def person_folder(settings: Settings, name: str) -> Path:
    """The folder of the images of a person who signed in, in that of the library or in its store.

    Raises:
        OutputRejected: If the folder of the library cannot be found out.
    """
    folder = object_path(settings.storage) or _meant(settings, "")
    return folder / _PEOPLE / _person(name)


def colleague_folder(settings: Settings, name: str) -> Path:
    """The folder of another person, as seen from a person's own."""
    return _meant(settings, "").with_name(_person(name))


def _person(name: str) -> str:
    letters = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "person"
    return _unique_name(letters, name)


def _unique_name(name: str, whole: str) -> str:
    """A name for a folder, with a hash of what it stands for."""
    digest = hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    short = name.encode("utf-8", "ignore")[:_LONGEST_NAME_BYTES].decode(errors="ignore")
    return f"{short}-{digest}"


def output_folder(settings: Settings, output_dir: str) -> Path:
    """The folder for a call: its own, else the configured one, else the project's default.

    Raises:
        OutputRejected: If it is not a path, is relative while there is no project, or may not be written to.
    """
    return require_allowed(_meant(settings, output_dir), settings)


def home_folder(folder: Path, settings: Settings) -> Path:
    """The folder for what belongs to images in a folder: itself if it is our own, else the project's default.

    A folder that a caller chose holds only what was asked for.
    """
    return folder if is_own(folder, settings) else default_folder(settings)


def is_own(folder: Path, settings: Settings) -> bool:
    """Whether a folder is the configured one, or in that of all projects' default folders."""
    if is_within(folder, (default_root(settings), local_root())):
        return True
    try:
        return real_path(folder) == real_path(_meant(settings, ""))
    except OutputRejected:  # it is relative, and there is no project
        return False


def default_root(settings: Settings) -> Path:
    """The folder that all projects' default folders lie in; that of the store if there is one."""
    return object_path(settings.storage) or local_root()


def local_root() -> Path:
    """The same on this machine."""
    return platformdirs.user_config_path(APP, appauthor=False) / "output"


def project_path(path: Path, settings: Settings) -> Path:
    """A path that starts at the project, if it is relative.

    Raises:
        OutputRejected: If there is no project to start at.
    """
    return path if path.is_absolute() else _below_project(path, settings)


def require_allowed(path: Path, settings: Settings) -> Path:
    """A folder or file that images may be saved as, judged by where links lead now.

    Raises:
        OutputRejected: If it is outside the folders for it, whatever is there, or in a guarded one.
    """
    if settings.is_of_person and not is_within(path, (_meant(settings, ""),)):
        raise _outside_own("the path")
    if is_object(path) and not is_within(path, (default_root(settings),)):
        message = f"{cut(path)} is not in the store of this library, which is {settings.storage}."
        raise OutputRejected(message, next_step="Leave it out, or pass a folder below that address.")
    if settings.output_roots is not None:
        roots = (*settings.output_roots, _meant(settings, ""))
        if not is_within(path, roots):
            allowed = ", ".join(dict.fromkeys(map(location, roots)))
            message = f"{cut(path)} is outside the folders that images may be saved in ({allowed})."
            raise OutputRejected(message, next_step="Pass another folder, or extend GPT_IMAGE_OUTPUT_ROOTS.")
    if not settings.allow_unsafe_output_dir:
        _guard(path)
    return path


def require_target(target: Path, settings: Settings, *, overwrite: bool) -> None:
    """Refuses a path that may not be written, or a thing there that is not to be replaced. Blocking.

    Replaced is a regular file, also through a link that leads to one near it and of the same ending.

    Raises:
        OutputRejected: If that is so.
    """
    require_allowed(target, settings)
    if overwrite and (kind := _kind(target, settings)):
        message = f"overwrite is true, and {quoted(str(target))} is {kind}, which is not replaced."
        raise OutputRejected(message, next_step="Choose another filename, or leave out overwrite.")


def _kind(target: Path, settings: Settings) -> str:
    """What a path is that no image may replace; empty for one that may be, or where nothing is."""
    is_link = os.path.islink(target)
    # In folders that an operator named, the link was judged by them.
    if is_link and settings.output_roots is None and not is_within(target, _around(target, settings)):
        return "a link that leads elsewhere"
    try:
        found = target.stat()
    except OSError:
        return "a link that leads nowhere" if is_link else ""
    if not stat.S_ISREG(found.st_mode):
        return "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
    if sys.platform != "win32" and os.geteuid() not in (found.st_uid, _ROOT):
        return "another user's"  # and would be ours afterwards
    is_renamed = is_link and not real_path(target).name.endswith(target.suffix)
    return "a link to a file of another ending" if is_renamed else ""


def _around(target: Path, settings: Settings) -> tuple[Path, ...]:
    """The folder of a file, and the project."""
    try:
        return (target.parent, _below_project(Path(), settings))
    except OutputRejected:
        return (target.parent,)


def _meant(settings: Settings, output_dir: str) -> Path:
    """The folder for a call, not judged."""
    wanted = unquoted(output_dir) or unquoted(settings.output_dir)
    if not wanted:
        return default_folder(settings)
    try:
        folder = local_path(wanted, base=Path())
    except (RuntimeError, ValueError) as error:
        message = f"The output folder {quoted(wanted)} is not a path: {error}."
        raise OutputRejected(message, next_step="Pass an absolute path as output_dir.") from error
    folder = folder if folder.is_absolute() else _below_project(folder, settings)
    # Making a folder makes all on the way to it, also what a ".." leaves again.
    return visibly_named(real_path(folder) if ".." in folder.parts else folder)


def visibly_named(folder: Path) -> Path:
    """The folder without the characters that nobody sees, in what of it is still to be made.

    Raises:
        OutputRejected: If a name that is made would have characters that cannot be shown.
    """
    if _is_seen(str(folder)) or is_object(folder) or os.path.exists(folder):
        return folder
    if not _is_seen(name := without_unseen(folder.name)):
        message = f"The output folder {quoted(str(folder))} would have a name that cannot be shown."
        raise OutputRejected(message, next_step="Pass a name of letters, digits, blanks and signs.")
    return visibly_named(folder.parent) / name


def _is_seen(name: str) -> bool:
    return without_unseen(name) == name == visible(name)


def require_writable(folder: Path) -> Path:
    """Makes the folder and tries in it all that saving does, so that no call is paid in vain.

    Raises:
        OutputRejected: If it cannot be written.
    """
    try:
        try_writing(folder, _PROBE)
    except OSError as error:
        # One that is too long says nothing more when more of it is shown.
        shown = quoted(str(folder)) if error.errno == errno.ENAMETOOLONG else cut(folder)
        message = f"The output folder {shown} cannot be written: {error.strerror or error}."
        raise OutputRejected(
            message, next_step="Pass another output_dir, or set GPT_IMAGE_OUTPUT_DIR to a folder of yours."
        ) from error
    return folder


def fallback_folders(settings: Settings) -> tuple[Path, ...]:
    """The folders for a paid image whose own folder cannot be written: the default one, then a temporary one.

    Both are on this machine; a person who signed in has a part of each. Never fails: each that there is not
    is left out.
    """
    found: list[Path] = []
    own = Path(_PEOPLE, PurePath(settings.output_dir).name) if settings.is_of_person else Path()
    with suppress(OutputRejected):
        found.append(local_root() / _name_of_project(settings) / own)
    with suppress(OSError):  # no folder for temporary files can be written
        found.append(_made_temporary_folder() / own)
    return tuple(found)


def temporary_folders() -> tuple[Path, ...]:
    """Where images may lie that no other folder took: what is there, and is this user's alone."""
    usual, found = _usual_temporary_folder(), list[Path]()
    for folder in (usual, *usual.parent.glob(f"{usual.name}-*")):
        with suppress(OSError):
            found += [folder] if _is_own_alone(folder) else []
    return tuple(found)


def _made_temporary_folder() -> Path:
    """A folder of this user alone, made if need be: the usual one, else one that nobody had before."""
    folder = _usual_temporary_folder()
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_own_alone(folder):
        usual, folder = folder, Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        _log.warning("%s is no folder of this user alone, so %s is used.", usual, folder)
    return folder


def _usual_temporary_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"{APP}-{_user()}"


def _is_own_alone(folder: Path) -> bool:
    found, others = folder.lstat(), 0o022 if hasattr(os, "getuid") else 0
    return stat.S_ISDIR(found.st_mode) and found.st_uid == _user() and not found.st_mode & others


def _user() -> int:
    return getattr(os, "getuid", int)()  # Windows has none, but a temporary folder for each user anyway


def _project_root(folder: Path) -> Path:
    """The git repository that a folder belongs to, else the folder itself."""
    return next((parent for parent in (folder, *folder.parents) if os.path.exists(parent / ".git")), folder)


def _outside_own(asked: str) -> OutputRejected:
    """The error for a person who signed in, to whom the folders of the server are none of their business."""
    message = f"Your pictures are saved in a folder of your own on this server, and {asked} leads out of it."
    step = "Pass a plain name without a folder, such as logo.png, as filename, and leave out output_dir."
    return OutputRejected(message, next_step=step)


def _below_project(folder: Path, settings: Settings) -> Path:
    if settings.is_of_person:
        raise _outside_own(quoted(str(folder)))
    base = project_folder(settings)
    if base == Path(base.anchor):
        message = f"The output folder {cut(folder)} is relative, and the server was started in {base}."
        raise OutputRejected(message, next_step="Pass an absolute path, or set GPT_IMAGE_PROJECT_DIR.")
    return base / folder


def _guard(folder: Path) -> None:
    """Refuses system and credential folders, also if they are reached through links."""
    home = real_path(Path(os.path.expanduser("~")))  # noqa: PTH111 - Path.home fails for a user without one
    real = real_path(folder)
    hit = next((part for part in _guarded(home, real) if _contains(part, real)), None)
    if hit is not None:
        holds = "system files, credentials or what others run"
        message = f"The output folder {cut(folder)} is in {hit}, which holds {holds}."
        raise OutputRejected(
            message,
            next_step="Pass another output_dir; if you really mean it, set "
            "GPT_IMAGE_ALLOW_UNSAFE_OUTPUT_DIR=1.",
        )


def _guarded(home: Path, real: Path) -> Iterator[Path]:
    """The guarded folders for a target; a home in a system folder, such as /root, is open to its user."""
    parts = (*_CREDENTIALS, *_RUN)
    yield from (real_path(home / part) for part in parts)
    for name, moved in variables_set(_MOVED).items():
        inside = [part.removeprefix(_MOVED[name]) for part in parts if part.startswith(_MOVED[name])]
        yield from (real_path(Path(moved) / part) for part in inside)
    yield from (part for part in (real, *real.parents) if _folded(part).name in _RUN_IN_PROJECTS)
    for system in map(real_path, filter(Path.is_absolute, map(Path, _SYSTEM))):
        if not (_contains(system, home) and _contains(home, real)):
            yield system


def _contains(folder: Path, path: Path) -> bool:
    """Whether a path is the folder or below it, on any system."""
    return _folded(path).is_relative_to(_folded(folder))


def _folded(path: Path) -> Path:
    """A path without what some system ignores: case, and on Windows dots and blanks at the end of a name."""
    return Path(*(part.casefold().rstrip(". ") or part for part in path.parts))
