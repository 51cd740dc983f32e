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
    rb"[a-z0-9_.!:\[\]-]+[ \t]*[^\n(]{0,4000}\([^\n]*[ \t;(]sid[ \t]*:[ \t]*[0-9]+[ \t]*;"
)
_MUTING = re.compile(rb"[ \t]*(?:suppress|event_filter|rate_filter|threshold)[ \t]+gen_id[ \t]")
_SIGMA = (
    frozenset({b"detection", b"logsource"}),
    frozenset({b"correlation", b"title"}),
    frozenset({b"filter", b"logsource"}),
)
_TOP_KEY = re.compile(rb"^([a-z]+):(?=\s|$)", re.MULTILINE)


def nothing(_name: str, _data: Buffer) -> bool:
    """Of families that only a specification can declare: no name and no magic tells."""
    return False


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


def sigma(name: str, data: Buffer) -> bool:
    """A YAML file whose top-level keys are those of a Sigma rule, correlation or filter."""
    if not name.endswith((".yml", ".yaml")):
        return False
    keys = set(_TOP_KEY.findall(bytes(data[:_LOOKED_AT])))
    return any(wanted <= keys for wanted in _SIGMA)


def vdm(_name: str, data: Buffer) -> bool:
    """A resource of a Defender database: RMDX, and a place of its stream that is inside.

    The image around it is no database: PE images are compared as what they are.
    """
    if bytes(data[:4]) != b"RMDX" or len(data) < 0x48:
        return False
    return 0x40 <= int.from_bytes(data[0x18:0x1C], "little") <= min(0x1000, len(data) - 8)
