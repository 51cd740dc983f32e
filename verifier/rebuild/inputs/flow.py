"""Which audited files a product may hold something of: what its makers read, and their makers.

A process may have used all that it read, that those below it read, and what came through a pipe to
its standard input or one that it made itself. What went by arguments, variables or sockets is not
followed, and neither is a shell that chose by what it had read: a list to look at, no proof, and
of large builds not complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier.rebuild.inputs.names import Audited, Made

if TYPE_CHECKING:
    from verifier.rebuild.inputs.names import Node
    from verifier.rebuild.inputs.processes import Process

MOST = 5_000_000  # readings that are kept; builds with more have no origins


@dataclass
class Flow:
    """What goes from process to process. `writers` are by pipe."""

    writers: dict[str, list[Process]] = field(default_factory=dict)
    kept: int = 0

    def read(self, process: Process, node: Node | None) -> None:
        """Note that a process read a file of the source or of the build."""
        if isinstance(node, Audited | Made) and self.kept < MOST:
            before = len(process.inputs)
            process.inputs.add(node.process if isinstance(node, Made) else node)
            self.kept += len(process.inputs) - before

    def piped(self, process: Process, pipe: str, descriptor: int) -> None:
        """Note that a process has a pipe as its standard input, or as an output."""
        if descriptor == 0:
            process.pipes.add(pipe)
        else:
            self.writers.setdefault(pipe, []).append(process)

    def origins(self, node: Node | None) -> list[str] | None:
        """Names of audited files behind a product, sorted; None where that is not known."""
        if isinstance(node, Audited):
            return [node.name]
        if not isinstance(node, Made) or self.kept >= MOST:
            return None
        found: set[str] = set()
        seen = {node.process}
        waiting = [node.process]
        while waiting:
            process = waiting.pop()
            following = list(process.children)
            for pipe in process.pipes:
                following += self.writers.get(pipe, ())
            for each in process.inputs:
                if isinstance(each, Audited):
                    found.add(each.name)
                else:
                    following.append(each)
            waiting += [each for each in following if each not in seen]
            seen.update(following)
        return sorted(found)
