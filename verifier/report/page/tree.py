"""Members as rows of a tree: containers, the folders in them, and the files in those."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Verdict, worst
from verifier.names import PAYLOAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.model import Member

_FOLDERS = 40  # names in one path that become folders; a longer path stays whole
_TRIED = 64  # ends of a path at which its container is looked for


class Row(NamedTuple):
    """One line of the tree; a folder has no member (-1)."""

    depth: int
    label: str
    member: int
    verdict: Verdict


@dataclass(slots=True)
class _Node:
    label: str
    member: int = -1
    inside: dict[str, _Node] = field(default_factory=dict)


def parents(members: Sequence[Member]) -> list[int]:
    """The number of the container of each member, -1 for outermost files.

    A container stands before what it holds, so that no damaged report makes a circle.
    """
    known: dict[str, int] = {}
    found = []
    for number, member in enumerate(members):
        if member.within is not None:
            found.append(known.get(member.within.container, -1))
        else:
            found.append(_by_path(member.path, known))
        known[member.path] = number
    return found


def _by_path(path: str, known: dict[str, int]) -> int:
    """The longest known path that this one continues, for what says nothing of its container."""
    end = len(path)
    for _ in range(_TRIED):
        end = max(path.rfind("/", 0, end), path.rfind(PAYLOAD, 0, end))
        if end <= 0:
            return -1
        if path[:end] in known:
            return known[path[:end]]
    return -1


def rows(members: Sequence[Member], containers: Sequence[int]) -> list[Row]:
    """All members as rows, in the order of their names; folders of one entry are one row."""
    nodes = [_Node("", number) for number in range(len(members))]
    top = _Node("")
    for number, member in enumerate(members):
        container = containers[number]
        around = nodes[container] if container >= 0 else top
        folders, label = _names(member.path, members[container].path if container >= 0 else "")
        for name in folders:
            around = around.inside.setdefault(f"/{name}", _Node(name))
        nodes[number].label = label
        around.inside[f"{label}\0{number}"] = nodes[number]
    return _flat(top, members)


def _names(path: str, container: str) -> tuple[list[str], str]:
    """The folders between a container and its member, and what the member is called."""
    rest = path
    if container and path.startswith((f"{container}/", container + PAYLOAD)):
        rest = path[len(container) :].removeprefix(PAYLOAD).lstrip("/")
    if not rest:
        return [], "(payload)"
    folder, slash, name = rest.rpartition("/")
    parts = folder.split("/") if slash else []
    if not name or len(parts) > _FOLDERS or not all(parts):
        return [], rest
    return parts, name


def _flat(top: _Node, members: Sequence[Member]) -> list[Row]:
    """The nodes in order, without recursion: a hostile archive nests deeply."""
    found: list[Row] = []
    open_rows: list[tuple[int, int]] = []  # row and depth of what is above the next node
    stack = [(0, node) for node in reversed(_sorted(top))]
    while stack:
        depth, node = stack.pop()
        label = node.label
        while node.member < 0 and len(node.inside) == 1:
            (only,) = node.inside.values()
            if only.member >= 0:
                break
            label, node = f"{label}/{only.label}", only
        while open_rows and open_rows[-1][1] >= depth:
            _close(found, open_rows)
        verdict = members[node.member].verdict if node.member >= 0 else Verdict.IDENTICAL
        open_rows.append((len(found), depth))
        found.append(Row(depth, label, node.member, verdict))
        stack.extend((depth + 1, each) for each in reversed(_sorted(node)))
    while open_rows:
        _close(found, open_rows)
    return found


def _close(found: list[Row], open_rows: list[tuple[int, int]]) -> None:
    """A folder is as bad as the worst file in it."""
    row, _ = open_rows.pop()
    above = open_rows[-1][0] if open_rows else -1
    if above >= 0 and found[above].member < 0:
        verdict = worst([found[above].verdict, found[row].verdict])
        found[above] = found[above]._replace(verdict=verdict)


def _sorted(node: _Node) -> list[_Node]:
    return [node.inside[key] for key in sorted(node.inside)]
