"""What a database family offers, and the frozen types it speaks in.

A family says which files are its own, parses them strictly into canonical
records, and says which changes let something through that was caught before.
The comparison of records is the same for all families (`sigdb.difference`),
unless a family brings a faster one. Everything here runs in a confined worker
on bytes of unknown origin and raises nothing but `VerifierError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from verifier.content import Buffer


class Effect(StrEnum):
    """What a record does to a scan; the first part of the kinds of its changes."""

    DETECT = "detection"  # something is reported because of it
    ALLOW = "allowlist"  # something is not reported because of it: fp, sfp, trusted, pass
    IGNORE = "ignore"  # another record is switched off by it
    SETTING = "setting"  # file types, passwords, switches, thresholds


class File(NamedTuple):
    """One database file of one side.

    `path` is its path in the report, `name` what its loader goes by
    (`daily.ndb`), `data` its bytes; `container` names the kind of database
    around it (`cvd`, `cld`, `tar` …), empty for a loose file.
    """

    path: str
    name: str
    data: Buffer
    container: str = ""


class Record(NamedTuple):
    """One canonical record: two of equal `scope`, `name` and `body` do the same.

    `scope` is the set that it belongs to (`ndb`, a YARA namespace); `body` are
    (field, value) pairs in the family's order, without comments, case, order or
    volatile fields; `place` (path of its file, offset, length in bytes) is no
    part of its meaning. Where order matters, the family puts it into `body`.
    """

    scope: str
    name: str
    body: tuple[tuple[str, str], ...]
    effect: Effect = Effect.DETECT
    place: tuple[str, int, int] = ("", 0, 0)

    def value(self, field_name: str, default: str = "") -> str:
        """The value of the first field of that name."""
        return next((value for name, value in self.body if name == field_name), default)


class Change(NamedTuple):
    """One difference of meaning, named as the published kinds are (`detection-added` …).

    `where` starts with database or namespace and the signature's name:
    `daily.ndb: Win.Trojan.Agent-1`. `weakening` is a class of the family
    (`signature-removed`), empty for a change that lets nothing new through.
    `path` is the file it belongs to; `offset` and `length` are in the shipped file.
    `detail` are its fields as lines, rebuilt (-) before shipped (+).
    """

    kind: str
    where: str
    summary: str
    weakening: str = ""
    path: str = ""
    offset: int | None = None
    length: int | None = None
    detail: str = ""


class Engine(NamedTuple):
    """How the real engine is asked whether it detects something in a file.

    In `arguments`, `{databases}` is the directory of the databases, `{files}` each of
    them as an argument of its own, `{sample}` the file to look at. `detected(status,
    output, name)` reads the answer on the record called `name`: None for no answer.
    """

    program: str
    arguments: tuple[str, ...]
    detected: Callable[[int, str, str], bool | None]


Options = Mapping[str, tuple[str, ...]]
"""What a specification declares of a database (`keys`, `volatile`, `level` …), as texts."""

Files = Sequence[File]


def weaker_by_default(rebuilt: Record | None, shipped: Record | None) -> str:
    """The class of weakening of one change, where a family knows nothing better.

    Args:
        rebuilt: the record that the audited source has; None for an added one.
        shipped: the record that customers get; None for a removed one.
    """
    record = rebuilt or shipped
    assert record is not None
    if record.effect is Effect.DETECT:
        return "" if rebuilt is None else "signature-removed" if shipped is None else "changed"
    if record.effect is Effect.ALLOW:
        return "" if shipped is None else "allowlist-added"
    if record.effect is Effect.IGNORE:
        return "" if shipped is None else "ignore-added"
    return "setting-changed"


WEAKENING: dict[str, str] = {
    "signature-removed": "A signature that the source has is not shipped.",
    "changed": "A signature was changed, and may no longer catch what it caught.",
    "allowlist-added": "Something is declared harmless that the source does not declare so.",
    "ignore-added": "A signature is switched off that the source leaves on.",
    "setting-changed": "A setting of the engine differs from the source.",
}


@dataclass(frozen=True)
class Family:
    """One family of databases.

    Attributes:
        name: lower case; the folder of its rules, and what a specification calls it.
        accepts: whether a file (name, bytes) belongs to it. Cheap; never raises.
        records: strict parse of one file into canonical records.
        effective: what the engine has loaded after all files of one side, where
            that is more than the sum of the files (order, ignore lists, gates).
        weakening: the class of a change, "" for none; see `weaker_by_default`.
        classes: a sentence for each class that `weakening` can give.
        volatile: what is left out of the records, in words, for the report.
        together: which files an engine loads as one: all that are compared ("tree"),
            those of one folder, databases there unpacked ("folder"), or each alone ("file").
        changes: a comparison of its own (rebuilt files first), for families
            whose databases are too large for one object a record.
        engine: the program that loads such databases, for `--witness`.
        sample: the smallest input that a record detects, made of its own pattern
            and nothing else; None where none can be made (a hash of a whole file).
    """

    name: str
    accepts: Callable[[str, Buffer], bool]
    records: Callable[[File, Options], Iterable[Record]]
    effective: Callable[[Files, Options], Iterable[Record]] | None = None
    weakening: Callable[[Record | None, Record | None], str] = weaker_by_default
    classes: Mapping[str, str] = field(default_factory=lambda: WEAKENING)
    volatile: tuple[str, ...] = ()
    together: str = "tree"
    changes: Callable[[Files, Files, Options], Iterable[Change]] | None = None
    engine: Engine | None = None
    sample: Callable[[Record], bytes | None] | None = None

    def effective_records(self, files: Files, options: Options) -> Iterable[Record]:
        """What is loaded of one side: by the family's own loader, or the sum of the files."""
        if self.effective is not None:
            return self.effective(files, options)
        return (record for file in files for record in self.records(file, options))
