"""The one file that knows the order of stages: compare, derived members, databases, streams, proof.

pairs ─► compare (workers) ─► pairs inside ─► … ─► members derived from others
─► what databases mean together, and updates in a row ─► what programs do ─► compressed streams
─► prove ─► nodes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from verifier import limits, names, prove
from verifier.compare import identical
from verifier.engine import Engine, Failure, Inline, Task
from verifier.errors import VerifierError
from verifier.model import Difference, Problem, Verdict, worst
from verifier.stages import (
    CompareAnswer,
    CompareRequest,
    ReproduceRequest,
    StreamAnswer,
    inconclusive,
)
from verifier.tree import Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.databases import Databases
    from verifier.model import Alone, Child, Database, Member, Outcome, Pair, Ref

Show = Callable[["Databases", "Sequence[Node]", Engine | Inline], None]
"""Shows on a real engine what differs; adds notes to members, and changes no verdict."""

_BATCH = 32  # small pairs handed to a worker together …
_BATCH_BYTES = 8 * limits.MIB  # … up to this many bytes


class Pipeline:
    """One run over top-level pairs.

    `engine(confined)` gives the place where the work of one phase runs;
    `progress(done, known)` is called as members are finished.
    """

    def __init__(
        self,
        engine: Callable[[bool], Engine | Inline],
        progress: Callable[[int, int], None] = lambda _done, _known: None,
        databases: Sequence[Database] = (),
        witness: Show | None = None,
    ) -> None:
        self._engine = engine
        self._progress = progress
        self._declared = databases
        self._witness = witness
        self._databases: Databases | None = None
        self._released: tuple[Member, ...] = ()
        self._done = self._known = self._unpacked = 0
        self._deferred: list[Node] = []
        self.roots: list[Node] = []

    @property
    def found(self) -> tuple[Member, ...]:
        """Findings on files that only one side has, and on shipped updates together."""
        around = self._databases.found if self._databases is not None else ()
        return (*around, *self._released)

    def run(self, pairs: Iterable[Pair], alone: Sequence[Alone] = ()) -> list[Node]:
        """Compare all pairs and everything inside them; one node a pair, in order.

        `alone` are files that only one side has: nothing to compare them with, but a
        database among them changes what the others mean.
        """
        if alone:
            self._note_alone(alone)
        self.roots = [Node(pair, inconclusive(pair, "not-compared", _NOT).member) for pair in pairs]
        if (
            len(self.roots) == 1
            and not alone
            and (same := identical(self.roots[0].pair)) is not None
        ):
            self.roots[0].member = same  # reads and hashes, parses nothing: worth no worker
            return self.roots
        with self._engine(True) as engine:
            self._compare(engine, self.roots, {})
            deferred, self._deferred = self._deferred, []
            for node in deferred:
                self._compare(engine, [node], _siblings(node))
            if self._databases is not None:
                self._meaning(engine, self._databases)
            self._release(engine, alone)
            self._images(engine)
        with self._engine(False) as engine:
            self._streams(engine, self.roots)
        for node in self.roots:
            _prove(node)
        return self.roots

    def _compare(
        self, engine: Engine | Inline, nodes: list[Node], siblings: dict[str, Ref]
    ) -> None:
        self._known += len(nodes)
        for batch in _batches(nodes):
            engine.submit(_compare_task(batch, siblings))
        for task, answer in engine.answers():
            batch = task.ticket
            if isinstance(answer, CompareAnswer):
                for node, outcome in zip(batch, answer.outcomes, strict=True):
                    self._attach(engine, node, outcome, siblings)
            elif len(batch) > 1:
                for node in batch:  # find the one that did it
                    engine.submit(_compare_task([node], siblings))
            else:
                assert isinstance(answer, Failure)
                outcome = inconclusive(batch[0].pair, answer.kind, answer.summary)
                self._attach(engine, batch[0], outcome, siblings)

    def _attach(
        self, engine: Engine | Inline, node: Node, outcome: Outcome, siblings: dict[str, Ref]
    ) -> None:
        node.member = outcome.member
        self._done += 1
        if outcome.records is not None or outcome.lone:
            self._note_alone(())
            assert self._databases is not None
            self._databases.note(node, outcome)
        node.images = outcome.images
        node.makers = outcome.makers
        if outcome.images is not None:
            node.loose = frozenset(outcome.member.differences) - {*outcome.images.firm}
        inside = [_node(child, node) for child in outcome.children]
        self._unpacked += sum(map(_unpacked, inside))
        if (
            self._known + len(inside) > limits.MEMBERS_TOTAL
            or self._unpacked > limits.PAYLOAD_TOTAL
        ):
            summary = (
                "The run has too many members, or unpacks to too many bytes; it is not opened."
            )
            node.member = inconclusive(node.pair, "limit", summary).member
            return
        node.children = inside
        self._known += len(inside)
        open_ones = [each for each in inside if not _is_known(each)]
        self._done += len(inside) - len(open_ones)
        self._deferred.extend(each for each in open_ones if _is_derived(each))
        for batch in _batches([each for each in open_ones if not _is_derived(each)]):
            engine.submit(_compare_task(batch, siblings))
        self._progress(self._done, self._known)

    def _note_alone(self, alone: Sequence[Alone]) -> None:
        if self._databases is None:
            from verifier.databases import Databases  # noqa: PLC0415 - few runs meet databases

            self._databases = Databases(alone)

    def _meaning(self, engine: Engine | Inline, databases: Databases) -> None:
        """Compare what the databases of each group mean together."""
        for group in databases.groups(self.roots, self._declared):
            engine.submit(group.task())
        for task, answer in engine.answers():
            databases.settle(task.ticket, answer, self.roots)
        if self._witness is not None:
            self._witness(databases, self.roots, engine)

    def _release(self, engine: Engine | Inline, alone: Sequence[Alone]) -> None:
        """Verify shipped databases and updates as releases; what is wrong joins their members."""
        pairs = [node.pair for node in self.roots]
        shipped = [pair.path for pair in pairs] + [item.path for item in alone if item.shipped]
        if any(path.endswith(".cdiff") for path in shipped):
            from verifier import releases  # noqa: PLC0415 - few runs meet updates

            engine.submit(releases.task(pairs, alone))
            for task, answer in engine.answers():
                self._released += releases.found(task, answer)

    def _images(self, engine: Engine | Inline) -> None:
        """Settle or explain programs that differ."""
        differing = [each for root in self.roots for each in root.walk() if each.images]
        if differing:
            from verifier import programs  # noqa: PLC0415 - only where programs differ

            programs.settle(engine, differing)

    def _streams(self, engine: Engine | Inline, roots: list[Node]) -> None:
        """Settle the compressed form of payloads that are proven; innermost first."""
        waiting = [
            each
            for root in roots
            for each in root.walk()
            if each.child is not None and each.child.codec != "stored"
        ]
        for depth in sorted({len(each.pair.ancestors) for each in waiting}, reverse=True):
            for node in waiting:
                if len(node.pair.ancestors) == depth and node.verdict().positive:
                    engine.submit(_stream_task(node))
            for task, answer in engine.answers():
                _settle_stream(task.ticket, answer)


_NOT = "It was not compared before the run ended."


def _is_derived(node: Node) -> bool:
    """Whether the member's value follows from other members, so that it waits for them."""
    role = node.pair.role
    return role not in {"", "encoded"} and not role.startswith("records:")


