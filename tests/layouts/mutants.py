"""Sources with one line changed, and which functions that changes in the compiler's own words.

The truth is taken from the compiler's assembly, function by function, with labels numbered anew
and constants in place of their labels: nothing of what is tested takes part in it.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tests import realfiles
from tests.layouts import builds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts.builds import Kind

_TURNED = {"==": "!=", "!=": "==", "<": "<=", ">": ">=", "<=": "<", ">=": ">"}
_CHANCE = re.compile(r"^(\s+(?:\} else )?if ?\([^\"]*?[\w)\]] )(==|!=|<=|>=|<|>)( [^\"]*)$")
_LABEL = re.compile(r"(?<![\w$.])\.?L[A-Z]*\d+\b")
_SKIPPED = ("Assert", "ASSERT", "sizeof", "//", "/*")


def candidates(file: Path) -> list[int]:
    """Numbers of the lines that have a comparison that can be turned."""
    lines = file.read_text("utf-8", "surrogateescape").splitlines()
    return [
        number
        for number, line in enumerate(lines)
        if _CHANCE.match(line) and not any(word in line for word in _SKIPPED)
    ]


def mutant(file: Path, number: int) -> Path:
    """A copy of `file` beside which its headers are found by -I, with line `number` turned."""
    lines = file.read_text("utf-8", "surrogateescape").split("\n")
    match = _CHANCE.match(lines[number])
    assert match
    lines[number] = match[1] + _TURNED[match[2]] + match[3]
    text = "\n".join(lines).encode("utf-8", "surrogateescape")
    name = f"{file.stem}-{number}-{hashlib.sha256(text).hexdigest()[:16]}"

    def write(where: Path) -> None:
        (where / file.name).write_bytes(text)

    return realfiles.made("layout-mutant", name, write) / file.name


def changed(kind: Kind, one: Path, other: Path, flags: tuple[str, ...]) -> set[str]:
    """Functions whose assembly differs, or that only one of two sources gives rise to."""
    before, after = (functions(assembly(kind, each, flags)) for each in (one, other))
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def assembly(kind: Kind, file: Path, flags: tuple[str, ...]) -> str:
    """What the compiler writes for the assembler."""
    said = hashlib.sha256(file.read_bytes() + repr((kind, file.name, flags)).encode()).hexdigest()

    def compile_one(where: Path) -> None:
        command = (kind.compiler(file), *flags, *kind.flags, "-S", file, "-o", where / "a.s")
        builds.run(*command, where=file.parent)

    found = realfiles.made("layout-assembly", f"{file.stem}-{said[:24]}", compile_one)
    return (found / "a.s").read_text("utf-8", "surrogateescape")


def functions(text: str) -> dict[str, str]:
    """The assembly of each function, labels numbered by their first use, constants spelled out."""
    bodies, constants = _parts(text.splitlines())
    return {name: _canonical(lines, constants) for name, lines in bodies.items()}


def _parts(lines: list[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    bodies: dict[str, list[str]] = defaultdict(list)
    constants: dict[str, list[str]] = defaultdict(list)
    current = label = ""
    kinds = set()
    windows = any(line.startswith("\t.def\t") for line in lines)
    ends = r"\s+\.(seh|cfi)_endproc" if windows else r"\s+\.seh_endproc"
    for line in lines:
        if match := re.match(r"\s+\.type\s+([\w.$]+), ?@function", line):
            kinds.add(match[1])
        if match := re.match(r"\s+\.def\s+([\w.$]+);.*\.type\s+32;", line):
            kinds.add(match[1])
        if match := re.match(r"([\w.$]+):", line):
            name = match[1]
            if name in kinds:
                current, label = name, ""
            elif re.match(r"\.?LC\d+$", name):
                label, current = name, ""
            elif not _LABEL.fullmatch(name):
                current = label = ""
        if re.match(
            r"\s+\.(size|seh_(end)?proc|globl|type|def|p2align|align|weak|ident|linkonce)\b", line
        ):
            continue
        if label and not line.startswith(label):
            constants[label].append(line.strip())
        if current:
            bodies[current].append(line.strip())
        if re.match(ends, line):
            current = ""
    return bodies, {name: " ".join(each) for name, each in constants.items()}


def _canonical(lines: list[str], constants: dict[str, str]) -> str:
    numbers: dict[str, str] = {}

    def label(match: re.Match[str]) -> str:
        if match[0] in constants:
            return "{" + constants[match[0]] + "}"
        return numbers.setdefault(match[0], f".{len(numbers)}")

    # Labels stand in jump tables and branches; where they stand is told by their order.
    return "\n".join(_LABEL.sub(label, line) for line in lines if line)
