"""The pages of the documentation, taken apart: headings, fenced blocks, links, tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
# What stands before the mark is written by hand, what comes after it is generated.
MARK = "<!-- Generated from here on: UPDATE_DOCS=1 uv run pytest tests/docs -->\n"
_FENCE = re.compile(r"^```(.*?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """A fenced block of a page: what is said about it, what is in it, and where it begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the documentation.

    Attributes:
        name: As messages call it, from the root of the project.
    """

    path: Path
    text: str

    @property
    def name(self) -> str:
        """The path from the root of the project."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def fences(self) -> list[Fence]:
        """The fenced blocks, in order."""
        return [
            Fence(language=found[1].strip(), text=found[2], line=self.text.count("\n", 0, found.start()) + 1)
            for found in _FENCE.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        """Targets of links that are not web addresses."""
        return [target for target in _LINK.findall(self.prose) if "://" not in target]

    @property
    def headings(self) -> list[str]:
        """The texts of the headings, in order."""
        return [found[2] for found in _HEADING.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """What a link may name after a ``#``: the headings, as GitHub and MyST spell them."""
        return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in self.headings}

    def sections(self) -> dict[str, str]:
        """The text under each heading, up to the next one."""
        assert len(self.headings) == len(self.anchors), f"{self.name} has two headings of the same words"
        parts = re.split(r"^#+ (.*)$", self.prose, flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True))

    def blocks(self, language: str) -> list[str]:
        """The texts of the fenced blocks of one language."""
        return [fence.text for fence in self.fences if fence.language == language]


def read_page(path: Path) -> Page:
    """One page."""
    return Page(path=path, text=path.read_text(encoding="utf-8"))


def all_pages() -> list[Page]:
    """The README and every page under ``docs``."""
    return [read_page(path) for path in (README, *sorted(DOCS.glob("*.md")))]


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    heads = {index - 1 for index, row in enumerate(cells) if set("".join(row)) <= set("-:")}
    rulers = {index + 1 for index in heads}
    return [row for index, row in enumerate(cells) if index not in heads | rulers]


def code_spans(text: str) -> list[str]:
    """What stands between backticks in a text."""
    return _CODE.findall(text)


def table(head: list[str], body: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return "".join("|" + "|".join(f" {cell} " for cell in line) + "|\n" for line in lines).replace(
        " --- ", "---"
    )


def cell(text: str) -> str:
    """A text as it may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")
