"""What an attacker would do to a signed image, one function each; marker bytes only.

Made for a signed DLL of Microsoft's linker (`pe_files.microsoft_signed`); those
of `ANY_SIGNED` work on every signed image. None puts the checksum right.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from asn1crypto import cms, core

from tests.cases import pe_files
from verifier.formats.pe import headers, rich

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK = b"TAMPERED"


def _table(data: bytes) -> headers.Table:
    table = headers.parse(memoryview(data)).certificates
    assert table
    return table


def _with_table(data: bytes, new: bytes) -> bytes:
    """`data` with another certificate table, its directory entry following."""
    image, old = headers.parse(memoryview(data)), _table(data)
    assert image.security_at
    entry = struct.pack("<II", old.offset, len(new))
    data = data[: old.offset] + new + data[old.end :]
    return data[: image.security_at] + entry + data[image.security_at + 8 :]


def _pkcs7(data: bytes) -> tuple[bytes, cms.ContentInfo, bytes]:
    """Everything of the first table entry: header, signature, and the entries after it."""
    old = _table(data)
    raw = data[old.offset : old.end]
    length = int.from_bytes(raw[:4], "little")
    info = cms.ContentInfo.load(raw[8:length])
    return raw[:8], info, raw[length + -length % 8 :]


def _rebuilt_table(data: bytes, info: cms.ContentInfo) -> bytes:
    head, _, rest = _pkcs7(data)
    blob = info.dump(force=True)
    length = len(blob) + 8
    padded = blob + bytes(-length % 8)
    return _with_table(data, struct.pack("<I", length) + head[4:] + padded + rest)


def after_pkcs7(data: bytes) -> bytes:
    old = _table(data)
    raw = data[old.offset : old.end]
    length = int.from_bytes(raw[:4], "little")
    length += -length % 8
    grown = struct.pack("<I", length + 8) + raw[4:length] + _MARK + raw[length:]
    return _with_table(data, grown)


def unsigned_attribute(data: bytes) -> bytes:
    _, info, _ = _pkcs7(data)
    signer = info["content"]["signer_infos"][0]
    attributes = list(signer["unsigned_attrs"] or [])
    extra = cms.CMSAttribute({"type": "1.2.3.4.5", "values": [core.OctetString(_MARK)]})
    signer["unsigned_attrs"] = cms.CMSAttributes([*attributes, extra])
    return _rebuilt_table(data, info)


def unused_certificate(data: bytes) -> bytes:
    _, info, _ = _pkcs7(data)
    other = pe_files.debian(*pe_files.SIGNED_PAIRS["fwupd"][0])
    stranger = _pkcs7(other)[1]["content"]["certificates"][0]
    mine = list(info["content"]["certificates"])
    info["content"]["certificates"] = cms.CertificateSet([stranger, *mine])
    return _rebuilt_table(data, info)


def second_entry(data: bytes) -> bytes:
    old = _table(data)
    entry = struct.pack("<IHH", 16, 0x0200, 0x0EF1) + _MARK
    return _with_table(data, data[old.offset : old.end] + entry)


def signature_byte(data: bytes) -> bytes:
    _, info, _ = _pkcs7(data)
    value = info["content"]["signer_infos"][0]["signature"].native
    at = data.index(value, _table(data).offset) + 5
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def wrong_checksum(data: bytes) -> bytes:
    return pe_files.put(data, {"optional.CheckSum": b"\x12\x34\x56\x00"}, fix=False)


def after_table(data: bytes) -> bytes:
    return data + _MARK


def before_table(data: bytes) -> bytes:
    image, old = headers.parse(memoryview(data)), _table(data)
    assert image.security_at
    entry = struct.pack("<II", old.offset + 8, old.length)
    data = data[: old.offset] + _MARK + data[old.offset :]
    return data[: image.security_at] + entry + data[image.security_at + 8 :]


def stripped(data: bytes) -> bytes:
    return pe_files.unsigned(data)


def dos_stub(data: bytes) -> bytes:
    return data[:0x50] + _MARK + data[0x58:]


def forged_rich(data: bytes) -> bytes:
    image = headers.parse(memoryview(data))
    found = rich.find(memoryview(data), 0x40, image.nt)
    assert found
    product, count = found.entries[0]
    forged = found._replace(entries=((product + 1, count), *found.entries[1:]))
    key = rich.checksum(memoryview(data), forged)
    flat = [number for entry in forged.entries for number in entry]
    words = [int.from_bytes(b"DanS", "little"), 0, 0, 0, *flat]
    masked = struct.pack(f"<{len(words)}I", *(word ^ key for word in words))
    new = masked + b"Rich" + struct.pack("<I", key)
    return data[: found.offset] + new + data[found.end :]


def header_gap(data: bytes) -> bytes:
    return pe_files.put(data, {"headers.gap": _MARK}, fix=False)


def slack(data: bytes) -> bytes:
    return pe_files.put(data, {"section[.text].slack": _MARK}, fix=False)


def late_timestamp(data: bytes) -> bytes:
    return pe_files.put(data, {"coff.TimeDateStamp": b"\xf0\xff\xff\xff"}, fix=False)


def codeview_path(data: bytes) -> bytes:
    path = pe_files.value(data, "codeview.Path")
    return pe_files.put(data, {"codeview.Path": path[:-8] + b"evil.pdb"}, fix=False)


def tls_callback(data: bytes) -> bytes:
    """A TLS directory in the zeros at the end of .data, with one callback: the entry point."""
    image = headers.parse(memoryview(data))
    section = next(each for each in image.sections if each.label == ".data")
    place = section.pointer + section.content - 64
    assert not any(data[place : place + 64])
    address = section.address + section.content - 64
    base = image.optional["ImageBase"]
    entry = base + image.optional["AddressOfEntryPoint"]
    made = struct.pack("<4Q2I2Q", base + address, base + address, base + address,
                       base + address + 40, 0, 0, entry, 0)  # fmt: skip
    data = data[:place] + made + data[place + len(made) :]
    return pe_files.put(data, {"directory.tls": struct.pack("<II", address, 40)}, fix=False)


def relocation(data: bytes) -> bytes:
    """The first block of base relocations is aimed at the first page of code."""
    image = headers.parse(memoryview(data))
    text = next(each for each in image.sections if each.executable)
    at = image.offset_of(image.directory("relocation")[0], 8)
    assert at
    return data[:at] + struct.pack("<I", text.address) + data[at + 4 :]


def code(data: bytes) -> bytes:
    """One instruction byte at the entry point."""
    image = headers.parse(memoryview(data))
    at = image.offset_of(image.optional["AddressOfEntryPoint"])
    assert at
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


ANY_SIGNED: dict[str, Callable[[bytes], bytes]] = {
    "bytes after the PKCS #7 data": after_pkcs7,
    "extra unsigned attribute": unsigned_attribute,
    "unused certificate": unused_certificate,
    "second certificate of an unknown type": second_entry,
    "flipped signature byte": signature_byte,
    "wrong checksum": wrong_checksum,
    "bytes after the table": after_table,
    "bytes before the table": before_table,
    "signature stripped": stripped,
    "DOS stub edited": dos_stub,
    "header gap": header_gap,
    "slack past VirtualSize": slack,
    "timestamp out of the window": late_timestamp,
    "code byte": code,
}
TAMPERS: dict[str, Callable[[bytes], bytes]] = ANY_SIGNED | {
    "forged Rich entry": forged_rich,
    "CodeView path changed": codeview_path,
    "TLS callback added": tls_callback,
    "relocation aimed at code": relocation,
}

# What a difference must start with. A tamper that needs more than one to be named lists all; "|":
# by the map of functions, or without one.
WHERE: dict[str, tuple[str, ...]] = {
    "bytes after the PKCS #7 data": ("certificate.table",),
    "extra unsigned attribute": ("certificate.table",),
    "unused certificate": ("certificate.table",),
    "second certificate of an unknown type": ("certificate.table",),
    "flipped signature byte": ("certificate.table",),
    "wrong checksum": ("optional.CheckSum",),
    "bytes after the table": ("overlay.after-certificates",),
    "bytes before the table": ("overlay.tail", "directory.security"),
    "signature stripped": ("directory.security", "certificate.table"),
    "DOS stub edited": ("stub",),
    "header gap": ("headers.gap",),
    "slack past VirtualSize": ("section[.text].slack",),
    "timestamp out of the window": ("coff.TimeDateStamp",),
    "code byte": ("",),  # named by function; the test of signed images looks closer
    "forged Rich entry": ("rich",),
    "CodeView path changed": ("codeview.Path",),
    "TLS callback added": ("directory.tls", ".text+0x11e0|sub_21e0"),
    "relocation aimed at code": (".text+",),
}
# These leave no certificates to tamper with, or move what the other one places.
_TABLE = {name for name, where in WHERE.items() if where == ("certificate.table",)}
DEPENDENT = (
    {frozenset({"signature stripped", name}) for name in _TABLE}
    | {
        frozenset({"signature stripped", "bytes after the table"}),
        frozenset({"signature stripped", "bytes before the table"}),
    }
)  # fmt: skip
