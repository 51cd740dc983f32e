"""Defender databases, on data made here: no database of Microsoft's is at hand."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.support import compare_bytes
from tests.unit.sigdb import asking
from verifier import formats
from verifier.errors import LimitError, ParseError
from verifier.sigdb import family_of, named
from verifier.sigdb.vdm import rmdx

if TYPE_CHECKING:
    from pathlib import Path

FAMILY = named("vdm")
BEGIN, END, CHECK, STATIC, PEHSTR = 0x5C, 0x5D, 0x7A, 103, 120
Item = tuple[int, bytes]


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("<I", kind | len(value) << 8) + value


def threat(number: int, name: str, *items: Item, severity: bytes = b"\1\x40\5\x83") -> bytes:
    head = struct.pack("<I6xH", number, len(name)) + name.encode() + severity
    inner = b"".join(tlv(*item) for item in items)
    return tlv(BEGIN, head) + inner + tlv(END, struct.pack("<I", number))


def resource(stream: bytes, stamp: int = 1, level: int = 9, options: int = 2) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    packed = packer.compress(stream) + packer.flush()
    header = struct.pack("<4sIII", b"RMDX", stamp, 0xC0FFEE ^ stamp, options) + bytes(8)
    header += struct.pack("<II", 0x48, len(stream)) + bytes(0x28)
    return header + struct.pack("<II", len(packed), zlib.crc32(packed)) + packed


def delta(base: bytes, wanted: bytes, info: bytes = b"1.2") -> bytes:
    """Commands that copy what is equal at the start, and spell out the rest."""
    pairs = enumerate(zip(base, wanted, strict=False))
    same = next((index for index, (one, other) in pairs if one != other), len(base))
    commands, at = b"", 0
    while same - at >= 6:
        part = min(same - at, 0x7FFF + 6)
        commands += struct.pack("<HI", 0x8000 | (part - 6), at)
        at += part
    while at < len(wanted):
        part = wanted[at : at + 0x7FFF]
        commands += struct.pack("<H", len(part)) + part
        at += len(part)
    head = struct.pack("<II", len(wanted), ~zlib.crc32(wanted) & 0xFFFFFFFF)
    return resource(tlv(0x74, info) + tlv(0x73, head + commands))


AGENT = threat(1, "Agent.A", (STATIC, b"abcd"), (PEHSTR, b"evil" * 40), (STATIC, b"efgh"))
BOT = threat(2, "Bot.B!MTB", (STATIC, b"ijkl"))
INFRASTRUCTURE = threat(3, "!Infrastructure", (112, b"publisher one"), (112, b"publisher two"))
VARIABLE = tlv(91, b"\x0cMpUseSandbox\0\4\0\0\0\1\0\0\0")
ALL = AGENT + BOT + INFRASTRUCTURE + VARIABLE


def changes(rebuilt: bytes, shipped: bytes) -> list[tuple[str, str, str]]:
    found = asking.changes(FAMILY, resource(rebuilt), resource(shipped), "mpavbase.vdm")
    return [(item.kind, item.where, item.weakening) for item in found]


def test_what_means_nothing() -> None:
    one = resource(ALL)
    shuffled = VARIABLE + BOT + INFRASTRUCTURE + threat(
        1, "Agent.A", (STATIC, b"efgh"), (STATIC, b"abcd"), (PEHSTR, b"evil" * 40)
    )  # fmt: skip
    for other in (
        resource(ALL, stamp=99),
        resource(ALL, level=1),
        resource(shuffled),
        one + b"\0\0",
    ):
        assert not asking.changes(FAMILY, one, other, "mpavbase.vdm")


CHECKED = tlv(CHECK, bytes(7) + b"\1") + tlv(STATIC, b"ijkl") + tlv(CHECK, bytes(8))
AGENT_NAME, BOT_NAME = "threat: Agent.A (0x1)", "threat: Bot.B!MTB (0x2)"
THREE = threat(3, "!Infrastructure", (112, b"publisher one"), (112, b"publisher two"), (112, b"3"))


@pytest.mark.parametrize(
    ("shipped", "kind", "where", "weakening"),
    [
        (ALL.replace(AGENT, b""), "detection-removed", AGENT_NAME, "signature-removed"),
        (ALL.replace(BOT, b""), "detection-removed", BOT_NAME, "signature-removed"),
        (ALL.replace(tlv(STATIC, b"abcd"), b""), "detection-changed", AGENT_NAME, "narrowed"),
        (ALL.replace(b"ijkl", b"ijkm"), "detection-changed", BOT_NAME, "narrowed"),
        (ALL.replace(tlv(STATIC, b"ijkl"), CHECKED), "detection-changed", BOT_NAME, "changed"),
        (ALL.replace(BOT, threat(2, "Bot.B!MTB", (STATIC, b"ijkl"), severity=b"\1")),
            "detection-changed", BOT_NAME, "changed"),
        (ALL + tlv(160, b"h" * 32), "allowlist-added", f"FRIENDLYFILE_SHA256: {'68' * 32}",
            "allowlist-added"),
        (ALL + tlv(161, b"h"), "allowlist-added", "FRIENDLYFILE_SHA512: 68", "allowlist-added"),
        (ALL + tlv(107, b"h"), "allowlist-added", "WVT_EXCEPTION: 68", "allowlist-added"),
        (ALL + tlv(136, b"h"), "allowlist-added", "UFSP_DISABLE: 68", "allowlist-added"),
        (ALL + tlv(193, b"h"), "allowlist-added", "CLEANSTORE_RULE: 68", "allowlist-added"),
        (ALL.replace(INFRASTRUCTURE, THREE), "allowlist-added", "TRUSTED_PUBLISHER: 33",
            "allowlist-added"),
        (ALL.replace(VARIABLE, b""), "setting-removed",
            f"outside of threats: DBVAR {VARIABLE[4:].hex()}", "setting-changed"),
        (ALL + tlv(91, b"new"), "setting-added", "outside of threats: DBVAR 6e6577",
            "setting-changed"),
        (ALL + threat(9, "New.C", (STATIC, b"x")), "detection-added", "threat: New.C (0x9)", ""),
        (ALL.replace(tlv(STATIC, b"ijkl"), tlv(STATIC, b"ijkl") * 2), "detection-changed",
            BOT_NAME, ""),
        (ALL.replace(tlv(112, b"publisher two"), b""), "allowlist-removed",
            f"TRUSTED_PUBLISHER: {b'publisher two'.hex()}", ""),
    ],
)  # fmt: skip
def test_each_change_has_its_class(shipped: bytes, kind: str, where: str, weakening: str) -> None:
    # Threat 3 is there for its publishers; the replaced entries are in threats 1 and 2.
    assert changes(ALL, shipped) == [(kind, where, weakening)]


def test_every_changed_byte_of_an_entry_is_reported_as_that_threat() -> None:
    made = [
        threat(n, f"Threat.{n}", (STATIC, b"%08d" % n), (PEHSTR, b"x" * n)) for n in range(1, 80)
    ]
    whole = b"".join(made)
    chance = random.Random(3)
    for _ in range(200):
        index = chance.randrange(len(made))
        other = bytearray(made[index])
        at = other.index(b"%08d" % (index + 1)) + chance.randrange(8)
        other[at] ^= 1 << chance.randrange(8)
        shipped = b"".join([*made[:index], bytes(other), *made[index + 1 :]])
        name = f"threat: Threat.{index + 1} ({index + 1:#x})"
        assert changes(whole, shipped) == [("detection-changed", name, "narrowed")]


def test_version_checks_hold_for_what_follows() -> None:
    check, end = tlv(CHECK, b"1" + bytes(7)), tlv(CHECK, bytes(8))
    assert changes(BOT + VARIABLE, check + BOT + end + VARIABLE) == [
        ("detection-changed", "threat: Bot.B!MTB (0x2)", "changed")
    ]
    found = changes(BOT + VARIABLE, BOT + check + VARIABLE + end)
    assert [item[0] for item in found] == ["setting-changed"]
    one, two = (STATIC, b"aa"), (STATIC, b"bb")
    begin, stop = (CHECK, b"1" + bytes(7)), (CHECK, bytes(8))
    assert changes(threat(5, "N", begin, one, stop, two), threat(5, "N", begin, two, stop, one))
    assert not changes(threat(5, "N", one, two), threat(5, "N", two, one))


def test_a_delta_is_replayed_on_its_base() -> None:
    wanted = AGENT + BOT + VARIABLE
    base = {"db/mpavbase.vdm!a": resource(ALL), "db/mpasbase.vdm!a": resource(BOT)}
    with_delta = {**base, "db/mpavdlta.vdm!a": delta(ALL, wanted)}
    direct = {**base, "db/mpavbase.vdm!a": resource(wanted)}
    found = asking.changes(FAMILY, base, with_delta, "")
    assert sorted({(item.kind, item.weakening) for item in found}) == [
        ("allowlist-removed", ""),
        ("detection-removed", "signature-removed"),  # the threat that held the publishers
        ("setting-added", "setting-changed"),
    ]
    left = asking.changes(FAMILY, direct, with_delta, "")
    assert [item.where for item in left] == ["delta: information"]


def test_a_delta_that_does_not_fit_is_refused() -> None:
    base = {"mpavbase.vdm": resource(ALL)}
    for other in (
        delta(ALL.replace(b"abcd", b"dcba"), ALL.replace(b"abcd", b"dcba") + BOT),
        resource(tlv(0x74, b"1") + tlv(0x73, struct.pack("<II", 9, 9) + b"\3\0ab")),
        resource(tlv(0x74, b"1") + tlv(0x73, b"123")),
        resource(tlv(0x74, b"1") + tlv(0x73, bytes(8)) + BOT),
        resource(tlv(0x74, b"1") + tlv(0x73, struct.pack("<II", 1 << 31, 0) + b"\0\0")),
    ):
        with pytest.raises((ParseError, LimitError)):
            asking.records(FAMILY, {**base, "mpavdlta.vdm": other}, "")
    alone = asking.records(FAMILY, delta(ALL, AGENT), "mpavdlta.vdm")
    assert [record.scope for record in alone] == ["container", *["outside of threats"] * 2]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"RMDX", "RMDX header"),
        (b"MDMP" + bytes(100), "No RMDX"),
        (resource(ALL)[:-4], "leads out"),
        (resource(ALL) + b"hidden", "Bytes behind"),
        (resource(ALL + b"\x5c\1"), "inside the head"),
        (resource(ALL + tlv(STATIC, b"abcdef")[:-1]), "inside an entry"),
        (resource(ALL + AGENT[:-8]), "inside a threat"),
        (resource(AGENT[:-8] + AGENT), "begins inside"),
        (resource(tlv(END, b"\1\0\0\0")), "did not begin"),
        (resource(AGENT[:-4] + b"\2\0\0\0"), "did not begin"),
        (resource(tlv(BEGIN, b"abc") + tlv(END, b"abc")), "without a name"),
        (resource(ALL + tlv(CHECK, b"1")), "version check"),
        (resource(ALL)[:0x1C] + b"\1\0\0\0" + resource(ALL)[0x20:], "size and length"),
        (resource(b"")[:0x50], "leads out|inflated|size"),
    ],
)
def test_what_is_no_sound_resource_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ParseError, match=said):
        asking.records(FAMILY, data, "mpavbase.vdm")


def test_every_byte_of_a_resource_counts() -> None:
    """But for the stamp, the two checksums, and how the stream is compressed."""
    data = resource(AGENT)
    whole = asking.records(FAMILY, data, "a")
    free = set()
    for at in range(len(data)):
        other = bytearray(data)
        other[at] ^= 1
        try:
            if asking.records(FAMILY, bytes(other), "a") == whole:
                free.add(at)
        except ParseError:
            continue
    assert {*range(4, 12), *range(0x4C, 0x50)} <= free
    assert all(at >= 0x50 for at in free - {*range(4, 12), *range(0x4C, 0x50)})


def test_only_resources_are_claimed() -> None:
    assert family_of("1033", memoryview(resource(ALL))) == "vdm"
    assert family_of("mpavbase.vdm", memoryview(b"MZ" + bytes(500))) == ""
    assert family_of("a", memoryview(b"RMDX" + bytes(500))) == ""
    assert family_of("a", memoryview(b"RMDX")) == ""


def image(tmp_path: Path, data: bytes, name: str) -> bytes:
    """A DLL with the resource, by mingw-w64 with a fixed time."""
    (tmp_path / f"{name}.bin").write_bytes(data)
    (tmp_path / f"{name}.rc").write_text(f'1000 RT_RCDATA "{name}.bin"\n', "utf-8")
    (tmp_path / "empty.c").write_text("int answer(void) { return 42; }\n", "utf-8")
    prefix = "x86_64-w64-mingw32-"
    for command in (
        [f"{prefix}windres", f"{name}.rc", f"{name}.o"],
        [f"{prefix}gcc", "-shared", "-s", "-nostdlib", "-Wl,--no-insert-timestamp", "-Wl,-e,0",
         "-o", f"{name}.dll", "empty.c", f"{name}.o"],
    ):  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return (tmp_path / f"{name}.dll").read_bytes()


def test_the_resource_of_an_image_is_a_member(tmp_path: Path) -> None:
    data = resource(ALL)
    dll = image(tmp_path, data, "mpavbase")
    layout = formats.named("pe").layout(memoryview(dll))
    (span,) = [span for span in layout.spans if span.member]
    assert dll[span.offset : span.end] == data
    assert (span.codec, span.field) == ("stored", "resource.database")
    other = image(tmp_path, resource(ALL.replace(b"ijkl", b"ijkm")), "mpavbase")
    report = compare_bytes(other, dll)
    assert any("resource/" in member.path for member in report.members)
    assert compare_bytes(dll, dll).verdict == "identical"


def test_an_image_that_is_declared_counts_whole(tmp_path: Path) -> None:
    dll = image(tmp_path, resource(ALL), "mpavbase")
    assert not asking.changes(FAMILY, dll, dll, "mpavbase.vdm")
    stamped = image(tmp_path, resource(ALL, stamp=2), "mpavbase")
    assert not asking.changes(FAMILY, dll, stamped, "mpavbase.vdm")
    patched = bytearray(dll)
    patched[dll.index(b"\xb8\x2a\0\0\0") + 1] = 43  # answer() returns something else
    found = asking.changes(FAMILY, dll, bytes(patched), "mpavbase.vdm")
    assert [item.where for item in found] == ["image: outside of the resource"]
    with pytest.raises(ParseError, match="0 RMDX resources"):
        asking.records(FAMILY, image(tmp_path, b"other", "plain"), "mpavbase.vdm")


def test_hostile_resources() -> None:
    seeds = [resource(ALL), delta(ALL, AGENT), resource(ALL, level=0)]
    parsed = [asking.survives(FAMILY, item, "mpavbase.vdm") for item in asking.mutants(seeds, 400)]
    assert not all(parsed)
    streams = asking.mutants([ALL], 300)
    assert any(asking.survives(FAMILY, resource(item), "a") for item in streams)
    bombs = [
        resource(bytes(100_000_000)),
        resource(tlv(CHECK, b"1" * 8) * 100_000),
        resource(tlv(BEGIN, bytes(14)) * 100_000),
        resource(tlv(STATIC, b"") * 300_000),
    ]
    for bomb in bombs:
        asking.survives(FAMILY, bomb, "a")
    with pytest.raises(LimitError):
        rmdx.container(
            memoryview(b"RMDX" + bytes(20) + struct.pack("<II", 0x48, 1 << 31) + bytes(60))
        )
