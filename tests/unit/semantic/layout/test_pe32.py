"""32-bit PE images: another order of objects and another image base make no other program."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests import realfiles
from tests.layouts import twins
from tests.layouts.builds import PE32
from tests.unit.semantic.layout.a64builds import run
from verifier.semantic.layout import capstone_x86, decoders, pe, proof, x86
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.explain import explain
from verifier.semantic.layout.match import Match
from verifier.semantic.layout.program import Kind

if TYPE_CHECKING:
    from pathlib import Path

_LIST = """
#include <stdio.h>
static int table[40]; static const char *names[] = {"zero", "one", "two"};
__declspec(dllexport) const char *name(int n) { return n < 3 && n >= 0 ? names[n] : "more"; }
__declspec(dllexport) int at(int n) { puts(name(n)); return table[n]; }
"""
_STEP = """
#include <stdlib.h>
extern int at(int); int steps = 7;
__declspec(dllexport) int step(int kind, int n) {
  switch (kind) {
    case 0: return n + 1; case 1: return at(n); case 2: return steps++; case 3: abort();
    case 4: return n * LIMIT; case 5: return -n; case 6: return at(n) + steps; default: return 0;
  }
}
"""


@cache
def _built(*, backwards: bool = False, base: str = "0x64000000", limit: int = 3) -> bytes:
    files = {"list": _LIST, "step": _STEP.replace("LIMIT", str(limit))}

    def build(where: Path) -> None:
        for name, text in files.items():
            (where / f"{name}.c").write_text(text)
            run(["i686-w64-mingw32-gcc", "-O2", "-c", f"{name}.c"], where)
        order = [f"{name}.o" for name in files]
        command = ["i686-w64-mingw32-gcc", "-shared", "-s", f"-Wl,--image-base,{base}"]
        command += ["-Wl,--no-insert-timestamp", "-o", "out.dll"]
        run([*command, *(order[::-1] if backwards else order)], where)

    key = sha256(repr((files, backwards, base)).encode()).hexdigest()
    data = bytearray((realfiles.made("pe32", key, build) / "out.dll").read_bytes())
    header = int.from_bytes(data[0x3C:0x40], "little")
    data[header + 88 : header + 92] = bytes(4)  # CheckSum: a rule of its own settles it
    return bytes(data)


def _judged(one: bytes, other: bytes) -> proof.Finding:
    images = [assemble(pe.load(memoryview(each)), decoders.first) for each in (one, other)]
    extents = Match(*images).run()
    found = proof.check(*images, extents)
    again = [assemble(pe.load(memoryview(each)), decoders.second) for each in (one, other)]
    assert proof.check(*again, extents).faults == found.faults
    return found


@pytest.mark.parametrize("base", ["0x64000000", "0x6a4c0000"])
@pytest.mark.parametrize("backwards", [False, True])
def test_another_order_and_base(base: str, backwards: bool) -> None:
    found = _judged(_built(), _built(backwards=backwards, base=base))
    assert found.total, found.faults


def test_another_number_is_another_program() -> None:
    assert not _judged(_built(), _built(limit=5)).total
    assert not _judged(_built(), _built(backwards=True, limit=5)).total


def test_a_table_entry_that_leads_elsewhere() -> None:
    """Two words of the switch's table change places; both stay addresses of code."""
    one = _built()
    image = assemble(pe.load(memoryview(one)), decoders.first)
    rdata = next(piece for piece in image.program.pieces if piece.name == ".rdata")
    mine = image.slots.between(rdata.address, rdata.end)
    code = [
        (at, target)
        for at, target in zip(
            image.slots.at[mine].tolist(), image.slots.target[mine].tolist(), strict=True
        )
        if image.program.label(target).startswith(".text")
    ]
    assert len(code) >= 7
    section = one.index(b".rdata\0\0")
    offset = int.from_bytes(one[section + 20 : section + 24], "little") - rdata.address
    other = bytearray(one)
    first, second = code[1][0] + offset, code[2][0] + offset
    other[first : first + 4], other[second : second + 4] = (
        one[second : second + 4],
        one[first : first + 4],
    )
    assert not _judged(one, bytes(other)).total


def test_padding_of_32_bit_code() -> None:
    """A lea of a register to itself does nothing; one with a distance, or of another, does."""
    idle = ("8d7600", "8d742600", "2e8d742600", "8db600000000", "8db42600000000", "6690")
    for text in (*idle, "8d7601", "8d7700", "8d743600"):
        data = bytes.fromhex(text)
        flows = [
            decode(data, 0x1000, "x86", [0x1000]).flows.tolist()
            for decode in (x86.decode, capstone_x86.decode)
        ]
        assert flows[0] == flows[1] == [x86.Flow.PADS if text in idle else x86.Flow.NEXT], text


