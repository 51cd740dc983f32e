"""Names of what tokens and signatures of an assembly point at (ECMA-335, II.22, II.23.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from verifier.errors import LimitError, ParseError
from verifier.semantic.dotnet import schema
from verifier.semantic.dotnet.metadata import compressed

if TYPE_CHECKING:
    from verifier.semantic.dotnet.metadata import Metadata

_DEPTH: Final = 24  # of nested types and signatures
_ARGUMENTS: Final = 1_000
_WORK: Final = 2_000_000  # parts of signatures, long ones counted more
_LONGEST: Final = 4_000  # characters of one name
_PLAIN: Final = {
    0x01: "void", 0x02: "bool", 0x03: "char", 0x04: "int8", 0x05: "uint8", 0x06: "int16",
    0x07: "uint16", 0x08: "int32", 0x09: "uint32", 0x0A: "int64", 0x0B: "uint64",
    0x0C: "float32", 0x0D: "float64", 0x0E: "string", 0x16: "typedref", 0x18: "native int",
    0x19: "native uint", 0x1C: "object",
}  # fmt: skip
_NUMBERED: Final = re.compile(
    r"(<[^<>]{0,200}>(?:b__|9__|c__DisplayClass|g__[^<>|]{1,100}\|))\d{1,9}(?=_)"
)
_PLAIN_NAMES: Final = {
    schema.MODULE_REF: 0, schema.MODULE: 1, schema.FILE: 1, schema.ASSEMBLY_REF: 6,
}  # fmt: skip
_AROUND: Final = {
    0x0F: ("", "*"), 0x10: ("", "&"), 0x1D: ("", "[]"), 0x41: ("...", ""), 0x45: ("pinned ", ""),
}  # fmt: skip


class Names:
    """Names of one assembly, each worked out once."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self._known: dict[tuple[int, int], str] = {}
        self._work = _WORK
        nested = metadata.table(schema.NESTED)
        self._outer: dict[int, int] = {row[0]: row[1] for row in nested}
        self.owner: dict[int, int] = {}  # type by method
        self.field_owner: dict[int, int] = {}
        self._own(4, self.field_owner, len(metadata.table(schema.FIELD)))
        self._own(5, self.owner, len(metadata.table(schema.METHOD)))

    def _own(self, column: int, owner: dict[int, int], count: int) -> None:
        types = self.metadata.table(schema.TYPE_DEF)
        for index, row in enumerate(types):
            last = types[index + 1][column] if index + 1 < len(types) else count + 1
            for member in range(row[column], min(last, count + 1)):
                owner[member] = index + 1

    def token(self, value: int) -> str:
        """What a token of IL names."""
        table, row = value >> 24, value & 0xFFFFFF
        if table == 0x70:
            return repr(self.metadata.user_string(row))
        return self.of(table, row)

    def of(self, table: int, row: int, depth: int = 0) -> str:
        """The name of one row of a table."""
        key = table, row
        if key not in self._known:
            if depth > _DEPTH:
                raise ParseError("Names of an assembly nest too deep")
            self._known[key] = self._name(table, row, depth)[:_LONGEST] if row else ""
        return self._known[key]

    def _name(self, table: int, row: int, depth: int) -> str:
        values = self.metadata.row(table, row)
        if table in _PLAIN_NAMES:
            return self.metadata.string(values[_PLAIN_NAMES[table]])
        if table in {schema.TYPE_DEF, schema.TYPE_REF, schema.TYPE_SPEC}:
            return self._type_named(table, row, values, depth)
        return self._member(table, row, values, depth)

    def _type_named(self, table: int, row: int, values: tuple[int, ...], depth: int) -> str:
        data = self.metadata
        if table == schema.TYPE_DEF:
            return _unnumbered(self._type(row, depth))
        if table == schema.TYPE_SPEC:
            return self.type_at(data.blob(values[0]), 0, depth + 1)[0]
        scope = schema.coded("ResolutionScope", values[0])
        name = _dotted(data.string(values[2]), data.string(values[1]))
        return f"{self.of(*scope, depth + 1)}/{name}" if scope[0] == schema.TYPE_REF else name

    def _member(self, table: int, row: int, values: tuple[int, ...], depth: int) -> str:
        data = self.metadata
        result = f"token {table:02x}{row:06x}"
        if table == schema.METHOD:
            owner = self.owner.get(row, 0)
            result = f"{self.of(schema.TYPE_DEF, owner)}::{self.method(row)}"
        elif table == schema.FIELD:
            owner = self.field_owner.get(row, 0)
            result = f"{self.of(schema.TYPE_DEF, owner)}::{_unnumbered(data.string(values[1]))}"
        elif table == schema.MEMBER_REF:
            parent = schema.coded("MemberRefParent", values[0])
            signature = self.signature(data.blob(values[2]), depth + 1)
            result = f"{self.of(*parent, depth + 1)}::{data.string(values[1])}{signature}"
        elif table == schema.METHOD_SPEC:
            method = schema.coded("MethodDefOrRef", values[0])
            result = f"{self.of(*method, depth + 1)}<{self._generic(data.blob(values[1]), depth)}>"
        elif table == schema.STAND_ALONE:
            result = self.signature(data.blob(values[0]), depth + 1)
        return result

    def _type(self, row: int, depth: int) -> str:
        values = self.metadata.row(schema.TYPE_DEF, row)
        name = _dotted(self.metadata.string(values[2]), self.metadata.string(values[1]))
        outer = self._outer.get(row)
        return f"{self.of(schema.TYPE_DEF, outer, depth + 1)}/{name}" if outer else name

    def method(self, row: int) -> str:
        """`Name(int32, string)`."""
        values = self.metadata.row(schema.METHOD, row)
        return _unnumbered(self.metadata.string(values[3])) + self.signature(
            self.metadata.blob(values[4])
        )

    def signature(self, blob: bytes, depth: int = 0) -> str:
        """The arguments of a method, the type of a field, or the types of local variables."""
        if not blob:
            return ""
        if blob[0] & 15 == 6:
            return f" : {self.type_at(blob, 1, depth)[0]}"
        return self._method_at(blob, 0, depth)[0]

    def _method_at(self, blob: bytes, at: int, depth: int) -> tuple[str, int]:
        """(arguments and result, where it ends); also the types of local variables."""
        kind = int.from_bytes(blob[at : at + 1], "little")
        at += 1
        generic = 0
        if kind & 0x10:
            generic, at = compressed(blob, at)
        count, at = compressed(blob, at)
        if count > _ARGUMENTS:
            raise ParseError("A signature has too many arguments")
        result = ""
        if kind & 15 not in {7, 10}:
            result, at = self.type_at(blob, at, depth)
        parts = []
        for _ in range(count):
            part, at = self.type_at(blob, at, depth)
            parts.append(part)
        marks = f"<{generic}>" if generic else ""
        returned = f" : {result}" if result not in {"", "void"} else ""
        return f"{marks}({', '.join(parts)}){returned}"[:_LONGEST], at

    def _generic(self, blob: bytes, depth: int) -> str:
        count, at = compressed(blob, 1)
        parts = []
        for _ in range(min(count, _ARGUMENTS)):
            part, at = self.type_at(blob, at, depth + 1)
            parts.append(part)
        return ", ".join(parts)

    def type_at(self, blob: bytes, at: int, depth: int) -> tuple[str, int]:
        """(name, where it ends) of one type of a signature."""
        if depth > _DEPTH:
            raise ParseError("A signature nests too deep")
        name, at = self._type_at(blob, at, depth)
        self._work -= 1 + len(name) // 16
        if self._work < 0:
            raise LimitError("The signatures of an assembly take too long to read.")
        return name, at

    def _type_at(self, blob: bytes, at: int, depth: int) -> tuple[str, int]:
        kind, at = compressed(blob, at)
        if kind in _PLAIN:
            return _PLAIN[kind], at
        if kind in _AROUND:
            before, after = _AROUND[kind]
            inner, at = self.type_at(blob, at, depth + 1)
            return f"{before}{inner}{after}"[:_LONGEST], at
        if kind in {0x11, 0x12, 0x13, 0x1E}:
            value, at = compressed(blob, at)
            if kind in {0x13, 0x1E}:
                return f"{'!' if kind == 0x13 else '!!'}{value}", at
            return self.of(*schema.coded("TypeDefOrRef", value), depth + 1), at
        if kind in {0x1F, 0x20}:
            value, at = compressed(blob, at)
            inner, at = self.type_at(blob, at, depth + 1)
            return f"{inner} mod {self.of(*schema.coded('TypeDefOrRef', value), depth + 1)}", at
        return self._compound(kind, blob, at, depth)

    def _compound(self, kind: int, blob: bytes, at: int, depth: int) -> tuple[str, int]:
        if kind == 0x15:
            base, at = self.type_at(blob, at, depth + 1)
            count, at = compressed(blob, at)
            parts = []
            for _ in range(min(count, _ARGUMENTS)):
                part, at = self.type_at(blob, at, depth + 1)
                parts.append(part)
            return f"{base}<{', '.join(parts)}>"[:_LONGEST], at
        if kind == 0x14:
            base, at = self.type_at(blob, at, depth + 1)
            rank, at = compressed(blob, at)
            shape = []
            for _ in range(2):
                count, at = compressed(blob, at)
                for _ in range(min(count, _ARGUMENTS)):
                    bound, at = compressed(blob, at)
                    shape.append(str(bound))
            return f"{base}[{rank}: {' '.join(shape)}]", at
        if kind == 0x1B:
            shown, at = self._method_at(blob, at, depth + 1)
            return f"method*{shown}", at
        raise ParseError(f"A signature has an element of the unknown kind {kind:#x}")


def _unnumbered(name: str) -> str:
    """`<Run>b__0` for `<Run>b__12_0`: compilers number such methods in their order of the type."""
    return _NUMBERED.sub(r"\1", name) if "<" in name else name


def _dotted(space: str, name: str) -> str:
    return f"{space}.{name}" if space else name
