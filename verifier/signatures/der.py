"""A strict reader of DER (ITU-T X.690, 8, 10 and 11): what it accepts re-encodes identically.

The whole tree is checked before anything looks at it, so that no corner of a
blob that nobody visits can hold another encoding. A context-specific tag hides
the type beneath it: its reader checks what the schema says, with `require_sorted` for
implicitly tagged sets and `check_primitive` for implicitly tagged values.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from verifier import limits
from verifier.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OID: Final = 0x06
ENUMERATED: Final = 0x0A
UTF8_STRING: Final = 0x0C
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
BMP_STRING: Final = 0x1E
SEQUENCE: Final = 0x30
SET: Final = 0x31
# NumericString, PrintableString, T61String, IA5String, VisibleString, UniversalString: any bytes.
_STRINGS: Final = (0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C)

_OID_OCTETS: Final = 64  # real ones stay below 20; decoding one is quadratic in its length


def context(number: int, *, constructed: bool = True) -> int:
    """The identifier octet of context-specific tag `number` (0 to 30)."""
    return (0xA0 if constructed else 0x80) | number


class Node(NamedTuple):
    """One element. Offsets count from the start of `blob`, lengths are bytes.

    Args:
        blob: the bytes that the element lies in, shared by all nodes of a tree.
        tag: the identifier octet.
        offset: where the identifier octet is.
        start: where the content begins.
        end: where the content ends.
        children: the elements of a constructed one.
    """

    blob: bytes
    tag: int
    offset: int
    start: int
    end: int
    children: tuple[Node, ...]

    @property
    def header(self) -> int:
        """Number of identifier and length octets."""
        return self.start - self.offset

    @property
    def length(self) -> int:
        """Number of content octets."""
        return self.end - self.start

    @property
    def value(self) -> bytes:
        """The content octets."""
        return self.blob[self.start : self.end]

    @property
    def raw(self) -> bytes:
        """The whole element."""
        return self.blob[self.offset : self.end]


def element_end(blob: bytes, offset: int, limit: int) -> int:
    """Where the element at `offset` ends, which is at most `limit`; ParseError otherwise."""
    start, length = _header(blob, offset, limit)
    return start + length


def parse(blob: bytes, offset: int = 0, end: int | None = None) -> Node:
    """Read the one element that fills `blob[offset:end]` exactly.

    Raises:
        ParseError: not DER, trailing bytes, or beyond `limits.DER_DEPTH` or `limits.DER_NODES`.
    """
    limit = len(blob) if end is None else end
    budget = [limits.DER_NODES]
    node = _node(blob, offset, limit, limits.DER_DEPTH, budget)
    if node.end != limit:
        raise ParseError("Bytes follow the DER element", node.end)
    return node


def _header(blob: bytes, offset: int, limit: int) -> tuple[int, int]:
    if offset + 2 > limit:
        raise ParseError("A DER element is cut short", offset)
    if blob[offset] & 0x1F == 0x1F:
        raise ParseError("A DER tag number above 30 is not used by any signature", offset)
    length = blob[offset + 1]
    start = offset + 2
    if length >= 0x80:
        size = length & 0x7F
        if size == 0:
            raise ParseError("An indefinite length is not DER", offset)
        if size > 4:
            raise ParseError("A DER length has more than four octets", offset)
        start += size
        if start > limit:
            raise ParseError("A DER length is cut short", offset)
        length = int.from_bytes(blob[offset + 2 : start], "big")
        if length < 0x80 or length >> (8 * (size - 1)) == 0:
            raise ParseError("A DER length is not in its shortest form", offset)
    if start + length > limit:
        raise ParseError("A DER element reaches past the end of what holds it", offset)
    return start, length


def _node(blob: bytes, offset: int, limit: int, depth: int, budget: list[int]) -> Node:
    budget[0] -= 1
    if budget[0] < 0:
        raise ParseError(f"A DER element holds more than {limits.DER_NODES} others", offset)
    if depth == 0:
        raise ParseError(f"DER elements are nested deeper than {limits.DER_DEPTH}", offset)
    start, length = _header(blob, offset, limit)
    end = start + length
    tag = blob[offset]
    if not tag & 0x20:
        if tag < 0x40:
            check_primitive(tag, blob, start, end)
        return Node(blob, tag, offset, start, end, ())
    if tag < 0x40 and tag not in (SEQUENCE, SET):
        raise ParseError(f"Tag {tag:#04x} may not be constructed in DER", offset)
    children = []
    position = start
    while position < end:
        child = _node(blob, position, end, depth - 1, budget)
        children.append(child)
        position = child.end
    if tag == SET:
        require_sorted(children)
    return Node(blob, tag, offset, start, end, tuple(children))


def require_sorted(elements: Sequence[Node]) -> None:
    """ParseError unless the elements of a SET OF are in DER's order (X.690, 11.6)."""
    for before, after in pairwise(elements):
        if before.raw >= after.raw:
            raise ParseError("Elements of a SET OF repeat or are out of DER's order", after.offset)


