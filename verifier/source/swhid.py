"""Software Heritage identifiers: the ids that git gives to contents, directories and revisions.

Source: SWHID specification 1.2 (ISO/IEC 18670). A directory's id sees names, contents, links'
targets and the executable bit. It cannot see other permission bits, owners, times, hard links or
extended attributes; an audit record sees permissions.
"""

from __future__ import annotations

import hashlib
import re

_FORM = re.compile(r"swh:1:(cnt|dir|rev|rel|snp):([0-9a-f]{40})")
_TAGS = {"blob": "cnt", "tree": "dir", "commit": "rev", "tag": "rel"}


def kind_of(text: str) -> str:
    """`cnt`, `dir`, `rev`, `rel` or `snp`; empty where `text` is no SWHID without qualifiers."""
    found = _FORM.fullmatch(text)
    return found[1] if found else ""


def object_id(kind: str, data: bytes, algorithm: str = "sha1") -> str:
    """Git's id of an object (`blob`, `tree`, `commit`, `tag`) from its raw content, in hex."""
    digest = hashlib.new(algorithm, b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def swhid(kind: str, data: bytes) -> str:
    """The SWHID of a git object from its raw content."""
    return f"swh:1:{_TAGS[kind]}:{object_id(kind, data)}"
