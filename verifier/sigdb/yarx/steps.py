"""What a condition consists of once its questions about patterns are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.sigdb.wasm import Instruction

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Question:
    """Whether `count` of these patterns match: a number, `any` or `all`."""

    count: str
    patterns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.count} of ({' '.join(self.patterns)})"


@dataclass(frozen=True)
class Range:
    """Patterns of which a number may match."""

    patterns: tuple[str, ...]

    def __str__(self) -> str:
        return f"patterns ({' '.join(self.patterns)})"


Step = tuple[Instruction, int] | Question | Range | int
"""An instruction with the kind of its constant, a question, or the number of a rule asked for."""


def question(count: int, patterns: Sequence[str], total: int) -> Question:
    """The one form of a question; `total` is how many patterns there are, `count` at least one."""
    names = tuple(sorted(set(patterns)))
    if len(names) == 1 and count <= total:
        return Question("1", names)
    if count in (1, total):
        return Question("any" if count == 1 else "all", names)
    return Question(str(count), tuple(sorted(patterns)))


def constant(steps: list[Step], at: int, opcode: int, kind: int) -> int | None:
    """The number of a constant of that kind, None if there is something else."""
    if not -len(steps) <= at < len(steps):
        return None
    step = steps[at]
    if isinstance(step, tuple) and step[0][0] == opcode:
        return step[0][1] if step[1] == kind else None
    return None
