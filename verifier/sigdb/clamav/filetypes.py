"""Order among file types: where two magics fit one file, the one loaded last wins.

Source: libclamav 1.4 (`readdb.c: cli_loadftm` puts each before the others;
`filetypes.c: cli_compare_ftm_file` takes the first that fits).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from verifier.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.sigdb.base import Record

_AT_ONCE = frozenset({"0", "4"})  # kinds of magic that are compared at a place
_Key = tuple[str, str, str]
_TYPES = 4_000  # the engine brings some 200


def ordered(records: Iterable[Record]) -> list[Record]:
    """The records; a file type also says which others it yields to, or wins over.

    Two magics of one place, one the start of the other, are told apart by
    their order alone; it becomes a part of what the shorter or earlier means.
    """
    listed = list(records)
    places: defaultdict[_Key, list[int]] = defaultdict(list)
    for index, record in enumerate(listed):
        if record.scope == "ftm" and record.value("magic") in _AT_ONCE:
            places[_key(record, record.value("hex"))].append(index)
    if sum(map(len, places.values())) > _TYPES:
        raise LimitError(f"More than {_TYPES:,} file types.")
    for key, indexes in places.items():
        for index in indexes:
            before = _beaten(listed, places, key, index)
            if before:
                body = (*listed[index].body, ("before", " ".join(sorted(before))))
                listed[index] = listed[index]._replace(body=body)
    return listed


def _key(record: Record, digits: str) -> _Key:
    return record.value("magic"), record.value("offset"), digits


def _beaten(listed: list[Record], places: dict[_Key, list[int]], key: _Key, index: int) -> set[str]:
    """Types of earlier records whose magic is a start of this one's, or the same."""
    mine = listed[index].value("type")
    found: set[str] = set()
    for length in range(2, min(len(key[2]), 512) + 1, 2):
        for other in places.get((key[0], key[1], key[2][:length]), ()):
            kind = listed[other].value("type")
            if other < index and kind != mine:
                found.add(f"{key[2][:length]}={kind}")
    return found
