"""Two sets of loaded records: what was removed, added, changed or merely renamed.

Unlike the comparison of other families, a record counts as caught where any
record of the other side catches the same, under whatever name.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from verifier.formats.base import text as shown
from verifier.sigdb import difference
from verifier.sigdb.base import Change, Effect
from verifier.sigdb.clamav import profile
from verifier.sigdb.clamav.weaken import narrowing, weakening

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from verifier.sigdb.base import Record
    from verifier.sigdb.clamav.text import Body

_SHOWN = 80
_TRIED = 64  # records of one key that are tried as what covers another
_BY_NAME = frozenset({"ign", "cfg", "cat", "yar", "ioc"})


_CAUSES = {
    "signature-ignored": "It is shipped, and an ignore entry switches it off",
    "dropped-by-packer": "The packer leaves out its file without a word",
}
Identity = tuple[str, str, "Body", Effect]


class Causes(NamedTuple):
    """Why records are not loaded that stand in the files, by their identity.

    `gone` are records of the shipped side with the class that their loss has,
    `silenced` those of the rebuilt side that an ignore entry switches off.
    """

    gone: Mapping[Identity, str] = {}
    silenced: frozenset[Identity] = frozenset()


def key(record: Record) -> tuple[str, ...]:
    """What a record detects, roughly: records that catch the same have one key."""
    for name, value in record.body:
        if name in {"hash", "hex"} and record.effect is not Effect.SETTING:
            return (_set(record), value)
    if record.value("logic"):
        subs = tuple(value for name, value in record.body if name.startswith("sub"))
        return (_set(record), record.value("logic"), *subs)
    named = (record.name,) if record.scope in _BY_NAME else ()
    return (_set(record), *named, *(value for name, value in record.body if name != "levels"))


def _set(record: Record) -> str:
    """The set of records, that of unwanted applications beside its twin."""
    return profile.PUA.get(record.scope, record.scope)


def unequal(
    rebuilt: Sequence[Record], shipped: Sequence[Record]
) -> tuple[list[Record], list[Record]]:
    """What either side alone has; duplicates mean nothing."""
    old = {identity(record): record for record in rebuilt}
    new = {identity(record): record for record in shipped}
    lost = [record for known, record in old.items() if known not in new]
    return lost, [record for known, record in new.items() if known not in old]


def identity(record: Record) -> Identity:
    """What makes two records one."""
    return record.scope, record.name, record.body, record.effect


def changes(
    rebuilt: Sequence[Record], shipped: Sequence[Record], causes: Causes
) -> Iterator[Change]:
    """All changes between two sets of records. Both hold whatever shares a key with a change."""
    lost, come = unequal(rebuilt, shipped)
    waiting, now, before = _Pool(come), _Pool(shipped), _Pool(rebuilt)
    lost.sort(key=lambda record: (record.scope, record.name, record.body))
    found = {number: waiting.take(key(record), record) for number, record in enumerate(lost)}
    rest: list[Record] = []
    for number, record in enumerate(lost):
        other = found[number] or waiting.take(_title(record), record)
        if other is None:
            rest.append(record)
            continue
        cover = now.covering(record) if weakening(record, other) else other
        if cover is other or cover is None or record.effect is not Effect.DETECT:
            yield _paired(record, other)
            continue
        yield _told(record, cover, "", "renamed")
        yield _added(other, before, causes)
    for record in rest:
        yield _lost(record, now, causes)
    for record in waiting.left():
        yield _added(record, before, causes)


def _paired(rebuilt: Record, shipped: Record) -> Change:
    same = rebuilt.body == shipped.body and rebuilt.scope == shipped.scope
    what = "renamed" if same and rebuilt.effect is Effect.DETECT else "changed"
    return _told(rebuilt, shipped, weakening(rebuilt, shipped), what)


def _lost(record: Record, now: _Pool, causes: Causes) -> Change:
    weak = weakening(record, None)
    cause = causes.gone.get(identity(record), "")
    if record.effect is Effect.DETECT:
        cover = now.covering(record)
        if cover is not None:
            return _told(record, cover, "", "renamed")
    found = _told(record, None, cause or weak if weak else "", "removed")
    if cause == "record-dropped":
        summary = f"The loader drops it, since its line has no newline: {_fields(record)}"
        return found._replace(kind="database-record-dropped", summary=summary)
    if cause:
        return found._replace(summary=f"{_CAUSES[cause]}: {_fields(record)}")
    return found


def _added(record: Record, before: _Pool, causes: Causes) -> Change:
    weak = weakening(None, record)
    if record.effect is Effect.ALLOW and before.covering(record):
        weak = ""
    found = _told(None, record, weak, "added")
    if identity(record) in causes.silenced:
        summary = f"An ignore entry of the source switches it off: {_fields(record)}"
        return found._replace(summary=summary)
    return found


def _title(record: Record) -> tuple[str, ...]:
    return ("", _set(record), record.name, record.effect)


class _Pool:
    """Records by key and by name, each to be taken once."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._found: defaultdict[tuple[str, ...], list[Record]] = defaultdict(list)
        self._gone: set[int] = set()
        self._all = list(records)
        for record in self._all:
            self._found[key(record)].append(record)
            self._found[_title(record)].append(record)

    def take(self, wanted: tuple[str, ...], like: Record) -> Record | None:
        """One record of a key that was not taken yet, of the same effect and rather of one name."""
        found = self._found.get(wanted, [])
        while found and id(found[-1]) in self._gone:
            found.pop()
        tried = [
            item
            for item in found[-_TRIED:]
            if id(item) not in self._gone and item.effect is like.effect
        ]
        if not tried:
            return None
        best = min(tried, key=lambda item: (item.name != like.name, bool(narrowing(like, item))))
        self._gone.add(id(best))
        return best

    def left(self) -> list[Record]:
        """What nobody took."""
        return [record for record in self._all if id(record) not in self._gone]

    def covering(self, record: Record) -> Record | None:
        """A record that acts on all that `record` acts on, rather one of the same name."""
        tried = [
            item
            for item in self._found.get(key(record), [])[:_TRIED]
            if item.effect is record.effect and not narrowing(record, item)
        ]
        return min(tried, key=lambda item: item.name != record.name, default=None)


