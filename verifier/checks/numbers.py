"""Checks of plain values that occur in many formats."""

from __future__ import annotations

from datetime import UTC, datetime

from verifier.checks.base import Accepted, Answer, Question, Refused, free_all


def timestamp_window(question: Question) -> Answer:
    """A 32-bit little-endian Unix time within the rule's `not-before` … `not-after` (dates)."""
    if len(question.value) != 4 or len(question.rebuilt_value) != 4:
        return Refused("The timestamp is not four bytes in both files.")
    return in_window(question, int.from_bytes(question.value, "little"))


def in_window(question: Question, seconds: int) -> Answer:
    """Whether Unix time `seconds` lies in the rule's window; all bytes of the field are free."""
    first, last = (_epoch(question.parameter(name)) for name in ("not-before", "not-after"))
    if not first <= seconds <= last:
        window = f"{question.parameter('not-before')} … {question.parameter('not-after')}"
        return Refused(f"The time {seconds} (Unix) lies outside the window {window}.")
    shown = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Accepted(f"{shown}, within the window", free_all(question, "any time in the window"))


def _epoch(date: str) -> int:
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
