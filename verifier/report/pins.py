"""What the source was pinned by, and whether each pin held: one row a pin, for every form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Report

HELD: Final = "held"
FAILED: Final = "does NOT hold"
_RECORD: Final = "audit-record"
_DIFFERS: Final = "source-differs-from-record"
_FAULTS: Final = frozenset({_DIFFERS, "source-unavailable"})


class Row(NamedTuple):
    """One pin; `detail` says in words how it was checked, or why it does not hold."""

    kind: str
    value: str
    state: str
    detail: str

    @property
    def held(self) -> bool:
        """Whether the source is what this pin says."""
        return self.state == HELD


def rows(report: Report) -> tuple[Row, ...]:
    """Every pin of the report; what stood in the way of the source comes last."""
    return tuple(_rows(report))


def _rows(report: Report) -> Iterator[Row]:
    faults = [each for each in report.problems if each.kind in _FAULTS]
    differs = any(each.kind == _DIFFERS for each in faults)
    pins = (report.source or {}).get("pins")
    for pin in pins if isinstance(pins, list) else ():
        if isinstance(pin, dict):
            kind, value, detail = (str(pin.get(key, "")) for key in ("kind", "value", "detail"))
            # A tree is held against its record last of all, when the record's own digest is known.
            state = FAILED if differs and kind == _RECORD else HELD
            yield Row(kind, value, state, detail)
    if not report.source:  # it was refused before there was anything to list
        for fault in faults[:1]:
            yield Row("source", "", FAILED, fault.summary)
