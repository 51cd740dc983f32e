"""Each judgement is needed: one that always accepts lets something through that must not pass."""

from __future__ import annotations

import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.layouts import attacks, builds
from tests.layouts.editor import Editor, of_rich
from tests.unit.semantic import test_layout_maps as maps
from verifier.semantic.layout import cuts, elf, proof, suspects
from verifier.semantic.layout.assembled import assemble
from verifier.semantic.layout.begins import Begins
from verifier.semantic.layout.explain import LOADERS
from verifier.semantic.layout.match import Match
from verifier.semantic.layout.x86 import decode

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.semantic.layout.assembled import Assembled
    from verifier.semantic.layout.extent import Extent


class Case(NamedTuple):
    """A pair that is not one program, and a map that claims it is."""

    one: Assembled
    other: Assembled
    extents: list[Extent]


def _image(kind: str, *, turned: bool, bare: bool, attack: str = "") -> Assembled:
    edit = of_rich(builds.KINDS[kind], turned=turned, bare=bare)
    if attack:
        attacks.BY_NAME[attack](edit)
    return assemble(LOADERS[builds.KINDS[kind].format](memoryview(bytes(edit.data))), decode)


def attacked(
    name: str, kind: str = "elf", *, turned: bool = False, bare: bool = True, matched: bool = True
) -> Case:
    """An attack, with the map that is found of it or with the honest one."""
    one = _image(kind, turned=False, bare=bare)
    other = _image(kind, turned=turned, bare=bare, attack=name)
    twin = other if matched else _image(kind, turned=turned, bare=bare)
    return Case(one, other, Match(one, twin).run())


def altered(name: str) -> Case:
    """The honest pair with an altered map."""
    one, other, extents = maps.honest("elf")
    return Case(one, other, getattr(maps, name)(one, list(extents)))


def hidden() -> Case:
    """A table of distances that stayed as it is."""
    one = of_rich(builds.ELF, turned=False, bare=True, table=True)
    other = of_rich(builds.ELF, turned=True, bare=True, table=True)
    place = one.offset(one.symbol("hidden_table"))
    other.write(other.symbol("hidden_table"), bytes(one.data[place : place + 8]))
    images = [assemble(elf.load(memoryview(bytes(each.data))), decode) for each in (one, other)]
    return Case(*images, Match(*images).run())


_PARTS = {
    "falls": ".text\n.globl falls\n.type falls,@function\nfalls:\n add $1, %eax\n",
    "left": ".text\n.globl left\n.type left,@function\nleft:\n add $2, %eax\n ret\n",
    "right": ".text\n.globl right\n.type right,@function\nright:\n add $3, %eax\n ret\n",
}


@cache
def falling(where: Path) -> Case:
    """A function that runs on into the next one, which is another one in the other image."""
    for name, text in _PARTS.items():
        (where / f"{name}.s").write_text(
            f'{text}.size {name},.-{name}\n.section .note.GNU-stack,"",@progbits\n'
        )
        subprocess.run(["gcc", "-c", f"{name}.s"], cwd=where, check=True)
    images = []
    for order in (("falls", "left", "right"), ("falls", "right", "left")):
        parts = [f"{name}.o" for name in order]
        command = ["gcc", "-shared", "-nostdlib", "-Wl,--build-id=none", "-o", "lib.so", *parts]
        subprocess.run(command, cwd=where, check=True)
        images.append(assemble(elf.load(memoryview((where / "lib.so").read_bytes())), decode))
    return Case(*images, Match(*images).run())


