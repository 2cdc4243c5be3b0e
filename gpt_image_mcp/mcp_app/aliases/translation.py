"""From a call as it came to the call that is meant, by the tables."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from gpt_image_mcp.coercion import as_list
from gpt_image_mcp.errors import InvalidArgument, cut, quoted
from gpt_image_mcp.mcp_app.aliases.breadth import require_narrow
from gpt_image_mcp.mcp_app.aliases.images import read_one_or_several, read_reference, read_references
from gpt_image_mcp.mcp_app.aliases.tables import ARGUMENTS, BOOKKEEPING, TOOLS, WRAPPERS
from gpt_image_mcp.references import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gpt_image_mcp.mcp_app.aliases.tables import Row

# Values that say no more than leaving the argument out.
_UNSAID: tuple[object, ...] = ("", "auto", [])
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UUID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){4}[0-9a-f]{8}", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{2,}")
_FILE = re.compile(r"file:|.*\.(png|webp|jpe?g)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call in our spelling.

    Attributes:
        notes: What the caller should know about the differences, a sentence each.
        spellings: How the caller wrote the name of each argument.
    """

    tool: str
    arguments: dict[str, object]
    notes: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict[str, str])


def translate(tool: str, arguments: Mapping[str, object]) -> Call:
    """The call that is meant. A tool that is not known stays as it is, with its arguments.

    Raises:
        InvalidArgument: If two spellings of one argument contradict each other, or an argument could have
            no effect; says what to write instead. Or if there are too many.
    """
    require_narrow(arguments)
    name = _snake_case(tool)
    tool = TOOLS.get(name, name if name in ARGUMENTS else tool)
    if tool not in ARGUMENTS:
        return Call(tool, dict(arguments))
    rows = (*ARGUMENTS[tool], BOOKKEEPING)
    given = tuple(entry for entry in _flat(arguments) if not _is_clients_session(*entry))
    others = {name for row in rows for name in row.names.split()}
    draft = _Draft(tool)
    for name, said, value in given:
        if name not in others:
            draft.put(name, value, said=said)
    for row in rows:
        for name, said, value in given:
            if name in row.names.split() and row.only_if in (None, _is_yes(value)):
                draft.apply(row, said, value)
    return Call(tool, draft.finished(), tuple(draft.notes), draft.spellings)


@dataclass(slots=True)
class _Draft:
    """A call in our spelling, as far as it is written.

    Attributes:
        notes: What the caller should know, a sentence each.
        additions: Sentences that belong into the prompt.
        spellings: How the caller wrote the name of each argument.
    """

    tool: str
    arguments: dict[str, object] = field(default_factory=dict[str, object])
    notes: list[str] = field(default_factory=list[str])
    additions: list[str] = field(default_factory=list[str])
    spellings: dict[str, str] = field(default_factory=dict[str, str])

    def put(self, name: str, value: object, *, said: str) -> None:
        """Sets an argument of ours, unless it has this value already or the new one says nothing.

        Raises:
            InvalidArgument: If another value was given under another name.
        """
        value = _READERS[name](value) if name in _READERS else value
        known = self.arguments.get(name)
        if known in (None, *_UNSAID):
            self.arguments[name] = value
            self.spellings[name] = said
        elif value not in (known, *_UNSAID):
            raise _contradiction(name, {self.spellings[name]: known, said: value})

    def finished(self) -> dict[str, object]:
        """The arguments, with the additions in the prompt."""
        prompt = self.arguments.get("prompt")
        if self.additions and isinstance(prompt, str) and prompt.strip():
            return {**self.arguments, "prompt": " ".join((prompt.rstrip(), *self.additions))}
        return self.arguments

    def apply(self, row: Row, said: str, value: object) -> None:
        """Writes what an argument means.

        Raises:
            InvalidArgument: If it means nothing here, or contradicts another.
        """
        # No word of the tables is as long, and an image may be a text of megabytes.
        word = value[:100].strip().lower() if isinstance(value, str) else ""
        value = row.values.get(word, value) if row.value is None else row.value
        if row.special == "label":
            self._label(word, said)
        elif row.special == "area":
            self._limit(row, said, value)
        elif row.special == "wins":
            self.arguments[row.ours] = value
        elif row.refusal:
            self._refuse(row, said, value)
        elif row.ours:
            self.put(row.ours, value, said=said)
        elif row.prompt:
            self._add(row.prompt, said, value)
        note = row.notes.get(word, row.note)
        self.notes += [note.format(said=said, value=word)] if note else []

    def _refuse(self, row: Row, said: str, value: object) -> None:
        if value not in _UNSAID:
            message = f"{self.tool} was given {said} {quoted(value)}: {row.refusal}."
            raise InvalidArgument(message, next_step=row.next_step)

    def _add(self, sentence: str, said: str, value: object) -> None:
        """Adds a sentence to the prompt and says so; an empty text adds nothing."""
        if "{value}" in sentence:
            text = _text(said, value).rstrip(".")
            sentence = sentence.format(value=text) if text else ""
        if sentence:
            self.additions.append(sentence)
            self.notes.append(f'{said} was put into the prompt: "{cut(sentence)}"')

    def _label(self, strategy: str, said: str) -> None:
        """Names files by the prompt, unless the caller names them."""
        is_named = self.arguments.get("filename") or self.arguments.get("filename_prefix")
        if strategy == "prompt" and not is_named and "prompt" in self.arguments:
            self.put("filename_prefix", self.arguments["prompt"], said=said)

    def _limit(self, row: Row, said: str, value: object) -> None:
        """Limits an edit to an area, whichever way it is described."""
        if isinstance(value, list | dict):
            self.put("regions", cast("object", value), said=said)
        elif classify(text := _text(said, value)).kind != "path" or _FILE.match(text):
            self.put("mask", text, said=said)
        elif _WORD.search(text):
            self._add(row.prompt, said, text)
        else:
            self._refuse(row, said, text)


