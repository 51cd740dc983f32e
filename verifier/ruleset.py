"""Rule files: load, validate, digest. One rule is one TOML in `rules/<format>/<name>.toml`."""

from __future__ import annotations

import hashlib
import re
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier.checks import CHECKS
from verifier.errors import UsageError
from verifier.model import Strength

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEYS = {"id", "field", "strength", "check", "reason", "risk", "source"}
_ID = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+\Z")


class Rule(NamedTuple):
    """A declared source of non-determinism: the one field it may touch, and why."""

    id: str
    field: str
    strength: Strength
    check: str
    reason: str
    risk: str
    source: str
    parameters: dict[str, str] = {}  # noqa: RUF012 - never changed

    @property
    def format(self) -> str:
        """The rule folder, which is the first part of the id."""
        return self.id.split(".", 1)[0]


class Ruleset:
    """The rules below a folder, each read when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_field: dict[str, dict[str, tuple[Rule, ...]]] = {}

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """All rules by their id; UsageError names a faulty file."""
        found = [read(path) for path in sorted(self._root.glob("*/*.toml"))]
        if not found:
            raise UsageError(f"No rules were found in {self._root}; reinstall the verifier.")
        return {rule.id: rule for rule in found}  # an id is its file's path: no two are equal

    def for_field(self, format_names: tuple[str, ...], name: str) -> tuple[Rule, ...]:
        """The rules of a field, strongest first; UsageError names a faulty file."""
        found = [rules for each in format_names if (rules := self._of(each).get(name)) is not None]
        if len(found) < 2:
            return found[0] if found else ()
        return _strongest_first(rule for rules in found for rule in rules)

    def _of(self, format_name: str) -> dict[str, tuple[Rule, ...]]:
        """The rules of one folder by field."""
        if format_name not in self._by_field:
            by_field: dict[str, tuple[Rule, ...]] = {}
            for path in sorted((self._root / format_name).glob("*.toml")):
                rule = read(path)
                by_field[rule.field] = _strongest_first((*by_field.get(rule.field, ()), rule))
            self._by_field[format_name] = by_field
        return self._by_field[format_name]


def folder() -> Path:
    """Where the rules lie: inside an installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "_rules"
    return installed if installed.is_dir() else here.parent / "rules"


@cache
def load(root: Path | None = None) -> Ruleset:
    """The rules below `root`; UsageError if there is no such folder."""
    base = root or folder()
    if not base.is_dir():
        raise UsageError(f"No rules were found in {base}; reinstall the verifier.")
    return Ruleset(base)


def _strongest_first(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(sorted(rules, key=lambda rule: rule.strength.rank))


@cache
def digest(root: Path | None = None) -> str:
    """SHA-256 over names and contents of all rule files, in order. Reads, does not parse."""
    base = root or folder()
    total = hashlib.sha256()
    for path in sorted(base.glob("*/*.toml")):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        total.update(f"{path.relative_to(base).as_posix()}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def read(path: Path) -> Rule:
    """One rule file; UsageError with file and fault."""
    import tomllib  # noqa: PLC0415 - start-up time; equal files need no rule

    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from error
    parameters = data.pop("parameters", {})
    if set(data) != _KEYS:
        odd = ", ".join(sorted(set(data) ^ _KEYS))
        raise UsageError(f"{path} lacks or has unknown keys: {odd}.")
    if not all(isinstance(value, str) and value.strip() for value in data.values()):
        raise UsageError(f"{path} has an empty or non-text value.")
    if not _ID.match(data["id"]) or data["id"] != f"{path.parent.name}.{path.stem}":
        raise UsageError(
            f"{path} has the id {data['id']}, expected {path.parent.name}.{path.stem}."
        )
    if data["check"] not in CHECKS:
        raise UsageError(f"{path} names the check {data['check']}, which does not exist.")
    if data["strength"] not in set(Strength) - {Strength.WAIVED}:
        raise UsageError(f"{path} has the strength {data['strength']}, which does not exist.")
    if any(mark in data["field"] for mark in "*?\\^$"):
        raise UsageError(f"{path} names its field by a pattern; a rule touches one parsed field.")
    data["strength"] = Strength(data["strength"])
    return Rule(**data, parameters={key: str(value) for key, value in parameters.items()})
