"""Which member of which container is a list of its digests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier import content
from verifier.errors import VerifierError
from verifier.formats import records, ziprecords

if TYPE_CHECKING:
    from verifier.model import Pair, Ref

_CONTROL = re.compile(r"(.*/)?control\.tar((\.gz|\.xz|\.zst)!)?\Z", re.DOTALL)
_TWICE = re.compile(r"#[0-9]+\Z")
_RECORD = re.compile(r"([^/]+\.dist-info/)RECORD\Z")


def role(pair: Pair, container: str, member: str) -> str:
    """`md5sums` in the control archive of a .deb, `record` beside a wheel's WHEEL; else empty.

    In a ClamAV database, `clamav-info` for its list, `records:clamav` for what the loader reads.
    """
    if container == "clamav-tar":
        return _clamav(_TWICE.sub("", member).encode())
    if container == "tar" and member.removeprefix("./") == "md5sums":
        around = pair.ancestors[-1:] == ("deb",) or pair.ancestors[-2:-1] == ("deb",)
        return "md5sums" if around and _CONTROL.match(pair.path) else ""
    found = _RECORD.match(member) if container == "zip" else None
    if found and _lists(pair.shipped, found[1]) and _lists(pair.rebuilt, found[1]):
        return "record"
    return ""


def _clamav(name: bytes) -> str:
    from verifier.formats.clamav import faults, payload  # noqa: PLC0415 - databases alone

    if payload.is_listing(name):
        return "clamav-info"
    return f"{records.ROLE}clamav" if faults.is_database(name) else ""


def _lists(ref: Ref, folder: str) -> bool:
    """Whether the central directory has WHEEL in that folder."""
    data = content.view(ref)
    try:
        end = ziprecords.find_end(data)
        at, stop = end.offset, end.offset + end.size
        while at < stop:
            entry = ziprecords.central(data, at)
            if entry.name == f"{folder}WHEEL".encode():
                return True
            at = entry.end
    except VerifierError:
        return False
    return False
