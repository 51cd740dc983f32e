"""Large lists compared line by line, so that only what differs becomes records.

A million hash signatures are half a million kilobytes as records; as lines
they are what the file is. A line that both sides load means the same on both;
of the rest, and of all lines that detect the same as one of the rest, records
are made and compared as those of small lists are.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError
from verifier.sigdb.base import Change
from verifier.sigdb.clamav import ignore, kinds, load, pairs, text

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from verifier.sigdb.base import Record
    from verifier.sigdb.clamav.kinds import Kind
    from verifier.sigdb.clamav.load import Part, Side
    from verifier.sigdb.clamav.profile import Profile

GROUPS: tuple[tuple[str, ...], ...] = (
    *(("hdb", "hdu"), ("mdb", "mdu"), ("ndb", "ndu"), ("ldb", "ldu")),
    *(("sdb",), ("db",), ("fp",), ("imp",)),
)
TOLD = 50_000  # lines of one side that are judged one by one; the rest is counted


class _Lines(NamedTuple):
    """The lines of one set on one side that the engine acts on."""

    loaded: list[list[bytes]]
    silenced: list[bytes]


class _Difference(NamedTuple):
    """Lines that one side alone has, and all lines of both that detect the same as one of them."""

    lost: list[bytes]
    come: list[bytes]
    beside: list[bytes]
    silenced: tuple[list[bytes], list[bytes]]


def changes(old: Side, new: Side, profile: Profile) -> Iterator[Change]:
    """All changes of the large lists, rebuilt side first."""
    gone = {pairs.identity(record): "record-dropped" for record in load.dropped(new, profile)}
    for group in GROUPS:
        yield from _group(group, old, new, profile, gone)


def _group(
    group: tuple[str, ...], old: Side, new: Side, profile: Profile, gone: dict[pairs.Identity, str]
) -> Iterator[Change]:
    before: list[Record] = []
    after: list[Record] = []
    causes = dict(gone)
    silenced: set[pairs.Identity] = set()
    for scope in group:
        kind = kinds.LINES[scope]
        found = _difference(scope, kind, old, new)
        if not found.lost and not found.come:
            continue
        yield from _uncounted(scope, found)
        before += _records(found.lost[:TOLD], kind, old, profile)
        after += _records(found.come[:TOLD], kind, new, profile)
        common = _records(found.beside, kind, new, profile)
        before += common
        after += common
        off = [_records(lines, kind, None, profile) for lines in found.silenced]
        silenced |= {pairs.identity(record) for record in off[0]}
        causes |= {pairs.identity(record): "signature-ignored" for record in off[1]}
    yield from pairs.changes(before, after, pairs.Causes(causes, frozenset(silenced)))


def _uncounted(scope: str, found: _Difference) -> Iterator[Change]:
    """One change for all lines beyond those that are judged one by one."""
    effect = "allowlist" if scope == "fp" else "detection"
    more = len(found.lost) - TOLD
    if more > 0:
        summary = f"The source has {more:,} more that the shipped database has not."
        weak = "" if scope == "fp" else "signature-removed"
        yield Change(f"{effect}-removed", f"{scope}: others", summary, weak)
    more = len(found.come) - TOLD
    if more > 0:
        summary = f"The shipped database has {more:,} more that the source has not."
        weak = "allowlist-added" if scope == "fp" else ""
        yield Change(f"{effect}-added", f"{scope}: others", summary, weak)


def _difference(scope: str, kind: Kind, old: Side, new: Side) -> _Difference:
    mine = _lines(scope, kind, old, strict=True)
    theirs = _lines(scope, kind, new, strict=False)
    lost, come = _unequal(mine.loaded, theirs.loaded)
    if len(lost) + len(come) > TOLD:
        lost, come = _folded(scope, lost, come)
    _validate(kind, come, new, scope)
    beside: list[bytes] = []
    off: list[list[bytes]] = [[], []]
    if lost or come:
        keys = {kinds.key_of(line, scope) for line in (*lost[:TOLD], *come[:TOLD])}
        beside = _with_keys(scope, mine.loaded, keys, set(lost))[:TOLD]
        off = [
            [line for line in lines if kinds.key_of(line, scope) in keys][:TOLD]
            for lines in (mine.silenced, theirs.silenced)
        ]
    return _Difference(lost, come, beside, (off[0], off[1]))


def _unequal(mine: list[list[bytes]], theirs: list[list[bytes]]) -> tuple[list[bytes], list[bytes]]:
    """Lines of one side alone, each once, in the order of the files."""
    if mine == theirs:
        return [], []
    known = set().union(*mine)
    come = dict.fromkeys(line for lines in theirs for line in lines if line not in known)
    del known
    other = set().union(*theirs)
    lost = dict.fromkeys(line for lines in mine for line in lines if line not in other)
    return list(lost), list(come)


def _folded(scope: str, lost: list[bytes], come: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The same without lines that differ in the case of their hex digits alone."""
    mine = {_fold(line, scope): line for line in lost}
    theirs = {_fold(line, scope): line for line in come}
    return (
        [line for known, line in mine.items() if known not in theirs],
        [line for known, line in theirs.items() if known not in mine],
    )


