"""By what each family's files are known: names and first bytes. Cheap, never raises.

Kept apart from the families, so that a run loads only those that it meets.
Unlike for programs the name counts: engines choose a database's grammar by it.

Be sparing. A file that a family wrongly claims may be called equivalent because
its bytes mean the same *to that family*: `.rules` is udev's ending too. What no
name and no magic tells for sure belongs to a family only if a specification
says so (`[[databases]]`), or if its container does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verifier.content import Buffer

_HEAD = 4096
_HASH = rb"[0-9a-fA-F]{32}(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{32})?"
_FILE_HASH = _HASH + rb":(?:\*|[0-9]{1,10}):[^:]+(?::[0-9]{1,9}){0,2}"
_SECTION_HASH = rb"(?:\*|[0-9]{1,10}):" + _HASH + rb":[^:]+(?::[0-9]{1,9}){0,2}"
_BODY = rb"[^:]+:(?:\*|[0-9]{1,2}):[^:]+:[^:]+(?::[0-9]{1,9}){0,2}"
_LOGICAL = rb"[^;]+;(?:[A-Za-z0-9]+:[^,;]+,?)+;[0-9()&|=<>,]+;.+"
_CLAMAV = {
    **dict.fromkeys(("hdb", "hsb", "hdu", "hsu", "fp", "sfp", "imp"), _FILE_HASH),
    **dict.fromkeys(("mdb", "msb", "mdu", "msu"), _SECTION_HASH),
    **dict.fromkeys(("ndb", "ndu", "sdb"), _BODY),
    **dict.fromkeys(("ldb", "ldu"), _LOGICAL),
    "idb": rb"[^:]+:[^:]*:[^:]*:[0-9a-fA-F]{124}",
    "cdb": rb"[^:]+:(?:\*|CL_TYPE_[A-Z0-9_]+)(?::[^:]*){8,10}",
    **dict.fromkeys(("zmd", "rmd"), rb"[^:]+:(?:\*|[01])(?::[^:]*){7}"),
    "crb": rb"[^;]*;[01];[0-9a-fA-F]{40};(?:[0-9a-fA-F]{40})?;[0-9a-fA-F]+;.*",
    "ftm": rb"[0-9]:[^:]*:[^:]*:[^:]*:CL_TYPE_[A-Z0-9_]+:CL_TYPE_[A-Z0-9_]+(?::[0-9]{1,9}){0,2}",
    "pwdb": rb"[^;]+;[^;]*;[01];[^;]*",
    "ign": rb"[!-~]+",
    "ign2": rb"[!-~]+",
    "pdb": rb"[RH][0-9a-fA-F]{0,3}:.+",
    "gdb": rb"S[0-9a-fA-F]{0,3}:[PFW]:[0-9a-fA-F]{8}.*",
    "wdb": rb"[XYM][0-9a-fA-F]{0,3}:.+",
    "cbc": rb"ClamBC[\x60-\x7c]+jb:[0-9]{1,9}",
}
_CLAMAV_LINES = {name: re.compile(grammar) for name, grammar in _CLAMAV.items()}


def clamav(name: str, data: Buffer) -> bool:
    """A loose ClamAV file: an ending that is ClamAV's own, and a first line of that format."""
    grammar = _CLAMAV_LINES.get(name.rpartition(".")[2].lower() if "." in name else "")
    if grammar is None:
        return False
    head = bytes(data[:_HEAD])
    if b"\0" in head:
        return False
    lines = head.split(b"\n")
    if len(data) > _HEAD and len(lines) > 1:
        lines.pop()
    for line in (found.rstrip(b"\r") for found in lines):
        if line and not line.startswith(b"#"):
            return len(line) == _HEAD or grammar.fullmatch(line) is not None
    return False
