"""Pairs that were once taken for one program, though they do different things."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from verifier.errors import ParseError
from verifier.formats.elf.layout import layout
from verifier.semantic.layout import elfdynamic
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.semantic.layout.proof import Finding

_STACK = '\n.section .note.GNU-stack,"",@progbits\n'
_LINK = ("gcc", "-shared", "-nostdlib", "-Wl,--build-id=none", "-Wl,--no-eh-frame-hdr")


def linked(where: Path, *parts: str, bare: bool = True, more: tuple[str, ...] = ()) -> bytes:
    """A shared object of pieces of assembly, in their order."""
    names = []
    for number, text in enumerate(parts):
        (where / f"{number}.s").write_text(text + _STACK)
        subprocess.run(["gcc", "-c", f"{number}.s"], cwd=where, check=True)
        names.append(f"{number}.o")
    strip = ("-s",) if bare else ()
    subprocess.run([*_LINK, *strip, *more, "-o", "out.so", *names], cwd=where, check=True)
    return (where / "out.so").read_bytes()


def found(shipped: bytes, rebuilt: bytes) -> Finding:
    assert shipped != rebuilt
    return explain("elf", memoryview(shipped), memoryview(rebuilt)).finding


def section(data: bytes, name: bytes) -> tuple[int, int]:
    sections = layout(memoryview(data)).info.sections
    one = next(each for each in sections if each.name == name)
    return one.offset, one.size


def test_the_base_that_pt_phdr_makes(tmp_path: Path) -> None:
    """The C library takes the distance to PT_PHDR's address for the base of the program."""
    (tmp_path / "m.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-pie", "m.c", "-o", "m"], cwd=tmp_path, check=True)
    rebuilt = (tmp_path / "m").read_bytes()
    shipped = bytearray(rebuilt)
    assert struct.unpack_from("<I", shipped, 64)[0] == 6
    for at in (64 + 16, 64 + 24):
        struct.pack_into("<Q", shipped, at, 0x100040)
    assert not found(bytes(shipped), rebuilt).total


