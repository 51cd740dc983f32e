"""Strict readers of signed documents: files, JSON, base64, decimals, times, durations.

What two programs may read differently is refused here: repeated keys, other
digits than ASCII's, base64 with spare bits, lines cut at anything but newline.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from verifier import limits, strictjson
from verifier.errors import ParseError, UsageError
from verifier.strictjson import json_of, object_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["json_of", "object_of"]  # beside what is defined here

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SHA256 = re.compile(r"[0-9a-f]{64}")


def read(path: Path, most: int = limits.ATTESTATION_BYTES) -> bytes:
    """The bytes of a small file that the user named; UsageError if it cannot be read."""
    return strictjson.read(path, most)


def write(path: Path, data: bytes) -> None:
    """Write a file that the user named; UsageError if that fails."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def canonical(value: Any) -> bytes:
    """JSON in the one form of RFC 8785, so that one value has one digest."""
    import rfc8785  # noqa: PLC0415 - start-up time

    try:
        return bytes(rfc8785.dumps(value))
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise ParseError(f"A value cannot be written as canonical JSON: {error}.") from error


def base64_of(text: object, what: str, *, urlsafe: bool = False) -> bytes:
    """Decode standard base64 (or its URL form, where allowed) that has one spelling only."""
    if not isinstance(text, str):
        raise ParseError(f"{what} is no text.")
    if urlsafe and ("-" in text or "_" in text):
        if "+" in text or "/" in text:
            raise ParseError(f"{what} mixes two alphabets of base64.")
        text = text.replace("-", "+").replace("_", "/")
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw, validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise ParseError(f"{what} is not base64.") from error
    if base64.b64encode(data) != raw:
        raise ParseError(f"{what} is base64 in a form that has a second spelling.")
    return data


def decimal(text: str, what: str) -> int:
    """A non-negative number in ASCII digits without leading zeroes, below 2^63."""
    if not _DECIMAL.fullmatch(text) or int(text) >= 1 << 63:
        raise ParseError(f"{what} is no plain decimal number: {text[:40]!r}.")
    return int(text)


def time_of(text: str, what: str) -> dt.datetime:
    """A time such as 2026-11-25T14:00:00Z."""
    if not _TIME.fullmatch(text):
        raise ParseError(f"{what} is no time in the form YYYY-MM-DDTHH:MM:SSZ: {text[:40]!r}.")
    try:
        return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise ParseError(f"{what} is no date of the calendar: {text}.") from error


def show_time(time: dt.datetime) -> str:
    """The form that `time_of` reads."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> dt.datetime:
    """This moment, to the second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


def duration(text: str) -> dt.timedelta:
    """A length of time such as 90d, 12h, 30m; UsageError for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no length of time; write 30m, 12h, 90d or 4w.")
    return dt.timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
