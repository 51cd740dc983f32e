"""The formats by file extension: which grammar, which set of records, how they are compared.

Source: libclamav 1.4 (`readdb.c: cli_load`, which goes by the name's ending).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier.sigdb.clamav import archives, bodies, hashes, logical, phishing, settings, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.sigdb.base import Record

    Parse = Callable[[bytes, str], Record | None]

_NAME = rb"[^\x00-\x20#:;=][^\x00-\x20:;=]*+"
_LEVELS = rb"(?::[0-9]{1,9}){0,2}+"
_DIGEST = rb"(?:[0-9a-fA-F]{32}(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{32})?+)"
_SIZED = rb"[1-9][0-9]{0,8}"
_STARRED = rb":(?:7[3-9]|[89][0-9]|[1-9][0-9]{2})(?::[0-9]{1,9})?+"
_BYTES = rb"(?:[0-9a-fA-F]{2})"
_GAP = rb"(?:\*|\{[0-9]{1,9}(?:-[0-9]{0,9})?\})"
_MORE = rb"(?:[0-9a-fA-F?]{16})*+(?:[0-9a-fA-F?]{2})*+"  # in steps, for speed
_BODY = _BYTES + rb"{3}" + _MORE + rb"(?:" + _GAP + _BYTES + rb"{2}" + _MORE + rb")*+"
_PLACE = rb"(?:\*|[0-9]{1,9}(?:,[0-9]{1,9})?|EOF-[0-9]{1,9}(?:,[0-9]{1,9})?)"
_PE_PLACE = rb"(?:EP[+-][0-9]{1,9}|S[0-9]{1,4}\+[0-9]{1,9})(?:,[0-9]{1,9})?"
_TARGET = rb"(?:(?:[0-9]|1[0-4]):" + _PLACE + rb"|[169]:" + _PE_PLACE + rb")"

HASH_LINE = (
    _DIGEST + rb":(?:" + _SIZED + rb":" + _NAME + _LEVELS + rb"|\*:" + _NAME + _STARRED + rb")"
)
SECTION_LINE = (
    rb"(?:" + _SIZED + rb":" + _DIGEST + rb":" + _NAME + _LEVELS
    + rb"|\*:" + _DIGEST + rb":" + _NAME + _STARRED + rb")"
)  # fmt: skip
_SHORT_BODY = _BYTES + rb"{2}" + _MORE + rb"(?:" + _GAP + _BYTES + rb"{2}" + _MORE + rb")*+"
_SUB = rb"(?:" + _PLACE + rb":)?+" + _SHORT_BODY + rb"(?:::[iwfa]{1,4})?+"
LOGICAL_LINE = (
    _NAME + rb";[A-Za-z0-9:,_>-]++;[0-9()&|=<>,]++(?:;" + _SUB + rb")++"
)  # what attributes and logic say is left to the caller
BODY_LINE = _NAME + rb":" + _TARGET + rb":" + _BODY + _LEVELS


class Kind(NamedTuple):
    """One line format.

    Attributes:
        scope: the set that its records belong to; formats of one loader share it.
        parse: one line, strictly; None for a line without effect.
        quick: bytes of a regular expression; a line that it matches would parse.
            Empty for none. What has one is compared in bulk.
        limit: the longest line, in bytes.
        empty: whether a file without a line is refused by the loader.
        blank: whether blank lines are passed over.
        comments: whether lines that start with # are.
    """

    scope: str
    parse: Parse
    quick: bytes = b""
    limit: int = text.LINE
    empty: bool = True
    blank: bool = False
    comments: bool = True

    @property
    def bulk(self) -> bool:
        """Whether it is compared line by line before anything is parsed."""
        return self.scope in BULK


BULK = frozenset({"hdb", "hdu", "fp", "imp", "mdb", "mdu", "ndb", "ndu", "sdb", "db", "ldb", "ldu"})

_HASH = [(scope, hashes.of_file, HASH_LINE) for scope in ("hdb", "hdu", "fp", "imp")]
_SECTION = [(scope, hashes.of_section, SECTION_LINE) for scope in ("mdb", "mdu")]
_BODIES = [(scope, bodies.extended, BODY_LINE) for scope in ("ndb", "ndu", "sdb")]
_BY_SCOPE = {item[0]: Kind(*item) for item in (*_HASH, *_SECTION, *_BODIES)}

LINES: dict[str, Kind] = {
    **_BY_SCOPE,
    "hsb": _BY_SCOPE["hdb"],
    "hsu": _BY_SCOPE["hdu"],
    "sfp": _BY_SCOPE["fp"],
    "msb": _BY_SCOPE["mdb"],
    "msu": _BY_SCOPE["mdu"],
    "db": Kind("db", bodies.plain),
    "ldb": Kind("ldb", logical.signature, LOGICAL_LINE, limit=text.LOGICAL_LINE),
    "ldu": Kind("ldu", logical.signature, LOGICAL_LINE, limit=text.LOGICAL_LINE),
    "cdb": Kind("cdb", archives.container),
    "zmd": Kind("zmd", archives.metadata),
    "rmd": Kind("rmd", archives.metadata),
    "idb": Kind("idb", archives.icon),
    "pdb": Kind("pdb", phishing.entry, empty=False, blank=True),
    "gdb": Kind("pdb", phishing.entry, empty=False, blank=True),
    "wdb": Kind("wdb", phishing.entry, empty=False, blank=True),
    "ftm": Kind("ftm", settings.file_type),
    "pwdb": Kind("pwdb", settings.password),
    "cfg": Kind("cfg", settings.switch, empty=False, blank=True, comments=False),
}
IGNORE = frozenset({"ign", "ign2"})
WHOLE = frozenset({"cbc", "cat", "ioc", "yar", "yara"})
CERTIFICATES = "crb"
SILENT = frozenset({"info"})  # read by the container's own checks, no records here
SILENT_NAMES = frozenset({"copying"})
LOADED = frozenset(LINES) | IGNORE | WHOLE | {CERTIFICATES}
NOT_PACKED = frozenset({"yar", "yara", "pwdb", "ioc", "cat"})  # `sigtool --build` leaves them out
NOT_IGNORED = frozenset({"crb", "ftm", "pdb", "wdb", "cfg", "cat", "ioc", "yar"})
"""Sets on whose records, as they are here, ignore lists do not act.