def _node(child: Child, parent: Node) -> Node:
    member = child.member or inconclusive(child.pair, "not-compared", _NOT).member
    return Node(child.pair, member, child, parent)


def _unpacked(node: Node) -> int:
    """Bytes of the work directory that this member takes."""
    compressed = node.child is not None and node.child.codec != "stored"
    return node.pair.shipped.length + node.pair.rebuilt.length if compressed else 0


def _is_known(node: Node) -> bool:
    return node.child is not None and node.child.member is not None


def _batches(nodes: list[Node]) -> list[list[Node]]:
    batches: list[list[Node]] = []
    size = 0
    for node in nodes:
        cost = node.pair.shipped.length + node.pair.rebuilt.length
        if not batches or len(batches[-1]) >= _BATCH or size + cost > _BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(node)
        size += cost
    return batches


def _compare_task(batch: list[Node], siblings: dict[str, Ref]) -> Task:
    size = sum(node.pair.shipped.length + node.pair.rebuilt.length for node in batch)
    request = CompareRequest(tuple(node.pair for node in batch), siblings)
    seconds = limits.WORKER_SECONDS + size / limits.WORKER_BYTES_PER_SECOND
    return Task("compare", request, CompareAnswer, seconds, batch)


def _stream_task(node: Node) -> Task:
    child, parent = node.child, node.parent
    assert child is not None
    assert parent is not None
    base, other = parent.pair.shipped, parent.pair.rebuilt
    request = ReproduceRequest(
        child.codec,
        _format(parent),
        child.field,
        node.pair.shipped,
        base._replace(offset=base.offset + child.offset, length=child.length),
        other._replace(offset=other.offset + child.rebuilt_offset, length=child.rebuilt_length),
    )
    seconds = 4 * (
        limits.WORKER_SECONDS + node.pair.shipped.length / limits.WORKER_BYTES_PER_SECOND
    )
    return Task("reproduce", request, StreamAnswer, seconds, node)


