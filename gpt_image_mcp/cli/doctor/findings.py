"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from gpt_image_mcp.errors import ImageError

State: TypeAlias = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: What was looked at.
        said: What was found, in one line.
        next_step: What to do; empty where there is nothing to do.
    """

    name: str
    state: State
    said: str
    next_step: str = ""


def ok(name: str, said: str) -> Finding:
    """A check that found nothing wrong."""
    return Finding(name, "ok", said)


def warning(name: str, said: str, next_step: str) -> Finding:
    """Something that works, but perhaps not as intended."""
    return Finding(name, "warning", said, next_step)


def failed(name: str, said: str, next_step: str) -> Finding:
    """Something that prevents images from being made."""
    return Finding(name, "failed", said, next_step)


def skipped(name: str, said: str, next_step: str = "") -> Finding:
    """Something that was not checked or cannot be found out."""
    return Finding(name, "skipped", said, next_step)


def refused(name: str, error: ImageError) -> Finding:
    """A check that failed with one of our errors."""
    return failed(name, " ".join(error.message.split()), error.next_step)
