"""The direction of imports: each module knows only those below it."""

from __future__ import annotations

import ast
from pathlib import Path

import gpt_image_mcp

PACKAGE = Path(gpt_image_mcp.__file__).parent
# From the ground up; a module may import from its own layer's modules only where it is named with them.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "days"}),
    frozenset({"money", "progress", "crops", "lists", "paths", "recipes", "redaction", "schemas", "turns"}),
    frozenset({"colours", "containers", "placements", "threads"}),
    frozenset({"values", "parameters", "periods", "aliases"}),
    frozenset(
        {"settings", "models", "pictures", "refusals", "wire", "languages", "jobs", "framing", "regions"}
    ),
    frozenset({"sizes", "previews", "summaries", "conversions", "downloads", "responses_wire", "listings"}),
    frozenset({"embedding", "export_plans", "rendering"}),
    frozenset({"prices", "checks", "answers", "library", "masks", "retouching"}),
    frozenset({"openai_api", "sandbox", "plans", "references"}),
    frozenset({"checkups"}),
    frozenset({"reductions"}),
    frozenset({"routing", "inputs", "deliveries", "fingerprints", "collecting", "finding"}),
    frozenset({"looking", "lineage", "upkeep", "receipts", "reservations"}),
    frozenset({"paid_calls"}),
    frozenset({"edits"}),
    frozenset({"sessions", "batches"}),
    frozenset({"exports"}),
    frozenset({"export_answers", "manifests"}),
    frozenset({"workbench"}),
    frozenset({"history"}),
    frozenset({"studio", "history_answers", "records"}),
    frozenset({"results", "console", "gallery", "client_config"}),
    frozenset({"middleware", "demo", "stdio"}),
    frozenset({"application"}),
    frozenset({"tools", "resources", "prompts", "tool_groups"}),
    frozenset({"completions", "tasks"}),
    frozenset({"server"}),
    frozenset({"serving"}),
    frozenset({"http_serving"}),
    frozenset({"commands"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)


def _rank(module: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if module in layer)


def _imports(path: Path) -> set[str]:
    """Rooms of this package that a file imports, wherever in the file it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gpt_image_mcp"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {
                name.name.split(".")[1] for name in node.names if name.name.startswith("gpt_image_mcp.")
            }
    return found


def _rooms() -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room != "__init__":
            rooms.setdefault(room, set()).update(_imports(path) - {room})
    return rooms


def test_every_module_has_its_layer() -> None:
    assert set(_rooms()) == set().union(*LAYERS)


def test_imports_point_down_only() -> None:
    upward = {
        (room, imported)
        for room, imports in _rooms().items()
        for imported in imports
        if imported != "settings" or _rank(room) > _rank("settings")
        if _rank(imported) > _rank(room)
    }
    assert upward == set()


def test_no_two_modules_import_each_other() -> None:
    rooms = _rooms()
    assert {
        tuple(sorted((room, imported)))
        for room, imports in rooms.items()
        for imported in imports
        if room in rooms.get(imported, set())
    } == set()


def test_each_outside_fact_has_one_room() -> None:
    """Only these rooms import these packages, wherever in the file they do."""
    owners = {
        "openai": {"openai_api"},
        "sqlalchemy": {"library"},
        "PIL": {
            *(
                "colours",
                "conversions",
                "edits",
                "gallery",
                "masks",
                "pictures",
                "previews",
                "regions",
                "rendering",
                "retouching",
                "sandbox",
            ),
        },
        "python_multipart": {"sandbox"},
        "fastmcp": {
            *("application", "completions", "http_serving", "middleware", "prompts", "resources"),
            *("results", "stdio", "tasks", "tool_groups", "tools"),
        },
        "starlette": {"http_serving"},
        "uvicorn": {"http_serving"},
        "pydantic_settings": {"settings"},
        "cyclopts": {"cli", "commands"},
        "rich": {"console"},
        "tomlkit": {"client_config"},
    }
    found: dict[str, set[str]] = {name: set() for name in owners}
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                found.get(name.partition(".")[0], set()).add(room)
    assert found == owners


def test_only_the_settings_read_the_environment() -> None:
    readers = {path.name for path in PACKAGE.rglob("*.py") if "os.environ" in path.read_text()}
    assert readers == {"settings.py"}
