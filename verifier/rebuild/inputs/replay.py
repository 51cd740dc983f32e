"""From the calls of a build, in the order of time, to what it read and what happened on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import LimitError
from verifier.rebuild.inputs import calls
from verifier.rebuild.inputs.executables import interpreter
from verifier.rebuild.inputs.flow import SHELLS, Flow
from verifier.rebuild.inputs.names import Elsewhere, Link, Made, Names, Odd
from verifier.rebuild.inputs.processes import Place, Process, command
from verifier.rebuild.inputs.view import within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.rebuild.inputs.calls import Call
    from verifier.rebuild.inputs.names import Node
    from verifier.rebuild.inputs.strace import Line
    from verifier.rebuild.inputs.view import View

MARK = "verifier-step"  # the name ($0) of the shell that starts a step inside its sandbox
_MARK_AT = 3
_RANDOM = ("/dev/random", "/dev/urandom", "/dev/hwrng")
_UNNAMED = Odd("run by a name in /proc that does not say which file it is", "", 0)
_LINKED = Odd("linked by a name in /proc that does not say which file it is", "", 0)
_DESCRIPTOR = re.compile(r"/proc/(?:self|thread-self|\d+)/(?:task/\d+/)?fd/\d+")
_NAMELESS = re.compile(r"/memfd:.*|.*/#\d+", re.DOTALL)  # memfd_create, O_TMPFILE
_SCRIPTS = 4  # interpreters that are scripts themselves


@dataclass(slots=True)
class Use:
    """One file that was read: what stood there, who read it first, and how often it was read."""

    path: str
    node: Node | None
    process: Process
    count: int = 1


@dataclass(slots=True)
class Event:
    """Something that a build should not do, or that matters; the first of its kind."""

    path: str
    reason: str
    process: Process


@dataclass
class Replay:
    """The state of one build. `uses` are by path and by what stood there at the time."""

    names: Names
    uses: dict[tuple[str, object], Use] = field(default_factory=dict)
    events: dict[tuple[str, str], Event] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    flow: Flow = field(default_factory=Flow)

    @property
    def view(self) -> View:
        """The sandbox's file systems."""
        return self.names.view

    def step(self, name: str, directory: str, log: Iterable[Line]) -> None:
        """Play one step. `directory` is where it starts, as the sandbox shows it."""
        _Step(self, name, directory).play(log)

    def read(self, path: str, process: Process, odd: Odd | None = None) -> None:
        """Note that a process read what stands under a path without links now."""
        node = odd or self.names.get(path)
        if isinstance(node, dict):
            return
        self.flow.read(process, node)
        key = (path, Made if isinstance(node, Made) else node)
        if (use := self.uses.get(key)) is not None:
            use.count += 1
            return
        if len(self.uses) >= limits.MEMBERS:
            raise LimitError(f"A build read more than {limits.MEMBERS} files.")
        self.uses[key] = Use(path, node, process)

    def event(self, path: str, reason: str, process: Process) -> None:
        """Note an event; of those alike, the first is kept."""
        if len(self.events) < limits.MEMBERS:
            self.events.setdefault((path, reason), Event(path, reason, process))


