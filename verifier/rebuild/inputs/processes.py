"""The processes of a build: who started whom, with which command, in which directory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from verifier.formats.base import text

if TYPE_CHECKING:
    from verifier.rebuild.inputs.names import Audited, Node

TEXT = 200  # characters of a command
CHAIN = 8  # commands of a chain; the middle of a longer one is left out


@dataclass(slots=True)
class Place:
    """A working directory; threads share theirs."""

    path: str


class Told(NamedTuple):
    """A pipe, and those before it."""

    pipe: str
    before: Told | None


@dataclass(slots=True, eq=False)
class Process:
    """One program image: what a process is between two execve."""

    step: str
    parent: Process | None
    text: str
    place: Place
    program: str = ""
    # For `flow`: what it read, whom it started or became, the pipes at its input, the pipe or file
    # that was made its standard input, and the pipes from which a shell had read its arguments.
    inputs: set[Audited | Process] = field(default_factory=set)
    children: list[Process] = field(default_factory=list)
    pipes: set[str] = field(default_factory=set)
    standard: str | Node | None = None
    shell: bool = False
    told: Told | None = None

    def chain(self) -> tuple[str, ...]:
        """The commands from the step's own down to this one."""
        found: list[str] = []
        process: Process | None = self
        while process is not None:
            if not found or found[-1] != process.text:
                found.append(process.text)
            process = process.parent
        found.reverse()
        if len(found) > CHAIN:
            found[1 : len(found) - CHAIN + 2] = ["…"]
        return tuple(found)


def shown(name: str) -> str:
    """A name of a file, or a command, as text that does nothing to a terminal or a page."""
    return text(os.fsencode(name))


def command(argv: tuple[str, ...], path: str) -> str:
    """A command as one line of bounded length."""
    words = shown(" ".join((" ".join(argv) or path).split()))
    return words if len(words) <= TEXT else words[: TEXT - 1] + "…"
