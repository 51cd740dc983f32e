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
    from collections.abc import Iterator

    from verifier.content import Buffer

_LOOKED_AT = 1 << 20  # bytes in which the first rule must stand
_RULE = re.compile(
    rb"[ \t]*(?:alert|drop|pass|reject(?:src|dst|both)?|log|sdrop|block|config)[ \t]+"
    rb"[a-z0-9_.!:\[\]-]+[ \t]*[^\n(]{0,4000}\((?:[^\n]*[ \t;])?sid[ \t]*:[ \t]*[0-9]+[ \t]*;"
)
_MUTING = re.compile(rb"[ \t]*(?:suppress|event_filter|rate_filter|threshold)[ \t]+gen_id[ \t]")


def suricata(name: str, data: Buffer) -> bool:
    """A `.rules` file whose first line that is no comment is a rule with a sid.

    Of a file of comments alone, one must be such a rule (udev has none). The
    files that mute rules are known by their customary names.
    """
    if name in {"threshold.config", "threshold.conf"}:
        first = next(_lines(data), b"")
        return _MUTING.match(first) is not None
    if not name.endswith(".rules"):
        return False
    first = next(_lines(data), b"")
    if first:
        return _RULE.match(first) is not None or _MUTING.match(first) is not None
    return any(_RULE.match(line.lstrip(b"# \t")) for line in _lines(data, comments=True))


def _lines(data: Buffer, *, comments: bool = False) -> Iterator[bytes]:
    """Joined lines that are not empty: those that are comments, or those that are none."""
    head = bytes(data[:_LOOKED_AT]).replace(b"\r\n", b"\n").replace(b"\\\n", b" ")
    for line in head.split(b"\n"):
        if line.strip() and line.lstrip().startswith(b"#") == comments:
            yield line


def yarc(_name: str, data: Buffer) -> bool:
    """Rules compiled by libyara 4: magic, one of its versions, and twelve buffers."""
    return len(data) > 150 and bytes(data[:4]) == b"YARA" and data[4] < 32 and data[5] == 12


_HEAD = 1 << 16  # bytes that are looked at
_YARA = re.compile(
    rb"(?:[ \t\r\n]+|//[^\n]*+|/\*[^*]*+\*++(?:[^/*][^*]*+\*++)*+/)*+"
    rb"(?:rule|private|global|import|include)[ \t\r\n\"]"
)


def yara(name: str, data: Buffer) -> bool:
    """YARA rules as text: their ending, and a rule, import or include before all else."""
    if not name.lower().endswith((".yar", ".yara")):
        return False
    return _YARA.match(bytes(data[:_HEAD])) is not None


def yarx(_name: str, data: Buffer) -> bool:
    """Rules compiled by YARA-X: magic, and a version that can be one."""
    return len(data) > 12 and bytes(data[:8]) == b"YARA-X\0\0" and bytes(data[10:12]) == b"\0\0"
