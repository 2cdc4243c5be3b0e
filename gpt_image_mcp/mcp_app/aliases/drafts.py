"""A call while it is translated, and the kinds of rules that write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gpt_image_mcp.errors import InvalidArgument
from gpt_image_mcp.mcp_app.aliases.images import read_reference, read_references

_SHOWN_CHARACTERS = 60
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Values that say no more than leaving the argument out.
_UNSAID: tuple[object, ...] = ("", "auto", [])
_READERS: Mapping[str, Callable[[object], object]] = {
    "images": read_references,
    "ref": read_reference,
    "mask": read_reference,
}


@dataclass(slots=True)
class Draft:
    """A call in our spelling, as far as it is written.

    Attributes:
        notes: What the caller should know, a sentence each.
        additions: Sentences that belong into the prompt.
    """

    tool: str
    arguments: dict[str, object] = field(default_factory=dict[str, object])
    notes: list[str] = field(default_factory=list[str])
    additions: list[str] = field(default_factory=list[str])
    _spellings: dict[str, str] = field(default_factory=dict[str, str])

    def put(self, name: str, value: object, *, said: str) -> None:
        """Sets an argument.

        Args:
            name: Its name here.
            value: As the caller passed it.
            said: The caller's name for it.

        Raises:
            InvalidArgument: If another value was given under another name.
        """
        value = _READERS.get(name, _as_it_is)(value)
        known = self.arguments.get(name)
        if name in self.arguments and known not in _UNSAID:
            if value not in (known, *_UNSAID):
                raise _contradiction(name, {self._spellings[name]: known, said: value})
            return
        self.arguments[name] = value
        self._spellings[name] = said

    def finished(self) -> dict[str, object]:
        """The arguments, with the additions in the prompt."""
        prompt = self.arguments.get("prompt")
        if self.additions and isinstance(prompt, str) and prompt.strip():
            return {**self.arguments, "prompt": " ".join((prompt.rstrip(), *self.additions))}
        return self.arguments


# Writes into a draft what an argument means: its name as the caller wrote it, and its value.
Rule: TypeAlias = Callable[[Draft, str, object], None]
Rules: TypeAlias = Mapping[str, Rule]


def apply(rules: Rules, given: Mapping[str, Sequence[tuple[str, object]]], draft: Draft) -> None:
    """Applies rules in their own order, so that a later one may rely on what earlier ones wrote.

    Args:
        rules: By name.
        given: For each name the caller's spellings and values.
        draft: Where it goes.

    Raises:
        InvalidArgument: If a rule refuses a value.
    """
    for name, rule in rules.items():
        for said, value in given.get(name, ()):
            rule(draft, said, value)


def renamed(name: str) -> Rule:
    """The same argument under another name."""

    def rule(draft: Draft, said: str, value: object) -> None:
        draft.put(name, value, said=said)

    return rule


def synonyms(name: str, *others: str) -> dict[str, Rule]:
    """Several names of one argument."""
    return dict.fromkeys(others, renamed(name))


def refused(reason: str, next_step: str) -> Rule:
    """What cannot be done here; an empty value is none."""

    def rule(draft: Draft, said: str, value: object) -> None:
        if value in _UNSAID:
            return
        message = f"{draft.tool} was given {said} {shown(value)}: {reason}."
        raise InvalidArgument(message, next_step=next_step)

    return rule


def noted(note: str) -> Rule:
    """What has no effect, and may be left out without harm; ``{said}`` is the caller's name for it."""

    def rule(draft: Draft, said: str, value: object) -> None:
        del value
        draft.notes.append(note.format(said=said))

    return rule


def folded(sentence: str) -> Rule:
    """What becomes a sentence of the prompt; ``{}`` is the value."""

    def rule(draft: Draft, said: str, value: object) -> None:
        text = text_of(said, value).rstrip(".")
        if text:
            fold(draft, said, sentence.format(text))

    return rule


def spoken(sentence: str) -> Rule:
    """A wish that becomes a sentence of the prompt, whatever its value is."""

    def rule(draft: Draft, said: str, value: object) -> None:
        del value
        fold(draft, said, sentence)

    return rule


def fold(draft: Draft, said: str, sentence: str) -> None:
    """Adds a sentence to the prompt and says so."""
    draft.additions.append(sentence)
    draft.notes.append(f'{said} was put into the prompt: "{sentence}"')


def nothing(draft: Draft, said: str, value: object) -> None:
    """What means no more than leaving it out."""
    del draft, said, value


def flag(*, on: Rule = nothing, off: Rule = nothing) -> Rule:
    """What is yes or no, also in words."""

    def rule(draft: Draft, said: str, value: object) -> None:
        is_on = str(value).strip().lower() in {"true", "1", "yes", "on"}
        (on if is_on else off)(draft, said, value)

    return rule


def snake_case(name: str) -> str:
    """``outputFormat`` and ``output-format`` as ``output_format``, which is how all our names are written."""
    return _HUMP.sub("_", name).replace("-", "_").lower()


def text_of(said: str, value: object) -> str:
    """The text of an argument.

    Raises:
        InvalidArgument: If it is none.
    """
    if isinstance(value, str):
        return value.strip()
    message = f"{said} is {shown(value)}, but it should be text."
    raise InvalidArgument(message, next_step=f"Pass {said} as text, or leave it out.")


def shown(value: object) -> str:
    """A value in a message, shortened."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _as_it_is(value: object) -> object:
    return value


def _contradiction(name: str, values: Mapping[str, object]) -> InvalidArgument:
    said = " and ".join(f"{spelling} is {shown(value)}" for spelling, value in values.items())
    message = f"{' and '.join(values)} mean the same argument, but {said}."
    return InvalidArgument(message, next_step=f"Pass {name} only.")
