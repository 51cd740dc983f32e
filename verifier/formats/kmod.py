"""Linux kernel modules: an ELF object, and after it the signature that the kernel appends.

The object is a member of its own, so modules that differ in their signature
alone are never parsed as ELF. `struct module_signature` of
include/linux/module_signature.h and the magic line of scripts/sign-file.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import ParseError
from verifier.formats import magic
from verifier.formats.base import Format, Layout
from verifier.model import Span

if TYPE_CHECKING:
    from verifier.content import Buffer

LINE: Final = magic.MODULE
FIELDS: Final = (
    ("algo", 1),
    ("hash", 1),
    ("id_type", 1),
    ("signer_len", 1),
    ("key_id_len", 1),
    ("pad", 3),
    ("sig_len", 4),
)
_STRUCT: Final = 12
BODY: Final = "module"
TRAILER: Final = "signature[trailer]"  # starts the names of the fields after the signature


def layout(data: Buffer) -> Layout:
    """The object, and the fields of the trailer if there is one; ParseError if it has no room.

    `info` is where the checks keep what they found out about the signature.
    """
    size = len(data)
    if bytes(data[-len(LINE) :]) != LINE:
        body = Span(BODY, 0, size, BODY, BODY, "stored")
        return Layout("kmod", size, (body,), {})
    at = size - len(LINE) - _STRUCT
    length = int.from_bytes(data[at + 8 : at + _STRUCT], "big")
    start = at - length
    if not 0 < length <= limits.SIGNATURE_BYTES or start <= 0:
        raise ParseError("sig_len of the module's trailer does not fit into the file", at + 8)
    if bytes(data[max(0, start - len(LINE)) : start]) == LINE:
        raise ParseError("The module carries a second trailer below the first", start)
    spans = [
        Span(BODY, 0, start, BODY, BODY, "stored"),
        Span("signature", start, length, "signature"),
    ]
    for name, width in FIELDS:
        spans.append(Span(f"{TRAILER}.{name}", at, width, "trailer.constant"))
        at += width
    spans.append(Span(f"{TRAILER}.magic", at, len(LINE), "trailer.constant"))
    return Layout("kmod", size, tuple(spans), {})


FORMAT = Format(
    "kmod", magic.kmod, layout, container=True, wraps="elf", follows=frozenset({"signature"})
)