def _told(rebuilt: Record | None, shipped: Record | None, weak: str, what: str) -> Change:
    record = shipped or rebuilt
    assert record is not None
    path, offset, length = record.place
    if what == "renamed" and record.effect is not Effect.DETECT:
        what = "changed"
    summary = _summary(rebuilt, shipped, what)
    kind = f"{record.effect.value}-{what}"
    if shipped is None:
        return Change(kind, where(record), summary, weak, path)
    detail = "" if rebuilt is None else difference.sides(rebuilt, shipped)
    return Change(kind, where(record), summary, weak, path, offset, length, detail)


def where(record: Record) -> str:
    """`daily.ndb: Win.Trojan.Agent-1`."""
    file = record.place[0].rsplit("/", 1)[-1] or record.scope
    return f"{_text(file)}: {_text(record.name)}"


def _summary(rebuilt: Record | None, shipped: Record | None, what: str) -> str:
    if shipped is None:
        assert rebuilt is not None
        return f"The source has it, the shipped database does not: {_fields(rebuilt)}"
    if rebuilt is None:
        return f"Only the shipped database has it: {_fields(shipped)}"
    if what == "renamed":
        called = f"The source calls it {_text(rebuilt.name)}"
        return f"{called}; what it detects is detected still."
    old, new = dict(rebuilt.body), dict(shipped.body)
    parts = [
        f"{name}: source {_short(old.get(name, 'none'))}, shipped {_short(new.get(name, 'none'))}"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
    if rebuilt.scope != shipped.scope:
        parts.append(f"list: source {rebuilt.scope}, shipped {shipped.scope}")
    if rebuilt.name != shipped.name:
        parts.append(f"name: source {_short(rebuilt.name)}, shipped {_short(shipped.name)}")
    return "; ".join(parts) or "It stands in another order."


def _fields(record: Record) -> str:
    return "; ".join(f"{name} {_short(value)}" for name, value in record.body) or "no fields"


def _short(value: str) -> str:
    told = _text(value)
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}… ({len(value)} characters)"


def _text(value: str) -> str:
    return shown(value.encode("utf-8", "surrogateescape"))
