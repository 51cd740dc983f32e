"""A strict, bounded reader of Python's marshal format, versions 3.7 to 3.15. Runs nothing.

CPython, Python/marshal.c. Unlike `marshal.loads` it builds plain tuples, takes
no recursion that a file can drive deep, and refuses bytes left over.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from verifier.errors import LimitError, ParseError
from verifier.formats.base import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.content import Buffer

_REFERENCE: Final = 0x80
_DEPTH: Final = 100
_OBJECTS: Final = 250_000
_DIGITS: Final = 1_000  # of an integer that are turned into one
_TEXTS: Final = frozenset("zZaAut")
_CONTAINERS: Final = {
    "(": "tuple", ")": "tuple", "[": "list", "<": "set", ">": "frozenset", ":": "slice",
}  # fmt: skip
_SINGLES: Final[dict[str, object]] = {
    "0": None, "N": None, "F": False, "T": True, "S": StopIteration, ".": Ellipsis,
}  # fmt: skip
# Fields of a code object in the order in which they are stored.
_FIELDS_311: Final = (
    "argcount:l posonly:l kwonly:l stacksize:l flags:l code:o consts:o names:o localsplusnames:o "
    "localspluskinds:o filename:o name:o qualname:o firstlineno:l linetable:o exceptiontable:o"
)
_FIELDS_38: Final = (
    "argcount:l posonly:l kwonly:l nlocals:l stacksize:l flags:l code:o consts:o names:o "
    "varnames:o freevars:o cellvars:o filename:o name:o firstlineno:l linetable:o"
)


class Value(NamedTuple):
    """One object: its kind, what it holds, and a digest that tells it from any other.

    `kind` is a word for people; `held` is a text, bytes, a number, a constant, a
    tuple of values, or the fields of a code object. The digest of a code object
    is that of its name alone, so that a function is not another because of one inside.
    """

    kind: str
    held: Any
    digest: bytes

    def field(self, name: str) -> Value | None:
        """A field of a code object; None where this version has none of that name."""
        found: Value | None = self.held.get(name) if self.kind == "code" else None
        return found

    def text(self, name: str) -> str:
        """A field of a code object that is a text, escaped."""
        found = self.field(name)
        if found is None or not isinstance(found.held, str):
            return ""
        return text(found.held.encode("utf-8", "backslashreplace"))

    def items(self, name: str) -> tuple[Value, ...]:
        """A field of a code object that is a tuple."""
        found = self.field(name)
        return found.held if found is not None and found.kind == "tuple" else ()


def load(data: Buffer, version: tuple[int, int]) -> Value:
    """The one object that fills `data`.

    Raises:
        ParseError: malformed, cut short, or bytes are left over.
        LimitError: nested too deep, or more objects than any module has.
    """
    reader = _Reader(bytes(data), version)
    found = reader.value(0)
    if reader.at != len(reader.raw):
        raise ParseError("Bytes follow the marshalled object", reader.at)
    return found


def _value(kind: str, held: Any, raw: bytes) -> Value:
    return Value(kind, held, blake2b(kind.encode() + b"\0" + raw, digest_size=16).digest())


def _holding(kind: str, items: Sequence[Value]) -> Value:
    digests = [item.digest for item in items]
    if kind in {"set", "frozenset"}:
        digests.sort()
    return _value(kind, tuple(items), b"".join(digests))


class _Reader:
    def __init__(self, raw: bytes, version: tuple[int, int]) -> None:
        self.raw = raw
        self.at = 0
        self._references: list[Value | None] = []
        self._objects = 0
        listed = _FIELDS_311 if version >= (3, 11) else _FIELDS_38
        if version < (3, 8):
            listed = listed.replace("posonly:l ", "")
        self._fields = [item.split(":") for item in listed.split()]

    def value(self, depth: int) -> Value:
        self._objects += 1
        if depth > _DEPTH or self._objects > _OBJECTS:
            raise LimitError("A compiled Python module nests too deep or holds too much.")
        byte = self._take(1)[0]
        kind = chr(byte & 0x7F)
        if not byte & _REFERENCE:
            return self._of(kind, depth)
        place = len(self._references)
        self._references.append(None)
        found = self._of(kind, depth)
        self._references[place] = found
        return found

    def _of(self, kind: str, depth: int) -> Value:
        if kind in _SINGLES:
            return _value("constant", _SINGLES[kind], kind.encode())
        if kind in _TEXTS or kind in "sigyflx":
            return self._plain(kind)
        if kind == "r":
            return self._reference()
        if kind == "c":
            return self._code(depth)
        return self._many(kind, depth)

    def _plain(self, kind: str) -> Value:
        if kind in _TEXTS:
            raw = self._take(self._take(1)[0] if kind in "zZ" else self._long())
            codec = "utf-8" if kind in "ut" else "latin-1"
            shown = raw.decode(codec, "backslashreplace")
            return _value("text", shown, shown.encode("utf-8"))
        if kind == "s":
            raw = self._take(self._long())
            return _value("bytes", raw, raw)
        if kind == "i":
            raw = self._take(4)
            return _value("number", int.from_bytes(raw, "little", signed=True), raw)
        if kind == "l":
            return self._digits()
        if kind in "gy":
            raw = self._take(8 if kind == "g" else 16)
            return _value("float", struct.unpack(f"<{len(raw) // 8}d", raw), raw)
        raw = b" ".join(self._take(self._take(1)[0]) for _ in range(1 if kind == "f" else 2))
        return _value("float", raw.decode("latin-1"), raw)

    def _digits(self) -> Value:
        """An integer in digits of 15 bits."""
        head = self._take(4)
        count = int.from_bytes(head, "little", signed=True)
        raw = head + self._take(2 * abs(count))
        digits = struct.unpack_from(f"<{abs(count)}H", raw, 4)
        held = sum(digit << 15 * place for place, digit in enumerate(digits[:_DIGITS]))
        return _value("number", -held if count < 0 else held, raw)

    def _many(self, kind: str, depth: int) -> Value:
        if kind == "{":
            items = []
            while self.raw[self.at : self.at + 1] != b"0":
                items += [self.value(depth + 1), self.value(depth + 1)]
            self.at += 1
            return _holding("dict", items)
        if kind not in _CONTAINERS:
            raise ParseError(f"A marshalled object of the unknown type {kind!r}", self.at)
        count = 3 if kind == ":" else self._take(1)[0] if kind == ")" else self._long()
        if count > len(self.raw) - self.at:
            raise ParseError("A marshalled sequence is cut short", self.at)
        return _holding(_CONTAINERS[kind], [self.value(depth + 1) for _ in range(count)])

    def _code(self, depth: int) -> Value:
        found: dict[str, Value] = {}
        for name, kind in self._fields:
            if kind == "l":
                raw = self._take(4)
                found[name] = _value("number", int.from_bytes(raw, "little", signed=True), raw)
            else:
                found[name] = self.value(depth + 1)
        named = found.get("qualname") or found["name"]
        return _value("code", found, named.digest)

    def _reference(self) -> Value:
        place = self._long()
        found = self._references[place] if place < len(self._references) else None
        if found is None:
            raise ParseError("A reference to an object that does not exist yet", self.at)
        return found

    def _take(self, count: int) -> bytes:
        found = self.raw[self.at : self.at + count]
        if len(found) != count:
            raise ParseError("A marshalled object is cut short", self.at)
        self.at += count
        return found

    def _long(self) -> int:
        return int.from_bytes(self._take(4), "little")
