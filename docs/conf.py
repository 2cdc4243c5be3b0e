"""How Sphinx makes a site of these pages: ``uv run --group docs sphinx-build -W -b html docs OUT``."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "gpt-image-mcp"
version = release = version_of("gpt-image-mcp-server")
extensions = ["myst_parser"]
# Headings can be linked to from other pages, down to the third level.
myst_heading_anchors = 3
# Options such as --yes keep their two hyphens.
smartquotes = False
html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_show_sourcelink = False
