"""Raw commits and tags of git: what they name, and where their signature is.

Sources: git's Documentation/gitformat-signature.txt; git-mktag(1) for the order of a tag's lines.
The signature is taken out here and not by git, so that no setting of a repository has a say.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from verifier.errors import SourceError

_BEGIN = re.compile(rb"^-----BEGIN [A-Z ]+-----[ \t\r]*$", re.MULTILINE)
_HEAD = re.compile(rb"object ([0-9a-f]{40,64})\ntype ([a-z]+)\ntag ([^\n]*)\n")
_SIGNATURES = (b"gpgsig", b"gpgsig-sha256")


class Signed(NamedTuple):
    """What a signature is over, and the signature."""

    payload: bytes
    signature: bytes


class Tag(NamedTuple):
    """What an annotated tag says of itself."""

    target: str
    kind: str
    name: str


def tag(raw: bytes, what: str) -> Tag:
    """The lines that head a tag object; SourceError if they are odd."""
    found = _HEAD.match(raw)
    if found is None:
        raise SourceError(f"{what} is no well-formed tag object.")
    return Tag(found[1].decode(), found[2].decode(), found[3].decode("utf-8", "replace"))


def signed_tag(raw: bytes, what: str) -> Signed:
    """A tag without and its signature: the armour at its very end. SourceError if unsigned."""
    begins = list(_BEGIN.finditer(raw))
    if not begins:
        raise SourceError(f"{what} is not signed.")
    if len(begins) > 1:
        raise SourceError(f"{what} holds more than one armour; which one signs it is ambiguous.")
    return Signed(raw[: begins[0].start()], raw[begins[0].start() :])


def signed_commit(raw: bytes, algorithm: str, what: str) -> Signed:
    """A commit without the signatures in its head, and the one for this kind of repository.

    Raises:
        SourceError: unsigned, or signed twice.
    """
    wanted = b"gpgsig" if algorithm == "sha1" else b"gpgsig-sha256"
    head, mark, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    found: list[list[bytes]] = []
    inside: list[bytes] | None = None  # lines of a header that is left out; None: it is kept
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        if line.startswith(b" "):
            (kept if inside is None else inside).append(line if inside is None else line[1:])
        elif name in _SIGNATURES:
            inside = [value]
            if name == wanted:
                found.append(inside)
        else:
            inside = None
            kept.append(line)
    if len(found) != 1:
        raise SourceError(f"{what} is {'signed twice' if found else 'not signed'}.")
    return Signed(b"\n".join(kept) + mark + message, b"\n".join(found[0]) + b"\n")
