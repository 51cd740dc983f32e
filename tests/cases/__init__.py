"""Cases for rules, as data: what each rule settles, and what it must not hide."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - dataclass field
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Case:
    """One pair made for one rule.

    `settled`: under policy standard the pair is equivalent, and the rule has a patch.
    `caught`: the verdict is different, and a difference names `where`.
    `settings` are further arguments of `compare_bytes`: files beside it, expected signers.
    """

    rule_id: str
    name: str
    make: Callable[[], tuple[bytes, bytes]]
    expected: Literal["settled", "caught"]
    where: str = ""
    settings: Callable[[], dict[str, Any]] = dict
