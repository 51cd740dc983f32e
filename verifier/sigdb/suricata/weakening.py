"""What changed between two sets of rules, and what of it lets something through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.sigdb import difference
from verifier.sigdb.base import Change, Effect, Record
from verifier.sigdb.suricata.rule import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

ON, OFF, SKIPPED = "loaded", "switched off", "indented: Suricata passes over it, Snort loads it"

CLASSES: dict[str, str] = {
    "signature-removed": "A rule that the source has is not shipped.",
    "disabled": "A rule that the source loads is switched off.",
    "action-weakened": "A rule does less to what it matches: alert for drop, pass for alert.",
    "noalert-added": "A rule still matches but no longer reports.",
    "threshold-added": "A rule reports less often, or only after more matches.",
    "changed": "A rule was changed, and may no longer match what it matched.",
    "pass-added": "A pass rule was added or changed: what it matches is not inspected.",
    "bypass-added": "A rule ends the inspection of the flows that it matches.",
    "bits-cleared": "A rule clears marks of flows or hosts on which other rules depend.",
    "suppress-added": "A rule was muted for all or for some hosts.",
    "setting-changed": "A setting of the engine differs from the source.",
}
_LIMITS = frozenset({"threshold", "detection_filter"})
_MARKS = frozenset({"flowbits", "xbits", "hostbits", "flowint"})


def changes(rebuilt: Iterable[Record], shipped: Iterable[Record]) -> list[Change]:
    """The changes of two effective sets; a rule that was switched or turned into pass is one."""
    old, new = _by_name(rebuilt), _by_name(shipped)
    found: list[Change] = []
    rest: tuple[list[Record], list[Record]] = ([], [])
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, []), new.get(name, [])
        if len(before) == len(after) == 1 and name[0] == "rule":
            if before[0].body != after[0].body:
                found.append(_changed(before[0], after[0]))
        else:
            rest[0].extend(before)
            rest[1].extend(after)
    found += difference.changes(*rest, weakening)
    return sorted(found, key=lambda item: (not item.weakening, item.where, item.kind))


def _by_name(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.scope, record.name), []).append(record)
    return found


def _changed(rebuilt: Record, shipped: Record) -> Change:
    change = difference.changed(rebuilt, shipped, weakening)
    was, now = rebuilt.value("state") == ON, shipped.value("state") == ON
    if was == now or Effect.DETECT not in {rebuilt.effect, shipped.effect}:
        return change
    return change._replace(kind="detection-enabled" if now else "detection-disabled")


def weakening(rebuilt: Record | None, shipped: Record | None) -> str:
    """The class of a change of one rule or setting, "" where nothing new passes."""
    record = shipped or rebuilt
    if record is None or record.scope != "rule":
        return _setting(rebuilt, shipped)
    if shipped is None:
        lost = rebuilt is not None and rebuilt.value("state") != OFF
        gone = rebuilt is not None and rebuilt.effect is not Effect.ALLOW
        return "signature-removed" if lost and gone else ""
    if rebuilt is None or rebuilt.value("state") == OFF:
        return "" if shipped.value("state") == OFF else _added(shipped)
    if shipped.value("state") not in {ON, rebuilt.value("state")}:
        return "" if rebuilt.effect is Effect.ALLOW else "disabled"
    return _weakened(rebuilt, shipped)


def _setting(rebuilt: Record | None, shipped: Record | None) -> str:
    if shipped is None:
        # A rate filter may also make rules do more.
        return "setting-changed" if rebuilt and rebuilt.scope == "rate_filter" else ""
    if shipped.scope == "suppress":
        return "suppress-added"
    return "threshold-added" if rebuilt is None else "setting-changed"


def _added(shipped: Record) -> str:
    if shipped.effect is not Effect.DETECT:
        return "pass-added" if shipped.effect is Effect.ALLOW else "setting-changed"
    if _has(shipped, "bypass"):
        return "bypass-added"
    return "bits-cleared" if _clears(shipped) else ""


def _weakened(rebuilt: Record, shipped: Record) -> str:
    """Both are loaded, and differ."""
    if _rank(shipped.value("action")) < _rank(rebuilt.value("action")):
        return "action-weakened"
    if shipped.effect is Effect.ALLOW:
        return "pass-added"
    if rebuilt.effect is Effect.ALLOW:
        return _added(shipped)
    was_limited, limited = _limited(rebuilt), _limited(shipped)
    classes = {
        "noalert-added": _silent(shipped) and not _silent(rebuilt),
        "threshold-added": bool(limited) and limited != was_limited,
        "bypass-added": _has(shipped, "bypass") and not _has(rebuilt, "bypass"),
        "bits-cleared": _clears(shipped) and not _clears(rebuilt),
    }
    return next((name for name, holds in classes.items() if holds), "changed")


def _rank(action: str) -> int:
    return ACTIONS[action.partition(":")[0]]


def _has(record: Record, option: str) -> bool:
    return any(name == option for name, _ in record.body)


def _silent(record: Record) -> bool:
    """Matches without a report: `noalert`, `flowbits:noalert`, or a silent drop."""
    if _has(record, "noalert") or record.value("action") == "sdrop":
        return True
    return any(
        name in _MARKS and "noalert" in [part.strip() for part in value.split(",")]
        for name, value in record.body
    )


def _limited(record: Record) -> list[tuple[str, str]]:
    return [item for item in record.body if item[0] in _LIMITS]


def _clears(record: Record) -> bool:
    return any(
        name in _MARKS and value.split(",")[0].strip() in {"unset", "toggle", "reset"}
        for name, value in record.body
    )
