"""Names and kinds of members that no unpacked tree may hold: refused, with one sentence each."""

from __future__ import annotations

from verifier.errors import LimitError
from verifier.formats.base import text

_DEVICES = {b"3": "a character device", b"4": "a block device", b"6": "a named pipe"}


def refuse_escape(kind: bytes, name: bytes, link: bytes) -> None:
    """LimitError for devices, paths and links that leave the tree, and old sparse files.

    An absolute symbolic link stays: packages point to `/etc/alternatives`, which
    is a place in the tree that the package is unpacked into.
    """
    if kind in _DEVICES:
        raise LimitError(f"The archive holds {_DEVICES[kind]}, {text(name)}; it is not compared.")
    if kind == b"S":
        raise LimitError(f"{text(name)} is a sparse file of old GNU tar; these are not understood.")
    if b".." in name or name.startswith(b"/"):
        refuse_path(name)
    if kind == b"1":
        refuse_path(link)
    elif kind == b"2" and b".." in link and _leaves(name, link):
        raise LimitError(f"The link {text(name)} leads out of the archive, to {text(link)}.")


def refuse_path(name: bytes) -> None:
    """LimitError for an absolute name, or one with a `..` in it."""
    if name.startswith(b"/") or b".." in name.split(b"/"):
        raise LimitError(f"The name {text(name)} leads out of the archive; it is not compared.")


def _leaves(name: bytes, link: bytes) -> bool:
    depth = 0
    base = b"" if link.startswith(b"/") else name.rpartition(b"/")[0]
    for part in [*base.split(b"/"), *link.split(b"/")]:
        if part == b"..":
            depth -= 1
        elif part not in {b"", b"."}:
            depth += 1
        if depth < 0:
            return True
    return False
