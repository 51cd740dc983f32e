"""The engine's self-protection: a side effect of any special signature (sdb) that is loaded.

With one, files whose type is known are no longer scanned raw, before they are taken
apart: what other signatures find there is missed. Source: libclamav 1.4 (`readdb.c:
cli_loadndb` sets `engine->sdb`, `scanners.c` asks it), and clamscan 1.4.6 by measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.sigdb.base import Change
from verifier.sigdb.clamav import load, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.sigdb.base import Record
    from verifier.sigdb.clamav.load import Side
    from verifier.sigdb.clamav.profile import Profile

_SCOPE = "sdb"


def changes(old: Side, new: Side, profile: Profile) -> Iterator[Change]:
    """One change where engines of some level have it on one side alone."""
    before, after = (_protected(side, profile) for side in (old, new))
    spans = _levels(before), _levels(after)
    if spans[0] == spans[1]:
        return
    path = (after or before)[0].place[0]
    what = "begins" if not before else "ends" if not after else "has other engines"
    yield Change(
        "setting-changed",
        f"{_SCOPE}: self-protection",
        f"The engine's self-protection {what}, which any signature in an sdb file sets off: "
        "files of known types are scanned raw no longer, or again.",
        "configuration-changed",
        path,
    )


def _protected(side: Side, profile: Profile) -> list[Record]:
    return load.effective(side, profile, frozenset({_SCOPE})).records


def _levels(records: Sequence[Record]) -> list[tuple[int, int]]:
    """The functionality levels of the engines that load any of them, as disjoint ranges."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(text.bounds(record.value("levels")) for record in records):
        if low > high:
            continue
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined
