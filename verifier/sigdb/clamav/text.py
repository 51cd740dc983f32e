"""Lines as ClamAV's loader reads them, and the small grammars that all of its formats share.

Source: libclamav 1.4 (`readdb.c: cli_dbgets`), and clamscan 1.4.6 by measurement.
A file inside a database container ends with its last newline: what follows is
never seen. A loose file may end without one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError

if TYPE_CHECKING:
    from verifier.sigdb.base import File

LEVEL = 216  # functionality level of ClamAV 1.4; lines for other engines are read leniently
ANY_LEVEL = 10**9
LINE = 8190  # the loader's buffer (FILEBUFF) less newline and NUL
LOGICAL_LINE = 32766
RECORDS = 250_000  # of one side, outside the formats that are compared in bulk
_FILE_TYPES = (
    "7Z 7ZSFX ALZ ANY APM ARJ ARJSFX AUTOIT BINARY_DATA BINHEX BZ CABSFX CPIO_CRC CPIO_NEWC "
    "CPIO_ODC CPIO_OLD CRYPTFF DMG EGG EGGSFX ELF GIF GPT GRAPHICS GZ HTML HTML_UTF16 HWP3 "
    "HWPOLE2 IGNORED INTERNAL ISHIELD_MSI ISO9660 JAVA JPEG LHA_LZH LNK MACHO MACHO_UNIBIN MAIL "
    "MBR MHTML MSCAB MSCHM MSEXE MSOLE2 MSSZDD NULSFT OLD_TAR ONENOTE OOXML_HWP OOXML_PPT "
    "OOXML_WORD OOXML_XL PART_ANY PART_HFSPLUS PDF PNG POSIX_TAR PS PYTHON_COMPILED RAR RARSFX "
    "RIFF RTF SCRENC SCRIPT SFX SIS SWF TEXT_ASCII TEXT_UTF16BE TEXT_UTF16LE TEXT_UTF8 TIFF "
    "TNEF UDF UUENCODED XAR XDP XML_HWP XML_WORD XML_XL XZ ZIP ZIPSFX"
)
FILE_TYPES = frozenset(f"CL_TYPE_{name}" for name in _FILE_TYPES.split())
"""What libclamav 1.4 knows (`filetypes.c`)."""
_NUMBER = re.compile(r"[0-9]{1,9}")
_HEX_CLASS = re.compile(r"\([BLW]\)")

_CONTAINERS = frozenset({"cvd", "cld", "cud", "clamav-tar"})

Body = tuple[tuple[str, str], ...]


class Lines(NamedTuple):
    """One file in lines: no newline, no carriage return before it; comments still there.

    `dropped` is what stands behind the last newline inside a container.
    """

    lines: list[bytes]
    dropped: bytes | None


def contained(file: File) -> bool:
    """Whether a file is a member of a database container; one in a mere archive is unpacked."""
    return file.container in _CONTAINERS


def base_name(file: File) -> str:
    """The name that the loader goes by."""
    return file.name.rsplit("/", 1)[-1]


def extension(file: File) -> str:
    """The ending that chooses the grammar: lower case, without the dot; "" for none."""
    name = base_name(file).lower()
    return name.rpartition(".")[2] if "." in name else ""


def split(file: File, limit: int = LINE) -> Lines:
    """Cut a file as the loader does.

    ParseError for a NUL, at which it would stop reading, and for a line of more than
    `limit` bytes, be it a comment: what does not fit its buffer is the next line to it.
    """
    raw = bytes(file.data)
    refuse_nul(raw, file)
    lines = raw.split(b"\n")
    if max(map(len, lines)) > limit:
        raise ParseError(f"{file.path}: a line is longer than {limit:,} bytes")
    rest = lines.pop()
    if b"\r" in raw:
        lines = [line.rstrip(b"\r") for line in lines]
    if not rest:
        return Lines(lines, None)
    if contained(file):
        return Lines(lines, rest)
    lines.append(rest.rstrip(b"\r"))
    return Lines(lines, None)


def refuse_nul(raw: bytes, file: File) -> None:
    """ParseError for a NUL in text."""
    place = raw.find(b"\0")
    if place >= 0:
        raise ParseError(f"{file.path}: a NUL, at which the loader stops reading a line", place)


def offset_of(data: bytes, line: bytes) -> int:
    """Where a line starts, -1 if nowhere; carriage returns and case are as in the file."""
    if data.startswith(line) and data[len(line) : len(line) + 1] in {b"\n", b"\r", b""}:
        return 0
    for end in (b"\n", b"\r", b""):
        found = data.find(b"\n" + line + end)
        if found >= 0 and (end or found + 1 + len(line) == len(data)):
            return found + 1
    return -1


def decoded(raw: bytes) -> str:
    """Text whose every byte survives."""
    return raw.decode("utf-8", "surrogateescape")


def number(text: str, what: str) -> int:
    """A decimal number of at most nine digits."""
    if not _NUMBER.fullmatch(text):
        raise ParseError(f"{what} is no number")
    return int(text)


def star(text: str, what: str) -> str:
    """`*`, or a number without leading zeros."""
    return text if text == "*" else str(number(text, what))


def name_of(text: str) -> str:
    """A signature's name; the loader cuts it at ` (Clam)` and refuses an empty one."""
    name = text.partition(" (Clam)")[0]
    if not name:
        raise ParseError("A signature has no name")
    return name


def levels(fields: list[str], first: int) -> Body:
    """The functionality levels in `fields[first:]`, as a body field; none where all are meant."""
    given = fields[first : first + 2]
    low = number(given[0], "A functionality level") if given else 0
    high = number(given[1], "A functionality level") if len(given) > 1 else ANY_LEVEL
    return interval(low, high)


def interval(low: int, high: int) -> Body:
    """Functionality levels as a body field, empty for all."""
    if low <= 0 and high >= ANY_LEVEL:
        return ()
    return (("levels", f"{low}-{'' if high >= ANY_LEVEL else high}"),)


def bounds(value: str) -> tuple[int, int]:
    """The inverse of `interval`, for the value of the field."""
    if not value:
        return 0, ANY_LEVEL
    low, _, high = value.partition("-")
    return int(low), int(high) if high else ANY_LEVEL


def foreign(levels: Body) -> bool:
    """Whether only engines before or after the one of this grammar load a record."""
    low, high = bounds(levels[0][1] if levels else "")
    return not low <= LEVEL <= high


def lower_hex(text: str) -> str:
    """A body signature in lower case; the classes (B), (L) and (W) are no hex digits."""
    if text.islower() or text.isdigit():
        return text
    low = text.lower()
    if "(" not in text:
        return low
    for found in _HEX_CLASS.finditer(text):
        start, end = found.span()
        low = low[:start] + found.group() + low[end:]
    return low
