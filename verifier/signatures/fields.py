"""Typed access to DER elements: one field after another, each with the tag its schema demands."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import ParseError
from verifier.signatures import der

if TYPE_CHECKING:
    from verifier.signatures.der import Node


class Fields:
    """The fields of one constructed element, taken in order; `what` names it in errors."""

    __slots__ = ("_index", "_node", "_what")

    def __init__(self, node: Node, what: str, tag: int = der.SEQUENCE) -> None:
        expect(node, tag, what)
        self._node = node
        self._what = what
        self._index = 0

    def peek(self) -> int | None:
        """The tag of the next field, None at the end."""
        children = self._node.children
        return children[self._index].tag if self._index < len(children) else None

    def take(self, tag: int, name: str) -> Node:
        """The next field, which must have `tag`."""
        node = self.any(name)
        if node.tag != tag:
            message = f"{self._what}: {name} has tag {node.tag:#04x} instead of {tag:#04x}"
            raise ParseError(message, node.offset)
        return node

    def any(self, name: str) -> Node:
        """The next field, whatever its tag."""
        if self._index >= len(self._node.children):
            raise ParseError(f"{self._what}: {name} is missing", self._node.end)
        node = self._node.children[self._index]
        self._index += 1
        return node

    def optional(self, tag: int) -> Node | None:
        """The next field if it has `tag`."""
        return self.any("field") if self.peek() == tag else None

    def end(self) -> None:
        """ParseError if fields are left."""
        if self._index < len(self._node.children):
            offset = self._node.children[self._index].offset
            raise ParseError(f"{self._what}: a field that its schema does not have", offset)


def expect(node: Node, tag: int, what: str) -> Node:
    """The same node; ParseError unless it has `tag`."""
    if node.tag != tag:
        raise ParseError(f"{what} has tag {node.tag:#04x} instead of {tag:#04x}", node.offset)
    return node


def only(node: Node, what: str) -> Node:
    """The one child of `node`; ParseError when there are none or more."""
    if len(node.children) != 1:
        raise ParseError(f"{what} holds {len(node.children)} elements instead of one", node.offset)
    return node.children[0]


def integer(node: Node) -> int:
    """The value of an INTEGER or ENUMERATED, or of one under an implicit tag."""
    return int.from_bytes(node.value, "big", signed=True)


def oid(node: Node, what: str = "An object identifier") -> str:
    """The dotted text of an OBJECT IDENTIFIER."""
    return dotted(expect(node, der.OID, what).value)


@lru_cache(maxsize=1024)
def dotted(content: bytes) -> str:
    """The dotted text of an OBJECT IDENTIFIER's content octets (X.690, 8.19)."""
    parts = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            parts.append(value)
            value = 0
    first = min(parts[0] // 40, 2)
    return ".".join(map(str, (first, parts[0] - 40 * first, *parts[1:])))[: limits.TEXT]


def bits(node: Node, what: str) -> bytes:
    """The octets of a BIT STRING that has no unused bits."""
    value = expect(node, der.BIT_STRING, what).value
    if value[0]:
        raise ParseError(f"{what} is not a whole number of octets", node.offset)
    return value[1:]


def time(node: Node, what: str) -> datetime:
    """The moment a UTCTime or GeneralizedTime says, in UTC (RFC 5280, 4.1.2.5)."""
    if node.tag not in (der.UTC_TIME, der.GENERALIZED_TIME):
        raise ParseError(f"{what} is not a time", node.offset)
    text = node.value.decode("ascii")
    if node.tag == der.UTC_TIME:
        # RFC 5280: two-digit years from 50 on belong to the last century.
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    whole, _, fraction = text.rstrip("Z").partition(".")
    month, day, hour, minute, second = (int(whole[at : at + 2]) for at in range(4, 14, 2))
    micro = int(fraction[:6].ljust(6, "0"))
    try:
        return datetime(int(whole[:4]), month, day, hour, minute, second, micro, tzinfo=UTC)
    except ValueError as error:
        raise ParseError(f"{what} is not a date", node.offset) from error


def inner(node: Node, skip: int = 0) -> Node:
    """The element that the content of a string type holds, after `skip` octets."""
    return der.parse(node.blob, node.start + skip, node.end)
