"""Resources of PE images that both have, with other contents, each read by its kind.

Version information by its keys, manifests and other texts line by line, tables
of strings by number, everything else (icons …) by size and SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.formats.pe.directories import resource_leaves
from verifier.limits import MIB
from verifier.model import Difference
from verifier.semantic import textual
from verifier.semantic.versioninfo import version_texts
from verifier.semantic.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from verifier.formats.base import Side
    from verifier.formats.pe.headers import Image

_SHOWN: Final = 64  # resources
_VALUES: Final = 12  # changes of one resource
_READ: Final = MIB  # bytes of one resource that is read by its kind
_RIGHTS: Final = {
    "execution level": re.compile(r"requestedExecutionLevel[^<>]{1,80}?level ?= ?[\"'](\w{1,40})"),
    "uiAccess": re.compile(r"uiAccess ?= ?[\"'](\w{1,10})"),
    "autoElevate": re.compile(r"<autoElevate[^<>]{0,80}>(\w{1,10})"),
}


def differences(shipped: Side, rebuilt: Side) -> Iterator[Difference]:
    """One difference a resource; offsets are shipped ones."""
    one = resource_leaves(shipped.data, shipped.layout.info)
    other = resource_leaves(rebuilt.data, rebuilt.layout.info)
    told = 0
    for path in one:
        if path not in other:
            continue
        mine, theirs = _leaf(shipped, *one[path]), _leaf(rebuilt, *other[path])
        if mine == theirs:
            continue
        if told >= _SHOWN:
            summary = "More resources with other contents are not listed."
            yield Difference("resource-changed", "more", summary)
            return
        told += 1
        image: Image = shipped.layout.info
        at = image.offset_of(one[path][0])
        yield Difference("resource-changed", path, _said(path, mine, theirs), at, len(mine))


def _leaf(side: Side, address: int, size: int) -> bytes:
    image: Image = side.layout.info
    at = image.offset_of(address, size)
    return b"" if at is None else bytes(side.data[at : at + size])


def _said(path: str, mine: bytes, theirs: bytes) -> str:
    size = f"The resource has {len(mine)} shipped and {len(theirs)} rebuilt bytes."
    reader = _READERS.get(path.partition("/")[0])
    if reader is None or max(len(mine), len(theirs)) > _READ:
        digests = [hashlib.sha256(raw).hexdigest()[:16] for raw in (mine, theirs)]
        return f"{size} SHA-256 {digests[0]}…, rebuilt {digests[1]}…."
    try:
        return reader(path, mine, theirs) or size
    except ParseError as error:
        return f"{size} It could not be read: {error}"


def _version(_path: str, mine: bytes, theirs: bytes) -> str:
    one, other = version_texts(mine), version_texts(theirs)
    changes = []
    for key in [*one, *(key for key in other if key not in one)]:
        if one.get(key) != other.get(key):
            values = [quoted(item[key]) if key in item else "nothing" for item in (one, other)]
            changes.append(f"{key} {values[0]} instead of {values[1]}")
    if not changes:
        return "The same version information, stored in other bytes."
    return f"{listed(changes, _VALUES)}."


def _text(_path: str, mine: bytes, theirs: bytes) -> str:
    """Manifests and HTML: the lines that differ, those that ask for rights first."""
    one, other = textual.decoded(mine), textual.decoded(theirs)
    if one is None or other is None:
        raise ParseError("It is no text in a known encoding")
    hunks = textual.hunks(one.lines, other.lines)
    texts = "\n".join(one.lines), "\n".join(other.lines)
    rights = [
        name
        for name, pattern in _RIGHTS.items()
        if pattern.findall(texts[0]) != pattern.findall(texts[1])
    ]
    said = "; ".join(textual.hunk_text(hunk) for hunk in hunks[:4])
    if not hunks:
        return "The same lines with other line ends or in another encoding."
    head = f"It asks for other rights ({', '.join(rights)}): " if rights else ""
    more = f", and {len(hunks) - 4} more places" if len(hunks) > 4 else ""
    return f"{head}{said}{more}."


def _strings(path: str, mine: bytes, theirs: bytes) -> str:
    """A block of 16 counted UTF-16 texts; its name is one more than its number."""
    name = path.split("/")[1] if "/" in path else ""
    first = (int(name) - 1) * 16 if name.isdigit() and len(name) < 9 else 0
    one, other = _block(mine), _block(theirs)
    changes = [
        f"string {first + index}: {quoted(values[0])} instead of {quoted(values[1])}"
        for index, values in enumerate(zip(one, other, strict=True))
        if values[0] != values[1]
    ]
    return f"{listed(changes, _VALUES)}." if changes else ""


def _block(raw: bytes) -> list[str]:
    result = []
    at = 0
    for _ in range(16):
        size = 2 * int.from_bytes(raw[at : at + 2], "little")
        if at + 2 + size > len(raw):
            raise ParseError("A table of strings is cut short", at)
        result.append(raw[at + 2 : at + 2 + size].decode("utf-16-le", "replace"))
        at += 2 + size
    return result


_READERS: Final[dict[str, Callable[[str, bytes, bytes], str]]] = {
    "version": _version,
    "manifest": _text,
    "html": _text,
    "string": _strings,
}
