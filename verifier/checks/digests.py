"""Checks of the digests that a container lists of its own members."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from verifier import content
from verifier.checks.base import Accepted, Answer, Question, Refused

if TYPE_CHECKING:
    from verifier.content import Buffer

_BLOCK = 1 << 20
_STRONG = ("sha256", "sha384", "sha512")


def record_digest(question: Question) -> Answer:
    """`sha256=…` in URL-safe base64 without padding, of the shipped member."""
    name = question.value.partition(b"=")[0].decode("ascii", "replace")
    data = _member(question)
    if data is None:
        return _agreeing(question)
    if name not in _STRONG:
        return Refused("The digest is none of SHA-256, SHA-384 and SHA-512.")
    value = base64.urlsafe_b64encode(_digest(name, data)).rstrip(b"=")
    if question.value != name.encode() + b"=" + value:
        return Refused("The digest is not that of the shipped member.")
    return Accepted("recomputed from the shipped member")


def record_size(question: Question) -> Answer:
    """The plain decimal length of the shipped member."""
    data = _member(question)
    if data is None:
        return _agreeing(question)
    if question.value != str(len(data)).encode():
        return Refused(f"The size is not that of the shipped member, {len(data)}.")
    return Accepted("the length of the shipped member")


def md5sums_digest(question: Question) -> Answer:
    """MD5 in hex, of the shipped member."""
    return _hex_digest(question, "md5")


def listed_digest(question: Question) -> Answer:
    """SHA-256 in hex, of the shipped member."""
    return _hex_digest(question, "sha256")


def _hex_digest(question: Question, name: str) -> Answer:
    data = _member(question)
    if data is None:
        return _agreeing(question)
    if question.value != _digest(name, data).hex().encode():
        return Refused("The digest is not that of the shipped member.")
    return Accepted("recomputed from the shipped member")


def _member(question: Question) -> Buffer | None:
    """The shipped member that the row speaks of; None where it is the rebuilt one, or missing."""
    span = question.span
    if span is None or question.rebuilt_span is None:
        return None
    info = question.shipped.layout.info
    paths: dict[str, str] = getattr(info, "rows", info)
    path = paths[span.name.rpartition(".")[0]]
    ref = question.context.siblings.get(path)
    return None if ref is None else content.view(ref)


def _agreeing(question: Question) -> Answer:
    if question.value == question.rebuilt_value:
        return Accepted("as in the rebuilt file, for the same member")
    return Refused("The member it speaks of is missing, or is that of the rebuilt file.")


def _digest(name: str, data: Buffer) -> bytes:
    total = hashlib.new(name, usedforsecurity=False)
    for at in range(0, len(data), _BLOCK):
        total.update(data[at : at + _BLOCK])
    return total.digest()
