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
