"""Compare one pair: bytes first, then layouts, then rules on what differs.

Runs in a worker process. Never raises for what a file contains: a file that
its format cannot parse is compared as raw bytes, where no rule applies.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from verifier import content, formats, limits, names, ruleset
from verifier.align import Aligned, align
from verifier.beside import Beside
from verifier.checks.base import Context, Refused
from verifier.describe import Describer
from verifier.errors import LimitError, VerifierError
from verifier.formats import raw, records
from verifier.formats.base import Format, Layout, Side
from verifier.makers import compared
from verifier.model import (
    Child,
    Difference,
    FileFacts,
    Images,
    Member,
    Outcome,
    Pair,
    Patch,
    Place,
    Problem,
    Records,
    Ref,
    Settings,
    Verdict,
)
from verifier.settle import Judge, count_groups_once, waive
from verifier.unpack import decode_children, of_both
from verifier.unpack.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.content import Buffer


_DIGESTED = 16  # bytes digested while one is decoded
PENDING = Problem("not-compared", "records", "What its records mean was not compared.")
"""On a member whose records wait for the others; taken away when they are compared."""


def compare_pair(
    pair: Pair, settings: Settings, siblings: Mapping[str, Ref] | None = None
) -> Outcome:
    """The findings on one pair, and the pairs inside it that are still to be compared."""
    same = identical(pair)
    if same is not None:
        return Outcome(same)
    shipped, rebuilt = content.view(pair.shipped), content.view(pair.rebuilt)
    if not siblings:
        siblings = {} if pair.ancestors else Beside(pair.shipped.path)
    name = pair.path.rpartition("/")[2]
    context = Context(siblings, settings.certificates, settings.pins, pair.ancestors, name)
    kept = Kept(settings.work)
    try:
        return _Comparison(pair, shipped, rebuilt, settings, context, kept).outcome()
    finally:
        kept.drop()


def identical(pair: Pair, digests: content.Digests | None = None) -> Member | None:
    """The finding on a pair whose bytes are the same; None if they are not. Parses nothing."""
    shipped, rebuilt = content.view(pair.shipped), content.view(pair.rebuilt)
    if not content.equal(shipped, rebuilt):
        return None
    kind = pair.role if pair.role == "encoded" else formats.recognise(shipped)
    digests = digests or content.Digests()
    facts = FileFacts(digests.sha256(pair.shipped), len(shipped), kind)
    digests.same(pair.shipped, pair.rebuilt)
    return Member(pair.path, Verdict.IDENTICAL, facts, facts)


class _Comparison:
    """The work on one differing pair; filled step by step, then frozen into an `Outcome`."""

    def __init__(
        self,
        pair: Pair,
        shipped: Buffer,
        rebuilt: Buffer,
        settings: Settings,
        context: Context,
        kept: Kept,
    ) -> None:
        self.pair = pair
        self.kept = kept
        self.settings = settings
        self.judge = Judge(ruleset.load(), settings, context)
        self.differences: list[Difference] = []
        self.problems: list[Problem] = []
        self.patches: list[Patch] = []
        self.children: list[Child] = []
        self.records: Records | None = None
        self.open: list[Place] = []
        self.lone: set[str] = set()
        self.digests = content.Digests()
        self.entries: dict[bool, frozenset[tuple[str, str]]] = {}
        self.format, self.shipped, self.rebuilt = self._layouts(shipped, rebuilt)
        self.describer = Describer(self.format, self.shipped, self.rebuilt)
        self.stretches = content.Stretches(shipped, rebuilt)

    def outcome(self) -> Outcome:
        """Walk all spans, then sum up."""
        for aligned in align(self.shipped.layout, self.rebuilt.layout):
            self._span(aligned)
        firm = [*self.differences, *self.format.faults(self.shipped, self.rebuilt)]
        differences = [*firm, *self.describer.finish()]
        images = None
        if self.open and self.format.mapped and not self._managed():
            images = Images(self.format.name, tuple(self.open), tuple(firm))
        if differences:
            differences.extend(self.format.explain(self.shipped, self.rebuilt))
            open_ones = _explained(
                self.format.name, self.shipped, self.rebuilt, differences[len(firm) :]
            )
            differences = [*firm, *open_ones]
        verdict = Verdict.EQUIVALENT
        if self.records is not None:
            self.problems.append(PENDING)
        if self.problems:
            verdict = Verdict.INCONCLUSIVE
        if differences:
            verdict = Verdict.DIFFERENT
        size = len(self.shipped.data) + len(self.rebuilt.data)
        member = Member(
            self.pair.path,
            verdict,
            *of_both(self._facts, self.pair.shipped, self.pair.rebuilt, size // _DIGESTED),
            count_groups_once(self.patches),
            tuple(differences),
            tuple(self.problems),
            tuple(self.judge.signers),
            unsettled=self.describer.places(),
        )
        lone = tuple(sorted(self.lone))
        makers = compared(self.pair.path, self.format.name, self.shipped, self.rebuilt)
        return Outcome(member, tuple(self.children), self.records, lone, images, makers)

    def _managed(self) -> bool:
        """Whether an image holds code of .NET, which no map of machine code understands."""
        return self.format.name == "pe" and any(
            side.layout.info.directory("clr")[1] for side in (self.shipped, self.rebuilt)
        )

    def _layouts(self, shipped: Buffer, rebuilt: Buffer) -> tuple[Format, Side, Side]:
        kinds = [formats.of_member(self.pair, data) for data in (shipped, rebuilt)]
        if all(kind is raw.FORMAT for kind in kinds) and (family := self._family(shipped, rebuilt)):
            kinds = [records.of(family)] * 2
        for kind in kinds:
            if kind.wraps and {item.name for item in kinds} == {kind.name, kind.wraps}:
                kinds = [kind, kind]
        if kinds[0] is not kinds[1]:
            self.differences.append(
                Difference(
                    "format",
                    self.pair.path.rsplit("/", 1)[-1] or "file",
                    f"The shipped file is {kinds[0].name}, the rebuilt one {kinds[1].name}.",
                )
            )
            return _raw(shipped, rebuilt)
        if kinds[0].container and len(self.pair.ancestors) >= limits.DEPTH:
            raise LimitError(f"Containers nest deeper than {limits.DEPTH}; the rest is not opened.")
        size = len(shipped) + len(rebuilt) if kinds[0].unpacks else 0
        sides = (self.pair.shipped, shipped), (self.pair.rebuilt, rebuilt)
        cut = of_both(partial(self._cut, kinds[0]), *sides, size)
        for which, found in zip(("shipped", "rebuilt"), cut, strict=True):
            if isinstance(found, LimitError):
                raise found
            if isinstance(found, VerifierError):
                summary = f"The {which} file is no well-formed {kinds[0].name} file: {found}"
                self.differences.append(
                    Difference("layout", kinds[0].name, summary, getattr(found, "offset", None))
                )
                return _raw(shipped, rebuilt)
        one, other = cut
        assert isinstance(one, Layout)
        assert isinstance(other, Layout)
        return kinds[0], Side(shipped, one), Side(rebuilt, other)

    def _cut(self, kind: Format, side: tuple[Ref, Buffer]) -> Layout | VerifierError:
        """The layout of one side, or why it has none."""
        ref, data = side
        try:
            with self.kept.of(ref, data):
                return kind.layout(data)
        except VerifierError as error:
            return error

    def _family(self, *data: Buffer, path: str = "") -> str:
        """The database family of this pair: as the auditor declares, or as its files show."""
        from verifier import sigdb  # noqa: PLC0415 - only for what no format knows

        return sigdb.family_at(self.settings.databases, path or self.pair.path, data)

    def _facts(self, ref: Ref) -> FileFacts:
        return FileFacts(self.digests.sha256(ref), ref.length, self.format.name)

    def _span(self, aligned: Aligned) -> None:
        one, other = aligned.shipped, aligned.rebuilt
        if one and other and one.member and other.member:
            self._member(aligned)
            return
        self._lone(aligned)
        if self._same(aligned):
            if one is not None and one.field in self.format.follows:
                self._agreeing(aligned)
        else:
            self._differing(aligned)

    def _same(self, aligned: Aligned) -> bool:
        one, other = aligned.shipped, aligned.rebuilt
        return (
            one is not None
            and other is not None
            and one.length == other.length
            and self.stretches.equal(one.offset, other.offset, one.length)
        )

    def _open(self, aligned: Aligned) -> None:
        """Leave records to the stage that knows all databases around them."""
        one, other = aligned.shipped, aligned.rebuilt
        self.describer.note(aligned)
        self.records = Records(
            self.format.name,
            records.FIELD,
            *(aligned.at, one.length if one else 0),
            *(aligned.rebuilt_at, other.length if other else 0),
        )

    def _lone(self, aligned: Aligned) -> None:
        """Note the family of a database that one side alone has, or has at another place."""
        for side, span in ((self.shipped, aligned.shipped), (self.rebuilt, aligned.rebuilt)):
            if span is not None and span.member:
                path = names.child_path(self.pair, span.member)
                data = side.data[span.offset : span.end]
                if family := self._family(data, path=path):
                    self.lone.add(family)

    def _agreeing(self, aligned: Aligned) -> None:
        """A field that both files have alike, but that may be wrong beside other shipped bytes."""
        patch, refusals = self.judge.settle(self.format, self.shipped, self.rebuilt, aligned)
        right = patch is not None or any(item.kind == "policy" for item in refusals)
        if refusals and not right:
            self.differences.append(self.describer.refused(aligned, refusals))

    def _differing(self, aligned: Aligned) -> None:
        patch, refusals = self.judge.settle(self.format, self.shipped, self.rebuilt, aligned)
        if patch is not None:
            self.patches.append(patch)
            return
        waived, expired = waive(aligned, self.pair.path, self.shipped, self.rebuilt, self.settings)
        if waived:
            self.patches.extend(waived)
        elif expired:
            reason = Refused(f"A waiver covers it, but ran out on {expired}.", "waiver-expired")
            self.describer.note(aligned)
            self.differences.append(self.describer.refused(aligned, [reason, *refusals]))
        elif records.holds(self.format):
            self._open(aligned)
        elif not self._alone(aligned) and not all(item.describe for item in refusals):
            self.describer.note(aligned)
            self.differences.append(self.describer.refused(aligned, refusals))
        else:
            self._leave(aligned)

    def _leave(self, aligned: Aligned) -> None:
        """Nothing speaks of this span: a difference, unless the two are one program."""
        one, other = aligned.shipped, aligned.rebuilt
        span = one or other
        assert span is not None
        sizes = one.length if one else 0, other.length if other else 0
        if self.format.mapped:
            place = Place(span.name, aligned.at, sizes[0], aligned.rebuilt_at, sizes[1])
            self.open.append(place)
        self.describer.add(aligned)

    def _alone(self, aligned: Aligned) -> bool:
        """Whether the span is part of an entry that one file lacks, which is told once."""
        one, other = aligned.shipped, aligned.rebuilt
        span = other if one is None else one
        if span is None or (one and other):
            return False
        entry = names.group(span)
        return entry[0] in names.ENTRIES and entry not in self._entries(shipped=one is None)

    def _entries(self, *, shipped: bool) -> frozenset[tuple[str, str]]:
        if shipped not in self.entries:
            layout = (self.shipped if shipped else self.rebuilt).layout
            self.entries[shipped] = frozenset(map(names.group, layout.spans))
        return self.entries[shipped]

    def _member(self, aligned: Aligned) -> None:
        """Hand a contained file on; decode it first where it is compressed and differs."""
        one, other = aligned.shipped, aligned.rebuilt
        assert one is not None
        assert other is not None
        if one.codec != other.codec:
            self.describer.add(aligned)
            return
        base, rebuilt_base = self.pair.shipped, self.pair.rebuilt
        shipped = Ref(base.path, base.offset + one.offset, one.length)
        rebuilt = Ref(rebuilt_base.path, rebuilt_base.offset + other.offset, other.length)
        role, codec = formats.role_in(self.pair, self.format, one.member), one.codec
        path = names.child_path(self.pair, one.member)
        if codec != "stored":
            if content.equal(content.view(shipped), content.view(rebuilt)):
                role, codec = "encoded", "stored"
            else:
                try:
                    shipped, rebuilt = decode_children(
                        codec, (shipped, rebuilt), self.settings.work, self.kept
                    )
                except LimitError as error:
                    self.problems.append(Problem("limit", path, str(error)))
                    return
                except VerifierError as error:
                    self.differences.append(Difference("layout", path, str(error), one.offset))
                    self.describer.add(aligned)
                    return
        ancestors = (*self.pair.ancestors, self.format.name)
        child = Pair(
            path, shipped, rebuilt, names.child_prefix(self.pair, one.member), ancestors, role
        )
        self.children.append(
            Child(
                *(child, codec, one.member, one.field),
                *(one.offset, one.length, other.offset, other.length),
                identical(child, self.digests) if codec == "stored" else None,
            )
        )


def _explained(
    name: str, shipped: Side, rebuilt: Side, differences: list[Difference]
) -> list[Difference]:
    """With what they mean, and names as their authors wrote them. Never turns a verdict."""
    from verifier import semantic  # noqa: PLC0415 - only for pairs that differ
    from verifier.semantic.demangle import readable  # noqa: PLC0415

    found = [*differences, *semantic.explain(name, shipped, rebuilt)]
    return [readable(each) for each in found] if name in {"elf", "pe"} else found


def _raw(shipped: Buffer, rebuilt: Buffer) -> tuple[Format, Side, Side]:
    one, other = raw.layout(shipped), raw.layout(rebuilt)
    return raw.FORMAT, Side(shipped, one), Side(rebuilt, other)
