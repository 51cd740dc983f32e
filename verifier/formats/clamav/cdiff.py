"""Updates of ClamAV databases (libclamav_rust/src/cdiff.rs): header, gzip, colon, signature."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout
from verifier.formats.clamav.cvd import gzip
from verifier.formats.clamav.payload import Info, Watch

if TYPE_CHECKING:
    from verifier.content import Buffer

_HEAD = re.compile(rb"(ClamAV-Diff):([1-9][0-9]{0,9}):([0-9]{1,10}):")
_LONGEST = 350  # bytes at the end in which the loader looks for the signature's colon


def layout(data: Buffer) -> Layout:
    """Version and length of the script, `gzip.*`, `body` (the script), `trailer.*`, `dsig`.

    The loader takes what follows the last colon for the signature, and verifies
    all bytes before that colon; here it must stand right after the gzip.
    """
    cutter = Cutter("cdiff", data)
    found = _HEAD.match(bytes(data[:64]))
    if not found:
        raise ParseError("The header of an update is no version and length", 0)
    for index, name in enumerate(("magic", "version", "length"), 1):
        cutter.add(f"header.{name}", found.start(index), len(found[index]))
        cutter.add(f"header.separator[{name}]", found.end(index), 1, "header.separator")
    watch = Watch()
    at = gzip(cutter, data, found.end(), watch)
    if bytes(data[at : at + 1]) != b":":
        raise ParseError("No colon stands between script and signature", at)
    if len(data) - at - 1 > _LONGEST:
        raise ParseError("The signature of an update is too long", at)
    cutter.add("separator", at, 1)
    cutter.add("dsig", at + 1, len(data) - at - 1)
    return cutter.finish(Info(watch.crc, watch.size, None, None, {}))


FORMAT = Format(
    "cdiff",
    magic.cdiff,
    layout,
    container=True,
    unpacks=True,
    families=("gzip",),
    follows=frozenset({"header.length", "dsig", "trailer.crc32", "trailer.isize"}),
)
