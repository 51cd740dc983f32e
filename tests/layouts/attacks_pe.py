"""What an adversary may change in the PE form of the small library alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.layouts.editor import Editor


def pe_entry(edit: Editor) -> None:
    edit.put_at(edit.optional(16), edit.symbol("front"), 4)


def pe_pointers_exchanged(edit: Editor) -> None:
    edit.swap(edit.symbol("table"), edit.symbol("table") + edit.kind.word)


def pe_callbacks_exchanged(edit: Editor) -> None:
    edit.swap(edit.symbol("first_callback"), edit.symbol("other_callback"))


def _exported(edit: Editor, name: str) -> int:
    at = edit.rva(0)
    count, names, ordinals = (edit.word(at + n, 4) for n in (24, 32, 36))
    for place in range(count):
        raw = edit.offset(edit.word(names + 4 * place, 4))
        if bytes(edit.data[raw : raw + len(name) + 1]) == name.encode() + b"\0":
            return edit.word(at + 28, 4) + 4 * edit.word(ordinals + 2 * place, 2)
    raise AssertionError(name)


def pe_exports_exchanged(edit: Editor) -> None:
    edit.swap(_exported(edit, "front"), _exported(edit, "back"), 4)


def pe_export_off_by_one(edit: Editor) -> None:
    at = _exported(edit, "front")
    edit.put(at, edit.word(at, 4) + 1, 4)


def _rebased(edit: Editor, place: int) -> int:
    """The offset of the base relocation of a place."""
    at = edit.offset(edit.rva(5))
    end = at + edit.sections[".reloc"].virtual_size
    while at < end:
        page, size = struct.unpack_from("<II", edit.data, at)
        for row in range(at + 8, at + size, 2):
            entry = struct.unpack_from("<H", edit.data, row)[0]
            if entry >> 12 and page + (entry & 0xFFF) == place:
                return row
        at += size
    raise AssertionError(hex(place))


def pe_rebasing_left_out(edit: Editor) -> None:
    edit.put_at(_rebased(edit, edit.symbol("table")), 0, 2)


def pe_rebasing_moved(edit: Editor) -> None:
    row = _rebased(edit, edit.symbol("table"))
    edit.put_at(row, struct.unpack_from("<H", edit.data, row)[0] + 1, 2)


def pe_rebasing_of_half(edit: Editor) -> None:
    half = 0x3000 if edit.kind.word == 8 else 0x2000  # HIGHLOW, LOW
    row = _rebased(edit, edit.symbol("table"))
    edit.put_at(row, struct.unpack_from("<H", edit.data, row)[0] & 0xFFF | half, 2)


def _leaves(edit: Editor) -> list[int]:
    at = edit.rva(2)
    found, waiting = [], [0]
    while waiting:
        place = at + waiting.pop()
        for entry in range(edit.word(place + 12, 2) + edit.word(place + 14, 2)):
            target = edit.word(place + 20 + 8 * entry, 4)
            if target < 0:
                waiting.append(target & 0x7FFFFFFF)
            else:
                found.append(at + target)
    return sorted(found)


def pe_resources_exchanged(edit: Editor) -> None:
    one, other = _leaves(edit)[:2]
    edit.swap(one, other, 4)


def pe_resource_changed(edit: Editor) -> None:
    at = bytes(edit.data).index(b"the first resource")
    edit.data[at : at + 9] = b"the worst"


def _section_header(edit: Editor, name: str) -> int:
    return bytes(edit.data).index(name.encode().ljust(8, b"\0"), 0x80)


def pe_code_that_can_be_written(edit: Editor) -> None:
    edit.data[_section_header(edit, ".text") + 39] |= 0x80


def pe_data_that_runs(edit: Editor) -> None:
    edit.data[_section_header(edit, ".data") + 39] |= 0x20


def pe_no_nx(edit: Editor) -> None:
    at = edit.optional(70)
    edit.put_at(at, struct.unpack_from("<H", edit.data, at)[0] ^ 0x100, 2)


def _pseudo(edit: Editor) -> int:
    return edit.symbol("__RUNTIME_PSEUDO_RELOC_LIST__") + 12


def pe_pseudo_relocations_exchanged(edit: Editor) -> None:
    at = _pseudo(edit)
    rows = [at + 12 * n for n in range(4)]
    other = next(row for row in rows[1:] if edit.word(row, 4) != edit.word(at, 4))
    edit.swap(at, other, 4)


def pe_pseudo_relocation_of_another_place(edit: Editor) -> None:
    at = _pseudo(edit)
    edit.put(at + 4, edit.word(at + 4, 4) + 8, 4)


def pe_pseudo_relocation_narrower(edit: Editor) -> None:
    edit.put(_pseudo(edit) + 8, 32 if edit.word(_pseudo(edit) + 8, 4) == 64 else 16, 4)


def _imports(edit: Editor) -> tuple[int, int]:
    """Tables of names and of addresses of the first library with four imports."""
    at = edit.rva(1)
    while edit.word(at, 4):
        if all(edit.word(edit.word(at, 4) + edit.kind.word * n) for n in range(4)):
            return edit.word(at, 4), edit.word(at + 16, 4)
        at += 20
    raise AssertionError


def pe_import_slots_exchanged(edit: Editor) -> None:
    for table in _imports(edit):
        edit.swap(table, table + edit.kind.word)


def pe_import_name_changed(edit: Editor) -> None:
    at = bytes(edit.data).index(b"strlen\0", edit.sections[".idata"].offset)
    edit.data[at : at + 6] = b"strlon"


def pe_import_hint_changed(edit: Editor) -> None:
    hint = edit.word(_imports(edit)[0])
    edit.put(hint, edit.word(hint, 2) ^ 1, 2)


def pe_unwinding_of_another_function(edit: Editor) -> None:
    at = edit.rva(3)
    rows = [at + 12 * n for n in range(6)]
    other = next(row for row in rows[1:] if edit.word(row + 8, 4) != edit.word(at + 8, 4))
    edit.swap(at + 8, other + 8, 4)


def pe_unwinding_changed(edit: Editor) -> None:
    at = edit.word(edit.rva(3) + 12 * 3 + 8, 4)
    edit.put(at + 1, edit.word(at + 1, 1) + 1, 1)


def pe_function_longer(edit: Editor) -> None:
    at = edit.rva(3) + 4
    edit.put(at, edit.word(at, 4) - 1, 4)


def pe_thread_directory_moved(edit: Editor) -> None:
    at = edit.directory(9)
    edit.put_at(at, edit.rva(9) + 8, 4)


def pe32_operand_not_rebased(edit: Editor) -> None:
    """A number of an instruction stays as it is wherever the image is loaded."""
    place = edit.reference("say", edit.text("text number one", ".rdata"))
    edit.put_at(_rebased(edit, place), 0, 2)


def pe32_rebasing_of_an_opcode(edit: Editor) -> None:
    place = edit.reference("say", edit.text("text number one", ".rdata"))
    row = _rebased(edit, place)
    edit.put_at(row, struct.unpack_from("<H", edit.data, row)[0] - 1, 2)


def pe32_call_of_another_import(edit: Editor) -> None:
    """The code of an import's stub takes its address from another slot."""
    slots = {}
    for name in ("puts", "strlen"):
        at = edit.symbol(name)
        assert edit.word(at, 2) == 0x25FF
        slots[name] = edit.word(at + 2, 4)
    edit.put(edit.symbol("puts") + 2, slots["strlen"], 4)


