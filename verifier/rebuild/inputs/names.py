"""What stands under each name while a build runs: laid source, or made by which process.

A tree of names, so that renaming a directory moves all that is known of its content at once.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from verifier.rebuild.inputs.view import within

if TYPE_CHECKING:
    from verifier.rebuild.inputs.processes import Process
    from verifier.rebuild.inputs.view import View

LINKS = 40  # followed in one path, as the kernel does


class Audited(NamedTuple):
    """A file of the audited source, unchanged since the audit; `name` is relative to it."""

    name: str
    sha256: str
    size: int


class Pinned(NamedTuple):
    """A file that the verifier laid: pinned by digest in the specification, or its own."""

    what: str
    sha256: str
    size: int


class Odd(NamedTuple):
    """A file that lay there when the build began, and that nothing accounts for."""

    reason: str
    sha256: str
    size: int


class Made(NamedTuple):
    """A file that a process of the build wrote."""

    process: Process


class Link(NamedTuple):
    """A symbolic link."""

    target: str


class Elsewhere(NamedTuple):
    """A file or directory that had another name, outside of what is known, before."""

    path: str


Entry: TypeAlias = Audited | Pinned | Odd | Made | Link | Elsewhere
Node: TypeAlias = "dict[str, Node] | Entry"


class Names:
    """The tree of names of one build."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._top: dict[str, Node] = {}
        self._on_disk: dict[str, str | None] = {}

    def get(self, path: str) -> Node | None:
        """What stands under an absolute path without links; None for nothing known."""
        node: Node = self._top
        parts = path.split("/")[1:]
        for place, part in enumerate(parts):
            if isinstance(node, Elsewhere):
                return Elsewhere("/".join((node.path, *parts[place:])))
            if not isinstance(node, dict):
                return None
            following = node.get(part)
            if following is None:
                return None
            node = following
        return node

    def put(self, path: str, node: Node) -> None:
        """Set what stands under a path; a directory that is there already stays."""
        parent, name = self._parent(path)
        if isinstance(node, dict) and isinstance(parent.get(name), dict):
            return
        parent[name] = node

    def move(self, old: str, new: str) -> None:
        """Rename a file or a whole directory.

        Of two names of one file neither goes away (rename(2)).
        """
        known = self.get(old)
        if known is not None and not isinstance(known, dict) and known is self.get(new):
            return
        node = self._take(old)
        parent, name = self._parent(new)
        parent[name] = node

    def exchange(self, one: str, other: str) -> None:
        """Swap two names."""
        first, second = self._take(one), self._take(other)
        self.put(one, second)
        self.put(other, first)

    def alias(self, old: str, new: str, node: Node | None = None) -> None:
        """Give a file a second name; `node` says what it is where its first name cannot."""
        node = node or self.get(old)
        self.put(new, Elsewhere(old) if node is None else node)

    def _take(self, path: str) -> Node:
        node = self.get(path)
        parent, name = self._parent(path)
        parent.pop(name, None)
        if node is None:
            unknown = Odd("renamed, though nothing that was recorded had made it", "", 0)
            lost = self.view.is_known(path) or within(path, "/proc")  # which file is not told
            node = unknown if lost else Elsewhere(path)
        return node

    def _parent(self, path: str) -> tuple[dict[str, Node], str]:
        *parts, name = path.split("/")[1:]
        node = self._top
        for part in parts:
            following = node.get(part)
            if not isinstance(following, dict):
                following = {}
                node[part] = following
            node = following
        return node, name

    def resolve(self, path: str, *, last: bool = True) -> str:
        """An absolute path without links, dots and doubled slashes.

        `last` False leaves a link in the last place as it is. What cannot be followed stays.
        """
        todo = path.split("/")[::-1]
        done: list[str] = []
        room = LINKS
        while todo:
            part = todo.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            target = self._link("/" + "/".join(done)) if last or any(todo) else None
            if target is not None and room:
                room -= 1
                done.pop()
                if target.startswith("/"):
                    done.clear()
                todo += target.split("/")[::-1]
        return "/" + "/".join(done)

    def _link(self, path: str) -> str | None:
        node = self.get(path)
        if isinstance(node, Link):
            return node.target
        if node is not None or self.view.is_known(path):
            return None
        if path not in self._on_disk:
            self._on_disk[path] = _read_link(self.view, path)
        return self._on_disk[path]


def _read_link(view: View, path: str) -> str | None:
    host = view.host(path)
    if host is None or path.startswith("/proc/"):
        return None
    try:
        return str(host.readlink()) if stat.S_ISLNK(host.lstat().st_mode) else None
    except OSError:
        return None