_JUDGE = proof._Judge
JUDGEMENTS: dict[str, tuple[Any, str, Any, Any]] = {
    "extents tile": (_JUDGE, "_tiled", True, ("text_of_equal_length", {})),
    "the rest is padding": (_JUDGE, "_padded", True, ("texts_exchanged", {})),
    "bytes are equal": (_JUDGE, "_same_bytes", True, ("text_changed", {"matched": False})),
    "slots are the same": (_JUDGE, "_slots", None, ("pointers_exchanged", {})),
    "targets are mapped": (_JUDGE, "_target", None, ("pointers_exchanged", {})),
    "symbols are the same": (_JUDGE, "_misses", None, ("globals_exchanged", {"matched": False})),
    "facts are the same": (_JUDGE, "_facts", None, ("stack_that_runs", {})),
    "a base is before something": (
        *(_JUDGE, "_biased", True),
        ("reference_into_padding", {"turned": True, "bare": False, "matched": False}),
    ),
    "no text is a base": (
        *(_JUDGE, "_text", False),
        ("reference_into_padding", {"turned": True, "bare": False, "matched": False}),
    ),
    "an end is walked to": (_JUDGE, "_walked", True, ("halves_exchanged", {})),
    "a target means something": (
        *(_JUDGE, "_meaning", ""),
        ("reference_off_by_one", {"matched": False}),
    ),
    "padding is padding": (cuts, "padding", True, ("texts_exchanged", {})),
    "code ends": (cuts, "_ends", True, "falling"),
    "code is cut at functions": (cuts, "_code", [], "cut_in_a_function"),
    "cuts are judged": (cuts, "judge", ([], []), "cut_in_a_list"),
    "memory moves with its users": (cuts, "_alone", False, ("memory_used_alone", {})),
    "objects are whole": (
        cuts._Inner,
        "holds",
        False,
        ("pe_unwinding_of_another_function", {"kind": "pe", "bare": False}),
    ),
    "words may be distances": (suspects, "find", ([], []), "hidden"),
}


# Seen twice: these maps also cut where nothing begins, which is not looked at here.
TWICE = {"extents tile", "the rest is padding", "padding is padding", "objects are whole"}


@pytest.mark.parametrize("name", list(JUDGEMENTS))
def test_a_judgement_that_accepts_lets_something_through(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner, attribute, answer, how = JUDGEMENTS[name]
    if how == "falling":
        case = falling(tmp_path)
    elif how == "hidden":
        case = hidden()
    else:
        case = altered(how) if isinstance(how, str) else attacked(how[0], **how[1])
    if name in TWICE:
        monkeypatch.setattr(Begins, "at", lambda *_arguments: True)
    assert not proof.check(*case).total
    monkeypatch.setattr(owner, attribute, lambda *_arguments: answer)
    assert proof.check(*case).total


def test_an_export_does_not_stay_at_the_start_of_its_section(tmp_path: Path) -> None:
    """Two exported arrays trade places; the symbol of the first stays where it was."""
    for name in ("one", "two"):
        numbers = ", ".join(str(len(name) * n + ord(name[0])) for n in range(16))
        (tmp_path / f"{name}.c").write_text(f"const long {name}[16] = {{ {numbers} }};\n")
        subprocess.run(["gcc", "-c", "-fPIC", f"{name}.c"], cwd=tmp_path, check=True)
    command = ["gcc", "-shared", "-nostdlib", "-s", "-Wl,--build-id=none", "-o"]
    paths = tmp_path / "1.so", tmp_path / "2.so"
    for path, order in zip(paths, (("one.o", "two.o"), ("two.o", "one.o")), strict=True):
        subprocess.run([*command, path, *order], cwd=tmp_path, check=True)
    one = assemble(elf.load(memoryview(paths[0].read_bytes())), decode)
    other = assemble(elf.load(memoryview(paths[1].read_bytes())), decode)
    extents = Match(one, other).run()
    assert proof.check(one, other, extents).total
    edit = Editor(builds.ELF, paths[1], paths[1])
    start = edit.sections[".rodata"].virtual_address
    edit.put_at(edit.dynamic_symbol("one") + 8, start, 8)
    moved = assemble(elf.load(memoryview(bytes(edit.data))), decode)
    for found in (extents, Match(one, moved).run()):
        assert not proof.check(one, moved, found).total
