"""Switches of the engine (cfg): of two lines for one module the one loaded last holds.

Source: libclamav 1.4 (`dconf.c: cli_dconf_load` overwrites a module's flags), and
clamscan 1.4.6 by measurement.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from verifier.errors import LimitError
from verifier.sigdb.clamav import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.sigdb.base import Record

_SWITCHES = 2_000  # the engine has eleven modules
_Span = tuple[int, int]  # functionality levels, both ends included


def in_force(records: Iterable[Record]) -> list[Record]:
    """The records, in loading order; of switches those parts of their levels that hold."""
    listed = list(records)
    kept = [record for record in listed if record.scope != "cfg"]
    switches = [record for record in listed if record.scope == "cfg"]
    if len(switches) > _SWITCHES:
        raise LimitError(f"More than {_SWITCHES:,} switches of the engine.")
    modules: defaultdict[str, list[Record]] = defaultdict(list)
    for record in reversed(switches):
        modules[record.name].append(record)
    for later_first in modules.values():
        kept += _visible(later_first)
    return kept


def _visible(later_first: list[Record]) -> list[Record]:
    """One record for each stretch of levels in which a module has the same flags."""
    found: list[tuple[_Span, Record]] = []
    free: list[_Span] = [(0, text.ANY_LEVEL)]
    for record in later_first:
        levels = text.bounds(record.value("levels"))
        left: list[_Span] = []
        for span in free:
            low, high = max(span[0], levels[0]), min(span[1], levels[1])
            if low > high:
                left.append(span)
                continue
            found.append(((low, high), record))
            left += [
                part for part in ((span[0], low - 1), (high + 1, span[1])) if part[0] <= part[1]
            ]
        free = left
    return [_spanning(record, span) for span, record in _joined(sorted(found))]


def _joined(found: list[tuple[_Span, Record]]) -> list[tuple[_Span, Record]]:
    """Neighbouring stretches of equal flags as one."""
    joined: list[tuple[_Span, Record]] = []
    for span, record in found:
        before = joined[-1] if joined else None
        same = before and before[1].value("flags") == record.value("flags")
        if before and same and before[0][1] + 1 == span[0]:
            joined[-1] = ((before[0][0], span[1]), record)
        else:
            joined.append((span, record))
    return joined


def _spanning(record: Record, span: _Span) -> Record:
    flags = ("flags", record.value("flags"))
    return record._replace(body=(flags, *text.interval(*span)))
