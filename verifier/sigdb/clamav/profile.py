"""Engine profiles: what a specification says of the engines that load the databases.

Options: `level` (functionality levels; absent for all), `pua`, `phishing` and
`bytecode` (`on` or `off`; absent where both matter).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import UsageError
from verifier.sigdb.clamav import text

if TYPE_CHECKING:
    from verifier.sigdb.base import Options, Record

PUA = {"hdu": "hdb", "mdu": "mdb", "ndu": "ndb", "ldu": "ldb"}
PHISHING = frozenset({"pdb", "wdb"})
PHISHING_NAMES = ("HTML.Phishing", "Email.Phishing")
_BODY_SCOPES = frozenset({"ndb", "ndu", "sdb"})
_KNOWN = frozenset({"level", "pua", "phishing", "bytecode"})


class Profile(NamedTuple):
    """The engines that are meant; empty texts and no levels stand for all."""

    levels: tuple[int, ...] = ()
    pua: str = ""
    phishing: str = ""
    bytecode: str = ""

    def scope(self, scope: str) -> str:
        """The set that a format's records belong to; "" for one that is not loaded."""
        if scope in PUA and self.pua:
            return PUA[scope] if self.pua == "on" else ""
        if scope in PHISHING and self.phishing == "off":
            return ""
        if scope == "cbc" and self.bytecode == "off":
            return ""
        return scope

    def gate(self, record: Record) -> Record | None:
        """The record as these engines load it; None if none does."""
        scope = self.scope(record.scope)
        if not scope:
            return None
        named = record.scope in _BODY_SCOPES and record.name.startswith(PHISHING_NAMES)
        if named and self.phishing == "off":
            return None
        if scope != record.scope:
            record = record._replace(scope=scope)
        return self._levelled(record) if self.levels else record

    def _levelled(self, record: Record) -> Record | None:
        if record.value("unsupported"):
            return None
        body: list[tuple[str, str]] = []
        for name, value in record.body:
            if name not in {"levels", "engine"}:
                body.append((name, value))
                continue
            low, high = text.bounds(value)
            loaded = [level for level in self.levels if low <= level <= high]
            if not loaded:
                return None
            if len(loaded) < len(self.levels):
                body.append((name, f"{min(loaded)}-{max(loaded)}"))
        return record._replace(body=tuple(body))


def of(options: Options) -> Profile:
    """The profile that options declare; UsageError for what they cannot mean."""
    unknown = set(options) - _KNOWN
    if unknown:
        raise UsageError(
            f"ClamAV databases have no option {min(unknown)!r}; "
            f"known are {', '.join(sorted(_KNOWN))}."
        )
    levels = options.get("level", ())
    if not all(level.isdecimal() and len(level) < 6 for level in levels):
        raise UsageError("The option level of ClamAV databases takes functionality levels.")
    chosen = {name: _switch(options, name) for name in ("pua", "phishing", "bytecode")}
    return Profile(tuple(sorted({int(level) for level in levels})), **chosen)


def _switch(options: Options, name: str) -> str:
    values = options.get(name, ())
    if len(values) > 1 or any(value not in {"on", "off"} for value in values):
        raise UsageError(f"The option {name} of ClamAV databases is 'on' or 'off'.")
    return values[0] if values else ""
