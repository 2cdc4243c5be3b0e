"""Edits YAML: what is not changed keeps its bytes, comments included.

PyYAML gives every node its position. A change replaces or inserts text there; a library that writes the whole
file anew would lay out other people's lines in its own way.
"""

from __future__ import annotations

import contextlib
import re
import textwrap
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


_MOST_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """Refuses a name that is there twice, as the readers of JavaScript and Rust do."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own
        names: set[str] = set()
        for key, _ in node.value:
            if key.value in names:
                raise yaml.MarkedYAMLError(problem="a name is there twice", problem_mark=key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep=deep)


@contextlib.contextmanager
def _explained() -> Generator[None]:
    """Says where a text is malformed, and quotes nothing of it: PyYAML would show the line."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = re.sub(r" '[^'<]{3,}'", "", error.problem or "")
        raise ValueError(f"{problem}: line {line}") from None
    except (yaml.YAMLError, TypeError, AttributeError):  # the last for a !!timestamp that is none
        raise ValueError("it has characters or names that YAML does not know") from None


def parse(text: str) -> object:
    """The value of a text; None if it has none.

    Raises:
        ValueError: If it cannot be read; the message says where and why.
    """
    with _explained():
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _values_in(node, {}) > _MOST_VALUES:
            raise ValueError("its aliases stand for too many values")
        return cast("Any", loader).construct_document(node)


def _values_in(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, those of aliases each time: few lines can stand for billions."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0  # a node may hold an alias of itself
        parts = node.value if isinstance(node, yaml.SequenceNode) else chain.from_iterable(node.value)
        known[id(node)] = 1 + sum(_values_in(part, known) for part in parts)
    return known[id(node)]


def dumped(value: object, *, in_line: bool = False) -> str:
    """A value in block style, or on one line; with a line end."""
    layout: dict[str, Any] = {"default_flow_style": in_line, "sort_keys": False, "width": float("inf")}
    dump = partial(cast("Any", yaml).safe_dump, value, **layout)
    text = str(dump(allow_unicode=True))
    # PyYAML folds a next line (U+0085) that it does not escape, and reads a blank there.
    return str(dump(allow_unicode=False)) if "\x85" in text else text


def with_member(text: str, path: Sequence[str], value: object) -> str:
    """Sets the value at a path of member names and returns the new text; what is missing or null is created.

    Some texts are written in a way that allows no additions: the caller reads the result.
    """
    with _explained():
        node, rest = yaml.compose(text, Loader=yaml.SafeLoader), list(path)
    key: yaml.Node | None = None
    in_braces = False
    while rest and isinstance(node, yaml.MappingNode):
        found = next((item for item in node.value if item[0].value == rest[0]), None)
        if found is None:
            break
        in_braces, (key, node) = bool(node.flow_style), found
        rest.pop(0)
    for name in reversed(rest):
        value = {name: value}
    if rest and isinstance(node, yaml.MappingNode) and node.value:
        return _inserted(text, node, value, key=key)
    if key is None or node is None:
        return _appended(text if node is None else text[: node.start_mark.index], value)
    indent = " " * (key.start_mark.column + 2)
    new = f" {_flow(value)}"
    if isinstance(value, dict) and value and not in_braces:
        new = "\n" + textwrap.indent(dumped(cast("object", value)), indent).rstrip()
    return f"{text[: key.end_mark.index]}:{new}{text[_end(node) :]}"


def _inserted(text: str, node: yaml.MappingNode, member: object, *, key: yaml.Node | None) -> str:
    """Inserts a member into a mapping that has some: within braces and at the root last, else first."""
    if node.flow_style:
        end = _end(node.value[-1][1])
        return f"{text[:end]}, {_flow(member)[1:-1]}{text[end:]}"
    if key is None:
        return _appended(text, member)
    line = text.find("\n", key.end_mark.index) + 1
    return text[:line] + textwrap.indent(dumped(member), " " * node.start_mark.column) + text[line:]


def _appended(text: str, member: object) -> str:
    newline = "" if not text or text.endswith("\n") else "\n"
    return text + newline + dumped(member)


def _flow(value: object) -> str:
    """A value within a line."""
    return dumped([value], in_line=True).strip()[1:-1]


def _end(node: Any) -> int:
    """Where the text of a node ends; PyYAML counts the comments after a block as part of it."""
    while node.id in {"mapping", "sequence"} and not node.flow_style:
        node = node.value[-1][1] if node.id == "mapping" else node.value[-1]
    return int(node.end_mark.index)
