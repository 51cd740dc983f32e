"""What an engine has loaded after all files of one side: order, ignore lists, gates.

Source: libclamav 1.4 (`readdb.c`), and clamscan 1.4.6 by measurement: the tests
run it on every rule that is followed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.sigdb.clamav import bytecode, filetypes, ignore, kinds, order, switches, text, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import File, Files, Record
    from verifier.sigdb.clamav.kinds import Kind
    from verifier.sigdb.clamav.profile import Profile

_NEVER_EMPTY = frozenset({"ftm", "pwdb"})


class Part(NamedTuple):
    """One file that the engine reads, and how many ignore entries it had read before."""

    file: File
    scope: str
    ignored: int


@dataclass
class Side:
    """All files of one side in loading order, and the ignore lists among them."""

    parts: list[Part] = field(default_factory=list)
    ignored: ignore.Ignored = field(default_factory=ignore.Ignored)
    entries: list[Record] = field(default_factory=list)


def side(files: Files, profile: Profile) -> Side:
    """Read the ignore lists, and note for each other file how far they had come."""
    found = Side()
    for file in order.loading(files):
        ending = text.extension(file)
        if ending in kinds.IGNORE:
            for entry, record in ignore_records(file):
                found.ignored.add(entry)
                found.entries.append(record)
            if found.ignored.count > text.RECORDS:
                raise LimitError(f"More than {text.RECORDS:,} ignore entries.")
            continue
        scope = scope_of(file)
        if scope and profile.scope(scope):
            found.parts.append(Part(file, scope, found.ignored.count))
    return found


def scope_of(file: File) -> str:
    """The set of a file's records; "" for a file without any; ParseError for a foreign one."""
    ending = text.extension(file)
    if ending in kinds.LINES:
        return kinds.LINES[ending].scope
    if ending == "yara":
        return "yar"
    if ending in kinds.LOADED:
        return ending
    if ending in kinds.SILENT or text.base_name(file).lower() in kinds.SILENT_NAMES:
        return ""
    raise ParseError(f"{file.path}: the engine loads no file of such a name")


def lines_of(file: File, kind: Kind) -> text.Lines:
    """The lines of a file; ParseError for what the loader refuses as a whole."""
    found = text.split(file, kind.limit)
    if kind.empty and not found.lines:
        raise ParseError(f"{file.path}: a file without a whole line makes the engine refuse all", 0)
    return found


def is_comment(line: bytes, kind: Kind) -> bool:
    """Whether the loader passes over a line."""
    return (kind.comments and line.startswith(b"#")) or (kind.blank and not line)


def parsed(file: File, kind: Kind, lines: list[bytes]) -> Iterator[tuple[bytes, Record]]:
    """Each line that has an effect with its record; ParseError names file and offset."""
    for line in lines:
        if is_comment(line, kind):
            continue
        try:
            record = kind.parse(line, kind.scope)
        except ParseError as error:
            offset = text.offset_of(bytes(file.data), line)
            raise ParseError(f"{file.path}: {error}", offset) from error
        if record is not None:
            yield line, record


def ignore_records(file: File) -> Iterator[tuple[ignore.Entry, Record]]:
    """The entries of one ignore list and their records, placed."""
    raw = bytes(file.data)
    text.refuse_nul(raw, file)
    try:
        entries = list(ignore.entries(raw, contained=text.contained(file)))
    except ParseError as error:
        raise ParseError(f"{file.path}: {error}") from error
    at = 0
    for entry in entries:
        at = max(raw.find(entry.line, at), 0)
        yield entry, ignore.record(entry)._replace(place=(file.path, at, len(entry.line)))
        at += len(entry.line)


def file_records(file: File) -> Iterator[tuple[bytes, Record]]:
    """All records of one file with their lines, before gates and ignore lists."""
    ending = text.extension(file)
    if ending in kinds.IGNORE:
        yield from ((entry.line, record) for entry, record in ignore_records(file))
    elif ending in kinds.WHOLE or ending == kinds.CERTIFICATES:
        yield from _other(file, ending)
    elif scope_of(file):
        kind = kinds.LINES[ending]
        yield from parsed(file, kind, lines_of(file, kind).lines)