One that names a YARA rule does; the records are of whole files, which no entry can name.
"""
SWALLOWING = frozenset({"cat", "ioc"})
"""What the engine reads to the end of the file: in a container, all members that follow."""


def name_of(line: bytes, scope: str) -> bytes:
    """The signature's name in a line, without parsing it."""
    if scope in {"hdb", "hdu", "fp", "imp", "mdb", "mdu"}:
        return b"".join(line.split(b":", 3)[2:3])
    if scope in {"ldb", "ldu", "pwdb"}:
        return line.partition(b";")[0]
    return line.partition(b"=" if scope == "db" else b":")[0]


KEYS = {
    **dict.fromkeys(("hdb", "hdu", "fp", "imp"), re.compile(rb"^([^:\n]*):", re.MULTILINE)),
    **dict.fromkeys(("mdb", "mdu"), re.compile(rb"^[^:\n]*:([^:\n]*)", re.MULTILINE)),
    **dict.fromkeys(
        ("ndb", "ndu", "sdb"), re.compile(rb"^[^:\n]*:[^:\n]*:[^:\n]*:([^:\n]*)", re.MULTILINE)
    ),
    **dict.fromkeys(("ldb", "ldu"), re.compile(rb"^[^;\n]*;[^;\n]*;([^\n]*)", re.MULTILINE)),
    "db": re.compile(rb"^[^=\n]*=([^\n]*)", re.MULTILINE),
}
"""What a line detects, roughly, in lower case: equal for any two lines that detect the same."""

FIELDS = {
    **dict.fromkeys(("hdb", "hdu", "fp", "imp"), (b":", 0)),
    **dict.fromkeys(("mdb", "mdu"), (b":", 1)),
    **dict.fromkeys(("ndb", "ndu", "sdb"), (b":", 3)),
    **dict.fromkeys(("ldb", "ldu"), (b";", 2)),
    "db": (b"=", 1),
}
"""Where a line's key starts: behind how many of which mark."""

DIGESTS = (32, 40, 64)
"""How many hex digits a hash may have."""

_CAPITAL = rb"(?=[^:\n]*[A-F])[0-9a-fA-F?*{}()|!\[\]-]+"
CAPITALS = {
    **dict.fromkeys(("hdb", "hdu", "fp", "imp"), re.compile(rb"^" + _CAPITAL, re.MULTILINE)),
    **dict.fromkeys(("mdb", "mdu"), re.compile(rb"(?<=:)" + _CAPITAL + rb"(?=:)", re.MULTILINE)),
    **dict.fromkeys(
        ("ndb", "ndu", "sdb"), re.compile(rb"(?<=:)" + _CAPITAL + rb"(?=[:\n])", re.MULTILINE)
    ),
}
"""Fields of hex digits of which some are capitals."""


def key_of(line: bytes, scope: str) -> bytes:
    """The key of one line; see `KEYS`."""
    found = KEYS[scope].match(line.lower())
    return found.group(1) if found else b""
