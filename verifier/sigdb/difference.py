"""Two sets of canonical records: what was added, removed, changed, renamed."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from verifier import limits
from verifier.formats.base import text
from verifier.sigdb.base import Change, Effect, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from verifier.sigdb.base import Family

_SHOWN = 80  # characters of a value in a summary
_BEFORE = 20  # of these, how many are shown before the first that differs
_Key = tuple[str, str, str]


def changes(
    rebuilt: Iterable[Record],
    shipped: Iterable[Record],
    weakening: Callable[[Record | None, Record | None], str],
) -> list[Change]:
    """What the shipped records mean that the rebuilt ones do not, weakenings first.

    Duplicates of a record mean nothing. One name left on each side is a change;
    one body left under two names of a scope is a renaming.
    """
    old, new = _by_name(rebuilt), _by_name(shipped)
    gone: list[Record] = []
    come: list[Record] = []
    found: list[Change] = []
    for key in sorted({*old, *new}):
        lost = _left(old.get(key, []), new.get(key, []))
        added = _left(new.get(key, []), old.get(key, []))
        pairs = min(len(lost), len(added))
        found += [
            changed(*pair, weakening) for pair in zip(lost[:pairs], added[:pairs], strict=True)
        ]
        gone += lost[pairs:]
        come += added[pairs:]
    found += _renamed(gone, come)
    found += [removed(record, weakening) for record in gone]
    found += [added_(record, weakening) for record in come]
    return sorted(found, key=lambda item: (not item.weakening, item.where, item.kind))


def compare(family: Family, rebuilt: Iterable[Record], shipped: Iterable[Record]) -> list[Change]:
    """`changes` with the family's own classes of weakening."""
    return changes(rebuilt, shipped, family.weakening)


def lone(rebuilt: Iterable[Record], shipped: Iterable[Record]) -> Iterator[tuple[Record, bool]]:
    """Records that detect and that one side does not have so; True for the shipped side's."""
    old, new = _by_name(rebuilt), _by_name(shipped)
    for key in sorted({*old, *new}):
        for mine, theirs, is_shipped in ((old, new, False), (new, old, True)):
            for record in _left(mine.get(key, []), theirs.get(key, [])):
                if record.effect is Effect.DETECT:
                    yield record, is_shipped


def changed(
    rebuilt: Record, shipped: Record, weakening: Callable[[Record | None, Record | None], str]
) -> Change:
    """One record that has another body."""
    return Change(
        f"{_stem(shipped)}-changed",
        where(shipped),
        _fields(rebuilt, shipped),
        weakening(rebuilt, shipped),
        *_place(shipped),
        detail=sides(rebuilt, shipped),
    )


def removed(record: Record, weakening: Callable[[Record | None, Record | None], str]) -> Change:
    """One record that only the rebuilt side has."""
    summary = f"The source has it, the shipped database does not: {_shown(record)}"
    path = record.place[0]
    return Change(f"{_stem(record)}-removed", where(record), summary, weakening(record, None), path)


def added_(record: Record, weakening: Callable[[Record | None, Record | None], str]) -> Change:
    """One record that only the shipped side has."""
    summary = f"Only the shipped database has it: {_shown(record)}"
    weak = weakening(None, record)
    return Change(f"{_stem(record)}-added", where(record), summary, weak, *_place(record))


def _by_name(records: Iterable[Record]) -> dict[_Key, list[Record]]:
    found: defaultdict[_Key, list[Record]] = defaultdict(list)
    for record in records:
        found[record.scope, record.name, record.effect].append(record)
    return found


def _left(mine: list[Record], theirs: list[Record]) -> list[Record]:
    """The records of `mine` whose body `theirs` has not, each body once."""
    known = {record.body for record in theirs}
    return list({record.body: record for record in mine if record.body not in known}.values())


def _renamed(gone: list[Record], come: list[Record]) -> list[Change]:
    """Take out of both lists what is one body under two names."""
    waiting: defaultdict[tuple[str, str, object], list[Record]] = defaultdict(list)
    for record in gone:
        waiting[record.scope, record.effect, record.body].append(record)
    counts: Counter[int] = Counter()
    found: list[Change] = []
    for record in come:
        same = waiting.get((record.scope, record.effect, record.body))
        if not same or record.effect is not Effect.DETECT:
            continue
        before = same.pop()
        counts[id(before)] += 1
        counts[id(record)] += 1
        summary = f"The source calls it {text(before.name.encode())}; it detects the same."
        found.append(Change("detection-renamed", where(record), summary, "", *_place(record)))
    gone[:] = [record for record in gone if id(record) not in counts]
    come[:] = [record for record in come if id(record) not in counts]
    return found


def _stem(record: Record) -> str:
    return record.effect.value


def where(record: Record) -> str:
    """Database or namespace, and the record's name, as reports write them."""
    name = text(record.name.encode("utf-8", "surrogateescape"))
    scope = text(record.scope.encode("utf-8", "surrogateescape"))
    return f"{scope}: {name}" if scope else name


def _place(record: Record) -> tuple[str, int, int]:
    return record.place


def _shown(record: Record) -> str:
    return "; ".join(f"{name} {_short(value)}" for name, value in record.body) or "no fields"


def _fields(rebuilt: Record, shipped: Record) -> str:
    """The fields that differ, source first."""
    before, after = _values(rebuilt), _values(shipped)
    parts = []
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            one, other = _apart(before.get(name, "none"), after.get(name, "none"))
            parts.append(f"{name}: source {_short(one)}, shipped {_short(other)}")
    return "; ".join(parts) or "The fields stand in another order."


def sides(rebuilt: Record, shipped: Record) -> str:
    """All fields as lines: alike ones once, others rebuilt (-) before shipped (+)."""
    before, after = _values(rebuilt), _values(shipped)
    lines: list[str] = []
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        if one is not None and one == other:
            lines.append(f"  {_line(name, one)}")
            continue
        lines += [f"- {_line(name, one)}"] if one is not None else []
        lines += [f"+ {_line(name, other)}"] if other is not None else []
    return "\n".join(lines)


def _line(name: str, value: str) -> str:
    return f"{text(name.encode('utf-8', 'surrogateescape'))}: " + text(
        value.encode("utf-8", "surrogateescape"), limits.TEXT
    )


def _apart(one: str, other: str) -> tuple[str, str]:
    """Long values from shortly before the place where they begin to differ."""
    if max(len(one), len(other)) <= _SHOWN:
        return one, other
    places = enumerate(zip(one, other, strict=False))
    same = next((at for at, (a, b) in places if a != b), min(len(one), len(other)))
    start = same - _BEFORE
    return (one, other) if start <= 0 else (f"…{one[start:]}", f"…{other[start:]}")


def _values(record: Record) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in record.body:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _short(value: str) -> str:
    shown = text(value.encode("utf-8", "surrogateescape"))
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}… ({len(value)} characters)"
