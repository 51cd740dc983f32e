"""Compiled Python modules: a header, and one marshalled code object.

PEP 552 and CPython's Lib/importlib/_bootstrap_external.py: magic, flags, then
either time and size of the source or the SipHash of its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from verifier.errors import ParseError
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, describe_bytes
from verifier.model import Difference

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Layout, Side
    from verifier.model import Run, Span

HEADER: Final = 16
_HASHED: Final = 1
_FLAGS: Final = {
    0: "checked by time and size of its source",
    1: "never checked against its source",
    3: "checked by the hash of its source",
}
# First magic number of each version (Lib/importlib/_bootstrap_external.py, Include/internal/
# pycore_magic_number.h); numbers between belong to that version while it was made.
_VERSIONS: Final = (
    (3390, "3.7"), (3400, "3.8"), (3420, "3.9"), (3430, "3.10"), (3450, "3.11"), (3500, "3.12"),
    (3550, "3.13"), (3600, "3.14"), (3650, "3.15"), (3700, "3.16"),
)  # fmt: skip


def layout(data: Buffer) -> Layout:
    """Header fields and `code`; ParseError where the flags have no meaning."""
    flags = int.from_bytes(data[4:8], "little")
    if len(data) <= HEADER or flags not in _FLAGS:
        raise ParseError("The header of a compiled Python module is cut short or unknown", 4)
    cutter = Cutter("pyc", data)
    at = cutter.fields("pyc", 0, (("magic", 4), ("flags", 4)))
    named = (("hash", 8),) if flags & _HASHED else (("mtime", 4), ("size", 4))
    at = cutter.fields("pyc", at, named)
    cutter.add("code", at, len(data) - at)
    return cutter.finish()


def version(data: Buffer) -> tuple[int, int]:
    """The version of Python that a file is for; (3, 0) for none that is known."""
    number = int.from_bytes(data[:2], "little")
    found = "3.0"
    for first, name in _VERSIONS:
        if number >= first:
            found = name
    major, _, minor = found.partition(".")
    return int(major), int(minor)


def describe(shipped: Side, rebuilt: Side, span: Span, run: Run) -> Difference:
    """Magic and flags by what they mean, the rest as bytes."""
    if span.name not in {"pyc.magic", "pyc.flags"}:
        return describe_bytes(shipped, rebuilt, span, run)
    shown = []
    for side in (shipped, rebuilt):
        if span.name == "pyc.magic":
            shown.append("Python {}.{}".format(*version(side.data)))
        else:
            flags = int.from_bytes(side.data[4:8], "little")
            shown.append(f"{flags} ({_FLAGS[flags]})")
    summary = f"Shipped {shown[0]}, rebuilt {shown[1]}; no rule lets it vary."
    return Difference("field", span.name, summary, span.offset, span.length)


FORMAT = Format("pyc", magic.pyc, layout, describe)
