"""Distinguished names as text (RFC 4514), escaped so that a report shows no control characters."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import ParseError
from verifier.signatures import der
from verifier.signatures.fields import Fields, expect, oid

if TYPE_CHECKING:
    from verifier.signatures.der import Node

_SHORT: Final = {
    "2.5.4.3": "CN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}
_CODECS: Final = {der.UTF8_STRING: "utf-8", der.BMP_STRING: "utf-16-be", 0x1C: "utf-32-be"}
_STRING_TAGS: Final = (der.UTF8_STRING, der.BMP_STRING, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C)


def name_text(name: Node) -> str:
    """The text of a Name, most specific part first, at most `limits.TEXT` characters.

    Raises:
        ParseError: not the Name of RFC 5280, 4.1.2.4.
    """
    if name.length > limits.NAME_BYTES:
        raise ParseError(f"A name has more than {limits.NAME_BYTES} bytes", name.offset)
    try:
        return _text(name.raw)
    except ParseError as error:
        # Its offset counts from the name's own start, which is what makes the cache work.
        raise ParseError(f"A name is malformed: {error}", name.offset) from error


@lru_cache(maxsize=512)
def _text(raw: bytes) -> str:
    parts = []
    for relative in expect(der.parse(raw), der.SEQUENCE, "A name").children:
        expect(relative, der.SET, "A relative distinguished name")
        parts.append("+".join(_attribute(attribute) for attribute in relative.children))
    return ",".join(reversed(parts))[: limits.TEXT]


def _attribute(attribute: Node) -> str:
    fields = Fields(attribute, "A name's attribute")
    kind = oid(fields.any("type"), "A name's attribute type")
    value = fields.any("value")
    fields.end()
    return f"{_SHORT.get(kind, kind)}={_value(value)}"


def _value(node: Node) -> str:
    if node.tag not in _STRING_TAGS:
        return "#" + node.raw.hex()
    try:
        text = node.value.decode(_CODECS.get(node.tag, "latin-1"))
    except UnicodeDecodeError:
        return "#" + node.raw.hex()
    escaped = "".join(_escape(character) for character in text)
    if escaped.startswith((" ", "#")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and escaped != "\\ ":
        escaped = escaped[:-1] + "\\ "
    return escaped


def _escape(character: str) -> str:
    if character in ',+"\\<>;':
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\{octet:02X}" for octet in character.encode("utf-8", "backslashreplace"))
