"""Checks of gzip headers and trailers (RFC 1952)."""

from __future__ import annotations

import re
import zlib

from verifier.checks.base import Accepted, Answer, Question, Refused, free_all
from verifier.checks.numbers import timestamp_window

_NAME = re.compile(rb"[^\0-\x1f/\\\x7f]{1,255}\0\Z")
_LEVELS = {0: "no hint", 2: "slowest", 4: "fastest"}


def mtime(question: Question) -> Answer:
    """0 (none), or a time within the rule's window."""
    if question.value == bytes(4):
        return Accepted("no time", free_all(question, "any time in the window"))
    return timestamp_window(question)


def xfl(question: Question) -> Answer:
    """One of the three values that the RFC defines."""
    value = question.value[0] if len(question.value) == 1 else -1
    if value not in _LEVELS:
        return Refused(f"{value} is no compression hint of RFC 1952.")
    return Accepted(_LEVELS[value], free_all(question, "one of three values"))


def system(question: Question) -> Answer:
    """One of the operating systems that the RFC defines, or 255 for unknown."""
    value = question.value[0] if len(question.value) == 1 else -1
    if not 0 <= value <= 13 and value != 255:
        return Refused(f"{value} is no operating system of RFC 1952.")
    return Accepted(f"system {value}", free_all(question, "one of fifteen values"))


def name(question: Question) -> Answer:
    """The base name of a file in both: printable, no directory, ended by one NUL."""
    if question.span is None or question.rebuilt_span is None:
        return Refused("Only one of the files names what it holds.")
    if not _NAME.match(question.value):
        return Refused("The name is not that of a plain file.")
    return Accepted("a plain name of a file", free_all(question, "any plain name"))


def crc(question: Question) -> Answer:
    """The CRC-32 of the shipped payload."""
    expected: int = question.shipped.layout.info.crc
    if question.value != expected.to_bytes(4, "little"):
        return Refused("The checksum is not that of the payload.")
    return Accepted("recomputed from the payload")


def size(question: Question) -> Answer:
    """The length of the shipped payload modulo 2³²."""
    expected: int = question.shipped.layout.info.size
    if question.value != expected.to_bytes(4, "little"):
        return Refused("The length is not that of the payload.")
    return Accepted(f"{expected} bytes of payload")


def header_crc(question: Question) -> Answer:
    """The low 16 bits of the CRC-32 of the header before it."""
    at: int | None = question.shipped.layout.info.header_crc
    if at is None:
        return Refused("Only the rebuilt file has a checksum of its header.")
    expected = zlib.crc32(question.shipped.data[:at]) & 0xFFFF
    if question.value != expected.to_bytes(2, "little"):
        return Refused("The checksum of the header is wrong.")
    return Accepted("recomputed from the header")
