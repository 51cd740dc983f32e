"""What an adversary may change in the small library: each makes it another program."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.layouts.attacks_pe import PE, PE32

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.layouts.editor import Editor

_READONLY = {"elf": ".rodata", "pe": ".rdata"}


def _readonly(edit: Editor) -> str:
    return _READONLY[edit.kind.format]


def call_of_an_equal_looking_function(edit: Editor) -> None:
    edit.retarget("choose", edit.symbol("twin_left"), edit.symbol("twin_right"))


def text_of_equal_length(edit: Editor) -> None:
    one, two = (edit.text(f"text number {n}", _readonly(edit)) for n in ("one", "two"))
    edit.retarget("say", one, two)


def texts_exchanged(edit: Editor) -> None:
    one, two = (edit.text(f"text number {n}", _readonly(edit)) for n in ("one", "two"))
    first, second = edit.reference("say", one), edit.reference("say", two)
    edit.aim(first, two - one)
    edit.aim(second, one - two)


def reference_off_by_one(edit: Editor) -> None:
    text = edit.text("text number one", _readonly(edit))
    edit.retarget("say", text, text + 1)


def reference_into_padding(edit: Editor) -> None:
    text = edit.text("text number one", _readonly(edit))
    edit.retarget("say", text, text - 1)


def text_changed(edit: Editor) -> None:
    edit.write(edit.text("gamma", _readonly(edit)), b"gemma")


def _jump_table(edit: Editor) -> int:
    start, end = edit.symbol("choose"), edit.end("choose")
    for at in range(start, end - 3):
        wide = edit.kind.word == 8  # distances from the table, or else addresses
        target = edit.word(at, 4) + (at + 4 if wide else -edit.base)
        section = edit.sections[_readonly(edit)]
        if 0 <= target - section.virtual_address <= section.size - 32:
            base = target if wide else -edit.base
            words = [edit.word(target + 4 * n, 4) + base for n in range(8)]
            if all(start < word < end for word in words):
                return target
    raise AssertionError("no jump table")


def jump_table_exchanged(edit: Editor) -> None:
    table = _jump_table(edit)
    edit.swap(table, table + 8, 4)


def jump_table_entry_changed(edit: Editor) -> None:
    table = _jump_table(edit)
    edit.put(table + 12, edit.word(table + 16, 4), 4)


def padding_that_runs(edit: Editor) -> None:
    """The nops before `choose` become code, and `say` branches there."""
    size = 4 if edit.kind.word == 8 else 5  # a nop of one byte after a lea of four
    at = edit.symbol("choose") - size
    assert edit.word(at, 1) in (0, 0x66, 0x8D, 0x90, 0xCC, 0x84)
    edit.write(at, b"\x31\xc0\xc3\x90\x90"[:size])
    edit.retarget("choose", edit.symbol("twin_left"), at)


def condition_turned(edit: Editor) -> None:
    start, end = edit.symbol("say"), edit.end("say")
    at = next(at for at in range(start, end) if edit.word(at, 2) in (0x440F, 0x450F))  # cmove
    edit.put(at, edit.word(at, 2) ^ 0x100, 2)


def halves_exchanged(edit: Editor) -> None:
    """Two halves of an array trade places, and with them the direct references to both."""
    at = edit.symbol("halves")
    raw = bytes(edit.data[edit.offset(at) : edit.offset(at) + 64])
    edit.write(at, raw[32:] + raw[:32])
    for function, here, there in (("front", 8, 40), ("back", 40, 8)):
        edit.retarget(function, at + here, at + there)


# ELF


def memory_used_alone(edit: Editor) -> None:
    """One of the writes that clear an array goes into the padding before it."""
    memory = edit.symbol("memory")
    edit.retarget("work", memory + 48, memory - 16)


def _swap_addends(edit: Editor, places: tuple[int, int]) -> None:
    one, other = (edit.relocation(".rela.dyn", place) for place in places)
    edit.swap_at(one + 16, other + 16, 8)
    first, second = (edit.offset(place) for place in places)
    edit.swap_at(first, second, 8)  # what linkers leave in the slots


def pointers_exchanged(edit: Editor) -> None:
    table = edit.symbol("table")
    _swap_addends(edit, (table, table + 8))


def texts_of_table_exchanged(edit: Editor) -> None:
    names = edit.symbol("names")
    _swap_addends(edit, (names, names + 16))


def pointer_off_by_one(edit: Editor) -> None:
    row = edit.relocation(".rela.dyn", edit.symbol("names"))
    edit.put_at(
        row + 16, edit.symbol("names") and struct.unpack_from("<Q", edit.data, row + 16)[0] + 1, 8
    )


def initialisers_exchanged(edit: Editor) -> None:
    at = edit.sections[".init_array"].virtual_address
    _swap_addends(edit, (at + 8, at + 16))


def initialiser_twice(edit: Editor) -> None:
    at = edit.sections[".init_array"].virtual_address
    one, other = (edit.relocation(".rela.dyn", place) for place in (at + 8, at + 16))
    edit.put_at(one + 16, struct.unpack_from("<Q", edit.data, other + 16)[0], 8)


def initialiser_left_out(edit: Editor) -> None:
    at = edit.dynamic(27)
    edit.put_at(at, struct.unpack_from("<Q", edit.data, at)[0] - 8, 8)


def relocation_left_out(edit: Editor) -> None:
    edit.put_at(edit.relocation(".rela.dyn", edit.symbol("table")) + 8, 0, 8)


def relocation_moved(edit: Editor) -> None:
    row = edit.relocation(".rela.dyn", edit.symbol("table"))
    edit.put_at(row, edit.symbol("shared") + 16, 8)


def jump_slots_exchanged(edit: Editor) -> None:
    one, other = edit.rows(".rela.plt", 24)[:2]
    edit.swap_at(one + 8, other + 8, 8)


def jump_slots_exchanged_in_place(edit: Editor) -> None:
    one, other = edit.rows(".rela.plt", 24)[:2]
    edit.swap_at(one, other, 8)


def globals_exchanged(edit: Editor) -> None:
    rows = [at for at in edit.rows(".rela.dyn", 24) if edit.data[at + 8] == 6]
    names = [
        edit.relocation(".rela.dyn", struct.unpack_from("<Q", edit.data, at)[0]) for at in rows
    ]
    edit.swap_at(names[0] + 8, names[1] + 8, 8)


def stub_of_another_slot(edit: Editor) -> None:
    plt = edit.sections[".plt"].virtual_address
    one, two = plt + 16 + 2, plt + 32 + 2
    target = edit.word(two, 4) + two + 4
    edit.put(one, target - one - 4, 4)


def stub_pushes_another_index(edit: Editor) -> None:
    plt = edit.sections[".plt"].virtual_address
    edit.swap(plt + 16 + 7, plt + 32 + 7, 4)


def unbound_slot_moved(edit: Editor) -> None:
    at = edit.sections[".got.plt"].virtual_address + 24
    edit.swap(at, at + 8)


def version_changed(edit: Editor) -> None:
    for at in edit.rows(".gnu.version", 2):
        if struct.unpack_from("<H", edit.data, at)[0] == 2:
            edit.put_at(at, 3, 2)
            return
    raise AssertionError


def version_hidden(edit: Editor) -> None:
    number = (edit.dynamic_symbol("front") - edit.sections[".dynsym"].offset) // 24
    edit.put_at(edit.rows(".gnu.version", 2)[number], 0x8001, 2)


def stack_that_runs(edit: Editor) -> None:
    edit.put_at(edit.header(0x6474E551) + 4, 7, 4)


def code_that_can_be_written(edit: Editor) -> None:
    header = next(at for at in range(64, 64 + 56 * 9, 56) if edit.data[at + 4] == 5)
    edit.put_at(header + 4, 7, 4)


def data_that_runs(edit: Editor) -> None:
    header = next(
        at for at in range(64, 64 + 56 * 9, 56) if edit.data[at] == 1 and edit.data[at + 4] == 6
    )
    edit.put_at(header + 4, 7, 4)


def no_relro(edit: Editor) -> None:
    edit.put_at(edit.header(0x6474E552), 0, 4)


def shorter_relro(edit: Editor) -> None:
    at = edit.header(0x6474E552) + 40
    edit.put_at(at, struct.unpack_from("<Q", edit.data, at)[0] - 0x20, 8)


def another_init(edit: Editor) -> None:
    edit.put_at(edit.dynamic(12), edit.symbol("front"), 8)


def another_fini(edit: Editor) -> None:
    edit.put_at(edit.dynamic(13), edit.symbol("front"), 8)


def an_entry_point(edit: Editor) -> None:
    edit.put_at(24, edit.symbol("front"), 8)


def exports_exchanged(edit: Editor) -> None:
    edit.swap_at(edit.dynamic_symbol("front") + 8, edit.dynamic_symbol("back") + 8, 8)


def export_off_by_one(edit: Editor) -> None:
    edit.put_at(edit.dynamic_symbol("front") + 8, edit.symbol("front") + 1, 8)


def export_became_a_resolver(edit: Editor) -> None:
    edit.put_at(edit.dynamic_symbol("front") + 4, 0x1A, 1)


def export_shorter(edit: Editor) -> None:
    edit.put_at(edit.dynamic_symbol("words") + 16, 5, 8)


def thread_data_changed(edit: Editor) -> None:
    edit.put_at(edit.sections[".tdata"].offset, 8, 4)


def frame_shorter(edit: Editor) -> None:
    at = edit.frames()[-1] + 12
    edit.put_at(at, struct.unpack_from("<I", edit.data, at)[0] - 1, 4)


def frame_rule_changed(edit: Editor) -> None:
    for at in edit.frames():
        if (found := edit.data.find(b"\x0e\x10", at + 16, at + 40)) >= 0:  # DW_CFA_def_cfa_offset
            edit.data[found + 1] = 0x18
            return
    raise AssertionError


def needed_library_changed(edit: Editor) -> None:
    at = bytes(edit.data).index(b"libc.so.6\0")
    edit.data[at : at + 9] = b"libd.so.6"


def lazily_bound(edit: Editor) -> None:
    """The flag of the loader that no relocation is left (DT_RELACOUNT) covers one more."""
    at = edit.dynamic(0x6FFFFFF9)
    edit.put_at(at, struct.unpack_from("<Q", edit.data, at)[0] + 1, 8)


BOTH: tuple[Callable[[Editor], None], ...] = (
    *(call_of_an_equal_looking_function, text_of_equal_length, texts_exchanged),
    *(reference_off_by_one, reference_into_padding, text_changed, jump_table_exchanged),
    *(jump_table_entry_changed, padding_that_runs, condition_turned, halves_exchanged),
)
ELF: tuple[Callable[[Editor], None], ...] = (
    *(pointers_exchanged, texts_of_table_exchanged, pointer_off_by_one, initialisers_exchanged),
    *(initialiser_twice, initialiser_left_out, relocation_left_out, relocation_moved),
    *(jump_slots_exchanged, jump_slots_exchanged_in_place, globals_exchanged),
    *(stub_of_another_slot, stub_pushes_another_index, unbound_slot_moved, version_changed),
    *(version_hidden, stack_that_runs, code_that_can_be_written, data_that_runs, no_relro),
    *(shorter_relro, another_init, another_fini, an_entry_point, exports_exchanged),
    *(export_off_by_one, export_became_a_resolver, export_shorter, thread_data_changed),
    *(memory_used_alone, frame_shorter, frame_rule_changed, needed_library_changed, lazily_bound),
)
ATTACKS = {"elf": BOTH + ELF, "pe": BOTH + PE, "pe32": BOTH + PE32}
BY_NAME = {each.__name__: each for each in (*BOTH, *ELF, *PE, *PE32)}