def _flat(arguments: Mapping[str, object]) -> Iterator[tuple[str, str, object]]:
    """Each argument that is not null: its name in snake case, the caller's name of it and the value."""
    for said, value in arguments.items():
        name = _snake_case(said)
        wrapped = _object(value) if name in WRAPPERS else None
        if wrapped is not None:
            require_narrow(wrapped)
            yield from ((inner, f"{said}.{part}", held) for inner, part, held in _flat(wrapped))
        elif value is not None:
            yield name, said, value


def _is_clients_session(name: str, said: str, value: object) -> bool:
    """Whether an argument is a client's id of its own chat: no id of ours, by its form or its spelling."""
    if name != "session_id" or (isinstance(value, str) and classify(value.strip()).kind == "session"):
        return False
    return said.rpartition(".")[2] != name or _UUID.fullmatch(str(value)) is not None


def _object(value: object) -> dict[str, object] | None:
    """A JSON object, also one that is text; None if it is something else."""
    listed = as_list(value)
    items = cast("list[object]", listed) if isinstance(listed, list) else []
    return cast("dict[str, object]", items[0]) if len(items) == 1 and isinstance(items[0], dict) else None


def _number_of(value: object) -> object:
    """How many entries a list has, also one that is JSON text; anything else stays as it is."""
    listed = as_list(value)
    return len(cast("list[object]", listed)) if isinstance(listed, list) else value


def _rounded(value: object) -> object:
    return int(value) if isinstance(value, float) and math.isfinite(value) else value


def _is_yes(value: object) -> bool:
    """Whether a flag is set, also in words."""
    return str(value).strip().lower() in {"true", "1", "yes", "on"}


def _snake_case(name: str) -> str:
    """``outputFormat`` and ``output-format`` as ``output_format``, which is how all our names are written."""
    return _HUMP.sub("_", name).replace("-", "_").lower()


def _text(said: str, value: object) -> str:
    """The text of an argument.

    Raises:
        InvalidArgument: If it is none.
    """
    if isinstance(value, str):
        return value.strip()
    message = f"{said} is {quoted(value)}, but it should be text."
    raise InvalidArgument(message, next_step=f"Pass {said} as text, or leave it out.")


# How arguments of ours are read that come in many forms.
_READERS: Mapping[str, Callable[[object], object]] = {
    "images": read_references,
    "ref": read_one_or_several,
    "mask": read_reference,
    "input_images": _number_of,
    "concurrency": _rounded,
}


def _contradiction(name: str, values: Mapping[str, object]) -> InvalidArgument:
    said = " and ".join(f"{spelling} is {quoted(value)}" for spelling, value in values.items())
    message = f"{' and '.join(values)} mean the same argument, but {said}."
    return InvalidArgument(message, next_step=f"Pass {name} only.")
