"""`.sign` beside a ClamAV database (ClamAV 1.5): lines of `minFL:maxFL:pkcs7-pem:BASE64`."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout

if TYPE_CHECKING:
    from verifier.content import Buffer

FIRST = b"#clamsign-1.0\n"
_LINE = re.compile(rb"([0-9]{1,10}):([0-9]{1,10}):(pkcs7-pem):([A-Za-z0-9+/]+={0,2})\n")
_PARTS = ("minimum", "maximum", "type", "signature")


def layout(data: Buffer) -> Layout:
    """The first line, then spans for each signature's two levels, type and base64."""
    if len(data) > limits.SIGNATURE_BYTES:
        raise LimitError(f"A signature file of more than {limits.SIGNATURE_BYTES} bytes.")
    whole = bytes(data)
    if not whole.startswith(FIRST):
        raise ParseError("The signature file is not of version 1.0", 0)
    cutter = Cutter("clamsign", data)
    cutter.add("version", 0, len(FIRST))
    at, number = len(FIRST), 0
    while at < len(whole):
        found = _LINE.match(whole, at)
        if not found:
            raise ParseError("A line is no signature with its levels", at)
        for index, name in enumerate(_PARTS, 1):
            cutter.add(
                f"sign[{number}].{name}", found.start(index), len(found[index]), f"sign.{name}"
            )
            cutter.add(f"sign[{number}].end{index}", found.end(index), 1, "sign.separator")
        at, number = found.end(), number + 1
        if number > limits.SIGNATURE_NESTING:
            raise LimitError(f"A signature file of more than {limits.SIGNATURE_NESTING} lines.")
    return cutter.finish({})


def blobs(data: Buffer) -> list[bytes]:
    """The DER of each signature; ParseError where its base64 is not the one text of it."""
    spans = layout(data).spans
    return [
        decoded(bytes(data[span.offset : span.end]))
        for span in spans
        if span.field == "sign.signature"
    ]


def decoded(value: bytes) -> bytes:
    """The bytes that canonical base64 stands for."""
    try:
        blob = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ParseError("The signature is not base64") from error
    if base64.b64encode(blob) != value:
        raise ParseError("The signature is not canonical base64")
    return blob


FORMAT = Format("clamsign", magic.clamsign, layout, follows=frozenset({"sign.signature"}))
