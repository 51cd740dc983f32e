"""The changes between two reports, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from verifier.report.plain import line, plain
from verifier.wire import to_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.report.changes import Changes

_SHOWN = 50  # of one effect, without --verbose
_TITLES = {"worse": "Worse:", "better": "Better:", "same": "Otherwise changed:"}


def text(found: Changes, *, verbose: bool = False) -> str:
    """For people: what got worse first."""
    return "".join(f"{line(each)}\n" for each in _lines(found, verbose))


def document(found: Changes) -> str:
    """For machines (`schemas/changes-v1.json`)."""
    return json.dumps(to_data(found), indent=1).replace("##", "#\\u0023") + "\n"


def _lines(found: Changes, verbose: bool) -> Iterator[str]:
    counts = Counter(each.effect for each in found.changes)
    if found.incomparable:
        yield f"Not comparable: {found.incomparable}"
    elif not found.changes:
        yield f"Nothing changed: {found.new}."
    else:
        said = f"{counts['worse']} worse, {counts['better']} better, {counts['same']} other changes"
        verdicts = f"{found.old} → {found.new}" if found.old is not found.new else f"{found.new}"
        yield f"{said}: {verdicts}."
    for effect, title in _TITLES.items():
        listed = [each for each in found.changes if each.effect == effect]
        if listed:
            yield ""
            yield title
        for each in listed[: len(listed) if verbose else _SHOWN]:
            where = f" {plain(each.where)}" if each.where else ""
            values = [plain(value, 200) or "nothing" for value in (each.old, each.new)]
            yield f"    {each.what}{where}: {' → '.join(values)}"
        if len(listed) > _SHOWN and not verbose:
            yield f"    … and {len(listed) - _SHOWN} more (--verbose lists all)."
