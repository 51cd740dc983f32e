"""Which audited files a product may hold something of: what its makers read, and their makers.

A process may have used all that it read, that those below it read, what came through a pipe that it
made itself, what was its standard input or that of who started it ("while read"), and what a shell
above it had read by then in the place of a command ("$(…)"). What makefiles and other programs
pass by arguments, variables or sockets is not followed, nor a script that chose what to run: a
list to look at, no proof.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier.rebuild.inputs.names import Audited, Made
from verifier.rebuild.inputs.processes import Told

if TYPE_CHECKING:
    from verifier.rebuild.inputs.names import Node
    from verifier.rebuild.inputs.processes import Process

_PIPE = "pipe:["
SHELLS = frozenset({"sh", "ash", "bash", "busybox", "dash", "ksh", "mksh", "zsh"})
MOST = 5_000_000  # readings that are kept; builds with more have no origins


@dataclass
class Flow:
    """What goes from process to process: `writers` by pipe, and pipes of `pipelines`."""

    writers: dict[str, list[Process]] = field(default_factory=dict)
    pipelines: set[str] = field(default_factory=set)
    kept: int = 0

    def read(self, process: Process, node: Node | None) -> None:
        """Note that a process read a file of the source or of the build."""
        if isinstance(node, Audited | Made) and self.kept < MOST:
            before = len(process.inputs)
            process.inputs.add(node.process if isinstance(node, Made) else node)
            self.kept += len(process.inputs) - before

    def redirected(self, process: Process, path: str, node: Node | None) -> None:
        """Note that a process has a pipe or a file as its standard input."""
        process.standard = path if path.startswith(_PIPE) else node
        if path.startswith(_PIPE):
            self.pipelines.add(path)
        self._standard(process)

    def started(self, process: Process, before: Process) -> None:
        """Note that a process was started, or became another program, with its standard input."""
        before.children.append(process)
        process.standard, process.told = before.standard, before.told
        self._standard(process)

    def _standard(self, process: Process) -> None:
        if isinstance(process.standard, str):
            self.piped(process, process.standard, 0)
        else:
            self.read(process, process.standard)

    def made(self, process: Process, pipe: str) -> None:
        """Note that a process made a pipe; unless it is for a pipeline, it is the one to read."""
        self.piped(process, pipe, 0)
        if process.shell:
            process.told = Told(pipe, process.told)

    def piped(self, process: Process, pipe: str, descriptor: int) -> None:
        """Note that a process has a pipe as its standard input, or as an output."""
        if not pipe.startswith(_PIPE):
            return
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
        told: set[int] = set()
        while waiting:
            process = waiting.pop()
            following = list(process.children)
            for pipe in (*process.pipes, *self._told(process, told)):
                following += self.writers.get(pipe, ())
            for each in process.inputs:
                if isinstance(each, Audited):
                    found.add(each.name)
                else:
                    following.append(each)
            waiting += [each for each in following if each not in seen]
            seen.update(following)
        return sorted(found)

    def _told(self, process: Process, known: set[int]) -> list[str]:
        """Pipes that shells above had read; `known` are links that were followed before."""
        found = []
        link = process.told
        while link is not None and id(link) not in known:
            known.add(id(link))
            if link.pipe not in self.pipelines:
                found.append(link.pipe)
            link = link.before
        return found
