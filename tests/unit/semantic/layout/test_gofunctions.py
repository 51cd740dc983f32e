"""Go programs at fixed addresses: exactly the changed function is told, stripped or not."""

import functools
import os
import struct
import tempfile
from pathlib import Path

import pytest

from tests import realfiles
from tests.cases.elf_build import run
from tests.unit.semantic.made import explained, told
from verifier.errors import ParseError
from verifier.formats.elf.layout import layout
from verifier.semantic.layout import gofunctions

SOURCE = """package main

import "os"

//go:noinline
func early(number int) int {
	return number*3 + 1
}

//go:noinline
func limit(number int) bool {
	return number >= 40
}

//go:noinline
func greet(name string) {
	println("good morning to", name, early(len(name)))
}

func main() {
	if limit(len(os.Args)) {
		greet(os.Args[1])
	}
	println("as many arguments:", early(len(os.Args)))
}
"""
# Each with the functions that differ.
CHANGES = {
    "grown": ("number*3 + 1", 'len(os.Getenv("HOME"))*number + 1', {"main.early"}),
    "branch": ("number >= 40", "number > 40", {"main.limit"}),
    "text": ("good morning to", "good-bye for now to", {"main.greet"}),
    "call": ("early(len(name)))", "limit(len(name)))", {"main.greet"}),
    "constant": ("number*3 + 1", "number*3 + 2", {"main.early"}),
}


def _compiled(out: Path) -> None:
    """Each program, with symbols (`go build`) and without (`-ldflags=-s -w`)."""
    with tempfile.TemporaryDirectory() as work:
        Path(work, "go.mod").write_text("module example.org/small\n\ngo 1.19\n")
        for name, (before, after, _functions) in {"base": ("", "", set()), **CHANGES}.items():
            text = SOURCE.replace(before, after) if before else SOURCE
            assert (text != SOURCE) == (name != "base")
            Path(work, "main.go").write_text(text)
            for kind, flags in (("full", "-buildid="), ("stripped", "-buildid= -s -w")):
                arguments = ("build", "-trimpath", "-p=1", "-ldflags", flags)
                target = str(out / f"{name}-{kind}")
                environment = ("GOFLAGS=-mod=mod", "CGO_ENABLED=0", f"GOCACHE={work}/cache")
                options = (*environment, f"HOME={work}", f"PATH={os.environ['PATH']}")
                run("env", "-i", *options, "go", *arguments, "-o", target, ".", cwd=work)


@functools.cache
def _built(name: str) -> bytes:
    return (realfiles.made("go-functions", "go-1", _compiled) / name).read_bytes()


@pytest.mark.parametrize("kind", ["full", "stripped"])
@pytest.mark.parametrize("name", CHANGES)
def test_one_changed_line_is_told_by_its_name(name: str, kind: str) -> None:
    found = explained(_built(f"{name}-{kind}"), _built(f"base-{kind}"))
    differing = {where for _kind, where in told(found.differences, "function-changed")}
    assert differing == CHANGES[name][2]
    assert any("no position-independent image" in note for note in found.notes)


def test_what_changed_is_told() -> None:
    found = explained(_built("branch-stripped"), _built("base-stripped"))
    summary = told(found.differences, "function-changed")["function-changed", "main.limit"]
    assert summary.startswith(("constant", "comparison or branch"))


def test_two_branches_that_changed_places_are_told() -> None:
    """A call that leads to another function than before is no reference that moved."""
    base = _built("base-stripped")
    compared = gofunctions.explain(memoryview(base), memoryview(base))
    assert compared is not None
    assert not compared.found.changed
    code = layout(memoryview(base)).info.section(".text")
    assert code is not None
    names = {each[0]: at for at, each in compared.one.program.names.items()}
    start, early = names["main.main"], names["main.early"]
    for at in range(start, start + 200):
        place = code.offset + at - code.addr
        lands = at + 5 + struct.unpack_from("<i", base, place + 1)[0]
        if base[place] == 0xE8 and lands == early:
            break
    else:
        raise AssertionError("main.main calls main.early")
    turned = bytearray(base)
    struct.pack_into("<i", turned, place + 1, names["main.greet"] - at - 5)
    told_of = gofunctions.explain(memoryview(bytes(turned)), memoryview(base))
    assert told_of is not None
    assert [each.b for each in told_of.found.changed] == [start]
    assert "main.early" in told_of.found.changed[0].change.summary


def test_a_table_that_speaks_of_other_code_is_refused() -> None:
    base = bytearray(_built("base-stripped"))
    table = layout(memoryview(bytes(base))).info.section(".gopclntab")
    assert table is not None
    struct.pack_into("<Q", base, table.offset + 8 + 16, 1 << 40)
    with pytest.raises(ParseError, match="code that is not there"):
        gofunctions.explain(memoryview(bytes(base)), memoryview(bytes(base)))
