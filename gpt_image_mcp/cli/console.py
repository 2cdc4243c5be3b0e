"""Output of the commands: results go to stdout, progress and messages to stderr."""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

import rich.console
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from gpt_image_mcp.catalogue.models import FixedSizes
from gpt_image_mcp.catalogue.prices import quotes_by_quality
from gpt_image_mcp.errors import Cancelled, StorageFailed
from gpt_image_mcp.presentation.text import PROMPT_CHARACTERS, cost_text, quote_text, shortened
from gpt_image_mcp.steps import on_step
from gpt_image_mcp.values.requests import ImageRequest
from gpt_image_mcp.visible_text import visible, visible_lines

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from datetime import date

    from pydantic import BaseModel

    from gpt_image_mcp.catalogue.models import ImageModel, ModelCatalogue
    from gpt_image_mcp.cli.doctor.findings import Finding
    from gpt_image_mcp.services.lineage import Lineage, Relative
    from gpt_image_mcp.values.history import FileState
    from gpt_image_mcp.values.images import StoredImage
    from gpt_image_mcp.values.progress import Progress, ProgressWatcher

# How a stream deals with a character that its encoding lacks: these raise an error.
_FAILING = ("strict", "surrogateescape")
_NEVER_FOLDED = 100_000
# What COLUMNS or a terminal says beyond is not followed: Cyclopts never ends help in two columns, and each
# line of a table is as long as the terminal is wide.
_LEAST_WIDTH, _MOST_WIDTH = 20, 500
_WIDTH_OF_PIPES = 200
# Below this width the longest model name does not fit beside the other four columns.
_WIDE_ENOUGH = 132
_STATE_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


