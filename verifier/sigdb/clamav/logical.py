"""Logical signatures, ldb and ldu, and the target description that bytecode shares with them.

Source: ClamAV's manual (Logical Signatures), libclamav 1.4 (`readdb.c: load_oneldb`,
`lsigattribs`, `init_tdb`, `readdb_parse_ldb_subsignature`; `matcher-byte-comp.c`).
"""

from __future__ import annotations

import re

from verifier.errors import ParseError
from verifier.sigdb.base import Record
from verifier.sigdb.clamav import logic, pattern, pcre, text

_NEW_ATTRIBUTES = 51  # attributes besides Engine and Target need this functionality level
_RANGES = frozenset({"Engine", "FileSize", "EntryPoint", "NumberOfSections"})
_TYPES = frozenset({"Container", "HandlerType"})
_NAMES = frozenset({"IconGroup1", "IconGroup2"})
_RANGE = re.compile(r"[0-9]{1,10}-[0-9]{1,10}")
_CHAIN = 15
_ATTRIBUTES = 10
_MACRO = re.compile(r"\$\{[0-9]{1,9}-[0-9]{1,9}\}(?:[0-2]?[0-9]|3[01])\$")
_COMPARE = re.compile(
    r"(?:[0-5]?[0-9]|6[0-3])\((?:(?:>>|<<)(?:0x[0-9a-fA-F]{1,8}|[0-9]{1,9})|0)?"
    r"#(?:h[lb]?e?(?:[1-9]|1[0-8])|db?e?[1-9][0-9]?|i[lb]?e?[1248]"
    r"|a?[lb]?e?[1-9][0-9]?)"
    r"#[<>=](?:0x[0-9a-fA-F]{1,16}|[0-9]{1,19})(?:,[<>=](?:0x[0-9a-fA-F]{1,16}|[0-9]{1,19}))?\)"
)
_FUZZY = re.compile(r"fuzzy_img#[0-9a-fA-F]{16}(?:#[0-9]{1,3})?")
_REGEX = re.compile(r"(?:([^:/]*):)?([^:/]+)/((?:[^/]|(?<=\\)/)+)/([grimsxAEU]*)")
_MODIFIERS = re.compile(r"[ifwa]+")


def signature(line: bytes, scope: str) -> Record:
    """`name;TDB;logic;sub0[;sub1 …]`."""
    return record(text.decoded(line), scope)


def record(line: str, scope: str, *, spare: bool = False) -> Record:
    """The record of one logical signature; `spare` allows subsignatures that no logic names."""
    fields = _fields(line)
    if len(fields) < 4:
        raise ParseError("A logical signature has fewer than four fields")
    subs = fields[3:]
    named(fields[2], len(subs), spare=spare)
    attributes = description(fields[1])
    foreign = "unsupported" in attributes or text.foreign(
        tuple(item for item in attributes.items() if item[0] == "levels")
    )
    target = int(attributes.get("Target", "0"))
    body = [(name, attributes[name]) for name in sorted(attributes)]
    body.append(("logic", fields[2]))
    for index, sub in enumerate(subs):
        body.append((f"sub{index}", sub if foreign else subsignature(sub, index, target)))
    return Record(scope, text.name_of(fields[0]), tuple(body))


def named(expression: str, count: int, *, spare: bool = False) -> None:
    """Check that the logic names as many subsignatures as there are, or fewer if `spare`."""
    wanted = logic.parse(expression).highest + 1
    if count > logic.MAX_SUBSIGNATURES or wanted > count or (wanted != count and not spare):
        raise ParseError(f"The logic names {wanted} subsignatures, and {count} are there")


def _fields(line: str) -> list[str]:
    """Cut at semicolons, those within a regular expression aside."""
    if "/" not in line:
        return line.split(";")
    fields: list[str] = []
    start = at = 0
    inside = False
    while at < len(line):
        char = line[at]
        if char == ";" and not inside:
            fields.append(line[start:at])
            start = at + 1
        elif char == "/" and len(fields) >= 2 and line[at - 1] != "\\":
            inside = not inside
        at += 1
    fields.append(line[start:])
    return fields