def _other(file: File, ending: str) -> Iterator[tuple[bytes, Record]]:
    if text.contained(file) and ending in kinds.SWALLOWING:
        raise ParseError(f"{file.path}: the engine loads no such member, nor any that follows it")
    try:
        if ending == kinds.CERTIFICATES:
            yield from trust.certificates(text.split(file).lines)
        elif ending == "cbc":
            yield from ((record.name.encode(), record) for record in bytecode.records(file))
        elif ending == "cat":
            yield from ((b"", record) for record in trust.catalog(file))
        else:
            yield from ((b"", record) for record in trust.opaque(file))
    except ParseError as error:
        raise ParseError(f"{file.path}: {error}", error.offset) from error


def placed(file: File, pairs: Iterator[tuple[bytes, Record]]) -> Iterator[tuple[bytes, Record]]:
    """The same with places: a running search, since records come in the order of their lines."""
    raw = bytes(file.data)
    at = 0
    for line, record in pairs:
        if record.place[0]:
            yield line, record
            continue
        at = max(raw.find(line, at), 0)
        yield line, record._replace(place=(file.path, at, len(line)))
        at += len(line)


class Loaded(NamedTuple):
    """Records that the engine acts on, and those that an ignore list switches off."""

    records: list[Record]
    silenced: list[Record]


def effective(found: Side, profile: Profile, scopes: frozenset[str] | None = None) -> Loaded:
    """The records of all sets, or of some, after gates and ignore lists."""
    loaded: list[Record] = []
    silenced: list[Record] = []
    for part in found.parts:
        if scopes is not None and part.scope not in scopes:
            continue
        before = len(loaded)
        for line, record in placed(part.file, file_records(part.file)):
            kept = profile.gate(record)
            if kept is None:
                continue
            off = is_ignored(found.ignored, part, line, record)
            (silenced if off else loaded).append(kept)
            if len(loaded) + len(silenced) > text.RECORDS:
                raise LimitError(f"More than {text.RECORDS:,} records to be compared one by one.")
        if part.scope in _NEVER_EMPTY and not any(
            profile.levels or _is_ours(record) for record in loaded[before:]
        ):
            raise ParseError(f"{part.file.path}: without an entry that counts, it is refused", 0)
    if scopes is None or "ign" in scopes:
        loaded += found.entries
    return Loaded(switches.in_force(filetypes.ordered(loaded)), silenced)


def _is_ours(record: Record) -> bool:
    levels = record.value("levels")
    return not text.foreign((("levels", levels),) if levels else ())


def dropped(found: Side, profile: Profile) -> Iterator[Record]:
    """Records that stand in containers without a newline, which the loader never sees."""
    for part in found.parts:
        kind = kinds.LINES.get(text.extension(part.file))
        line = text.split(part.file, kind.limit).dropped if kind and ends_open(part.file) else None
        if kind is None or not line or is_comment(line, kind):
            continue
        try:
            record = kind.parse(line.rstrip(b"\r"), kind.scope)
        except ParseError:
            continue  # no engine reads it
        kept = record and profile.gate(record)
        if kept:
            yield kept


def ends_open(file: File) -> bool:
    """Whether the last line of a container's member has no newline."""
    return text.contained(file) and file.data[-1:] not in {b"", b"\n"}


def is_ignored(ignored: ignore.Ignored, part: Part, line: bytes, record: Record) -> bool:
    """Whether an ignore list switches one record off."""
    if not part.ignored or part.scope in kinds.NOT_IGNORED:
        return False
    name, checked = hashed(line, part.scope, record)
    return ignored.covers(name, checked, part.ignored)


def hashed(line: bytes, scope: str, record: Record) -> tuple[bytes, bytes]:
    """The name that ignore lists ask for, and what their MD5 is taken over."""
    if scope in kinds.BULK or scope == "idb":
        return kinds.name_of(line, scope), line
    if scope == "cbc":
        name = record.value("names").encode("utf-8", "surrogateescape")
    else:
        name = record.name.encode("utf-8", "surrogateescape")
    return name, name
