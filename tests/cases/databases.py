"""Cases for the rule of records, whichever family reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.cases import Case
from verifier.model import Database

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = b'alert tcp any any -> any 80 (msg:"one"; content:"first"; sid:1; rev:1;)\n'
TWO = b'alert tcp any any -> any 81 (msg:"two"; content:"second"; sid:2; rev:1;)\n'


def declared(**options: tuple[str, ...]) -> dict[str, Any]:
    """Settings that call the compared file a database of Suricata rules."""
    return {"databases": (Database("file", "suricata", options),)}


def _pair(shipped: bytes, rebuilt: bytes) -> Callable[[], tuple[bytes, bytes]]:
    return lambda: (shipped, rebuilt)


def cases() -> list[Case]:
    """What means the same in another order, and what does not."""
    rule = "database.records"
    return [
        Case(rule, "another order", _pair(TWO + ONE, ONE + TWO), "settled", "", declared),
        Case(rule, "a comment", _pair(b"# hello\n" + ONE, ONE), "settled", "", declared),
        Case(rule, "one rule less", _pair(ONE, ONE + TWO), "caught", "1:2", declared),
        Case(
            rule,
            "another pattern",
            _pair(ONE.replace(b"first", b"f1rst") + TWO, ONE + TWO),
            *("caught", "1:1", declared),
        ),
        Case(rule, "no rule at all", _pair(b"alert", ONE), "caught", "file", declared),
    ]