def _fold(line: bytes, scope: str) -> bytes:
    if scope in {"ldb", "ldu", "db"}:
        return line
    place = 1 if scope in {"mdb", "mdu"} else 3 if scope in {"ndb", "ndu", "sdb"} else 0
    fields = line.split(b":")
    if place < len(fields) and b"(" not in fields[place]:
        fields[place] = fields[place].lower()
    return b":".join(fields)


def _with_keys(
    scope: str, loaded: list[list[bytes]], keys: set[bytes], but: set[bytes]
) -> list[bytes]:
    key_of = kinds.key_of
    if scope in {"hdb", "hdu", "fp", "imp"} and not any(key.isupper() for key in keys):
        found = [
            line for lines in loaded for line in lines if line.partition(b":")[0].lower() in keys
        ]
    else:
        found = [line for lines in loaded for line in lines if key_of(line, scope) in keys]
    return [line for line in found if line not in but]


def _lines(scope: str, kind: Kind, side: Side, *, strict: bool) -> _Lines:
    """The lines of a set that one side loads; with `strict`, each is checked."""
    found = _Lines([], [])
    for part in side.parts:
        if part.scope != scope:
            continue
        lines = load.lines_of(part.file, kind).lines
        if strict:
            _check(part, kind, lines)
        if any(line.startswith(b"#") for line in lines):
            lines = [line for line in lines if not line.startswith(b"#")]
        if part.ignored:
            lines = _without_ignored(side.ignored, part, lines, found.silenced)
        found.loaded.append(lines)
    return found


def _without_ignored(
    ignored: ignore.Ignored, part: Part, lines: list[bytes], silenced: list[bytes]
) -> list[bytes]:
    names = ignored.names(part.ignored)
    off: set[bytes] = set()
    for line in lines:
        name = kinds.name_of(line, part.scope)
        if (name in names or ignore.normal(name) in names) and ignored.covers(
            name, line, part.ignored
        ):
            off.add(line)
    silenced += off
    return [line for line in lines if line not in off] if off else lines


@cache
def _quick(quick: bytes) -> re.Pattern[bytes]:
    return kinds.whole_lines(quick)


def _check(part: Part, kind: Kind, lines: list[bytes]) -> None:
    """Check every line: in one go what plainly fits, and the rest one by one."""
    if not kind.quick:
        _one_by_one(part, kind, lines)
        return
    raw = bytes(part.file.data)
    grammar = _quick(kind.quick)
    at = 0
    while True:
        found = grammar.match(raw, at)
        at = found.end() if found else at
        end = raw.find(b"\n", at)
        if end < 0:
            break
        _one_by_one(part, kind, [raw[at:end].rstrip(b"\r")])
        at = end + 1
    if at < len(raw) and not part.file.container:
        _one_by_one(part, kind, [raw[at:].rstrip(b"\r")])


def _one_by_one(part: Part, kind: Kind, lines: Iterable[bytes]) -> None:
    for line in lines:
        if line.startswith(b"#"):
            continue
        try:
            kind.parse(line, kind.scope)
        except ParseError as error:
            offset = text.offset_of(bytes(part.file.data), line)
            raise ParseError(f"{part.file.path}: {error}", offset) from error


def _validate(kind: Kind, lines: list[bytes], side: Side, scope: str) -> None:
    """Check lines that the shipped side alone has."""
    for line in lines:
        try:
            kind.parse(line, kind.scope)
        except ParseError as error:
            path, offset = _place(line, side, scope)
            raise ParseError(f"{path}: {error}", offset) from error


def _place(line: bytes, side: Side, scope: str) -> tuple[str, int]:
    for part in side.parts:
        if part.scope == scope:
            offset = text.offset_of(bytes(part.file.data), line)
            if offset >= 0:
                return part.file.path, offset
    return "", -1


def _records(lines: list[bytes], kind: Kind, side: Side | None, profile: Profile) -> list[Record]:
    """The records of some lines, as the profile loads them, with their places."""
    places = _places(set(lines), side, kind.scope) if side else {}
    found: list[Record] = []
    for line in lines:
        record = kind.parse(line, kind.scope)
        kept = profile.gate(record) if record else None
        if kept:
            found.append(kept._replace(place=places.get(line, ("", 0, len(line)))))
    return found


def _places(lines: set[bytes], side: Side, scope: str) -> dict[bytes, tuple[str, int, int]]:
    """Where lines stand first, by one pass over the files."""
    found: dict[bytes, tuple[str, int, int]] = {}
    for part in side.parts:
        if part.scope != scope:
            continue
        raw = bytes(part.file.data)
        if len(lines) < 8:
            for line in lines - set(found):
                at = text.offset_of(raw, line)
                if at >= 0:
                    found[line] = (part.file.path, at, len(line))
            continue
        at = 0
        for piece in raw.split(b"\n"):
            line = piece.rstrip(b"\r")
            if line in lines and line not in found:
                found[line] = (part.file.path, at, len(line))
            at += len(piece) + 1
    return found
