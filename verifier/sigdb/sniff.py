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


def yarc(_name: str, data: Buffer) -> bool:
    """Rules compiled by libyara 4: magic, one of its versions, and twelve buffers."""
    return len(data) > 150 and bytes(data[:4]) == b"YARA" and data[4] < 32 and data[5] == 12


_YARA_HEAD = 1 << 16  # bytes that are looked at
_YARA = re.compile(
    rb"(?:[ \t\r\n]+|//[^\n]*+|/\*[^*]*+\*++(?:[^/*][^*]*+\*++)*+/)*+"
    rb"(?:rule|private|global|import|include)[ \t\r\n\"]"
)


def yara(name: str, data: Buffer) -> bool:
    """YARA rules as text: their ending, and a rule, import or include before all else."""
    if not name.lower().endswith((".yar", ".yara")):
        return False
    return _YARA.match(bytes(data[:_YARA_HEAD])) is not None


def yarx(_name: str, data: Buffer) -> bool:
    """Rules compiled by YARA-X: magic, and a version that can be one."""
    return len(data) > 12 and bytes(data[:8]) == b"YARA-X\0\0" and bytes(data[10:12]) == b"\0\0"


_CLAMAV_HEAD = 4096
_CLAMAV_SKIPPED = re.compile(rb"(?:#[^\n]*+\n|\r*+\n)*+")
_CLAMAV_LONG = frozenset({"ndb", "ndu", "sdb", "ldb", "ldu", "cbc"})  # have such long lines
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
    "ign2": rb"[^\x00-\x1f]+",
    "cfg": rb"(?:PE|ELF|MACHO|ARCHIVE|DOCUMENT|MAIL|OTHER|PHISHING|BYTECODE|STATS|PCRE)"
    rb":0x[0-9a-fA-F]{1,8}(?::[0-9]{1,9}){0,2}",
    "pdb": rb"[RH][0-9a-fA-F]{0,3}:.+",
    "gdb": rb"S[0-9a-fA-F]{0,3}:[PFW]:[0-9a-fA-F]{8}.*",
    "wdb": rb"[XYM][0-9a-fA-F]{0,3}:.+",
    "cbc": rb"ClamBC[\x60-\x7c]+jb:[0-9]{1,9}",
}
_CLAMAV_LINES = {name: re.compile(grammar) for name, grammar in _CLAMAV.items()}


def clamav(name: str, data: Buffer) -> bool:
    """A loose ClamAV file: an ending that is ClamAV's own, and a first line of that format."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    grammar = _CLAMAV_LINES.get(ending)
    if grammar is None:
        return False
    if b"\0" in bytes(data[:_CLAMAV_HEAD]):
        return False
    head = bytes(data[:_LOOKED_AT])
    skipped = _CLAMAV_SKIPPED.match(head)
    assert skipped is not None
    line = head[skipped.end() :].partition(b"\n")[0].rstrip(b"\r")
    long = len(line) > _CLAMAV_HEAD and ending in _CLAMAV_LONG
    return not line.startswith(b"#") and (long or grammar.fullmatch(line) is not None)


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
