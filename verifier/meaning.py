"""What the databases of one group detect, shipped against rebuilt; settles their records.

A group is what an engine loads as one: it alone tells whether a record that
moved, or an ignore list before it, changes what is detected. Runs in a worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import content, ruleset, sigdb
from verifier.checks.base import Refused
from verifier.errors import LimitError, ParseError, UsageError, VerifierError
from verifier.formats import records
from verifier.model import Difference, Patch, Problem, Records, Ref, Settings
from verifier.settle_stream import settle_alone
from verifier.sigdb import difference
from verifier.sigdb.base import Change
from verifier.sigdb.collect import Collector, Opened, Source, by_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.sigdb.base import Family, File, Options

DATABASE_RECORD = "database-record"


class Open(NamedTuple):
    """A member whose records wait: its path, both files, and where its records stand in them."""

    path: str
    shipped: Ref
    rebuilt: Ref
    records: Records


class MeaningRequest(NamedTuple):
    """One group of databases of one family, and the members of it that wait."""

    family: str
    sources: tuple[Source, ...]
    opened: tuple[Opened, ...]
    open: tuple[Open, ...]


class Finding(NamedTuple):
    """A difference of meaning, and the path of the member that it is about."""

    path: str
    difference: Difference


class MeaningAnswer(NamedTuple):
    """Differences of meaning; a patch for each open member that has none, in order (else None)."""

    findings: tuple[Finding, ...]
    patches: tuple[Patch | None, ...]
    problems: tuple[Problem, ...] = ()


def compare_records(settings: Settings, request: MeaningRequest) -> MeaningAnswer:
    """Load both sides of a group, compare, and ask the rules about each open member.

    A change that is about no open member is told in any case; one that is about
    an open member is the reason why no rule settles that member's bytes.
    """
    try:
        changes, complete = _changes(settings, request)
    except UsageError:
        raise
    except VerifierError as error:
        kind = "limit" if isinstance(error, LimitError) else getattr(error, "kind", "unreadable")
        problem = Problem(kind, request.family, str(error))
        return MeaningAnswer((), tuple(None for _ in request.open), (problem,))
    waiting = {each.path for each in request.open}
    findings = [_finding(change) for change in changes if change.path not in waiting]
    patches: list[Patch | None] = []
    for each in request.open:
        mine = [change for change in changes if change.path == each.path]
        answer = _settle(settings, request.family, each, len(mine) if complete else None)
        patches.append(answer if isinstance(answer, Patch) else None)
        if isinstance(answer, Refused):
            findings += [_finding(change) for change in mine]
            if not mine:
                place = each.records.offset, each.records.length
                told = Difference(answer.kind, sigdb.file_name(each.path), answer.reason, *place)
                findings.append(Finding(each.path, told))
    return MeaningAnswer(tuple(findings), tuple(patches))


def loaded(settings: Settings, request: MeaningRequest) -> tuple[list[File], list[File], Options]:
    """The group's rebuilt and shipped files, and what is declared of them.

    Raises:
        ParseError: a container is not well-formed, or a file that waits is not found again.
        LimitError: containers nest too deeply, or unpack to too much.
    """
    collector = Collector(request.family, settings.databases, request.opened, settings.work)
    rebuilt = collector.files(request.sources, shipped=False)
    shipped = collector.files(request.sources, shipped=True)
    for side in (rebuilt, shipped):
        lost = {each.path for each in request.open} - {file.path for file in side}
        if lost:  # never may a database that was not looked at count as one without changes
            raise ParseError(f"The database {min(lost)} was not found again")
    return rebuilt, shipped, _options(settings, request.family, (*shipped, *rebuilt))


def _changes(settings: Settings, request: MeaningRequest) -> tuple[list[Change], bool]:
    """All changes of the group, and whether it was compared (else they say what is unreadable)."""
    family = sigdb.named(request.family)
    rebuilt, shipped, options = loaded(settings, request)
    try:
        return _compared(family, rebuilt, shipped, options), True
    except ParseError:
        found = [
            *_unreadable(family, "shipped", shipped, options),
            *_unreadable(family, "rebuilt", rebuilt, options),
        ]
        if not found:
            raise
        return found, False


def _compared(
    family: Family, rebuilt: Sequence[File], shipped: Sequence[File], options: Options
) -> list[Change]:
    if family.together != "folder":
        return _changed(family, rebuilt, shipped, options)
    before, after = by_folder(rebuilt), by_folder(shipped)
    found = [
        change
        for folder in sorted({*before, *after})
        for change in _changed(family, before.get(folder, ()), after.get(folder, ()), options)
    ]
    return sorted(found, key=lambda change: not change.weakening)


def _changed(
    family: Family, rebuilt: Sequence[File], shipped: Sequence[File], options: Options
) -> list[Change]:
    if family.changes is not None:
        return list(family.changes(rebuilt, shipped, options))
    before = family.effective_records(rebuilt, options)
    return difference.compare(family, before, family.effective_records(shipped, options))


def _unreadable(
    family: Family, side: str, files: Sequence[File], options: Options
) -> Iterable[Change]:
    """One change for each file that its own grammar refuses."""
    for file in files:
        try:
            for _record in family.records(file, options):
                pass
        except ParseError as error:
            summary = f"The {side} file is no well-formed {family.name} database: {error}."
            place = error.offset if side == "shipped" else None
            yield Change(DATABASE_RECORD, file.name, summary, "", file.path, place)


def _options(settings: Settings, family: str, files: Sequence[File]) -> Options:
    """What the specification declares of these files; ParseError where it is not one thing.

    They are loaded by one engine, which has one profile: options of one file, were they
    applied to another, could leave out what is declared volatile of the first alone.
    """
    found = [sigdb.declared(settings.databases, file.path) for file in files]
    options = [item.options if item and item.family == family else {} for item in found]
    if any(each != options[0] for each in options):
        raise ParseError(
            f"Files of family {family} that are loaded together are declared in two ways"
        )
    return options[0] if options else {}


def _finding(change: Change) -> Finding:
    fields = change.kind, change.where, change.summary, change.offset, change.length
    return Finding(change.path, Difference(*fields, change.weakening, change.detail))


def _settle(settings: Settings, family: str, each: Open, changes: int | None) -> Patch | Refused:
    """The patch of the bytes between the equal ends of both sides' records, if a rule allows it.

    The patch is without its data: they are the shipped bytes at its place, which may
    be most of a large file, and the caller has them too.

    `changes` is None where the group could not be compared.
    """
    one, other = (
        content.view(ref)[offset : offset + length]
        for ref, offset, length in (
            (each.shipped, each.records.offset, each.records.length),
            (each.rebuilt, each.records.rebuilt_offset, each.records.rebuilt_length),
        )
    )
    start, end = content.equal_ends(one, other)
    mine, theirs = one[start : len(one) - end], other[start : len(other) - end]
    answer = settle_alone(
        *(ruleset.load(), settings.policy, records.of(family).rules, records.FIELD),
        *(mine, theirs, {} if changes is None else {"changes": str(changes)}),
    )
    if isinstance(answer, Refused):
        return answer
    rule, accepted = answer
    return Patch(
        *(rule.id, rule.strength, records.FIELD),
        *(each.records.offset + start, len(mine)),
        *(each.records.rebuilt_offset + start, len(theirs)),
        b"",
        accepted.evidence,
        accepted.free,
    )