class _Step:
    """One step's processes."""

    def __init__(self, replay: Replay, name: str, directory: str) -> None:
        self.replay, self.names = replay, replay.names
        self.name, self.directory = name, directory
        self.processes: dict[int, Process] = {}
        self.outside: set[int] = set()
        self.started = False
        self.handles: set[str] = set()  # what was opened for its name alone, to be used later

    def play(self, log: Iterable[Line]) -> None:
        for line in log:
            try:
                call = calls.parse(line.text)
            except ValueError:
                self._problem(f"A line of the recording is not understood: {line.text[:200]}")
                continue
            if call is None:
                continue
            process = self.processes.get(line.pid)
            if process is not None:
                self._call(process, line.pid, call)
            elif not self.started:
                self._before(line.pid, call)
            elif line.pid in self.outside:
                self._beside(call)
            else:
                self._problem(f"Process {line.pid} of the step {self.name} has no known parent.")
        if not self.started:
            self._problem(f"The recording of the step {self.name} does not show its beginning.")

    def _before(self, pid: int, call: Call) -> None:
        """The sandbox being set up, until the step's own shell starts."""
        self.outside.add(pid)
        self._beside(call)
        if call.name == "execve" and call.argv[_MARK_AT : _MARK_AT + 1] == (MARK,):
            self.outside.discard(pid)
            self.started = True
            self.processes[pid] = Process(self.name, None, self.name, Place(self.directory))
            self._started(self.processes[pid], call.path)

    def _beside(self, call: Call) -> None:
        """The sandbox's own processes, such as podman's monitor, work on while the step runs."""
        if call.name in calls.FORKS:
            self.outside.add(call.child)
            self.processes.pop(call.child, None)  # its number was one of the step's before

    def _call(self, process: Process, pid: int, call: Call) -> None:
        name = call.name
        if name in calls.OPENS:
            self._open(process, call)
        elif name in calls.RUNS:
            self._execute(process, pid, call)
        elif name in calls.FORKS:
            place = process.place if "CLONE_FS" in call.flags else Place(process.place.path)
            child = Process(self.name, process, process.text, place)
            self.replay.flow.started(child, process)
            child.shell = process.shell
            self.processes[call.child] = child
        elif name == "chdir":
            process.place.path = self.names.resolve(_join(process.place.path, call.path))
        elif name == "fchdir":
            process.place.path = call.at or process.place.path
        elif name in calls.TALKS:
            self._talk(process, call)
        elif name in calls.PIPES:
            self._pipe(process, call)
        elif name not in calls.BLINDS:
            self._name(process, call)
        else:
            self._problem(
                f"{process.text} called {name}: what it opened later may have other names."
            )

    def _open(self, process: Process, call: Call) -> None:
        flags = set(call.flags.split("|"))
        if "O_PATH" in flags:
            if call.opened and len(self.handles) < limits.MEMBERS:
                self.handles.add(call.opened)
            return
        path = call.opened
        if path is None:
            self._problem(f"A file that {process.text} opened was gone before it could be named.")
            path = self.names.resolve(_join(call.at or process.place.path, call.path))
        if not path.startswith("/") or (call.deleted and self._nameless(path)):
            return  # a pipe or socket, or a file without a name that the build filled itself
        if call.name == "creat":
            flags |= {"O_WRONLY", "O_TRUNC"}
        if flags & {"O_WRONLY", "O_RDWR"}:
            self._write(process, call, path, flags)
        elif "O_DIRECTORY" not in flags:
            if "O_CREAT" in flags and self._is_new(path):
                self.names.put(path, Made(process))  # empty, though open for reading alone
            self._read(process, path)

    def _nameless(self, path: str) -> bool:
        """Whether a file never had a name: none that is known has it."""
        return _NAMELESS.fullmatch(path) is not None and self.names.get(path) is None

    def _is_new(self, path: str) -> bool:
        """Whether nothing stood under a path, where all that stood there is known."""
        return self.names.get(path) is None and self.replay.view.is_known(path)

    def _write(self, process: Process, call: Call, path: str, flags: set[str]) -> None:
        """A file that is open for writing is the build's own from then on."""
        new = self._is_new(path)
        # Without O_CREAT, O_EXCL asks for nothing and the file keeps its content (open(2)).
        fresh = new or bool(flags & {"O_TRUNC", "O_TMPFILE"}) or {"O_CREAT", "O_EXCL"} <= flags
        if "O_RDWR" in flags and not fresh:
            self._read(process, path)
        if _device(path):
            return
        if not fresh:
            self._kept(process, path)
        if not call.deleted:
            self.names.put(path, Made(process))

    def _kept(self, process: Process, path: str) -> None:
        """What stays of a file becomes part of the new one: read, where nobody vouches for it."""
        node = self.names.get(path)
        if node is None or isinstance(node, Odd | Elsewhere):
            self.replay.read(path, process)
        self.replay.flow.read(process, node)

    def _read(self, process: Process, path: str) -> None:
        self.replay.read(path, process)
        if path in _RANDOM:
            self.replay.event(path, "read as randomness", process)

    def _execute(self, process: Process, pid: int, call: Call) -> None:
        """A new image; by a thread, it becomes that of the whole process."""
        pid = call.child or pid
        path = _join(process.place.path, call.path)
        if call.name == "execveat":
            path = _join(call.at, call.path) if call.path else call.at
        place = Place(process.place.path)
        text = command(call.argv, path)
        new = Process(self.name, process.parent, text, place)
        new.pipes |= process.pipes
        self.replay.flow.started(new, process)
        self.processes[pid] = new
        self._started(new, path, process)

    def _started(self, process: Process, path: str, before: Process | None = None) -> None:
        """Note the program, and what the kernel opens with it."""
        if path.startswith("/memfd:"):
            return
        for _ in range(_SCRIPTS):
            if within(path, "/proc"):
                path = _through_proc(path, before or process)
            path = self.names.resolve(path)
            process.program = process.program or path
            process.shell |= path.rpartition("/")[2] in SHELLS
            unnamed = within(path, "/proc")
            self.replay.read(path, process, _UNNAMED if unnamed else None)
            host = self.replay.view.host(path)
            found = interpreter(host) if host is not None else None
            if found is None:
                return
            path = _join(process.place.path, found)

    def _name(self, process: Process, call: Call) -> None:
        """A call that gives, changes or takes names."""
        here = process.place.path
        path = self._at(call.at or here, call.path)
        to = self._at(call.to_at or here, call.to)
        match call.name:
            case "rename" | "renameat" | "renameat2" if "RENAME_EXCHANGE" in call.flags:
                self.names.exchange(path, to)
            case "rename" | "renameat" | "renameat2":
                self.names.move(path, to)
            case "link" | "linkat":
                self._link(process, call, path, to)
            case "symlink" | "symlinkat":
                self.names.put(to, Link(call.path))
            case "mkdir" | "mkdirat":
                self.names.put(path, {})
            case _:  # mknod; truncate
                path = self.names.resolve(path)
                if call.name == "truncate":
                    self._kept(process, path)
                self.names.put(path, Made(process))

    def _link(self, process: Process, call: Call, old: str, new: str) -> None:
        """A second name. Of a descriptor's file it is the first; or of what was opened so far."""
        if "AT_SYMLINK_FOLLOW" in call.flags:
            old = self.names.resolve(old)
        node: Node | None = None
        if _DESCRIPTOR.fullmatch(old):
            for each in sorted(self.handles):
                self.replay.read(each, process)
            node = Made(process)
        elif within(old, "/proc"):
            node = _LINKED
        elif not call.path and self._nameless(old):
            node = Made(process)
        self.names.alias(old, new, node)

    def _at(self, directory: str, path: str) -> str:
        return self.names.resolve(_join(directory, path), last=False)

    def _pipe(self, process: Process, call: Call) -> None:
        """What became standard input or output; who makes a pipe is taken for its reader."""
        flow = self.replay.flow
        if not call.name.startswith("dup"):
            for _, path in call.ends[:1]:
                flow.made(process, path)
            return
        for descriptor, path in call.ends[-1:]:
            if descriptor == 0:
                flow.redirected(process, path, self.names.get(path))
            elif descriptor <= 2:
                flow.piped(process, path, descriptor)

    def _talk(self, process: Process, call: Call) -> None:
        if call.flags == "AF_UNIX":
            if call.name == "bind":
                self.replay.bound.add(call.address)
            elif call.address and not call.failure and call.address not in self.replay.bound:
                reason = "talked to a socket that nothing of the build had opened"
                self.replay.event(call.address, reason, process)
        elif call.name != "bind":
            outcome = call.failure.lower() or "answered or accepted"
            self.replay.event(call.address, f"asked for the network: {outcome}", process)

    def _problem(self, text: str) -> None:
        if len(self.replay.problems) < limits.DIFFERENCES_PER_MEMBER:
            self.replay.problems[text] = None


def _join(directory: str, path: str) -> str:
    return path if path.startswith("/") else f"{directory}/{path}"


def _device(path: str) -> bool:
    return within(path, "/dev") and not within(path, "/dev/shm")  # noqa: S108 - inside the sandbox


def _through_proc(path: str, process: Process) -> str:
    """A program that was named by way of /proc: its own image, or its directory."""
    parts = path.split("/")
    if len(parts) > 3 and parts[2] in {"self", "thread-self"}:
        rest = "/".join(parts[4:])
        if parts[3] == "exe":
            return process.program
        if parts[3] in {"cwd", "root"}:
            top = process.place.path if parts[3] == "cwd" else ""
            return f"{top}/{rest}"
    return path
