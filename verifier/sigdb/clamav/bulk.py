"""Large lists compared line by line, so that only what differs becomes records.

A million hash signatures are half a million kilobytes as records; as lines
they are what the file is. A line that both sides load means the same on both;
of the rest, and of all lines that detect the same as one of the rest, records
are made and compared as those of small lists are.
"""

from __future__ import annotations

import heapq
import re
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError
from verifier.sigdb.base import Change
from verifier.sigdb.clamav import blocks, checked, ignore, kinds, load, pairs, text
from verifier.sigdb.clamav.lines import Text, fold_digests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import Record
    from verifier.sigdb.clamav.kinds import Kind
    from verifier.sigdb.clamav.load import Part, Side
    from verifier.sigdb.clamav.profile import Profile

GROUPS: tuple[tuple[str, ...], ...] = (
    *(("hdb", "hdu"), ("mdb", "mdu"), ("ndb", "ndu"), ("ldb", "ldu")),
    *(("sdb",), ("db",), ("fp",), ("imp",)),
)
TOLD = 10_000  # lines of one side that are judged one by one; the rest is counted
_HEAD = 1 << 16  # bytes at the start of a list by which it is judged
_RETURNS = re.compile(rb"\r+\n")
_COMMENT = re.compile(rb"^#[^\n]*\n", re.MULTILINE)


class _Loaded(NamedTuple):
    """The lines of one set on one side that the engine acts on, and those switched off."""

    text: Text
    silenced: list[bytes]


class _Difference(NamedTuple):
    """Lines that one side alone has, and all lines of both that detect the same as one of them."""

    lost: list[bytes]
    come: list[bytes]
    beside: list[bytes]
    silenced: tuple[list[bytes], list[bytes]]
    more: tuple[int, int]  # lines beyond those, of either side


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
        before += _records(found.lost, kind, old, profile)
        after += _records(found.come, kind, new, profile, offsets=True)
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
    lost, come = found.more
    if lost:
        summary = f"The source has {lost:,} more that the shipped database has not."
        weak = "" if scope == "fp" else "signature-removed"
        yield Change(f"{effect}-removed", f"{scope}: others", summary, weak)
    if come:
        summary = f"The shipped database has {come:,} more that the source has not."
        weak = "allowlist-added" if scope == "fp" else ""
        yield Change(f"{effect}-added", f"{scope}: others", summary, weak)


def _difference(scope: str, kind: Kind, old: Side, new: Side) -> _Difference:
    mine = _loaded(scope, kind, old, strict=True)
    theirs = _loaded(scope, kind, new, strict=False)
    folded = _is_recased(mine.text, theirs.text, scope)
    if folded:
        _check_come(kind, [theirs.text.raw], new)
    else:
        found = blocks.unequal(mine.text, theirs.text)
        _check_come(kind, found.come, new)
        folded = blocks.count(found.lost) + blocks.count(found.come) > TOLD
    if folded:
        found = blocks.unequal(_folded(mine.text, scope), _folded(theirs.text, scope))
    if not found.lost and not found.come:
        return _Difference([], [], [], ([], []), (0, 0))
    all_lost, all_come = blocks.split(found.lost), blocks.split(found.come)
    lost, come = heapq.nsmallest(TOLD, all_lost), heapq.nsmallest(TOLD, all_come)
    keys = {kinds.key_of(line, scope) for line in (*lost, *come)}
    there = blocks.with_keys(found, scope, keys)
    beside = there.shared | (there.rest - all_lost)
    more = len(all_lost) - len(lost), len(all_come) - len(come)
    lost = [line for line in lost if line not in beside]
    come = [line for line in come if line not in beside]
    off = [
        [line for line in lines if kinds.key_of(line, scope) in keys][:TOLD]
        for lines in (mine.silenced, theirs.silenced)
    ]
    return _Difference(lost, come, heapq.nsmallest(TOLD, beside), (off[0], off[1]), more)


def _is_recased(mine: Text, theirs: Text, scope: str) -> bool:
    """Whether the lists start with the same hashes, each of them in another case.

    Such lists are compared in lower case at once; that only saves a comparison.
    """
    if kinds.FIELDS[scope] != (b":", 0) or not (mine.large and theirs.large):
        return False
    one, other = (text.raw[: text.raw.rfind(b"\n", 0, _HEAD) + 1] for text in (mine, theirs))
    if len(one) != len(other) or blocks.split([one]) & blocks.split([other]):
        return False
    heads = [fold_digests(Text(head), kinds.DIGESTS).raw for head in (one, other)]
    return bool(one) and heads[0] == heads[1]


def _folded(text: Text, scope: str) -> Text:
    """The lines, which are well-formed, with hex digits in lower case."""
    if kinds.FIELDS[scope] == (b":", 0) and text.large:
        return fold_digests(text, kinds.DIGESTS)
    grammar = kinds.CAPITALS.get(scope)
    if grammar is None or not grammar.search(text.raw):
        return text
    return Text(grammar.sub(_lower, text.raw))


