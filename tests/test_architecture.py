"""The import contract of ``docs/architecture.md``: which wing may know which, and no circles anywhere."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import gpt_image_mcp

PACKAGE = Path(gpt_image_mcp.__file__).parent
SPENDING = {"library", "openai_api", "imaging", "catalogue"}
# Each wing with those that it may import. Every wing may import the leaves, and leaves import only leaves.
MAY_IMPORT = {
    "__main__": {"cli", "server", "mcp_app"},
    "cli": {"mcp_app", "server", "team", "presentation", "studio", "services", "calls", *SPENDING},
    "server": {"mcp_app"},
    "mcp_app": {"team", "studio", "presentation", "catalogue"},
    "team": {"library", "catalogue"},
    "presentation": {"services", "calls", "catalogue"},
    "studio": {"services", "calls"},
    "services": {"calls", *SPENDING},
    "calls": SPENDING,
    "library": {"imaging", "catalogue"},
    "openai_api": {"catalogue"},
    "imaging": set[str](),
    "catalogue": set[str](),
}
# Packages that only one place knows, so that a change of them is a change there.
OWNERS = {
    "openai": {"openai_api"},
    "azure": {"openai_api"},
    "sqlalchemy": {"library"},
    "obstore": {"library"},
    "python_multipart": {"openai_api"},
    "pathvalidate": {"library"},
    "opentelemetry": {"team"},
    "prometheus_client": {"team"},
    "PIL": {"imaging", "openai_api", "services"},
    "fastmcp": {"mcp_app", "team"},
    "starlette": {"mcp_app"},
    "itsdangerous": {"team"},
    "uvicorn": {"mcp_app"},
    "pydantic_settings": {"serving_settings", "setting_types", "settings"},
    "cyclopts": {"cli"},
    "rich": {"cli"},
    "tomlkit": {"cli", "team"},
    "key_value": {"team"},
    "cryptography": {"team"},
    "yaml": {"cli"},
}


def _imports(path: Path) -> set[str]:
    """What a file imports, wherever in the file it does: modules, and names that may be modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def _modules() -> dict[str, set[str]]:
    """Each module of the package with those that it imports."""
    paths = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }

    def module_of(name: str) -> str:
        return name if name in paths else name.rpartition(".")[0]

    return {
        name: ({module_of(found) for found in _imports(path)} & paths.keys()) - {name}
        for name, path in paths.items()
    }


def _wing(module: str) -> str:
    """The first name below the package; empty for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def test_each_wing_imports_only_what_the_contract_allows() -> None:
    forbidden = {
        (module, imported)
        for module, imports in _modules().items()
        for imported in imports
        if _wing(imported) in MAY_IMPORT.keys() - MAY_IMPORT.get(_wing(module), set()) - {_wing(module)}
        if _wing(module)
    }
    assert forbidden == set()


def test_no_module_imports_itself_through_others() -> None:
    modules = _modules()
    order = list(TopologicalSorter(modules).static_order())
    assert set(order) == set(modules)


def test_each_outside_library_has_its_wing() -> None:
    found: dict[str, set[str]] = {name: set() for name in OWNERS}
    for path in PACKAGE.rglob("*.py"):
        wing = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in _imports(path):
            found.get(name.partition(".")[0], set()).add(wing)
    assert found == OWNERS


def test_only_the_settings_read_the_environment() -> None:
    readers = {path.name for path in PACKAGE.rglob("*.py") if "os.environ" in path.read_text()}
    assert readers == {"environment.py"}
