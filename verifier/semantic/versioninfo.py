"""VS_VERSIONINFO, the tree of a version resource (Windows, "Version Information")."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from verifier.errors import ParseError

_DEPTH: Final = 6
_NODES: Final = 2_000
_FIXED: Final = 0xFEEF04BD
_FIELDS: Final = (
    "StrucVersion", "FileVersionMS", "FileVersionLS", "ProductVersionMS", "ProductVersionLS",
    "FileFlagsMask", "FileFlags", "FileOS", "FileType", "FileSubtype", "FileDateMS", "FileDateLS",
)  # fmt: skip


class _Block(NamedTuple):
    """One node: where it ends, its key, its value and where its children begin."""

    end: int
    key: str
    text: bool
    value: bytes
    below: int


def version_texts(raw: bytes) -> dict[str, str]:
    """Every value by its key: `FileVersion`, or `fixed FileVersion` of the binary part.

    Raises:
        ParseError: the tree is cut short, too deep or too large.
    """
    result: dict[str, str] = {}
    pending = [(0, len(raw), 0, "")]
    nodes = 0
    while pending:
        at, end, depth, above = pending.pop()
        while at + 6 <= end:
            block = _block(raw, at, end)
            nodes += 1
            if depth > _DEPTH or nodes > _NODES:
                raise ParseError("A version resource is too deep or too large", at)
            if block.key == "VS_VERSION_INFO" and depth == 0:
                result |= _fixed(block.value)
            elif block.text and block.value:
                key = block.key if block.key not in result else f"{above}.{block.key}"
                result[key] = block.value.decode("utf-16-le", "replace").rstrip("\0")
            elif block.value:
                result[block.key] = block.value.hex()
            pending.append((block.below, block.end, depth + 1, block.key))
            at = _aligned(block.end)
            if depth == 0:
                break
    return result


def _block(raw: bytes, at: int, end: int) -> _Block:
    length, size, kind = struct.unpack_from("<HHH", raw, at)
    last = at + length
    name_end = raw.find(b"\0\0", at + 6, last)
    while name_end >= 0 and (name_end - at) % 2:
        name_end = raw.find(b"\0\0", name_end + 1, last)
    if length < 8 or last > end or name_end < 0:
        raise ParseError("A block of a version resource is cut short", at)
    key = raw[at + 6 : name_end].decode("utf-16-le", "replace")
    value_at = min(_aligned(name_end + 2), last)
    # The length of a text is in characters, but some compilers count bytes.
    wanted = min(value_at + (2 * size if kind == 1 else size), last)
    value = raw[value_at:wanted]
    if kind == 1:
        value = raw[value_at:last] if size else b""
    below = last if kind == 1 and size else min(_aligned(wanted), last)
    return _Block(last, key, kind == 1, value, below)


def _fixed(value: bytes) -> dict[str, str]:
    if len(value) < 52 or int.from_bytes(value[:4], "little") != _FIXED:
        return {}
    words = dict(zip(_FIELDS, struct.unpack_from("<12I", value, 4), strict=True))
    result = {}
    for name in ("FileVersion", "ProductVersion"):
        high, low = words.pop(f"{name}MS"), words.pop(f"{name}LS")
        parts = (high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF)
        result[f"fixed {name}"] = ".".join(map(str, parts))
    return result | {f"fixed {name}": f"{number:#x}" for name, number in words.items()}


def _aligned(at: int) -> int:
    return at + -at % 4
