"""Inputs that hold the strings of one rule, and the engine that is asked about them.

A sample is all strings of a rule that can be written down, each on a line of its
own. Whether the condition then holds, the engine says. Regular expressions with
a choice or a repetition are left out.
"""

from __future__ import annotations

import ast
import base64
import re
from typing import TYPE_CHECKING

from verifier.sigdb.base import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from verifier.sigdb.base import Record

_LARGEST = 1 << 16  # bytes of one string
_GAP = b"\n"
_JUMP = re.compile(r"\[([0-9]{1,5})-[0-9]*\]")
_XOR = re.compile(r"xor\(([0-9]{1,3})-[0-9]+\)")
_CLASSES = {".": b"x", "\\w": b"w", "\\W": b"-", "\\s": b" ", "\\S": b"s", "\\d": b"1", "\\D": b"d"}


def detected(status: int, output: str, name: str) -> bool | None:
    """Whether `yara` reports a rule of that name; None if it failed."""
    if status:
        return None
    return any(line.split(" ", 1)[0] == name for line in output.splitlines())


TEXT_ENGINE = Engine("yara", ("-w", "{files}", "{sample}"), detected)
COMPILED_ENGINE = Engine("yara", ("-w", "-C", "{files}", "{sample}"), detected)


def of_text(record: Record) -> bytes | None:
    """A sample of a rule that was read as text."""
    return _sample(record, _written)


def of_compiled(record: Record) -> bytes | None:
    """A sample of a rule that libyara compiled."""
    return _sample(record, _compiled)


def _sample(record: Record, one: Callable[[str], bytes | None]) -> bytes | None:
    strings = (one(value) for name, value in record.body if name.startswith("string "))
    known = [string for string in strings if string]
    return _GAP.join([b"", *known, b""]) if known else None


def _written(value: str) -> bytes | None:
    """A string as the family of rule texts writes it."""
    kind, _, rest = value.partition(" ")
    if kind == "hex":
        return _hex(rest.split(" "))
    found = re.match(r"b(?:'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\")", rest)
    if kind != "text" or found is None:
        return None
    data: bytes = ast.literal_eval(found[0])
    modifiers = rest[found.end() :]
    wide = " wide" in modifiers and " ascii" not in modifiers
    if " base64wide" in modifiers or " base64" in modifiers:
        return base64.b64encode(data) if "base64(b'ABC" in modifiers else None
    key = _XOR.search(modifiers)
    data = data.decode("latin-1").encode("utf-16-le")[: 2 * len(data)] if wide else data
    return bytes(byte ^ int(key[1]) & 0xFF for byte in data) if key else data


def _hex(parts: list[str]) -> bytes | None:
    """The shortest bytes that a hex string matches; the first of alternatives."""
    found = bytearray()
    depth = skipped = 0  # nesting, and the depth at which alternatives are passed over
    for part in parts:
        depth += part == "("
        if part == "|" and not skipped:
            skipped = depth
        if part == ")":
            skipped = 0 if skipped == depth else skipped
            depth -= 1
        jump = _JUMP.fullmatch(part)
        if skipped or part in "(|)":
            continue
        if jump:
            found += bytes(int(jump[1]))
        elif re.fullmatch("~?[0-9A-F?]{2}", part):
            value = int(part[-2:].replace("?", "0"), 16)
            found.append(value ^ 0x11 if part[0] == "~" else value)
        else:
            return None
        if len(found) > _LARGEST:
            return None
    return bytes(found)


def _compiled(value: str) -> bytes | None:
    """A string as the family of compiled rules writes it."""
    literal = re.search(r"; text ((?:[0-9a-f]{2})+);", value)
    if literal:
        flags = value.partition(";")[0].split()
        data = bytes.fromhex(literal[1])
        wide = "wide" in flags and "ascii" not in flags
        return data.decode("latin-1").encode("utf-16-le") if wide else data
    program = re.search(r"forward \[([^]]*), match\]", value)
    if program is None:
        return None
    parts = list(_instructions(program[1].split(", ")))
    if None in parts:
        return None
    return b"".join(part for part in parts if part is not None)[:_LARGEST]


def _instructions(parts: list[str]) -> Iterator[bytes | None]:
    """Bytes that each instruction of a straight program takes; None for one that branches."""
    for part in parts:
        name, _, operand = part.rpartition(" ")
        if re.fullmatch("~?[0-9a-f]{2}", part):
            value = int(part[-2:], 16)
            yield bytes((value ^ 0x11 if part[0] == "~" else value,))
        elif part in _CLASSES:
            yield _CLASSES[part]
        elif name in ("mask", "~mask"):
            value, mask = bytes.fromhex(operand)
            yield bytes((value ^ mask if name == "~mask" else value,))
        elif name in ("any", "any?"):
            yield bytes(int.from_bytes(bytes.fromhex(operand)[:2], "little"))
        elif name == "class":
            yield _member(bytes.fromhex(operand))
        else:
            yield None


def _member(operand: bytes) -> bytes | None:
    """The first byte of a class: whether it is negated, and a bit for each byte."""
    bits = int.from_bytes(operand[1:], "little")
    found = next((byte for byte in range(256) if (bits >> byte & 1) != operand[0]), None)
    return None if found is None else bytes((found,))