def description(written: str) -> dict[str, str]:
    """The target description as a map; `Engine` becomes `levels`.

    What this engine does not know becomes `unsupported`: it passes over such a signature.
    """
    found: dict[str, str] = {}
    items = written.split(",")
    if len(items) > _ATTRIBUTES:
        raise ParseError(f"More than {_ATTRIBUTES} attributes")
    for place, item in enumerate(items):
        name, colon, value = item.partition(":")
        if not colon:
            raise ParseError("An attribute of the target description is no name:value")
        if name in found or (name == "Engine" and place):
            raise ParseError(f"{name} stands twice, or Engine is not the first attribute")
        if not _known(name, value):
            found["unsupported"] = written
            break
        found[name] = value
    return _checked(found)


def _known(name: str, value: str) -> bool:
    """Whether an engine knows the attribute; ParseError for a value that it refuses."""
    if name == "Target":
        text.number(value, name)
    elif name in _RANGES:
        if not _RANGE.fullmatch(value):
            raise ParseError(f"{name} is no range")
    elif name in _TYPES:
        return value in text.FILE_TYPES
    elif name == "Intermediates":
        chain = value.split(">")
        return len(chain) <= _CHAIN and text.FILE_TYPES.issuperset(chain)
    else:
        return name in _NAMES
    return True


def _checked(found: dict[str, str]) -> dict[str, str]:
    low, high = 0, text.ANY_LEVEL
    if "Engine" in found:
        low, high = (int(part) for part in found.pop("Engine").split("-"))
    given = dict(text.interval(low, high))
    if "unsupported" in found or not low <= text.LEVEL <= high:
        return {**found, **given}
    if "Target" not in found:
        raise ParseError("The target description names no target")
    target = found["Target"] = str(int(found["Target"]))
    if set(found) - {"Target"} and low < _NEW_ATTRIBUTES:
        raise ParseError(f"New attributes need an Engine level of {_NEW_ATTRIBUTES}")
    if set(found) & _NAMES and target != "1":
        raise ParseError("Icon groups are for target 1 alone")
    if set(found) & {"EntryPoint", "NumberOfSections"} and int(target) not in pattern.EXECUTABLE:
        raise ParseError("EntryPoint and NumberOfSections are for executables alone")
    for name in _RANGES & set(found):
        found[name] = "-".join(str(int(part)) for part in found[name].split("-"))
    return {**found, **given}


def subsignature(written: str, index: int, target: int) -> str:
    """Check one subsignature; returned in lower case where case means nothing."""
    if written.startswith("$"):
        return _checked_by(_MACRO, written, "macro")
    if "/" in written:
        return _regex(written, index, target)
    if written.count("#") > 1 and "(" in written:
        return _checked_by(_COMPARE, written, "byte comparison")
    if written.startswith("fuzzy_img#"):
        return _checked_by(_FUZZY, written, "image hash").lower()
    return _content(written, target)


def _checked_by(grammar: re.Pattern[str], written: str, what: str) -> str:
    if not grammar.fullmatch(written):
        raise ParseError(f"A subsignature is no {what}")
    return written


def _regex(written: str, index: int, target: int) -> str:
    found = _REGEX.fullmatch(written)
    if found is None:
        raise ParseError("A subsignature is no trigger/regular expression/flags")
    if found.group(1) is not None:
        pattern.offset(found.group(1), target)
    if logic.parse(found.group(2)).highest >= index:
        raise ParseError("A regular expression is triggered by itself or by a later subsignature")
    pcre.check(found.group(3), found.group(4))
    return written


def _content(written: str, target: int) -> str:
    fields = written.split(":")
    if len(fields) > 4 or (len(fields) > 2 and fields[-2]):
        raise ParseError("A subsignature is no offset:hex::modifiers")
    if len(fields) > 2 and not _MODIFIERS.fullmatch(fields[-1]):
        raise ParseError("A subsignature has unknown modifiers")
    place = 1 if len(fields) % 2 == 0 else 0
    if place:
        pattern.offset(fields[0], target)
    pattern.body(fields[place], short=True)
    if len(fields) > 2 and "!" in fields[place]:
        raise ParseError("A subsignature has modifiers and a negated choice")
    fields[place] = text.lower_hex(fields[place])
    if len(fields) > 2:
        fields[-1] = "".join(sorted(set(fields[-1])))
    return ":".join(fields)
