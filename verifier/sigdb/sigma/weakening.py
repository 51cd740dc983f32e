"""Which changes of Sigma rules let something through that was caught before."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from verifier.sigdb.base import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import Record

CLASSES: dict[str, str] = {
    "signature-removed": "A rule that the source has is not shipped.",
    "filter-added": "A rule takes away matches that it reports in the source.",
    "filter-changed": "What a rule takes away from its matches was changed.",
    "level-lowered": "A rule reports its matches as less severe.",
    "deprecated": "A rule is marked as deprecated or unsupported, which most users leave out.",
    "changed": "A rule was changed, and may no longer match what it matched.",
    "allowlist-added": "A filter document was added or changed: it takes matches from rules.",
}
_LEVELS = ("informational", "low", "medium", "high", "critical")
_GIVEN_UP = frozenset({"deprecated", "unsupported"})
_TOKEN = re.compile(r"[()]|[^\s()\"\[\],]+")
_WORDS = frozenset({"and", "or", "not", "of", "all", "any", "1", "|"})
_MARKS = frozenset({"level", "status"})
_SEARCH = "detection."


def weakening(rebuilt: Record | None, shipped: Record | None) -> str:
    """The class of a change of one document, "" where nothing new passes."""
    if shipped is None:
        lost = rebuilt is not None and rebuilt.effect is Effect.DETECT
        return "signature-removed" if lost else ""
    if shipped.effect is Effect.ALLOW:
        return "allowlist-added"
    return "" if rebuilt is None else _changed(rebuilt, shipped)


def _changed(rebuilt: Record, shipped: Record) -> str:
    before, after = _filters(rebuilt), _filters(shipped)
    if set(after) - set(before) or _negations(shipped) > _negations(rebuilt):
        return "filter-added"
    if before != after:
        return "filter-changed"
    if _mark(shipped, "status") in _GIVEN_UP and _mark(rebuilt, "status") not in _GIVEN_UP:
        return "deprecated"
    one, other = _mark(rebuilt, "level"), _mark(shipped, "level")
    known = one in _LEVELS and other in _LEVELS
    if known and _LEVELS.index(other) < _LEVELS.index(one):
        return "level-lowered"
    if one != other and not known:
        return "changed"
    return "" if _without_marks(rebuilt) == _without_marks(shipped) else "changed"


def _mark(record: Record, name: str) -> str:
    return record.value(name).strip('"')


def _without_marks(record: Record) -> list[tuple[str, str]]:
    return [item for item in record.body if item[0] not in _MARKS]


def _tokens(record: Record) -> list[str]:
    return _TOKEN.findall(record.value(f"{_SEARCH}condition").replace("\\n", " "))


def _negations(record: Record) -> int:
    return sum(token.lower() == "not" for token in _tokens(record))


def _filters(record: Record) -> dict[str, list[tuple[str, str]]]:
    """The searches that a condition negates, with their fields."""
    patterns = set(_negated(_tokens(record)))
    found: dict[str, list[tuple[str, str]]] = {}
    for field, value in record.body:
        name = field.removeprefix(_SEARCH).partition(".")[0]
        if name in {field, "condition"}:
            continue
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            found.setdefault(name, []).append((field, value))
    return found


def _negated(tokens: list[str]) -> Iterator[str]:
    """Names and patterns behind a `not`; those in brackets behind it too; `them` is `*`."""
    depth, outermost, waiting = 0, 0, False
    for token in tokens:
        word = token.lower()
        if word == "not":
            waiting = True
        elif word == "(":
            depth += 1
            outermost = outermost or (depth if waiting else 0)
            waiting = False
        elif word == ")":
            outermost = 0 if outermost == depth else outermost
            depth -= 1
        elif word not in _WORDS:
            if waiting or outermost:
                yield "*" if word == "them" else token
            waiting = False
