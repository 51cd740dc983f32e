"""What large images need: decoding that is shared, jump tables that lead nowhere, chance hits."""

from __future__ import annotations

import itertools
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.semantic.layout.test_false_equals import found, linked
from verifier.semantic.layout import alike, chance, elf, encode, recheck, x86
from verifier.semantic.layout.explain import explain
from verifier.semantic.layout.remembering import Remembering

if TYPE_CHECKING:
    from verifier.semantic.layout.x86 import Code

_LIBRARY = Path("/usr/lib/x86_64-linux-gnu/libstdc++.so.6")
_SWITCH = """
.text
.globl {name}
.type {name}, @function
{name}:
    cmpl $3, %edi
    ja .Ldone_{name}
    leaq .Ltable_{name}(%rip), %rdx
    movslq (%rdx,%rdi,4), %rax
    addq %rdx, %rax
    jmp *%rax
.Lone_{name}:
    movl ${number}, %eax
    ret
.Ltwo_{name}:
    movl ${number}+1, %eax
    ret
.Ldone_{name}:
    xorl %eax, %eax
    ret
.Lend_{name}:
.size {name}, .-{name}
.p2align 4
.section .rodata.{name},"a",@progbits
.p2align 2
.Ltable_{name}:
    .long .Lone_{name}-.Ltable_{name}
    .long {second}-.Ltable_{name}
    .long .Lend_{name}-.Ltable_{name}
    .long .Ltwo_{name}-.Ltable_{name}
"""


def _switch(name: str, number: int, second: str = "") -> str:
    return _SWITCH.format(name=name, number=number, second=second or f".Lend_{name}")


def _stretches(data: bytes, base: int, cuts: list[int]) -> Code:
    return x86.decode_parts(data, base, "x86-64", list(itertools.pairwise(cuts)))


def _same(one: Code, other: Code) -> None:
    for mine, theirs in ((one.starts, other.starts), (one.flows, other.flows)):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(one.rows, other.rows)
    assert (one.bad, one.indirect) == (other.bad, other.indirect)


def _section() -> alike.Section:
    program = elf.load(memoryview(_LIBRARY.resolve().read_bytes()))
    piece = next(each for each in program.pieces if each.name == ".text")
    starts = program.starts
    inside = starts[(starts > piece.address) & (starts < piece.end)]
    cuts = np.unique(np.concatenate([[piece.address], inside, [piece.end]]))
    return alike.Section(piece.address, bytes(piece.data or b""), cuts)


def _shuffled(one: alike.Section, seed: int) -> alike.Section:
    """The atoms in another order, some with a byte changed."""
    chosen = random.Random(seed)
    atoms = [one.data[a - one.base : b - one.base] for a, b in itertools.pairwise(one.cuts)]
    blocks = [atoms[at : at + 50] for at in range(0, len(atoms), 50)]
    chosen.shuffle(blocks)
    parts = [bytearray(atom) for block in blocks for atom in block]
    for _ in range(200):
        part = chosen.choice(parts)
        part[chosen.randrange(len(part))] ^= 1 << chosen.randrange(8)
    edges = np.cumsum([0, *map(len, parts)])
    return alike.Section(one.base + 4096, b"".join(parts), one.base + 4096 + edges)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_copied_is_what_would_have_been_read(seed: int) -> None:
    one = _section()
    other = _shuffled(one, seed)
    code = x86.decode(one.data, one.base, "x86-64", one.cuts.tolist())
    _copy, left = alike.copied(one, code, other)
    assert 0 < len(left) < len(other.cuts) // 4
    together = Remembering()
    for section in (one, other):
        read = together(section.data, section.base, "x86-64", section.cuts.tolist())
        _same(read, _stretches(section.data, section.base, section.cuts.tolist()))


def test_more_atoms_are_read_as_if_all_were_known_at_first() -> None:
    one = _section()
    few = one.cuts[:: len(one.cuts) // 20]
    inner = random.Random(1).sample(range(one.base + 1, one.base + len(one.data)), 300)
    cuts = sorted({one.base, *few.tolist(), *inner, one.base + len(one.data)})
    together = Remembering()
    together(one.data, one.base, "x86-64", few.tolist())
    _same(together(one.data, one.base, "x86-64", cuts), _stretches(one.data, one.base, cuts))


def _judged(shipped: bytes, rebuilt: bytes, honest: bytes) -> str:
    extents = explain("elf", memoryview(honest), memoryview(rebuilt)).extents
    layout = {"format": "elf", "map": encode.encode(extents)}
    return recheck.judge(layout, memoryview(shipped), memoryview(rebuilt), ())[0]


def test_a_jump_table_may_lead_behind_its_function(tmp_path: Path) -> None:
    """As `__builtin_unreachable` makes it; what comes after such an entry is followed, too."""
    parts = [_switch("alpha", 3), _switch("beta", 30), _switch("gamma", 300)]
    rebuilt, moved = linked(tmp_path, *parts), linked(tmp_path, *reversed(parts))
    finding = found(moved, rebuilt)
    assert finding.total
    assert any("behind the end of their function" in each for each in finding.assumptions)
    assert not _judged(moved, rebuilt, moved)
    wrong = [_switch("alpha", 3, ".Ldone_alpha"), *parts[1:]]
    attacked = linked(tmp_path, *reversed(wrong))
    assert not found(attacked, rebuilt).total
    assert _judged(attacked, rebuilt, moved)


def test_numbers_in_a_table_are_told_from_chance() -> None:
    places = 4096 + 8 * np.arange(64, dtype=np.int64)
    group = np.ones(64, dtype=np.int64)
    table = np.zeros(64, dtype=np.bool_)
    table[8:40] = True
    assert np.array_equal(chance.tabled(group, places, table), table)
    alone = np.zeros(64, dtype=np.bool_)
    alone[[8, 9, 30]] = True
    assert not chance.tabled(group, places, alone).any()
    group[8:10] = 2  # two numbers of an object of their own
    assert chance.tabled(group, places, alone).tolist() == [at in (8, 9) for at in range(64)]


def test_another_order_of_initialisers_is_told_as_that(tmp_path: Path) -> None:
    source = (
        "int {0}_state; __attribute__((constructor)) static void f(void) {{ {0}_state = {1}; }}\n"
    )
    for number, name in enumerate(("alpha", "beta", "gamma")):
        (tmp_path / f"{name}.c").write_text(source.format(name, number + 7))
        command = ["gcc", "-O2", "-fPIC", "-c", f"{name}.c"]
        subprocess.run(command, cwd=tmp_path, check=True)
    images = []
    for order in (("alpha", "beta", "gamma"), ("beta", "alpha", "gamma")):
        objects = [f"{name}.o" for name in order]
        command = ["gcc", "-shared", "-s", "-Wl,--build-id=none", "-o", "out.so", *objects]
        subprocess.run(command, cwd=tmp_path, check=True)
        images.append((tmp_path / "out.so").read_bytes())
    explained = explain("elf", memoryview(images[1]), memoryview(images[0]))
    assert not explained.finding.total
    told = [(each.kind, each.where) for each in explained.differences]
    assert told == [("initialiser-order", ".init_array")]
    assert "in another order: number 2 is" in explained.differences[0].summary
