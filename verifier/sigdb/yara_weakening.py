"""Which changes of YARA rules let something through, for compiled and for written ones.

Both families give records with the same fields: `flags` (private, global),
`tags`, `meta NAME`, `string NAME`, and everything else that decides a match.
"""

from __future__ import annotations

from verifier.sigdb.base import Effect, Record

CLASSES: dict[str, str] = {
    "signature-removed": "A rule that the source has is not shipped.",
    "string-removed": "A rule lacks a string that it has in the source.",
    "string-changed": "A string of a rule was changed, and may no longer match what it matched.",
    "condition-changed": "The condition of a rule was changed, and may hold for less.",
    "made-private": "A rule became private: it no longer reports what it matches.",
    "global-added": "A global rule was added: where it does not match, its namespace is silent.",
    "changed": "A rule was changed otherwise, and may no longer catch what it caught.",
    "setting-changed": "Modules, variables or includes differ, on which rules depend.",
}
VOLATILE_FIELDS = ("tags", "meta ")  # they change what is said of a match, not whether there is one


def weakening(rebuilt: Record | None, shipped: Record | None) -> str:
    """The class of one change; see `CLASSES`."""
    if any(record and record.effect is not Effect.DETECT for record in (rebuilt, shipped)):
        return "setting-changed"
    if shipped is None:
        return "signature-removed"
    before = set() if rebuilt is None else set(rebuilt.value("flags").split())
    after = set(shipped.value("flags").split())
    if "global" in after - before:
        return "global-added"
    if rebuilt is None:
        return ""
    if "private" in after - before:
        return "made-private"
    return _changed(dict(rebuilt.body), dict(shipped.body))


def _changed(before: dict[str, str], after: dict[str, str]) -> str:
    """The gravest class among the fields that differ."""
    fields = [
        name
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name) and not name.startswith(VOLATILE_FIELDS)
    ]
    strings = [name for name in fields if name.startswith("string ")]
    if any(name not in after for name in strings):
        return "string-removed"
    if any(name in before for name in strings):
        return "string-changed"
    if "condition" in fields:
        return "condition-changed"
    return "changed" if fields else ""