def _settle_stream(node: Node, answer: object) -> None:
    """Put the patch, or the reason why there is none, where the stream stands: in its container."""
    child, parent = node.child, node.parent
    assert child is not None
    assert parent is not None
    where = child.codec if child.name == names.PAYLOAD else f"{child.name} ({child.codec})"
    place = child.offset, child.length
    if isinstance(answer, StreamAnswer) and answer.patch is not None:
        node.stream = answer.patch._replace(
            field=where,
            offset=child.offset,
            length=child.length,
            rebuilt_offset=child.rebuilt_offset,
            rebuilt_length=child.rebuilt_length,
        )
    elif isinstance(answer, StreamAnswer):
        member = parent.member
        found = tuple(Difference(kind, where, why, *place) for kind, why in answer.refused)
        parent.member = member._replace(
            verdict=Verdict.DIFFERENT, differences=(*member.differences, *found)
        )
    else:
        assert isinstance(answer, Failure)
        _doubt(parent, Problem(answer.kind, where, answer.summary))


def _doubt(node: Node, problem: Problem) -> None:
    """Add a problem; what is already different stays so."""
    member = node.member
    verdict = worst([member.verdict, Verdict.INCONCLUSIVE])
    node.member = member._replace(verdict=verdict, problems=(*member.problems, problem))


def _siblings(node: Node) -> dict[str, Ref]:
    """Shipped files that a derived member may speak of, by their path in the package.

    A `RECORD` speaks of its own zip; `md5sums` of the package's data archive,
    which is another branch below the .deb.
    """
    around = node.parent
    if node.pair.role == "md5sums":
        around = next((each for each in node.ancestors() if _format(each) == "deb"), None)
        around = _data_archive(around)
    return {
        each.child.name.removeprefix("./").lstrip("/"): each.pair.shipped
        for each in (around.children if around else ())
        if each.child is not None
        and each.pair.role != "encoded"
        and each.member.verdict is not Verdict.IDENTICAL
    }


def _data_archive(deb: Node | None) -> Node | None:
    """The unpacked `data.tar` of a .deb, below its compressed form."""
    for each in deb.children if deb else ():
        if each.child is not None and each.child.name.startswith("data.tar"):
            inner = each.children
            plain = len(inner) == 1 and inner[0].child and inner[0].child.name == names.PAYLOAD
            return inner[0] if plain else each
    return None


def _format(node: Node) -> str:
    return node.member.shipped.format if node.member.shipped else ""


def _prove(node: Node) -> None:
    if node.verdict() is not Verdict.EQUIVALENT:
        return
    try:
        prove.prove(node)
    except (VerifierError, OSError) as error:
        _doubt(node, Problem("proof-failed", node.pair.path, str(error)))
