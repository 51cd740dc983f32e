"""What each PE rule settles, and what it must not hide."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from tests.cases import Case, pe_tampers
from tests.cases import pe_files as files

if TYPE_CHECKING:
    from collections.abc import Callable

Made = tuple[bytes, bytes]
OTHER_TIME = struct.pack("<I", 1_700_000_000)
LATE = struct.pack("<I", 0x7FFF_0000)  # January 2038, after the window's end
GUID = bytes(range(16))


def cases() -> list[Case]:
    return [*_signatures(), *_clocks(), *_identifiers(), *_reproducible()]


def _signatures() -> list[Case]:
    flipped = pe_tampers.signature_byte
    return [
        Case("pe.authenticode", "fwupd", _pair("fwupd"), "settled"),
        Case("pe.authenticode", "two signers", _pair("shim"), "settled"),
        Case("pe.authenticode", "signature byte", partial(_shipped, flipped), "caught",
             "certificate.table"),
        Case("pe.authenticode", "changed after signing", partial(_shipped, pe_tampers.code),
             "caught", "certificate.table"),
        Case("pe.authenticode", "stripped", _stripped, "caught", "certificate.table"),
        Case("pe.security-directory", "fallback", _pair("fallback"), "settled"),
        Case("pe.security-directory", "short table", _short_table, "caught", "directory.security"),
        Case("pe.certificate-padding", "seven bytes", _pair("fwupd"), "settled"),
        Case("pe.certificate-padding", "not zero", _padding, "caught", "certificate.padding"),
        Case("pe.overlay-padding", "three bytes after data", _overlay, "settled"),
        Case("pe.overlay-padding", "not zero", _overlay_padding, "caught", "overlay.tail"),
        Case("pe.checksum", "was zero", _pair("gcdx64"), "settled"),
        Case("pe.checksum", "was wrong", _pair("fwupd"), "settled"),
        Case("pe.checksum", "left as before signing", _left_checksum, "settled"),
        Case("pe.checksum", "wrong", partial(_shipped, pe_tampers.wrong_checksum), "caught",
             "optional.CheckSum"),
        Case("pe.checksum", "zero", _zero_checksum, "caught", "optional.CheckSum"),
    ]  # fmt: skip


def _clocks() -> list[Case]:
    coff, export = "coff.TimeDateStamp", "export.TimeDateStamp"
    debug = "debug[codeview].TimeDateStamp"
    resource, delay = "resource[/].TimeDateStamp", "delay-import[POWRPROF.dll].TimeDateStamp"
    return [
        Case("pe.coff-timestamp", "mingw exe", _mingw("x86_64-exe-s"), "settled"),
        Case("pe.coff-timestamp", "late", partial(_put, {coff: LATE}), "caught", coff),
        Case("pe.export-timestamp", "mingw dll", _mingw("i686-dll-s"), "settled"),
        Case("pe.export-timestamp", "zero", _no_export_stamp, "caught", export),
        Case("pe.debug-timestamp", "repeats COFF", partial(_stamps, OTHER_TIME), "settled"),
        Case("pe.debug-timestamp", "alone", partial(_put, {debug: OTHER_TIME}), "caught", debug),
        Case("pe.debug-timestamp-clock", "own clock", partial(_own, OTHER_TIME), "settled"),
        Case("pe.debug-timestamp-clock", "late", partial(_own, LATE), "caught", debug),
        Case("pe.resource-timestamp", "root", partial(_resource, OTHER_TIME), "settled"),
        Case("pe.resource-timestamp", "late", partial(_resource, LATE), "caught", resource),
        Case("pe.delay-import-timestamp", "bound", partial(_delay, OTHER_TIME), "settled"),
        Case("pe.delay-import-timestamp", "late", partial(_delay, LATE), "caught", delay),
    ]


def _identifiers() -> list[Case]:
    guid, age, path = "codeview.GUID", "codeview.Age", "codeview.Path"
    return [
        Case("pe.codeview-guid", "another", partial(_put, {guid: GUID}), "settled"),
        Case("pe.codeview-age", "another", partial(_put, {age: b"\7\0\0\0"}), "settled"),
        Case("pe.codeview-age", "no count", partial(_put, {age: b"\7\0\0\x09"}), "caught", age),
        Case("pe.codeview-path", "other drive", partial(_put, {path: b"E"}), "settled"),
        Case("pe.codeview-path", "other file", partial(_shipped_plain, pe_tampers.codeview_path),
             "caught", path),
        Case("pe.codeview-path", "control character", partial(_put, {path: b"\n"}), "caught", path),
    ]  # fmt: skip


def _reproducible() -> list[Case]:
    one, other = _hash(1), _hash(2)
    coff, debug = "coff.TimeDateStamp", "debug[codeview].TimeDateStamp"
    return [
        Case("pe.coff-reproducible-stamp", "no hash", partial(_linked, b"", b""), "settled"),
        Case("pe.coff-reproducible-stamp", "hash", partial(_linked, one, other), "settled"),
        Case("pe.coff-reproducible-stamp", "not repeated",
             partial(_linked, b"", b"", {coff: OTHER_TIME}), "caught", coff),
        Case("pe.debug-timestamp", "repeats a hash", partial(_linked, one, other), "settled"),
        Case("pe.debug-timestamp-clock", "in a reproducible link",
             partial(_linked, b"", b"", {debug: OTHER_TIME}), "caught", debug),
        Case("pe.repro-hash", "in all places", partial(_linked, one, other), "settled"),
        Case("pe.repro-hash", "another", partial(_linked, one, one, {"repro.Hash": bytes(32)}),
             "caught", "repro.Hash"),
        Case("pe.codeview-guid-hash", "part of it", partial(_linked, one, other), "settled"),
        Case("pe.codeview-guid-hash", "not part of it",
             partial(_linked, one, other, {"codeview.GUID": GUID}), "caught", "codeview.GUID"),
        Case("pe.codeview-guid", "not part of the hash",
             partial(_linked, one, one, {"codeview.GUID": GUID}), "caught", "codeview.GUID"),
    ]  # fmt: skip


def _pair(name: str) -> partial[Made]:
    return partial(files.signed_pair, name)


def _mingw(name: str) -> partial[Made]:
    return partial(_built, name)


def _built(name: str) -> Made:
    return files.mingw()[name]


def _shipped(tamper: Callable[[bytes], bytes]) -> Made:
    return tamper(files.microsoft_signed()), files.microsoft()


def _shipped_plain(tamper: Callable[[bytes], bytes]) -> Made:
    return files.fixed(tamper(files.microsoft())), files.microsoft()


def _stripped() -> Made:
    return files.microsoft(), files.microsoft_signed()


def _short_table() -> Made:
    shipped, rebuilt = files.signed_pair("fallback")
    at, size = struct.unpack("<II", files.value(shipped, "directory.security"))
    return files.put(shipped, {"directory.security": struct.pack("<II", at, size - 8)}), rebuilt


def _padding() -> Made:
    shipped, rebuilt = files.signed_pair("fwupd")
    return files.put(shipped, {"certificate.padding": b"PADDING"}), rebuilt


def _overlay_base() -> bytes:
    return files.mingw()["x86_64-exe-s"][0] + b"overlay data!"


def _overlay() -> Made:
    return files.own_signed(_overlay_base()), _overlay_base()


def _overlay_padding() -> Made:
    shipped, rebuilt = _overlay()
    return files.put(shipped, {"overlay.tail": b"data!PAD"}), rebuilt


def _left_checksum() -> Made:
    """Built at another time, summed, and then signed by a tool that leaves the sum alone."""
    base, rebuilt = files.mingw()["x86_64-exe-s"]
    kept = files.value(base, "optional.CheckSum")
    return files.put(files.own_signed(base), {"optional.CheckSum": kept}, fix=False), rebuilt


def _zero_checksum() -> Made:
    return files.put(
        files.microsoft(), {"optional.CheckSum": bytes(4)}, fix=False
    ), files.microsoft()


def _put(values: dict[str, bytes]) -> Made:
    return files.put(files.microsoft(), values), files.microsoft()


def _no_export_stamp() -> Made:
    shipped, rebuilt = files.mingw()["x86_64-dll-s"]
    return files.put(shipped, {"export.TimeDateStamp": bytes(4)}), rebuilt


def _all_stamps(data: bytes, stamp: bytes) -> bytes:
    spans = files.cut(data).spans
    debug = [span.name for span in spans if span.field == "debug.TimeDateStamp"]
    return files.put(data, dict.fromkeys(["coff.TimeDateStamp", *debug], stamp))


def _stamps(stamp: bytes) -> Made:
    return _all_stamps(files.microsoft(), stamp), files.microsoft()


def _own(stamp: bytes) -> Made:
    """Debug stamps that differ from the COFF header's, in both files."""
    name = "debug[codeview].TimeDateStamp"
    rebuilt = files.put(files.microsoft(), {name: struct.pack("<I", 1_650_000_000)})
    return files.put(rebuilt, {name: stamp}), rebuilt


