"""File types (ftm), passwords (pwdb) and switches of the engine (cfg).

Source: libclamav 1.4 (`readdb.c: cli_loadftm`, `cli_loadpwdb`; `dconf.c: cli_dconf_load`).
"""

from __future__ import annotations

import re

from verifier.errors import ParseError
from verifier.sigdb.base import Effect, Record
from verifier.sigdb.clamav import logical, pattern, text
from verifier.sigdb.clamav.bodies import TARGETS

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_SWITCH = re.compile(r"([A-Z]{2,12}):0x([0-9a-fA-F]{1,8})((?::[0-9]{1,9}){0,2})")
_CONTAINERS = frozenset({"CL_TYPE_ANY", "CL_TYPE_ZIP", "CL_TYPE_RAR"})
_MODULES = frozenset(
    {"PE", "ELF", "MACHO", "ARCHIVE", "DOCUMENT", "MAIL", "OTHER", "PHISHING", "BYTECODE"}
    | {"STATS", "PCRE"}
)


def file_type(line: bytes, scope: str) -> Record:
    """`magictype:offset:hex:name:rtype:type[:minFL[:maxFL]]`."""
    fields = text.decoded(line).split(":")
    if not 6 <= len(fields) <= 8:
        raise ParseError(f"A file type has {len(fields)} fields instead of 6 to 8")
    levels = text.levels(fields, 6)
    magic = str(text.number(fields[0], "The kind of magic"))
    if not text.foreign(levels):
        if not text.FILE_TYPES.issuperset(fields[4:6]):
            raise ParseError("The engine knows no such file type")
        if magic in {"0", "4"}:
            text.number(fields[1], "The offset")
            if not _HEX.fullmatch(fields[2]):
                raise ParseError("The magic is no hex")
        elif magic == "1":
            text.name_of(fields[3])
            pattern.offset(fields[1], 0)
            pattern.body(fields[2], short=True)
    place = (("magic", magic), ("offset", fields[1]), ("hex", text.lower_hex(fields[2])))
    body = (*place, ("from", fields[4]), ("type", fields[5]), *levels)
    return Record(scope, fields[3], body, Effect.SETTING)


def password(line: bytes, scope: str) -> Record:
    """`name;attributes;0|1;password`, of encrypted archives."""
    fields = text.decoded(line).split(";", 3)
    if len(fields) != 4 or ";" in fields[3]:
        raise ParseError("A password has not four fields")
    written = fields[1] if "Target:" in fields[1] else f"{fields[1]},Target:0"
    attributes = logical.description(written)
    if attributes.get("Container", "CL_TYPE_ANY") not in _CONTAINERS:
        raise ParseError("Passwords are for zip and RAR archives alone")
    levels = tuple(item for item in attributes.items() if item[0] == "levels")
    known = "unsupported" not in attributes and int(attributes["Target"]) < TARGETS
    if text.foreign(levels) or not known:  # one that it passes over elsewhere
        raise ParseError("A password of other engines makes this one refuse the database")
    if fields[2] not in {"0", "1"}:
        raise ParseError("The password is neither stored as text (0) nor as hex (1)")
    secret = fields[3].lower()
    if fields[2] == "1" and not _HEX.fullmatch(secret):
        raise ParseError("The password is no hex")
    if fields[2] == "0":
        secret = fields[3].encode("utf-8", "surrogateescape").hex()
    body = [(name, attributes[name]) for name in sorted(attributes)]
    body.append(("password", secret))
    return Record(scope, text.name_of(fields[0]), tuple(body), Effect.SETTING)


def switch(line: bytes, scope: str) -> Record | None:
    """`MODULE:0xflags[:minFL[:maxFL]]`; None for a line that no engine looks at."""
    written = text.decoded(line)
    if not written or written.startswith("#"):
        return None
    found = _SWITCH.fullmatch(written)
    if found is None or found.group(1) not in _MODULES:
        raise ParseError("A switch of the engine is no MODULE:0x…")
    levels = text.levels(found.group(3).split(":")[1:], 0)
    body = (("flags", f"0x{int(found.group(2), 16):x}"), *levels)
    return Record(scope, found.group(1), body, Effect.SETTING)
