"""ELF: spans, rules, descriptions, tampers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import elf_build as make
from tests.cases.elf_permute import locals_reversed, strings_reversed
from tests.cases.elf_tampers import TAMPERS, build_id, flip
from tests.support import STRICT, compare_bytes
from verifier.errors import VerifierError
from verifier.formats import elf, kmod
from verifier.formats.elf.header import SHT_GROUP
from verifier.model import Verdict

LINK = "section[.gnu_debuglink]"


def test_debug_link_is_computed_from_the_debug_file() -> None:
    program, debug = make.built("aa")
    found = compare_bytes(
        program,
        make.built("bb")[0],
        siblings={f"{'aa' * 19}.debug": debug},
    )
    assert found.verdict == Verdict.EQUIVALENT
    assert found.rules == {"elf.build-id", "elf.debuglink-name", "elf.debuglink-crc"}
    assert sum(patch.free_bytes for patch in found.patches) == 20


def test_debug_link_that_is_not_of_the_debug_file_is_refused() -> None:
    name = f"{'aa' * 19}.debug"
    found = compare_bytes(
        make.built("aa")[0], make.built("bb")[0], siblings={name: make.built("bb")[1]}
    )
    assert [item.where for item in found.differences] == [f"{LINK}.crc"]


def test_strict_refuses_a_build_id() -> None:
    found = compare_bytes(make.built("aa")[0], make.built("bb")[0], STRICT)
    assert found.verdict == Verdict.DIFFERENT
    assert "policy" in {item.kind for item in found.differences}


@pytest.mark.parametrize("name", TAMPERS)
def test_tamper_alone(name: str) -> None:
    tamper, where = TAMPERS[name]
    found = compare_bytes(tamper(make.built("aa")[0]), make.built("bb")[0])
    assert found.verdict == Verdict.DIFFERENT
    assert any(where in item for item in found.where()), found.where()


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_tampers_in_pairs(step: int) -> None:
    plain = make.built("bb")[0]
    pairs = [*itertools.combinations(TAMPERS.items(), 2)][::step]
    for (one, (first, where)), (other, (second, there)) in pairs:
        both = second(first(make.built("aa")[0]))
        places = compare_bytes(both, plain).where()
        for expected in (where, there):
            assert any(expected in item for item in places), (one, other, places)


@pytest.mark.parametrize("name", ["overlay", "marker in the executable page tail"])
def test_tamper_beside_another_build_id(name: str) -> None:
    tamper, where = TAMPERS[name]
    found = compare_bytes(build_id(tamper(make.built("aa")[0])), make.built("bb")[0])
    assert [item.where for item in found.differences if where in item.where]
    assert "elf.build-id" in found.rules


def test_changed_code_is_named_by_symbol_and_section() -> None:
    options = ("-O1", "-Wl,--build-id=none")
    one = make.compiled(make.PROGRAM.replace("* 2", "* 3"), options)
    other = make.compiled(make.PROGRAM.replace("* 2", "* 5"), options)
    found = compare_bytes(one, other)
    assert "twice" in [item.where for item in found.differences]


def test_changed_text_is_shown() -> None:
    options = ("-O1", "-Wl,--build-id=none")
    one = make.compiled(make.PROGRAM.replace("quick", "quiet"), options)
    found = compare_bytes(one, make.compiled(make.PROGRAM, options))
    assert any(
        '"the quiet brown fox" instead of "the quick brown fox"' in item.summary
        and item.where == "banner (.rodata)"
        for item in found.differences
    ), found.differences


def test_libraries_and_symbols_are_named() -> None:
    shared = ("-shared", "-fPIC", "-Wl,--no-as-needed", "-Wl,--build-id=none")
    one = make.compiled(
        make.LIBRARY + "int extra(void) { return getchar(); }\n",
        (*shared, "-lm", "-Wl,-rpath,/tmp"),
    )
    found = compare_bytes(one, make.compiled(make.LIBRARY, shared))
    named = {(item.kind, item.where) for item in found.differences}
    assert {
        ("needed-added", "libm.so.6"),
        ("export-added", "extra"),
        ("import-added", "getchar"),
        ("dynamic-tag", "DT_RUNPATH"),
    } <= named


def test_sections_are_added_and_change_permissions() -> None:
    plain = make.compiled(make.PROGRAM, ("-Wl,--build-id=none",))
    extra = '__asm__(".section .extra,\\"a\\"\\n.long 1\\n.text");\n' + make.PROGRAM
    found = compare_bytes(make.compiled(extra, ("-Wl,--build-id=none",)), plain)
    assert ("section-added", ".extra") in {(item.kind, item.where) for item in found.differences}
    writable = flip("section[.rodata].sh_flags")(plain)
    found = compare_bytes(writable, plain)
    assert "section-permissions" in {item.kind for item in found.differences}


def test_segments_are_held_against_those_of_their_type() -> None:
    """One more moves all segments after it; none of them has other rights for that."""
    flag = "-Wl,--build-id=none"
    local = make.compiled(f"__thread int mine = 7;\n{make.PROGRAM}", (flag,))
    none = make.compiled(make.PROGRAM, (flag,))
    kinds = {item.kind: item.summary for item in compare_bytes(local, none).differences}
    assert "segment-permissions" not in kinds
    assert "Only the shipped file has these: PT_TLS." in kinds["segment-count"]
    lax = make.compiled(make.PROGRAM, (flag, "-Wl,-z,execstack"))
    found = {item.kind: item.where for item in compare_bytes(local, lax).differences}
    assert "PT_GNU_STACK" in found["segment-permissions"]


def test_file_without_section_headers_is_cut_by_segments() -> None:
    data = bytearray(make.built("aa")[0])
    data[40:48] = bytes(8)  # e_shoff
    data[60:64] = bytes(4)  # e_shnum, e_shstrndx
    names = {span.name for span in elf.FORMAT.layout(memoryview(bytes(data))).spans}
    assert {"segment[2]", "segment[3]", "segment[7].desc", "overlay"} <= names, names


def test_compressed_symbols_are_compared_inside() -> None:
    found = compare_bytes(make.with_debugdata("aa"), make.with_debugdata("bb"))
    assert found.verdict == Verdict.EQUIVALENT, found.differences
    assert "elf.gnu-debugdata" in found.rules
    assert [member.path for member in found.members] == ["file", "gnu_debugdata"]


_CPP = ("-c", "-O2", "-fPIC", "-x", "c++")
FLIPPED = {
    "program": lambda: (make.built("aa")[0], make.built("bb")[0]),
    "strings in another order": lambda: (strings_reversed(make.versioned()), make.versioned()),
    "locals in another order": lambda: (
        locals_reversed(make.compiled(make.OBJECT, ("-c", "-O2", "-fPIC"))),
        make.compiled(make.OBJECT, ("-c", "-O2", "-fPIC")),
    ),
    "locals of C++ in another order": lambda: (
        locals_reversed(make.compiled(make.GROUPED, _CPP)),
        make.compiled(make.GROUPED, _CPP),
    ),
    "module": lambda: (make.signed_module("one"), make.signed_module("two")),
}


@pytest.mark.parametrize("name", FLIPPED)
@pytest.mark.parametrize("step", [211, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_flipped_bytes_are_caught_outside_of_free_ranges(name: str, step: int) -> None:
    shipped, rebuilt = FLIPPED[name]()
    for at in range(0, len(shipped), step):
        for mask in (1, 0x80, 0xFF):
            changed = shipped[:at] + bytes([shipped[at] ^ mask]) + shipped[at + 1 :]
            found = compare_bytes(changed, rebuilt)
            if found.verdict in {Verdict.IDENTICAL, Verdict.EQUIVALENT}:
                assert at in found.free(), (name, at, mask)


def test_a_group_of_sections_keeps_its_symbol() -> None:
    """A local symbol may stand for a group, too: by its number, which means another one here."""
    plain = make.compiled(make.GROUPED, _CPP)
    layout = elf.FORMAT.layout(memoryview(plain)).info
    (group, *_more) = [each for each in layout.sections if each.type == SHT_GROUP]
    at = layout.header.shoff + group.number * 64 + 44  # sh_info
    other = locals_reversed(plain)
    assert compare_bytes(other, plain).verdict == Verdict.EQUIVALENT
    first, second = (
        data[:at] + (2).to_bytes(4, "little") + data[at + 4 :] for data in (other, plain)
    )
    assert compare_bytes(second, second).verdict == Verdict.IDENTICAL
    found = compare_bytes(first, second)
    assert found.verdict == Verdict.DIFFERENT
    assert "elf.symbols-table" not in found.rules


def test_no_flipped_byte_of_an_unwind_table_passes() -> None:
    """Lengths too: longer forms of numbers, and entries that swallow padding or the terminator."""
    shipped, rebuilt = FLIPPED["program"]()
    table = elf.FORMAT.layout(memoryview(shipped)).info.section(".eh_frame")
    for at in range(table.offset, table.offset + table.size):
        for mask in (2, 4, 0x80):
            changed = shipped[:at] + bytes([shipped[at] ^ mask]) + shipped[at + 1 :]
            assert compare_bytes(changed, rebuilt).verdict == Verdict.DIFFERENT, (at, mask)


@pytest.mark.parametrize("reference", [0, 24])
def test_names_of_nameless_symbols_cannot_move(reference: int) -> None:
    """The string table has many empty names: each end of a string is one."""
    data = make.unsigned_module()
    section = elf.FORMAT.layout(memoryview(data)).info.section(".symtab")
    names = elf.FORMAT.layout(memoryview(data)).info.sections[section.link]
    end = data.index(b"\0", names.offset + 1) - names.offset
    at = section.offset + reference
    changed = data[:at] + end.to_bytes(4, "little") + data[at + 4 :]
    assert compare_bytes(changed, data).verdict == Verdict.DIFFERENT


def _holds(data: bytes) -> None:
    """Spans cover the file exactly once, or the file is refused with an error of ours."""
    for kind in (elf.FORMAT, kmod.FORMAT):
        try:
            spans = kind.layout(memoryview(data)).spans
        except VerifierError:
            continue
        at = 0
        for span in spans:
            assert span.offset == at
            at = span.end
        assert at == len(data)


@settings(deadline=None, max_examples=100)
@given(
    where=st.integers(0, 3000),
    value=st.binary(min_size=1, max_size=8),
    keep=st.integers(0, 4000),
)
def test_damaged_files_are_cut_or_refused(where: int, value: bytes, keep: int) -> None:
    data = make.unsigned_module()
    damaged = data[:where] + value + data[where + len(value) :]
    _holds(damaged)
    _holds(damaged[:keep])
    _holds(data[: len(data) - 1984] + damaged[-1984:-1] + value)


def test_damaged_headers_are_described_without_a_crash() -> None:
    data = make.built("aa", link=False)[0]
    headers = [
        *range(16, 64),
        *range(64, 64 + 13 * 56, 3),
        *range(len(data) - 29 * 64, len(data), 7),
    ]
    for at in headers[::11]:
        for value in (b"\xff", b"\0\0\0\xff", b"\x7f" * 8):
            found = compare_bytes(data[:at] + value + data[at + len(value) :], data)
            assert found.verdict in {Verdict.DIFFERENT, Verdict.INCONCLUSIVE, Verdict.IDENTICAL}
