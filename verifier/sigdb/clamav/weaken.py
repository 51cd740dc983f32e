"""What a change lets through: the classes, and the judgement of one pair of records.

The judgement errs to one side: what is not proven to catch as much as before
is a weakening.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.sigdb.base import Effect
from verifier.sigdb.clamav import logic, profile, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.sigdb.base import Record

CLASSES: Mapping[str, str] = {
    "signature-removed": "A signature that the source has is not shipped.",
    "signature-ignored": "A signature is shipped, and an ignore entry switches it off.",
    "signature-narrowed": "A signature catches less: a fixed size, offset or target, one more "
    "attribute or subsignature, a stricter logic, a longer body.",
    "signature-changed": "A signature was changed, and is not shown to catch what it caught.",
    "levels-narrowed": "Fewer engines load a signature: a higher minimum or a lower maximum level.",
    "moved-to-pua": "A signature moved to the lists of unwanted applications, off by default, or "
    "got a name (PUA., Heuristics., HTML.Phishing …) that engines treat so.",
    "allowlist-added": "Files are declared harmless (fp, sfp) that the source does not declare so.",
    "phishing-allowed": "Links are let through (wdb, or a W entry) that the source does not list.",
    "certificate-trusted": "A certificate or a catalog (crb, cat) is trusted that the source "
    "does not trust.",
    "certificate-unblocked": "A certificate that the source blocks is blocked no longer.",
    "ignore-added": "An ignore entry (ign, ign2) can switch signatures off that the source leaves.",
    "configuration-changed": "Switches of the engine (cfg) differ from the source.",
    "filetype-removed": "A file type (ftm) is no longer recognised, and not scanned as such.",
    "filetype-changed": "Files may be taken for another type (ftm), and not scanned as before.",
    "password-removed": "A password (pwdb) that opens encrypted archives is gone or another.",
    "dropped-by-packer": "The source has a file of a kind that sigtool leaves out of a container "
    "without a word (yar, pwdb, ioc, cat).",
    "record-dropped": "The last line of a member has no newline, so the loader drops it.",
}
_WITHOUT_NORMALISING = frozenset({"1", "5", "6", "9", "10", "11", "12"})
_RANGES = frozenset(
    {"FileSize", "EntryPoint", "NumberOfSections"}
    | {"container-size", "stored-size", "real-size", "position"}
)
_STARS = _RANGES | frozenset(
    {"size", "offset", "container", "file-name", "encrypted", "res1", "res2"}
    | {"crc32", "method", "depth", "serial"}
)
_USES = frozenset({"code-signing", "time-signing", "certificate-signing"})
_SUB = re.compile(r"sub[0-9]+")
_UNWANTED = ("PUA.", "Heuristics.", "BC.Heuristics.", *profile.PHISHING_NAMES)
_ADDED = {"fp": "allowlist-added", "crb": "certificate-trusted", "cat": "certificate-trusted"}
_REMOVED = {"crb": "certificate-unblocked", "ftm": "filetype-removed", "pwdb": "password-removed"}
_RENAMED = {**_REMOVED, "ftm": "filetype-changed"}
_MAY_VANISH = frozenset(
    {"Container", "FileSize", "EntryPoint", "NumberOfSections"}
    | {"IconGroup1", "IconGroup2", "Intermediates", "unsupported"}
)


def weakening(rebuilt: Record | None, shipped: Record | None) -> str:
    """The class of one change, "" for one that lets nothing new through."""
    record = rebuilt or shipped
    assert record is not None
    if rebuilt is not None and shipped is not None:
        return _changed(rebuilt, shipped)
    if record.scope == "cfg":
        return "configuration-changed"
    if record.effect in {Effect.ALLOW, Effect.IGNORE}:
        return "" if shipped is None else _allowing(record)
    if shipped is not None:
        return "filetype-changed" if record.scope == "ftm" else ""
    return _REMOVED.get(record.scope, "signature-removed")


def _allowing(record: Record) -> str:
    if record.effect is Effect.IGNORE:
        return "ignore-added"
    return _ADDED.get(record.scope, "phishing-allowed")


def _changed(rebuilt: Record, shipped: Record) -> str:
    if rebuilt.scope == "cfg":
        return "configuration-changed"
    if rebuilt.effect in {Effect.ALLOW, Effect.IGNORE}:
        return _allowing(rebuilt) if narrowing(shipped, rebuilt) else ""
    found = narrowing(rebuilt, shipped)
    return _RENAMED.get(rebuilt.scope, found) if found else ""


def narrowing(before: Record, after: Record) -> str:
    """Why `after` may miss what `before` caught; "" where it catches all of that."""
    if profile.PUA.get(after.scope) == before.scope and before.scope:
        return "moved-to-pua"
    if _unwanted(after) and not _unwanted(before):
        return "moved-to-pua"
    found = _bodies(before, after)
    if found:
        return found
    old, new = text.bounds(before.value("levels")), text.bounds(after.value("levels"))
    engines = text.bounds(before.value("engine")), text.bounds(after.value("engine"))
    if _covers(new, old) and _covers(engines[1], engines[0]):
        return ""
    return "levels-narrowed"


def _unwanted(record: Record) -> bool:
    """Whether its name makes the engine report it as doubtful only, or leave it out on demand.

    Source: libclamav 1.4 (`others.c: cli_append_virus`, `readdb.c: cli_loadndb`).
    """
    return record.effect is Effect.DETECT and record.name.startswith(_UNWANTED)


def _covers(wide: tuple[int, int], narrow: tuple[int, int]) -> bool:
    return wide[0] <= narrow[0] and wide[1] >= narrow[1]


def _bodies(before: Record, after: Record) -> str:
    """The first field that narrows, "signature-changed" before "signature-narrowed"."""
    old, new = dict(before.body), dict(after.body)
    verdicts = {_logical(old, new)} if "logic" in old else set()
    for name in {**old, **new}:
        if name in {"levels", "engine", "logic"} or _SUB.fullmatch(name):
            continue
        if old.get(name) != new.get(name):
            verdicts.add(_field(name, old, new))
    return next(
        (item for item in ("signature-changed", "signature-narrowed") if item in verdicts), ""
    )


def _field(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    before, after = old.get(name, ""), new.get(name, "")
    if name == "hex":
        return _hex(before, after, old, new)
    if name in {"target", "Target"}:
        wider, narrower = after == "0" and before in _WITHOUT_NORMALISING, before == "0"
    elif name in _STARS and "*" in {before, after}:
        wider, narrower = after == "*", before == "*"
    elif name in _USES:
        wider, narrower = after == "1", before == "1"
    elif name == "md5" or (name in _MAY_VANISH and "" in {before, after}):
        wider, narrower = not after, not before
    elif name in _RANGES:
        wider, narrower = _within(before, after), _within(after, before)
    else:
        wider = narrower = False
    return "" if wider else "signature-narrowed" if narrower else "signature-changed"


def _within(narrow: str, wide: str) -> bool:
    """Whether one range, or number, lies within another."""
    low, high = _ends(wide)
    return low <= _ends(narrow)[0] and _ends(narrow)[1] <= high


def _ends(value: str) -> tuple[int, int]:
    low, _, high = value.partition("-")
    return int(low), int(high or low)


def _hex(before: str, after: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """A body that is a piece of the other one is found wherever that is."""
    floating = old.get("offset") == new.get("offset") == "*" or old.get("offset") is None
    if floating and _piece(after, before):
        return ""
    return "signature-narrowed" if floating and _piece(before, after) else "signature-changed"


def _piece(short: str, long: str) -> bool:
    """Whether `short` stands in `long` at a byte's start; only for bodies without wildcards."""
    if not (short.isalnum() and long.isalnum()):
        return False
    at = long.find(short)
    while at >= 0 and at % 2:
        at = long.find(short, at + 1)
    return at >= 0


def _logical(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    mine, theirs = _subs(old), _subs(new)
    if (old["logic"], mine) == (new.get("logic"), theirs):
        return ""
    if "logic" not in new or "unsupported" in {*old, *new} or _refers((*mine, *theirs)):
        return "signature-changed"
    one, other = logic.parse(old["logic"]), logic.parse(new["logic"])
    if logic.implies(one, other, mine, theirs):
        return ""
    narrower = logic.implies(other, one, theirs, mine)
    return "signature-narrowed" if narrower else "signature-changed"


def _subs(body: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(value for name, value in body.items() if _SUB.fullmatch(name))


def _refers(subs: tuple[str, ...]) -> bool:
    """Whether a subsignature speaks of others by number, which may mean others now."""
    return any("$" in sub or "/" in sub or sub.count("#") > 1 for sub in subs)