@pytest.mark.parametrize("name", ["pe32-cpp", "pe32-vectors"])
def test_both_decoders_tell_the_same_of_rebased_words(name: str) -> None:
    """What an absolute address is to its instruction: a number, an array's, memory, a vector."""
    data = memoryview(twins.twin(name).contents()[0])
    one, other = (assemble(pe.load(data), each) for each in (decoders.first, decoders.second))
    assert one.slots.table().tolist() == other.slots.table().tolist()
    kinds = set(one.slots.kind.tolist())
    assert {Kind.TAKEN, Kind.INDEXED, Kind.ACCESS, Kind.POINTER} < kinds
    assert (Kind.WIDE_16 in kinds) == (name == "pe32-vectors")


_FRAME = """
 .globl _used
 .section .drectve
 .ascii " -export:used"
 .text
_used:
%s
 ret
"""
_CODE = {
    "plain": "movl (%esp), %eax\n call _other\n movl $_word, %ecx\n addl (%ecx), %eax",
    "next": "call 1f\n1: popl %eax\n addl $_word - 1b, %eax",
    "pops": "call _pops\n1: addl $_word - 1b, %eax",
    "thunk": "call _thunk\n1: movl _word - 1b(%ebx), %eax",
    "marked": "call _marked\n1: movl _word - 1b(%ebx), %eax",
    "elsewhere": "call _elsewhere\n1: addl $_word - 1b, %eax",
    "data": "call _word",
    "straddles": ".byte 0x90\n .long _word\n nop",
}
_REASONS = {"straddles": "is no number of an instruction", "data": "runs on in data"}
_OTHER = """
 .text
_other: movl $3, %eax
 ret
_pops: popl %eax
 jmp *%eax
_marked: endbr32
_thunk: movl (%esp), %ebx
 ret
 .section .other, "x"
_elsewhere: popl %eax
 jmp *%eax
 .data
_word: .long 7
"""


@pytest.mark.parametrize("name", list(_CODE))
def test_code_that_learns_where_it_runs_is_not_decided(name: str, tmp_path: Path) -> None:
    """From there it could reach things by distances that no relocation names."""
    (tmp_path / "a.s").write_text(_FRAME % _CODE[name] + _OTHER)
    _link(tmp_path, "a.s")
    data = memoryview((tmp_path / "out.dll").read_bytes())
    for decode in (decoders.first, decoders.second):
        doubts = assemble(pe.load(data), decode).doubts
        reason = _REASONS.get(name, "learns where it runs")
        assert [reason in each for each in doubts] == ([] if name == "plain" else [True])


def _link(where: Path, *files: str, more: tuple[str, ...] = ()) -> None:
    command = ["i686-w64-mingw32-gcc", "-nostdlib", "-shared", "-Wl,--no-insert-timestamp"]
    run([*command, "-Wl,-e,_used", *more, "-o", "out.dll", *files], where)


_VECTOR = """
 .globl _used
 .section .drectve
 .ascii " -export:used"
 .text
_used: %s _wide, %%xmm0
 movl _first, %%eax
 addl _first + 4, %%eax
 ret
 .section .rdata, "dr"
 .balign 16
_first: .long 1, 2
 %s
_wide: .long 4, 5, 6, 7
"""


@pytest.mark.parametrize(("name", "total"), [("movaps", False), ("movups", True)])
def test_what_is_read_at_once_stays_aligned(name: str, total: bool, tmp_path: Path) -> None:
    images = []
    for number, align in enumerate((".balign 16", "")):
        where = tmp_path / str(number)
        where.mkdir()
        (where / "a.s").write_text(_VECTOR % (name, align))
        _link(where, "a.s", more=("-s",))
        images.append(twins.unsummed((where / "out.dll").read_bytes(), PE32))
    finding = _judged(*images)
    assert finding.total == total
    assert total or any("otherwise aligned" in each for each in finding.faults)


