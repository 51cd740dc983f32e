"""MessagePack, by its specification: one or several documents, keys once, integers by value.

How wide an integer or a length is written, and whether a float has 32 or 64
bits where both hold its value, changes nothing. Source: msgpack spec.md.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.sigdb import sniff
from verifier.sigdb.base import Family
from verifier.sigdb.generic import rows, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.sigdb.base import File, Options, Record

_INTEGERS = {
    0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_FLOATS = {0xCA: ">f", 0xCB: ">d"}
_LENGTHS = {
    0xD9: (1, "str"), 0xDA: (2, "str"), 0xDB: (4, "str"),
    0xC4: (1, "bin"), 0xC5: (2, "bin"), 0xC6: (4, "bin"),
    0xC7: (1, "ext"), 0xC8: (2, "ext"), 0xC9: (4, "ext"),
    0xDC: (2, "array"), 0xDD: (4, "array"), 0xDE: (2, "map"), 0xDF: (4, "map"),
}  # fmt: skip
_CONSTANTS = {0xC0: "null", 0xC2: "false", 0xC3: "true"}
_NAME = re.compile(r'"([A-Za-z_][A-Za-z0-9_.-]*)"')
_WORDS = frozenset({"null", "true", "false", "inf"})


class _Open(NamedTuple):
    """A list or map that is being read."""

    items: list[Any]
    wanted: int  # items; keys and values count each
    is_map: bool


class _Length(NamedTuple):
    """The head of a value that has one."""

    kind: str
    size: int


def records(file: File, options: Options) -> Iterator[Record]:
    """Every record; ParseError for what the specification does not have."""
    plan = rows.Plan.of(options)
    found = list(_documents(file.data))
    document = found[0] if len(found) == 1 else found
    return rows.limited(tree.records(document, plan, file.path))


def _documents(data: Buffer) -> Iterator[Any]:
    at = 0
    while at < len(data):
        document, at = _value(data, at)
        yield document


def _value(data: Buffer, at: int) -> tuple[Any, int]:
    """One document, without recursion, and the offset behind it."""
    pending: list[_Open] = []
    while True:
        item, at = _head(data, at)
        if isinstance(item, _Length):
            if item.kind in {"array", "map"}:
                wanted = item.size * (2 if item.kind == "map" else 1)
                if wanted > len(data) - at or len(pending) >= tree.DEPTH:
                    raise LimitError("A list or map longer than its file, or nested too deep.")
                pending.append(_Open([], wanted, item.kind == "map"))
            else:
                item, at = _text(data, at, item)
        if not isinstance(item, _Length):
            if not pending:
                return item, at
            pending[-1].items.append(item)
        while len(pending[-1].items) == pending[-1].wanted:
            whole = _closed(pending.pop(), at)
            if not pending:
                return whole, at
            pending[-1].items.append(whole)


def _head(data: Buffer, at: int) -> tuple[Any, int]:
    """A leaf as text, or the length of what follows."""
    if at >= len(data):
        raise ParseError("The file ends inside a value", at)
    first, at = data[at], at + 1
    if first < 0xC0 or first >= 0xE0:
        return _short(first), at
    if first in _CONSTANTS:
        return _CONSTANTS[first], at
    if 0xD4 <= first <= 0xD8:
        return _Length("ext", 1 << (first - 0xD4)), at
    if first in _LENGTHS:
        width, kind = _LENGTHS[first]
        return _Length(kind, int.from_bytes(_bytes(data, at, width), "big")), at + width
    code = _INTEGERS.get(first) or _FLOATS.get(first)
    if code is None:
        raise ParseError("The byte c1, which MessagePack never uses", at - 1)
    raw = _bytes(data, at, struct.calcsize(code))
    (value,) = struct.unpack(code, raw)
    # Which of the many "not a number" it is may matter to who reads its bits.
    shown = f"nan {raw.hex()}" if math.isnan(value) else repr(value)
    return shown, at + len(raw)


def _short(first: int) -> Any:
    """What one byte says alone: a small integer, or the length of something small."""
    if first < 0x80 or first >= 0xE0:
        return str(first if first < 0x80 else first - 0x100)
    if first >= 0xA0:
        return _Length("str", first & 0x1F)
    return _Length("array" if first >= 0x90 else "map", first & 0x0F)


def _bytes(data: Buffer, at: int, size: int) -> bytes:
    if size > len(data) - at:
        raise ParseError(f"The file ends inside a value of {size} bytes", at)
    return bytes(data[at : at + size])


def _text(data: Buffer, at: int, length: _Length) -> tuple[str, int]:
    """A text, bytes or extension as the text of a leaf."""
    if length.kind == "ext":
        raw = _bytes(data, at, length.size + 1)
        return f"ext {raw[:1].hex()} {raw[1:].hex()}", at + len(raw)
    raw = _bytes(data, at, length.size)
    if length.kind == "bin":
        return f"bin {raw.hex()}", at + len(raw)
    return rows.quoted(raw.decode("utf-8", "surrogateescape")), at + len(raw)


def _closed(found: _Open, at: int) -> Any:
    """A list, or a map of whose keys none stands twice. Texts as keys lose their quotes."""
    if not found.is_map:
        return found.items
    keys = found.items[::2]
    if not all(isinstance(key, str) for key in keys):
        raise ParseError("A map with a list or map as key", at)
    if len(set(keys)) != len(keys):
        raise ParseError("A map that has a key twice", at)
    return dict(zip(map(_key, keys), found.items[1::2], strict=True))


def _key(key: str) -> str:
    """A key without its quotes, where it looks like no other value then."""
    name = _NAME.fullmatch(key)
    return name[1] if name and name[1] not in _WORDS else key


FAMILY = Family(
    name="msgpack",
    accepts=sniff.nothing,
    records=records,
    effective=rows.effective(records),
    together="file",
    volatile=("order of keys, order of declared records, widths of integers, lengths and floats",),
)
