"""One line changed in a library: what each tool has a person read, and what it finds.

The truth is the compiler's own assembly (tests/layouts/mutants.py). A function counts as reported
where a tool names it, or shows a changed instruction of it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import measure
from bench.table import Section, seconds
from tests import realfiles
from tests.layouts import builds, mutants
from tests.layouts.places import addresses, base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.layouts.builds import Kind

CAP = 120.0  # seconds for one tool and pair
_STOPPED = 124  # what timeout(1) returns
DEFLATE_LINE = 881  # a comparison of zlib's deflate.c, from 0
SQLITE = ("if( zLeft==0 ){", "if( zLeft==(char*)8 ){")
_LINE = re.compile(r"^[\s│├┄─╌]*([-+])\s*([0-9a-f]{3,16}):\s")
_JUMP = re.compile(r"^[\s│├┄─╌]*[-+]\s+j\w+\s+[0-9a-f]+ <([^+>@]+)[^+>]*\+0x")
_PLACE = re.compile(r"\.text\+0x([0-9a-f]+)")


class Pair(NamedTuple):
    """Two libraries, their twins with symbols, and what truly differs (in those that have it)."""

    name: str
    kind: Kind
    files: tuple[Path, Path]  # rebuilt, shipped
    named: tuple[Path, Path]
    truth: frozenset[str]


def run() -> Section:
    """One row a pair and tool."""
    section = Section(("pair", "tool", "lines of output", "found", "false", "wall"))
    for pair in _pairs():
        for tool, command in _tools(pair).items():
            begun = time.perf_counter()
            said = _said(command)
            took = time.perf_counter() - begun
            if said is None:
                section.add(pair.name, tool, "stopped", "", "", f"> {seconds(CAP)}")
                continue
            found = _ours(pair, said) if tool == "verifier" else _theirs(pair, said)
            print(f"{pair.name}: {tool}: {seconds(took)}", file=sys.stderr, flush=True)
            section.add(
                *(pair.name, tool, len(said.splitlines())),
                f"{len(found & pair.truth)} of {len(pair.truth)}",
                *(len(found - pair.truth), seconds(took)),
            )
    section.notes.append(
        "`found`: functions whose assembly the change alters, as the compiler wrote it, that the "
        "output names or shows a changed instruction of; `false`: other functions. "
        "`objdump | diff`: `diff` of `objdump -d --no-show-raw-insn` of both. diffoscope: "
        f"`--text -` with its own defaults; stopped after {CAP:.0f} s. One run each."
    )
    absent = [name for name in ("diffoscope", "radiff2") if shutil.which(name) is None]
    if absent:
        section.notes.append(f"Not on the path: {', '.join(absent)}.")
    return section


def _tools(pair: Pair) -> dict[str, list[str]]:
    rebuilt, shipped = map(str, pair.files)
    dump = f"{pair.kind.prefix}objdump -d --no-show-raw-insn"
    script = 'd=$(mktemp -d); {0} "$1" >$d/1; {0} "$2" >$d/2; diff $d/1 $d/2; rm -r $d'
    found = {
        "verifier": measure.verifier("compare", shipped, rebuilt, "--verbose"),
        "objdump \\| diff": ["sh", "-c", _plus(script.format(dump)), "sh", rebuilt, shipped],
    }
    if program := shutil.which("diffoscope"):
        found["diffoscope"] = [program, "--text", "-", "--no-progress", rebuilt, shipped]
    if program := shutil.which("radiff2"):
        found["radiff2 -AC"] = [program, "-A", "-C", rebuilt, shipped]
    return found


def _plus(script: str) -> str:
    """`diff -U0`: lines that went and came bear - and +, as elsewhere."""
    return script.replace("diff $d", "diff -U0 $d")


def _said(command: list[str]) -> str | None:
    done = subprocess.run(
        ["timeout", str(CAP), *command],
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    return None if done.returncode == _STOPPED else done.stdout.decode("utf-8", "replace")


def _ours(pair: Pair, said: str) -> frozenset[str]:
    """Functions of lines that begin as ours do."""
    sides = []
    for path in pair.named:
        named: dict[int, str] = {}
        for name, at in _starts(pair.kind, path):
            named.setdefault(at, name)
        sides.append((named, _section(path)))
    found = set()
    for line in said.splitlines():
        kind, _, rest = line.strip().partition(": ")
        if kind.startswith("function-"):
            where = rest.split(": ")[0]
            place = _PLACE.match(where)
            named, text = sides[kind != "function-removed"]
            found.add(named.get(text + int(place[1], 16), where) if place else where.split(" ")[0])
    return frozenset(found)


def _theirs(pair: Pair, said: str) -> frozenset[str]:
    """Functions that hold the addresses of lines that came or went."""
    starts = [sorted((at, name) for name, at in _starts(pair.kind, path)) for path in pair.named]
    bases = [base(path) for path in pair.named]
    found = set()
    for line in said.splitlines():
        if named := _JUMP.match(line):  # without an address: a jump inside its own function
            found.add(named[1])
        if hit := _LINE.match(line):
            which = hit[1] == "+"
            address = int(hit[2], 16) - bases[which]
            index = bisect_right(starts[which], (address, "~")) - 1
            if index >= 0:
                found.add(starts[which][index][1])
    return frozenset(found)


def _starts(kind: Kind, path: Path) -> Iterator[tuple[str, int]]:
    """Functions by name, as GNU nm lists them."""
    code = {
        line.split()[-1]
        for line in builds.run(f"{kind.prefix}nm", path).splitlines()
        if len(line.split()) == 3 and line.split()[1] in "tTiW"
    }
    for name, at in addresses(kind, path).items():
        if name in code and not name.startswith("."):
            yield name, at


def _section(path: Path) -> int:
    from tests.layouts.places import image  # noqa: PLC0415 - LIEF, for this alone

    found = image(path).get_section(".text")
    assert found, f"{path} has no .text"
    return int(found.virtual_address)


def _pairs() -> Iterator[Pair]:
    for kind in (builds.ELF, builds.PE):
        for name, sources, flags, more in (
            ("zlib", _zlib(), builds.zlib_flags(f"-I{builds.source('zlib')}"), ()),
            ("sqlite", _sqlite(), ("-O2",), ("-lm",) if kind is builds.ELF else ()),
        ):
            where = realfiles.made("peers-bench", f"{name}-{kind.name}-1", lambda _out: None)
            before, after, rest = sources
            files = []
            for side, first in (("rebuilt", before), ("shipped", after)):
                objects = builds.objects(kind, (first, *rest), flags)
                path = where / side / f"lib.{kind.suffix}"
                same = "-Wl,--build-id=none" if kind is builds.ELF else "-Wl,--no-insert-timestamp"
                files.append(builds.linked(kind, objects, path, same, *more))
            truth = frozenset(mutants.changed(kind, before, after, flags))
            named = files[0], files[1]
            bare = tuple(builds.stripped(kind, path) for path in named)
            yield Pair(f"{name}, {kind.name.upper()}", kind, named, named, truth)
            yield Pair(
                f"{name}, {kind.name.upper()}, stripped", kind, (bare[0], bare[1]), named, truth
            )


_Sources = tuple[Path, Path, tuple[Path, ...]]


def _zlib() -> _Sources:
    """deflate.c before and after, which comes first, and the other files."""
    file = builds.source("zlib") / "deflate.c"
    rest = tuple(each for each in builds.zlib_files() if each != file)
    return file, mutants.mutant(file, DEFLATE_LINE), rest


def _sqlite() -> _Sources:
    file = builds.amalgamation()

    def change(out: Path) -> None:
        text = file.read_text("utf-8")
        assert SQLITE[0] in text
        (out / "sqlite3.c").write_text(text.replace(*SQLITE, 1))

    return file, realfiles.made("peers-bench", "sqlite-source-1", change) / "sqlite3.c", ()