def test_without_base_relocations_nothing_is_decided(tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text(_FRAME % _CODE["plain"] + _OTHER)
    _link(tmp_path, "a.s", more=("-Wl,--disable-reloc-section",))
    data = bytearray((tmp_path / "out.dll").read_bytes())
    header = int.from_bytes(data[0x3C:0x40], "little")
    data[header + 22] |= 1  # IMAGE_FILE_RELOCS_STRIPPED
    found = explain("pe", memoryview(data), memoryview(data))
    assert not found.finding.total
    assert "It has no base relocations" in found.notes[-1]


_ARRAYS = """
 .globl _used
 .section .drectve
 .ascii " -export:used"
 .text
_used: movl %s(, %%eax, 4), %%eax
 addl _front, %%eax
 ret
 .section .rdata, "dr"
_front: .long 9, 0, 0, 0
 .globl _array
_array: .long 1, 2, 3, 4
"""


@pytest.mark.parametrize(("base", "total"), [("_array - 8", True), ("_array - 4", False)])
def test_a_base_in_zeros_moves_with_its_array(base: str, total: bool, tmp_path: Path) -> None:
    """`array[i - 2]` becomes `array[i - 1]`; the zeros before it look like an object that moved."""
    images = []
    for number, text in enumerate(("_array - 8", base)):
        where = tmp_path / str(number)
        where.mkdir()
        (where / "a.s").write_text(_ARRAYS % text)
        _link(where, "a.s", more=("-s",))
        images.append(twins.unsummed((where / "out.dll").read_bytes(), PE32))
    assert _judged(*images).total == total


_HANDLED = """
 .globl _used
 .section .drectve
 .ascii " -export:used"
 .text
 %s
 .section .rdata, "dr"
 .balign 4
_loads: .long 72, 0, 0, 0, 0, 0, 0, 0, %s, 0, 0, 0, 0, 0, 0, _cookie, _list, 2
 .long 1, 2, 3
_list: .rva %s, %s
 .data
_cookie: .long 0xbb40e64e
"""
_PARTS = (
    "_used: call _three\n movl _loads, %eax\n movl _cookie, %ecx\n ret\n .balign 16",
    "_one: movl $1, %eax\n ret\n .balign 16",
    "_two: movl $2, %eax\n xorl %ecx, %ecx\n ret\n .balign 16",
    "_three: movl $3, %eax\n cltd\n ret\n .balign 16",
)


def _loading(
    where: Path, order: str, handlers: tuple[str, str], more: str = "0", last: str = ""
) -> bytes:
    """A DLL with a list of handlers of exceptions, which GNU ld does not tell the loader of."""
    where.mkdir()
    code = "\n".join(_PARTS[int(each)] for each in order)
    (where / "a.s").write_text(_HANDLED % (code, more, *handlers) + last)
    _link(where, "a.s", more=("-Wl,--enable-long-section-names",) if last else ("-s",))
    data = bytearray(twins.unsummed((where / "out.dll").read_bytes(), PE32))
    header = int.from_bytes(data[0x3C:0x40], "little")
    table = header + 24 + int.from_bytes(data[header + 20 : header + 22], "little")
    rdata = next(
        at for at in range(table, len(data), 40) if data[at : at + 8].rstrip(b"\0") == b".rdata"
    )
    data[header + 200 : header + 204] = data[rdata + 12 : rdata + 16]
    data[header + 204] = 72
    return bytes(data)


def test_the_list_of_handlers_is_what_the_loader_takes_it_for(tmp_path: Path) -> None:
    """In the order of their addresses, which another order of functions changes."""
    one = _loading(tmp_path / "1", "0123", ("_one", "_two"))
    assert any(fact[0] == "handler of exceptions" for fact in pe.load(memoryview(one)).facts), (
        pe.load(memoryview(one)).doubts
    )
    turned = _loading(tmp_path / "2", "0321", ("_two", "_one"))
    found = _judged(one, turned)
    assert found.total, found.faults
    for number, handlers in enumerate((("_three", "_one"), ("_three", "_two"))):
        other = _loading(tmp_path / f"other-{number}", "0321", handlers)
        assert not _judged(one, other).total


@pytest.mark.parametrize(
    ("handlers", "more", "reason"),
    [
        (("_two", "_one"), "0", "malformed"),
        (("_one", "_cookie"), "0", "malformed"),
        (("_one", "_two"), "5", "more than is decided"),
        (("_one", "_two"), "_list", "more than is decided"),
    ],
)
def test_another_load_configuration_is_not_decided(
    handlers: tuple[str, str], more: str, reason: str, tmp_path: Path
) -> None:
    data = _loading(tmp_path / "1", "0123", handlers, more)
    assert [reason in each for each in pe.load(memoryview(data)).doubts] == [True]


@cache
def _tables(which: int) -> tuple[bytes, int, int]:
    """An image of C++, where its exception tables begin in the file, and their length."""
    data = twins.twin("pe32-cpp-stripped").contents()[which]
    pieces = pe.load(memoryview(data)).pieces
    found = next(each for each in pieces if each.name == ".text tables")
    assert not found.code
    return data, found.offset, found.size


@pytest.mark.parametrize("part", range(12))
def test_a_changed_exception_table_is_seen(part: int) -> None:
    rebuilt = _tables(0)[0]
    shipped, start, size = _tables(1)
    changed = bytearray(shipped)
    place = next(at for at in range(start + size * part // 12, start + size) if changed[at])
    changed[place] ^= 1
    assert not _judged(rebuilt, bytes(changed)).total


def test_a_section_named_as_a_part_of_another_is_not_decided(tmp_path: Path) -> None:
    last = ' .section ".rdata handlers", "dr"\n .long 1\n'
    data = _loading(tmp_path / "1", "0123", ("_one", "_two"), last=last)
    assert ["one name" in each for each in pe.load(memoryview(data)).doubts] == [True]