class Console:
    """Prints results to stdout, and messages to stderr."""

    def __init__(self) -> None:
        self._stdout = _Tolerant(sys.stdout)
        out, messages = cast("tuple[TextIO, TextIO]", (self._stdout, _Tolerant(sys.stderr)))
        self._out = _console(out, soft_wrap=True, highlight=False, emoji=False)
        self._messages = _console(messages, soft_wrap=True, highlight=False, emoji=False)

    @property
    def of_help(self) -> rich.console.Console:
        """Where help goes: to stdout, in lines as long as the terminal is wide."""
        return _console(self._out.file)

    def print_lines(self, lines: Iterable[str]) -> None:
        """Prints results, one on each line."""
        for line in lines:
            self._out.print(visible(line), markup=False)

    def print_json(self, content: BaseModel) -> None:
        """Prints structured content as one JSON document, in ASCII where stdout does not take Unicode."""
        kind = TypeAdapter(type(content))
        self._out.file.write(visible_lines(self._json(kind, content, indent=2)) + "\n")

    def print_json_lines(self, kind: TypeAdapter[Any], values: Iterable[object]) -> None:
        """Prints values as they come, each as one JSON document on one line, without what is None.

        Raises:
            StorageFailed: If not all could be printed.
        """
        for value in values:
            self._out.file.write(visible(self._json(kind, value, exclude_none=True)) + "\n")
        self.require_whole()

    def _json(self, kind: TypeAdapter[Any], value: object, **options: Any) -> str:
        """A value as JSON: in ASCII where stdout needs it, or where a file has a name that is not Unicode."""
        ascii_only = not self._out.encoding.startswith("utf")
        try:
            return kind.dump_json(value, ensure_ascii=ascii_only, **options).decode()
        except PydanticSerializationError:
            indent = options.pop("indent", None)
            return json.dumps(kind.dump_python(value, mode="json", **options), indent=indent)

    def require_whole(self) -> None:
        """For output that nobody can look up elsewhere.

        Raises:
            StorageFailed: If a part of it could not be written.
        """
        if self._stdout.failure:
            message = f"Not everything could be written: {self._stdout.failure.strerror}."
            raise StorageFailed(message, next_step="Make room, and run the command again.")

    def print_models(self, catalogue: ModelCatalogue, *, today: date) -> None:
        """Prints the table of models, in two columns on a narrow terminal so that no model name is broken."""
        console = _console(self._out.file, width=None if self._out.is_terminal else _WIDTH_OF_PIPES)
        is_wide = console.width >= _WIDE_ENOUGH
        models = catalogue.living(today)
        table = _models_table if is_wide else _narrow_models_table
        console.print(table(catalogue, models))
        more = "\n".join((*catalogue.endings(today), catalogue.age_note(today)))
        console.print(more, markup=False, highlight=False)

    def print_findings(self, findings: Sequence[Finding]) -> None:
        """Prints the findings of ``doctor``: a table on a terminal, one line for each in a pipe."""
        if self._out.is_terminal:
            self._out.print(_findings_table(findings), soft_wrap=False)
            return
        for finding in findings:
            step = f" Next: {finding.next_step}" if finding.next_step else ""
            self.print_lines([f"{finding.state}: {finding.name}: {finding.said}{step}"])

    def print_tree(self, tree: Tree) -> None:
        """Prints a tree. Lines are folded to the width of a terminal; in a pipe they are never folded."""
        _console(self._out.file, width=None if self._out.is_terminal else _NEVER_FOLDED).print(tree)

    def say(self, *lines: str) -> None:
        """Prints a message for the person at the terminal."""
        self._messages.print("\n".join(map(visible, lines)), markup=False)

    def say_error(self, *lines: str) -> None:
        """Prints what went wrong and what to do next."""
        self._messages.print("\n".join(map(visible, lines)), markup=False, style="red")

    @contextmanager
    def counting(self, what: str) -> Generator[None]:
        """Counts the steps of a block's work on a terminal; once the block is left, the next step ends it."""
        numbers, is_left = itertools.count(1), threading.Event()

        def count() -> None:
            if is_left.is_set():
                raise Cancelled("Nobody waits for this any more.", next_step="Start it again.")
            status.update(f"{what}: {next(numbers):,}")

        with self._messages.status(what) as status:
            on_step.set(count)
            try:
                yield
            finally:
                is_left.set()

    @contextmanager
    def progress(self) -> Generator[ProgressWatcher]:
        """Shows a progress bar for one call; yields the function to pass to the studio as ``watch``."""
        parts = (BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        with ProgressBar(*parts, console=self._messages, transient=True) as bar:
            task = bar.add_task("starting", total=1.0)

            async def watch(progress: Progress) -> None:
                bar.update(task, completed=progress.fraction, description=visible(progress.message))

            yield watch


class _Tolerant:
    """A stream that takes anything: it puts a question mark for what it cannot show, or falls silent.

    A picture whose path cannot be printed is made and paid all the same.

    Attributes:
        failure: Why the stream took no more, if that is not because nobody reads it.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.failure: OSError | None = None
        self._stream: Any = stream or io.StringIO()
        if isinstance(stream, io.TextIOWrapper) and stream.errors in _FAILING:
            stream.reconfigure(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        """Writes at once; a pipe that is closed, or a disk that is full, takes nothing from then on."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not isinstance(error, BrokenPipeError):
                self.failure = error
                _Tolerant(sys.stderr).write(f"Output is lost: {error.strerror}.\n")


def _console(file: IO[str], *, width: int | None = None, **options: Any) -> rich.console.Console:
    """A console as wide as the terminal, within reason, if no width is given."""
    console = rich.console.Console(file=file, width=width, **options)
    console.width = width or min(max(console.width, _LEAST_WIDTH), _MOST_WIDTH)
    return console


def _findings_table(findings: Iterable[Finding]) -> Table:
    table = Table()
    for heading in ("check", "", "what was found"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        said = Text(visible(finding.said))
        if finding.next_step:
            said.append(f"\nNext: {visible(finding.next_step)}", style="bold")
        table.add_row(Text(finding.name), Text(finding.state, style=_STATE_STYLES[finding.state]), said)
    return table


def lineage_tree(lineage: Lineage) -> Tree:
    """A tree of the images that an image was made from, and of those made from it."""
    whole = len(lineage.image.provenance.prompt)
    tree = Tree(Text(_described(lineage.image, lineage.file, characters=whole)))
    for name, relatives in (("made from", lineage.parents), ("made into", lineage.children)):
        if relatives:
            _grow(tree.add(name), relatives)
    if lineage.is_cut:
        tree.add("the family is large, and some of those further away are not shown")
    return tree


def _grow(branch: Tree, relatives: Iterable[Relative]) -> None:
    for relative in relatives:
        gone = f"{relative.image_id} ({'deleted' if relative.is_deleted else 'not in the library'})"
        said = _described(relative.image) if relative.image else gone
        _grow(branch.add(Text(said)), relative.beyond)


def _described(
    image: StoredImage, file: FileState = "present", *, characters: int = PROMPT_CHARACTERS
) -> str:
    made = image.provenance
    turn = f" {made.session_id} turn {made.turn}" if made.session_id else ""
    cost = "sandbox" if made.sandbox else cost_text(made.cost)
    state = "" if file == "present" else f" (file {file})"
    return (
        f"{image.id} {made.kind}{visible(turn)} {visible(made.model)} {image.width}x{image.height} {cost} "
        f'"{visible(shortened(made.prompt, characters))}"\n{visible(image.location)}{state}'
    )


def _models_table(catalogue: ModelCatalogue, models: Sequence[ImageModel]) -> Table:
    """The models, what each accepts and what a 1024x1024 image costs at each quality."""
    table = _table_of_names(catalogue)
    for heading in ("sizes", "can", "1024x1024 in USD", "status"):
        table.add_column(heading, overflow="fold")
    for model in models:
        table.add_row(model.name, _sizes(model), _abilities(model), _square_prices(model), _status(model))
    return table


def _narrow_models_table(catalogue: ModelCatalogue, models: Sequence[ImageModel]) -> Table:
    """The same table with one cell for all facts about a model."""
    table = _table_of_names(catalogue)
    table.show_lines = True
    table.add_column("sizes, abilities, price of 1024x1024", overflow="fold")
    for model in models:
        prices = f"price: {_square_prices(model)}"
        said = (_sizes(model), f"can: {_abilities(model)}", prices, _status(model))
        table.add_row(model.name, "\n".join(said))
    return table


def _table_of_names(catalogue: ModelCatalogue) -> Table:
    table = Table(title=f"Image models, checked {catalogue.checked}", title_justify="left")
    table.add_column("model", no_wrap=True)
    return table


def _sizes(model: ImageModel) -> str:
    rule = model.sizes
    if isinstance(rule, FixedSizes):
        return ", ".join(rule.allowed)
    return f"any to {rule.max_edge} px, multiples of {rule.multiple}, up to {rule.max_ratio}:1"


def _abilities(model: ImageModel) -> str:
    """What not every model can."""
    transparent = {"yes": ["transparent"], "unknown": ["transparent (not sure)"]}.get(model.transparency, [])
    others = {"markup": model.markup, "complexity": model.complexity}
    return ", ".join([*transparent, *model.extra_formats, *(name for name, can in others.items() if can)])


def _square_prices(model: ImageModel) -> str:
    request = ImageRequest(prompt="", model=model.name, size="1024x1024", quality="auto")
    quotes = quotes_by_quality(model, request)
    known = [f"{quality} {quote_text(quote)}" for quality, quote in quotes.items() if quote.low_usd]
    return ", ".join(known) or "unknown"


def _status(model: ImageModel) -> str:
    if model.snapshot_of:
        return f"snapshot of {model.snapshot_of}"
    end = model.shutdown
    if end is None:
        return "current"
    sure = "" if end.confidence == "documented" else " (unconfirmed)"
    return f"ends {end.date}{sure}, then {end.instead}"