def _lower(found: re.Match[bytes]) -> bytes:
    return found.group().lower() if b"(" not in found.group() else found.group()


def _loaded(scope: str, kind: Kind, side: Side, *, strict: bool) -> _Loaded:
    """The lines of a set that one side loads; with `strict`, each is checked."""
    texts: list[Text] = []
    silenced: list[bytes] = []
    for part in side.parts:
        if part.scope != scope:
            continue
        text = _text(part, kind)
        if strict:
            try:
                checked.whole(text.raw, kind)
            except ParseError as error:
                raise _at_its_place(error, part) from error
        if part.ignored:
            text = _without_ignored(side.ignored, part, text, silenced)
        texts.append(text)
    whole = texts[0] if len(texts) == 1 else Text(b"".join(text.raw for text in texts))
    return _Loaded(whole, silenced)


def _text(part: Part, kind: Kind) -> Text:
    """A file as the loader reads it: whole lines, no comments, no carriage returns at ends."""
    raw = bytes(part.file.data)
    text.refuse_nul(raw, part.file)
    if text.contained(part.file):
        raw = raw[: raw.rfind(b"\n") + 1]
    elif raw and not raw.endswith(b"\n"):
        raw += b"\n"
    if (found := Text(raw)).large and found.plain(kind.limit):
        return found
    if not raw:
        raise ParseError(f"{part.file.path}: a file without a line makes the engine refuse all", 0)
    if raw.startswith((b"\n", b"\r\n")) or b"\n\n" in raw or b"\n\r\n" in raw:
        raise ParseError(f"{part.file.path}: a blank line, which makes the engine refuse all")
    try:
        checked.lengths(raw, kind)
    except ParseError as error:
        raise ParseError(f"{part.file.path}: {error}", error.offset) from error
    if b"\r" in raw:
        raw = _RETURNS.sub(b"\n", raw)
    if raw.startswith(b"#") or b"\n#" in raw:
        raw = _COMMENT.sub(b"", raw)
    return Text(raw)


def _at_its_place(error: ParseError, part: Part) -> ParseError:
    line = error.line if isinstance(error, checked.BadLineError) else b""
    offset = text.offset_of(bytes(part.file.data), line) if line else None
    return ParseError(f"{part.file.path}: {error}", offset)


def _without_ignored(
    ignored: ignore.Ignored, part: Part, text: Text, silenced: list[bytes]
) -> Text:
    off: set[bytes] = set()
    lines = text.raw.split(b"\n")
    for line in lines:
        name = kinds.name_of(line, part.scope)
        if ignored.knows(name) and ignored.covers(name, line, part.ignored):
            off.add(line)
    silenced += sorted(off)
    return Text(b"\n".join(line for line in lines if line not in off)) if off else text


def _check_come(kind: Kind, come: list[bytes], side: Side) -> None:
    """Check the lines that the shipped side alone has."""
    try:
        for lines in come:
            checked.whole(lines, kind)
    except ParseError as error:
        line = error.line if isinstance(error, checked.BadLineError) else b""
        for part in side.parts:
            if part.scope == kind.scope and text.offset_of(bytes(part.file.data), line) >= 0:
                raise _at_its_place(error, part) from error
        raise


def _records(
    lines: list[bytes], kind: Kind, side: Side | None, profile: Profile, *, offsets: bool = False
) -> list[Record]:
    """The records of some lines, as the profile loads them, with their places."""
    places = _places(set(lines), side, kind.scope, offsets=offsets) if side else {}
    found: list[Record] = []
    for line in lines:
        record = kind.parse(line, kind.scope)
        kept = profile.gate(record) if record else None
        if kept:
            place = places.get(line) or (_first_path(side, kind.scope), 0, len(line))
            found.append(kept._replace(place=place))
    return found


def _first_path(side: Side | None, scope: str) -> str:
    parts = side.parts if side else ()
    return next((part.file.path for part in parts if part.scope == scope), "")


def _places(
    lines: set[bytes], side: Side, scope: str, *, offsets: bool
) -> dict[bytes, tuple[str, int, int]]:
    """Where lines stand first, by one pass over the files."""
    found: dict[bytes, tuple[str, int, int]] = {}
    parts = [part for part in side.parts if part.scope == scope]
    if len(parts) == 1 and not offsets:
        return {line: (parts[0].file.path, 0, len(line)) for line in lines}
    for part in parts:
        raw = bytes(part.file.data)
        if len(lines) < 8:
            for line in lines - set(found):
                at = text.offset_of(raw, line)
                if at >= 0:
                    found[line] = (part.file.path, at, len(line))
            continue
        pieces = raw.split(b"\n")
        starts = accumulate((len(piece) + 1 for piece in pieces), initial=0)
        for piece, at in zip(pieces, starts, strict=False):
            line = piece.rstrip(b"\r")
            if line in lines and line not in found:
                found[line] = (part.file.path, at, len(line))
    return found