def pe32_frame_shorter(edit: Editor) -> None:
    at = edit.frames()[-1] + 12
    edit.put_at(at, struct.unpack_from("<I", edit.data, at)[0] - 1, 4)


def pe32_frame_of_another_function(edit: Editor) -> None:
    at = edit.frames()[1] + 8
    edit.put_at(at, struct.unpack_from("<I", edit.data, at)[0] + 16, 4)


def pe32_frame_rule_changed(edit: Editor) -> None:
    for at in edit.frames():
        if (found := edit.data.find(b"\x0e\x08", at + 16, at + 40)) >= 0:  # DW_CFA_def_cfa_offset
            edit.data[found + 1] = 0x0C
            return
    raise AssertionError


_EACH: tuple[Callable[[Editor], None], ...] = (
    *(pe_entry, pe_pointers_exchanged, pe_callbacks_exchanged, pe_exports_exchanged),
    *(pe_export_off_by_one, pe_rebasing_left_out, pe_rebasing_moved, pe_rebasing_of_half),
    *(pe_resources_exchanged, pe_resource_changed, pe_code_that_can_be_written),
    *(pe_data_that_runs, pe_no_nx, pe_pseudo_relocations_exchanged),
    *(pe_pseudo_relocation_of_another_place, pe_pseudo_relocation_narrower),
    *(pe_import_slots_exchanged, pe_import_name_changed, pe_import_hint_changed),
    pe_thread_directory_moved,
)
PE: tuple[Callable[[Editor], None], ...] = (
    *(*_EACH, pe_unwinding_of_another_function, pe_unwinding_changed, pe_function_longer),
)
PE32: tuple[Callable[[Editor], None], ...] = (
    *(*_EACH, pe32_operand_not_rebased, pe32_rebasing_of_an_opcode, pe32_call_of_another_import),
    *(pe32_frame_shorter, pe32_frame_of_another_function, pe32_frame_rule_changed),
)
