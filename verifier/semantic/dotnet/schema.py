"""The metadata tables of ECMA-335 (6th edition), II.22, and the coded indexes of II.24.2.6."""

from __future__ import annotations

from typing import Final

MODULE, TYPE_REF, TYPE_DEF, FIELD, METHOD, PARAM = 0x00, 0x01, 0x02, 0x04, 0x06, 0x08
INTERFACE, MEMBER_REF, CONSTANT, ATTRIBUTE = 0x09, 0x0A, 0x0B, 0x0C
STAND_ALONE, MODULE_REF, TYPE_SPEC, IMPL_MAP, FIELD_RVA = 0x11, 0x1A, 0x1B, 0x1C, 0x1D
ASSEMBLY, ASSEMBLY_REF, FILE, EXPORTED_TYPE, RESOURCE = 0x20, 0x23, 0x26, 0x27, 0x28
NESTED, METHOD_SPEC = 0x29, 0x2B

# Columns: 2, 4 bytes; s string, g GUID, b blob; @nn index into a table; a coded index by its name.
TABLES: Final[dict[int, str]] = {
    0x00: "2 s g g g",
    0x01: "ResolutionScope s s",
    0x02: "4 s s TypeDefOrRef @04 @06",
    0x03: "@04",
    0x04: "2 s b",
    0x05: "@06",
    0x06: "4 2 2 s b @08",
    0x07: "@08",
    0x08: "2 2 s",
    0x09: "@02 TypeDefOrRef",
    0x0A: "MemberRefParent s b",
    0x0B: "2 HasConstant b",
    0x0C: "HasCustomAttribute CustomAttributeType b",
    0x0D: "HasFieldMarshal b",
    0x0E: "2 HasDeclSecurity b",
    0x0F: "2 4 @02",
    0x10: "4 @04",
    0x11: "b",
    0x12: "@02 @14",
    0x13: "@14",
    0x14: "2 s TypeDefOrRef",
    0x15: "@02 @17",
    0x16: "@17",
    0x17: "2 s b",
    0x18: "2 @06 HasSemantics",
    0x19: "@02 MethodDefOrRef MethodDefOrRef",
    0x1A: "s",
    0x1B: "b",
    0x1C: "2 MemberForwarded s @1a",
    0x1D: "4 @04",
    0x1E: "4 4",
    0x1F: "4",
    0x20: "4 2 2 2 2 4 b s s",
    0x21: "4",
    0x22: "4 4 4",
    0x23: "2 2 2 2 4 b s s b",
    0x24: "4 @23",
    0x25: "4 4 4 @23",
    0x26: "4 s b",
    0x27: "4 4 s s Implementation",
    0x28: "4 4 s Implementation",
    0x29: "@02 @02",
    0x2A: "2 2 TypeOrMethodDef s",
    0x2B: "MethodDefOrRef b",
    0x2C: "@2a TypeDefOrRef",
}

_NONE: Final = 0xFF  # a tag that means nothing
# Name: (bits of the tag, tables by tag).
CODED: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "TypeDefOrRef": (2, (0x02, 0x01, 0x1B)),
    "HasConstant": (2, (0x04, 0x08, 0x17)),
    "HasCustomAttribute": (
        5,
        (0x06, 0x04, 0x01, 0x02, 0x08, 0x09, 0x0A, 0x00, 0x0E, 0x17, 0x14, 0x11, 0x1A, 0x1B, 0x20,
         0x23, 0x26, 0x27, 0x28, 0x2A, 0x2C, 0x2B),
    ),
    "HasFieldMarshal": (1, (0x04, 0x08)),
    "HasDeclSecurity": (2, (0x02, 0x06, 0x20)),
    "MemberRefParent": (3, (0x02, 0x01, 0x1A, 0x06, 0x1B)),
    "HasSemantics": (1, (0x14, 0x17)),
    "MethodDefOrRef": (1, (0x06, 0x0A)),
    "MemberForwarded": (1, (0x04, 0x06)),
    "Implementation": (2, (0x26, 0x23, 0x27)),
    "CustomAttributeType": (3, (_NONE, _NONE, 0x06, 0x0A, _NONE)),
    "ResolutionScope": (2, (0x00, 0x1A, 0x23, 0x01)),
    "TypeOrMethodDef": (1, (0x02, 0x06)),
}  # fmt: skip


def coded(name: str, value: int) -> tuple[int, int]:
    """(table, row from 1) of a coded index; (0, 0) for none."""
    bits, tables = CODED[name]
    tag = value & ((1 << bits) - 1)
    row = value >> bits
    return (tables[tag], row) if row and tag < len(tables) else (0, 0)