def _djb(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def test_an_export_that_the_hash_table_leaves_out(tmp_path: Path) -> None:
    text = "".join(f".globl {n}\n.type {n},@function\n{n}: mov ${n[-1]},%eax\n ret\n" for n in
                   ("fn1", "fn2", "fn3"))  # fmt: skip
    rebuilt = linked(tmp_path, text, more=("-Wl,--hash-style=gnu",))
    at, size = section(rebuilt, b".gnu.hash")
    place, length = section(rebuilt, b".dynsym")
    start, _ = section(rebuilt, b".dynstr")
    buckets, first, words, shift = struct.unpack_from("<4I", rebuilt, at)
    assert (first, words) == (1, 1)
    rows = [rebuilt[place + n : place + n + 24] for n in range(0, length, 24)]

    def value(row: bytes) -> int:
        name = start + int.from_bytes(row[:4], "little")
        return _djb(rebuilt[name : rebuilt.index(b"\0", name)])

    buckets += 1  # so that the table keeps its size
    kept = sorted(rows[2:], key=lambda row: value(row) % buckets)
    heads, links, bits = [0] * buckets, [], 0
    for number, row in enumerate(kept):
        home = value(row) % buckets
        heads[home] = heads[home] or 2 + number
        last = number + 1 == len(kept) or value(kept[number + 1]) % buckets != home
        links.append(value(row) & ~1 | last)
        bits |= 1 << value(row) % 64 | 1 << (value(row) >> shift) % 64
    table = struct.pack(f"<4IQ{buckets}I{len(links)}I", buckets, 2, 1, shift, bits, *heads, *links)
    assert len(table) == size
    shipped = bytearray(rebuilt)
    shipped[at : at + size] = table
    shipped[place : place + length] = b"".join([*rows[:2], *kept])
    assert not found(bytes(shipped), rebuilt).total


def test_two_versions_of_one_number() -> None:
    texts = b"\0libc.so.6\0V1\0V2\0"
    row = struct.Struct("<IHHII")
    entries = b"".join(
        row.pack(elfdynamic._sysv(name), 0, 2, texts.index(name), step)
        for name, step in ((b"V1", 16), (b"V2", 0))
    )
    raw = struct.pack("<HHIII", 1, 2, 1, 16, 0) + entries
    with pytest.raises(ParseError, match="one number"):
        elfdynamic._needed(raw, texts)


_F = ".text\n.globl f\n.type f,@function\n.p2align 4\nf: .Lf:\n"
_G = ".globl g\n.type g,@function\ng: .Lg: lea 7(%rdi),%eax\n ret\n .p2align 4\n"
_COLD = '.section .text.unlikely,"ax",@progbits\nf.cold: .Lcs:\n'
_CALL = _F + " push %rbx\n call init@PLT\n .p2align 4\n"
_LOOP = (
    ".L2: call work@PLT\n test %eax,%eax\n js .L6\n jne .L2\n pop %rbx\n ret\n .p2align 4,0x90\n"
)
_REPORT = _COLD + ".L6: call report@PLT\n jmp .L2\n"


def test_a_call_that_returns_into_another_function(tmp_path: Path) -> None:
    """A loop's head is no start of a function, though the cold part jumps there."""
    rebuilt = linked(tmp_path, _CALL + _LOOP + _G + _REPORT)
    shipped = linked(tmp_path, _CALL + _G + _LOOP + _REPORT)
    assert not found(shipped, rebuilt).total


_HOT = _F + " test %edi,%edi\n js .Lcold\n mov %edi,%eax\n ret\n .p2align 4\n"
_TAIL = ".L: mov $2,%eax\n imul %edi,%eax\n ret\n .p2align 4\n"
_NEGATE = _COLD + ".Lcold: neg %edi\n jmp .L\n .p2align 4\n"
_UNWINDING = r"""
.section .eh_frame,"a",@progbits
.Lcie: .long .Lend-.Lcie-4, 0
 .byte 1
 .string "zR"
 .byte 1, 0x78, 16, 1, 0x1b, 0xc, 7, 8, 0x90, 1
 .p2align 3
.Lend:
.macro entry begin, size
 .long .Le\@-.-4
 .long .-.Lcie
 .long \begin-., \size
 .byte 0
 .p2align 3
.Le\@:
.endm
entry .Lf, 0x20
entry .Lg, 0x10
entry .Lcs, 0x10
.long 0
"""


def test_a_function_torn_under_its_unwind_range(tmp_path: Path) -> None:
    """The range still begins at the function, and covers another one's code instead."""
    rebuilt = linked(tmp_path, _HOT + _TAIL + _G + _NEGATE + _UNWINDING)
    shipped = linked(tmp_path, _HOT + _G + _TAIL + _NEGATE + _UNWINDING)
    assert not found(shipped, rebuilt).total


_SWITCH = r"""
 cmp $2,%edi
 ja .Ldef
 lea .L4(%rip),%rdx
 mov %edi,%eax
 movslq (%rdx,%rax,4),%rax
 add %rdx,%rax
 jmp *%rax
 .p2align 4
.La: mov $1,%eax
 ret
 .p2align 4
.Lb: test %esi,%esi
 js .Lcold
 mov %esi,%eax
 ret
.Ldef: xor %eax,%eax
 ret
 .p2align 4
.L: mov $2,%eax
 ret
 .p2align 4
.Lc: mov $3,%eax
 ret
 .p2align 4
.section .rodata
.p2align 2
.L4: .long .La-.L4, .Lc-.L4, .Lb-.L4
"""


def test_entries_of_a_jump_table_that_lead_out_of_the_known_function(tmp_path: Path) -> None:
    """`.L` is reached by the cold part alone: entries behind it were no slots, and stayed."""
    one, other = _F + _SWITCH + _NEGATE, ".text\n" + _G
    rebuilt = linked(tmp_path, one, other)
    shipped = bytearray(linked(tmp_path, other, one))
    (here, size), (there, _) = (section(bytes(each), b".rodata") for each in (rebuilt, shipped))
    assert rebuilt[here : here + size] != shipped[there : there + size]
    shipped[there + 4 : there + size] = rebuilt[here + 4 : here + size]
    assert not found(bytes(shipped), rebuilt).total


_VECTOR = ".data\n.p2align {}\n.type vec,@object\nvec: .quad 1,2\n.size vec,16\n"
_OTHER = ".data\n.p2align 4\n.type pad,@object\npad: .quad 7\n.size pad,8\n"
_TAKE = ".text\n.globl take\ntake: lea vec(%rip),%rax\n lea pad(%rip),%rcx\n nop\n ret\n"
_CODE = ".text\n.p2align {}\n.type vec,@function\nvec: xor %eax,%eax\n ret\n.size vec,.-vec\n"
_ONE = ".text\n.globl pad\n.hidden pad\n.type pad,@function\npad: ret\n.size pad,1\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_VECTOR.format(4) + _OTHER, _OTHER + _VECTOR.format(3)),
        (_CODE.format(1) + _ONE, _ONE + _CODE.format(0) + ".byte 0xcc\n"),
    ],
    ids=["an array", "a function"],
)
def test_an_alignment_that_is_lost_is_assumed_to_be_needless(
    one: str, other: str, tmp_path: Path
) -> None:
    rebuilt = linked(tmp_path, ".text\n.p2align 1\n" + _TAKE + one, bare=False)
    shipped = linked(tmp_path, ".text\n.p2align 1\n" + _TAKE + other, bare=False)
    seen = found(shipped, rebuilt)
    assert not seen.total or any("aligned" in each for each in seen.assumptions)
