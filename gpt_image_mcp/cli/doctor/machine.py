"""Checks of the installation, the folders and the database. They block, so call them in a thread."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import platformdirs

from gpt_image_mcp.cli.doctor.findings import failed, ok, refused, warning
from gpt_image_mcp.errors import ImageError, InvalidArgument, InvalidSetting
from gpt_image_mcp.folders import APP, output_folder, project_folder
from gpt_image_mcp.imaging.rendering import require_writer
from gpt_image_mcp.library.storage import require_writable
from gpt_image_mcp.object_paths import is_object, location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gpt_image_mcp.cli.doctor.findings import Finding
    from gpt_image_mcp.settings import Settings

_PACKAGES = {
    "gpt-image-mcp": "gpt-image-mcp-server",
    "fastmcp": "fastmcp-slim",
    "openai": "openai",
    "pillow": "pillow",
}
_BYTES_PER_MB = 1_000_000
_LITTLE_SPACE_MB = 500
_MOST_OPEN_CALLS = 100


def check_installation() -> Iterator[Finding]:
    """The versions in use, and which optional image formats are available."""
    versions = ", ".join(f"{name} {version(package)}" for name, package in _PACKAGES.items())
    yield ok("versions", f"{versions}, Python {platform.python_version()} on {platform.system()}.")
    heic = "HEIC is read" if find_spec("pillow_heif") else "HEIC is not read (the extra heic adds it)"
    yield ok("formats", f"{heic}; {_avif()}.")


def _avif() -> str:
    try:
        require_writer("avif")
    except InvalidArgument:
        return "AVIF cannot be written by this build of Pillow"
    return "AVIF is read and written"


def check_folders(settings: Settings) -> Iterator[Finding]:
    """Where the server works, where images go, and where input files may come from."""
    try:
        project = project_folder(settings)
    except ImageError as error:
        yield refused("project folder", error)
        return
    yield _project(project)
    try:
        folder = require_writable(output_folder(settings, ""))
    except ImageError as error:
        yield refused("output folder", error)
    except OSError as error:
        said = f"It cannot be told: {error.strerror or error}."
        yield failed("output folder", said, "Set GPT_IMAGE_OUTPUT_DIR to a folder of yours.")
    else:
        yield ok("output folder", f"{location(folder)} can be written.")
        if not is_object(folder):
            yield judge_space(shutil.disk_usage(folder).free)
    for root in settings.input_roots or ():
        yield _input_root(root)


def _project(project: Path) -> Finding:
    name = "project folder"
    if project == project.parent:
        return warning(
            name,
            f"The program was started in {project}, as some clients do, so relative paths mean nothing.",
            "Set GPT_IMAGE_PROJECT_DIR to the folder of your project, or pass absolute paths.",
        )
    if trouble := _trouble(project):
        said = f"{project} {trouble}, so relative paths lead nowhere."
        return warning(name, said, "Correct GPT_IMAGE_PROJECT_DIR, or make the folder.")
    return ok(name, f"{project}")


def _trouble(folder: Path) -> str:
    """What is wrong with a folder that should exist; empty if nothing is."""
    try:
        if folder.is_dir():
            return ""
        return "is not a folder" if folder.exists() else "does not exist"
    except OSError as error:
        return f"cannot be looked at ({error.strerror or error})"


def judge_space(free_bytes: int) -> Finding:
    """Whether there is enough disk space for more images."""
    free_mb = free_bytes // _BYTES_PER_MB
    said = f"{free_mb:,} MB are free."
    if free_mb < _LITTLE_SPACE_MB:
        return warning("disk space", said, "Free some space; gpt-image-mcp history prune deletes old images.")
    return ok("disk space", said)


def _input_root(root: Path) -> Finding:
    if trouble := _trouble(root):
        step = "Correct GPT_IMAGE_INPUT_ROOTS, or make the folder."
        return warning("input folder", f"{root} {trouble}.", step)
    return ok("input folder", f"{root} is there.")


def check_library(settings: Settings) -> Iterator[Finding]:
    """Whether the database is intact, how many images it has, and which calls have an unknown outcome."""
    from gpt_image_mcp.library.migrations import VERSION
    from gpt_image_mcp.library.search.query import SearchCriteria
    from gpt_image_mcp.library.store import Library

    try:
        library = Library(settings)
    except InvalidSetting as error:
        yield refused("budgets", error)
        return
    try:
        library.check()
        whole = library.of_everybody() if settings.is_served else library
        images = whole.search.run(SearchCriteria(), limit=1).total
        library.ledger.give_up_lost_calls()
        calls = whole.ledger.open_calls(limit=_MOST_OPEN_CALLS)
    except ImageError as error:
        yield refused("database", error)
        return
    finally:
        library.close()
    where = "The one in GPT_IMAGE_DATABASE_URL"
    if not settings.database_url.get_secret_value():
        where = f"The one in {platformdirs.user_data_path(APP, appauthor=False)}"
    whose = " of all people together" if settings.is_served else ""
    yield ok("database", f"{where} is whole (schema {VERSION}) and knows {images:,} image(s){whose}.")
    unknown = [call.id for call in calls if call.status == "outcome_unknown"]
    if unknown:
        yield warning(
            "unfinished calls",
            f"{len(unknown)} call(s) were sent and never answered, the latest is {unknown[0]}.",
            "Compare them with the usage page of the account; gpt-image-mcp history lists images that "
            "arrived.",
        )
