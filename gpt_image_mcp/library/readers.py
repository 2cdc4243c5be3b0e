"""Several connections that a large question is divided among."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row, Select


@dataclass(frozen=True, slots=True)
class Question:
    """A statement that gives one row, and the values of its parameters."""

    statement: Select[Any]
    values: Mapping[str, object]

    def ask(self, connection: Connection) -> Row[Any]:
        """The row."""
        return connection.execute(self.statement, self.values).one()


@dataclass(frozen=True, slots=True)
class Readers:
    """One connection or more, whose answers are all of the same moment."""

    connections: tuple[Connection, ...]

    @property
    def first(self) -> Connection:
        """For questions that follow from each other."""
        return self.connections[0]

    def ask(self, questions: Sequence[Question], *, at_once: bool) -> list[Row[Any]]:
        """The only row of each question.

        Args:
            questions: In the order of the answers.
            at_once: Whether each connection works on one question at a time, which SQLite does outside of
                Python's lock; to begin this takes about as long as a small question.
        """
        if at_once and len(self.connections) > 1 and len(questions) > 1:
            return self._ask_at_once(questions)
        return [question.ask(self.first) for question in questions]

    def _ask_at_once(self, questions: Sequence[Question]) -> list[Row[Any]]:
        idle: SimpleQueue[Connection] = SimpleQueue()
        for connection in self.connections:
            idle.put(connection)

        def answer(question: Question) -> Row[Any]:
            connection = idle.get()
            try:
                return question.ask(connection)
            finally:
                idle.put(connection)

        with ThreadPoolExecutor(len(self.connections)) as pool:
            return list(pool.map(answer, questions))
