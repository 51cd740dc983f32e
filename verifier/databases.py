"""Which compared files wait for their databases to be compared as a whole, and what came of it.

Between the pipeline, which knows the order of stages, and `verifier.meaning`,
which runs in a worker: groups go out, findings come back to their members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import content, limits
from verifier.compare import PENDING
from verifier.engine import Failure, Task
from verifier.meaning import MeaningAnswer, MeaningRequest, Open
from verifier.model import Difference, Member, Problem, Verdict, worst
from verifier.sigdb import family_at, named
from verifier.sigdb.collect import Opened, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.meaning import Finding
    from verifier.model import Alone, Database, Outcome
    from verifier.tree import Node

_SLOWEST = limits.WORKER_BYTES_PER_SECOND


class Group(NamedTuple):
    """One request, and the nodes whose records it settles, in the request's order."""

    family: str
    sources: tuple[Source, ...]
    opened: tuple[Opened, ...]
    waiting: tuple[Node, ...]

    def task(self) -> Task:
        """The work of this group; its ticket is the group."""
        return Task("meaning", self.request(), MeaningAnswer, self.seconds(), self)

    def request(self) -> MeaningRequest:
        """What a worker is asked."""
        waiting = tuple(_open(node) for node in self.waiting)
        return MeaningRequest(self.family, self.sources, self.opened, waiting)

    def seconds(self) -> float:
        """How long it may take, by the size of all that is read."""
        refs = [ref for item in self.sources for ref in (item.shipped, item.rebuilt)]
        refs += [ref for item in self.opened for ref in (item.shipped, item.rebuilt)]
        size = sum(ref.length for ref in refs if ref is not None)
        return limits.WORKER_SECONDS + size / _SLOWEST


class Databases:
    """What a run has met of databases: members that wait, and families of unmatched ones."""

    def __init__(self, alone: Sequence[Alone] = ()) -> None:
        self._alone = tuple(_alone(item) for item in alone)
        self._waiting: list[Node] = []
        self._lone: list[tuple[str, Node]] = []
        self.found: list[Member] = []  # findings on files that only one side has
        self.differing: list[Group] = []  # groups with findings, for whoever wants to show them

    def note(self, node: Node, outcome: Outcome) -> None:
        """Remember what of this outcome waits; call for each node, in any order."""
        if outcome.records is not None:
            node.records = outcome.records
            self._waiting.append(node)
        self._lone.extend((family, node) for family in outcome.lone)

    def groups(self, roots: Sequence[Node], declared: Sequence[Database]) -> list[Group]:
        """All groups of which something differs, in the order of families and files."""
        order = {id(node): at for at, node in enumerate(each for r in roots for each in r.walk())}
        waiting = sorted(self._waiting, key=lambda node: order[id(node)])
        families = {node.records.family for node in waiting if node.records is not None}
        families.update(family for family, _ in self._lone)
        alone = {item.path: family for item in self._alone if (family := _family(item, declared))}
        families.update(alone.values())
        found: list[Group] = []
        for family in sorted(families):
            mine = [node for node in waiting if node.records and node.records.family == family]
            if named(family).together == "file":
                found += [Group(family, (_source(node),), (), (node,)) for node in mine]
                continue
            sources = [_source(root) for root in roots]
            sources += [item for item in self._alone if alone.get(item.path) == family]
            sources.sort(key=lambda item: item.path)
            around = [*mine, *(node for each, node in self._lone if each == family)]
            found.append(Group(family, tuple(sources), _opened(around), tuple(mine)))
        return found

    def settle(self, group: Group, answer: object, roots: Sequence[Node]) -> None:
        """Put findings, patches or problems where they belong."""
        if not isinstance(answer, MeaningAnswer):
            assert isinstance(answer, Failure)
            answer = MeaningAnswer((), (), (Problem(answer.kind, group.family, answer.summary),))
        if answer.findings:
            self.differing.append(group)
        for problem in answer.problems:
            for node in group.waiting or tuple(roots[:1]):
                _add(node, problems=(problem,))
        for node, patch in zip(group.waiting, answer.patches, strict=False):
            if patch is not None:
                ref = node.pair.shipped
                data = content.view(ref)[patch.offset : patch.offset + patch.length]
                patch = patch._replace(data=bytes(data))  # noqa: PLW2901 - as it was meant
                node.member = node.member._replace(patches=(*node.member.patches, patch))
                _add(node)
        places = {each.pair.path: each for root in roots for each in root.walk()}
        for finding in answer.findings:
            self._place(finding, group, places)

    def _place(self, finding: Finding, group: Group, places: dict[str, Node]) -> None:
        """At its own member, if that differs; else where the databases that differ are."""
        told = finding.difference
        node = places.get(finding.path)
        if node is None or node.member.verdict is Verdict.IDENTICAL:
            told = told._replace(offset=None, length=None)
            alone = next((item for item in self._alone if item.path == finding.path), None)
            if alone is not None:
                self.found.append(Member(alone.path, Verdict.DIFFERENT, differences=(told,)))
                return
            node = _container(finding.path, places) or next(iter(group.waiting), None)
        if node is None:
            path = finding.path or group.sources[0].path
            self.found.append(Member(path, Verdict.DIFFERENT, differences=(told,)))
        else:
            _add(node, differences=(told,))


def _family(source: Source, declared: Sequence[Database]) -> str:
    sides = [content.view(ref) for ref in (source.shipped, source.rebuilt) if ref is not None]
    return family_at(declared, source.path, sides)


def _alone(item: Alone) -> Source:
    shipped, rebuilt = (item.file, None) if item.shipped else (None, item.file)
    return Source(item.path, shipped, rebuilt, prefix=item.path)


def _source(node: Node) -> Source:
    pair = node.pair
    return Source(pair.path, pair.shipped, pair.rebuilt, pair.prefix, pair.ancestors, pair.role)


def _opened(nodes: Iterable[Node]) -> tuple[Opened, ...]:
    """The containers at and around these nodes, each once."""
    found = {
        each.pair.path: Opened(each.pair.path, each.pair.shipped, each.pair.rebuilt)
        for node in nodes
        for each in (node, *node.ancestors())
    }
    return tuple(found.values())


def _open(node: Node) -> Open:
    assert node.records is not None
    return Open(node.pair.path, node.pair.shipped, node.pair.rebuilt, node.records)


def _container(path: str, places: dict[str, Node]) -> Node | None:
    """The innermost differing container around a member that has no node of its own."""
    around = [
        node
        for place, node in places.items()
        if path.startswith(place) and node.children and node.member.verdict is not Verdict.IDENTICAL
    ]
    return max(around, key=lambda node: len(node.pair.path), default=None)


def _add(
    node: Node, differences: tuple[Difference, ...] = (), problems: tuple[Problem, ...] = ()
) -> None:
    """Add findings to a member that has been waiting, or that others have changed."""
    member = node.member
    left = tuple(item for item in member.problems if item != PENDING)
    told = (*member.differences, *differences)
    left = (*left, *problems)
    verdict = Verdict.EQUIVALENT
    if left:
        verdict = Verdict.INCONCLUSIVE
    if told:
        verdict = worst([verdict, Verdict.DIFFERENT])
    node.member = member._replace(verdict=verdict, differences=told, problems=left)
