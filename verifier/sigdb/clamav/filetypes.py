"""Order among file types: where two magics fit one file, the one loaded last wins.

Source: libclamav 1.4 (`readdb.c: cli_loadftm` puts each before the others;
`filetypes.c: cli_compare_ftm_file` takes the first that fits).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from verifier.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from verifier.sigdb.base import Record

_AT_ONCE = frozenset({"0", "4"})  # kinds of magic that are compared at a place
_Key = tuple[str, str, str]
_TYPES = 4_000  # the engine brings some 200
_BEATEN = 100_000


def ordered(records: Iterable[Record]) -> list[Record]:
    """The records; a file type also says which others it yields to, or wins over.

    Two magics of one place, one the start of the other, are told apart by
    their order alone; it becomes a part of what the shorter or earlier means.
    """
    listed = list(records)
    places: defaultdict[_Key, dict[str, int]] = defaultdict(dict)  # types and where they come first
    magics = [
        index
        for index, record in enumerate(listed)
        if record.scope == "ftm" and record.value("magic") in _AT_ONCE
    ]
    if len(magics) > _TYPES:
        raise LimitError(f"More than {_TYPES:,} file types.")
    for index in magics:
        key = _key(listed[index], listed[index].value("hex"))
        places[key].setdefault(listed[index].value("type"), index)
    count = 0
    for index in magics:
        before = _beaten(listed[index], places, index)
        count += len(before)
        if count > _BEATEN:
            raise LimitError(f"File types that fit one file in more than {_BEATEN:,} pairs.")
        if before:
            body = (*listed[index].body, ("before", " ".join(sorted(before))))
            listed[index] = listed[index]._replace(body=body)
    return listed


def _key(record: Record, digits: str) -> _Key:
    return record.value("magic"), record.value("offset"), digits


def _beaten(record: Record, places: Mapping[_Key, dict[str, int]], index: int) -> set[str]:
    """Types of earlier records whose magic is a start of this one's, or the same."""
    digits, mine = record.value("hex"), record.value("type")
    found: set[str] = set()
    for length in range(2, min(len(digits), 512) + 1, 2):
        for kind, first in places.get(_key(record, digits[:length]), {}).items():
            if first < index and kind != mine:
                found.add(f"{digits[:length]}={kind}")
    return found