def _resource(stamp: bytes) -> Made:
    base = files.from_wheel("markupsafe", "2.1.5", "markupsafe/_speedups.cp311-win_amd64.pyd")
    return files.put(base, {"resource[/].TimeDateStamp": stamp}), base


def _delay(stamp: bytes) -> Made:
    base = files.from_wheel("pywin32", "306", "win32/win32api.pyd")
    name = next(
        span.name for span in files.cut(base).spans if span.field == "delay-import.TimeDateStamp"
    )
    return files.put(base, {name: stamp}), base


def _hash(seed: int) -> bytes:
    """A hash whose first 16 bytes are the GUID, and whose last four are the stamp."""
    return bytes((seed * 31 + 7 * index) % 251 + 1 for index in range(32))


def _linked(shipped: bytes, rebuilt: bytes, changes: dict[str, bytes] | None = None) -> Made:
    """Two reproducible links, with these REPRO hashes; then the changes to the shipped one."""
    one, other = _reproducibly(shipped, b"\x11\x22\x33\x44"), _reproducibly(rebuilt, b"UVWX")
    return files.put(one, changes or {}), files.put(other, {})


def _reproducibly(digest: bytes, stamp: bytes) -> bytes:
    """Microsoft's DLL with its POGO entry turned into a REPRO one, as `/Brepro` writes it."""
    base = files.microsoft()
    pogo = next(entry for entry in files.cut(base).info.debug if entry.label == "pogo")
    size = len(digest) + 4 if digest else 0
    entry = {"debug[pogo].SizeOfData": struct.pack("<I", size)}
    if digest:
        stamp = digest[-4:]
        entry["codeview.GUID"] = digest[:16]
        entry["debug[pogo].data"] = struct.pack("<I", len(digest)) + digest
    changed = files.put(base, entry)
    changed = _all_stamps(changed, stamp)
    at = next(span for span in files.cut(changed).spans if span.name == "debug[pogo].Type").offset
    assert pogo.kind == 13
    return files.fixed(changed[:at] + struct.pack("<I", 16) + changed[at + 4 :])