def check_primitive(tag: int, blob: bytes, start: int, end: int) -> None:
    """ParseError unless `blob[start:end]` is the DER content of the universal type `tag`."""
    check = _CHECKS.get(tag)
    if check is None:
        raise ParseError(f"Tag {tag:#04x} is not a DER type that signatures use", start)
    wrong = check(blob[start:end])
    if wrong:
        raise ParseError(wrong, start)


def _boolean(value: bytes) -> str:
    return "" if value in (b"\0", b"\xff") else "A DER BOOLEAN is neither 00 nor FF"


def _integer(value: bytes) -> str:
    if not value:
        return "A DER INTEGER is empty"
    if len(value) > 1 and (value[0], value[1] >> 7) in ((0, 0), (0xFF, 1)):
        return "A DER INTEGER is not in its shortest form"
    return ""


def _bit_string(value: bytes) -> str:
    if not value or value[0] > 7 or (len(value) == 1 and value[0]):
        return "A DER BIT STRING counts its unused bits wrongly"
    if value[-1] & ((1 << value[0]) - 1) and len(value) > 1:
        return "A DER BIT STRING has unused bits that are not zero"
    return ""


def _null(value: bytes) -> str:
    return "A DER NULL has content" if value else ""


def _oid(value: bytes) -> str:
    if len(value) > _OID_OCTETS:
        return f"A DER OBJECT IDENTIFIER has more than {_OID_OCTETS} octets"
    return _short_oid(value)


@lru_cache(maxsize=256)  # the same few dozen, thousands of times
def _short_oid(value: bytes) -> str:
    if not value or value[-1] & 0x80:
        return "A DER OBJECT IDENTIFIER is cut short"
    if value[0] == 0x80 or any(
        value[index] == 0x80 and not value[index - 1] & 0x80 for index in range(1, len(value))
    ):
        return "A DER OBJECT IDENTIFIER has a component that is not in its shortest form"
    return ""


def _utf8(value: bytes) -> str:
    try:
        value.decode()
    except UnicodeDecodeError:
        return "A UTF8String is not UTF-8"
    return ""


def _utc_time(value: bytes) -> str:
    ok = len(value) == 13 and value[:12].isdigit() and value[12:] == b"Z"
    return "" if ok else "A UTCTime is not YYMMDDhhmmssZ"


def _generalized_time(value: bytes) -> str:
    point, fraction = value[14:15], value[15:-1]
    ok = len(value) >= 15 and value[:14].isdigit() and value[-1:] == b"Z"
    if ok and len(value) > 15:
        ok = point == b"." and len(fraction) <= 9 and fraction.isdigit() and fraction[-1:] != b"0"
    return "" if ok else "A GeneralizedTime is not in DER's form YYYYMMDDhhmmss[.f]Z"


def _bmp(value: bytes) -> str:
    return "A BMPString has an odd length" if len(value) % 2 else ""


def _any(value: bytes) -> str:  # noqa: ARG001 - the shape of a check
    return ""


_CHECKS: Final[dict[int, Callable[[bytes], str]]] = {
    BOOLEAN: _boolean,
    INTEGER: _integer,
    BIT_STRING: _bit_string,
    OCTET_STRING: _any,
    NULL: _null,
    OID: _oid,
    ENUMERATED: _integer,
    UTF8_STRING: _utf8,
    UTC_TIME: _utc_time,
    GENERALIZED_TIME: _generalized_time,
    BMP_STRING: _bmp,
    **dict.fromkeys(_STRINGS, _any),
}
