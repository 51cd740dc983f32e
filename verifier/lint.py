"""What a rule file must be beyond loading: each check a small named function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import checks, formats, ruleset
from verifier.errors import UsageError
from verifier.model import Strength

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.ruleset import Rule


def lint(root: Path | None = None) -> list[str]:
    """All faults of the rules below `root`, one sentence each; empty if there are none."""
    faults: list[str] = []
    rules: list[Rule] = []
    for path in sorted((root or ruleset.folder()).glob("*/*.toml")):
        try:
            rules.append(ruleset.read(path))
        except UsageError as error:
            faults.append(str(error))
    if not rules and not faults:
        faults.append(f"No rules were found in {root or ruleset.folder()}.")
    for rule in rules:
        faults.extend(f"{rule.id}: {fault}" for check in LINTS if (fault := check(rule)))
    return faults


def _format_exists(rule: Rule) -> str:
    known = {name for item in formats.all_formats() for name in item.rules}
    return "" if rule.format in known else f"there is no format {rule.format}."


def _check_loads(rule: Rule) -> str:
    try:
        checks.find(rule.check)
    except (ImportError, AttributeError) as error:
        return f"its check cannot be loaded ({error})."
    return ""


def _sentences(rule: Rule) -> str:
    for name in ("reason", "risk"):
        value = getattr(rule, name)
        if not value.endswith("."):
            return f"its {name} is not a sentence."
    return ""


def _risk_is_told(rule: Rule) -> str:
    if rule.strength in {Strength.BOUNDED, Strength.RELATED} and len(rule.risk) < 20:
        return "a rule with free bytes must say what they could hide."
    return ""


LINTS: tuple[Callable[[Rule], str], ...] = (
    _format_exists,
    _check_loads,
    _sentences,
    _risk_is_told,
)
