"""Whose a thing in the library is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A person whom a library is opened for.

    Attributes:
        name: Who it is, as the sign-in says; empty for whoever uses the library on this machine.
        group: The group whose budget the person's calls are charged to; empty for none.
        shared_groups: Groups whose images, sessions and jobs the person may use like their own.
        is_everybody: Whether it is nobody in particular, and all things count as theirs: for maintenance.
    """

    name: str = ""
    group: str = ""
    shared_groups: tuple[str, ...] = ()
    is_everybody: bool = False


LOCAL, EVERYBODY = Owner(), Owner(is_everybody=True)
