"""The audited files behind each product of a build: what its makers read, and their makers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.sandboxes import build, open_place, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


FLOW = """
set -e
cat one.c two.h | sed s/x/y/ >piped.c
gcc -pipe -c -o out piped.c
cc -c -o other.o other.c
ar rc library.a other.o; ar r library.a out
value=$(cat three); echo "$value" >said
"""


def test_the_audited_files_behind_each_product(place: Path) -> None:
    tree = place / "source"
    tree.mkdir()
    (tree / "one.c").write_text('#include "two.h"\n#include "inner.h"\nint x;\n')
    (tree / "other.c").write_text('#include "two.h"\n')
    for name in ("two.h", "three", "inner.h", "never"):
        (tree / name).write_text("int unused_;\n" if name.endswith(".h") else "text\n")
    made = build(place, [FLOW], outputs="*", extra="")
    origins = {Path(path).name: names for path, names in record_of(made)["origins"].items()}
    assert origins["out"] == ["inner.h", "one.c", "two.h"]
    assert origins["other.o"] == ["other.c", "two.h"]
    assert origins["library.a"] == ["inner.h", "one.c", "other.c", "two.h"]
    assert origins["said"] == sorted({"three", *origins["said"]})
    assert origins["never"] == ["never"]


WHOLE_WAY = r"""
set -e
cc -o edit edit.c
cc -g -c one.c; cc -g -c two.c; ar rcs lib.a one.o; ranlib lib.a
cat unrelated | wc -l >count
cc -g -c main.c; cc -o prog main.o two.o lib.a
objcopy --only-keep-debug prog prog.debug; strip prog
objcopy --add-section .note.data=data --add-gnu-debuglink=prog.debug prog
./edit prog
mkdir -p stage; install -m 755 prog stage/new; mv stage/new stage/prog; mv stage packed
tar -C packed -cf - prog | gzip >all.tar.gz
while read each; do /bin/sh -c 'echo $1 >>loop' sh "$each"; done <lines
cat lines | while read each; do /bin/sh -c 'echo $1 >>piped' sh "$each"; done
for each in $(cut -c1 words | sort); do /bin/sh -c 'echo $1 >>table' sh "$each"; done
"""
EDIT = """
#include <fcntl.h>
#include <unistd.h>
int main(int argc, char **argv) { return write(open(argv[1], O_RDWR | O_EXCL), "\\x7f", 1) != 1; }
"""


def test_the_whole_way_to_a_package_keeps_its_sources(place: Path) -> None:
    """As shim's: compiler, archive, linker, objcopy, strip, edited in place, installed, packed."""
    tree = place / "source"
    tree.mkdir()
    (tree / "main.c").write_text('#include "main.h"\nint main(void) { return one() + two(); }\n')
    (tree / "main.h").write_text("int one(void); int two(void);\n")
    for name in ("one", "two"):
        (tree / f"{name}.c").write_text(f"int {name}(void) {{ return 0; }}\n")
    (tree / "edit.c").write_text(EDIT)
    for name in ("unrelated", "data", "words", "lines"):
        (tree / name).write_text("b\na\n")
    made = build(place, [WHOLE_WAY], outputs="*")
    origins = {Path(path).name: names for path, names in record_of(made)["origins"].items()}
    compiled = ["main.c", "main.h", "one.c", "two.c"]
    assert origins["two.o"] == ["two.c"]
    assert origins["lib.a"] == ["one.c"]
    assert origins["count"] == ["unrelated"]
    assert origins["main.o"] == ["main.c", "main.h"]
    assert origins["prog.debug"] == compiled
    said = subprocess.run(
        ["objdump", "--dwarf=decodedline", made.output_dir / "prog.debug"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    second = set(re.findall(r"^(\w+\.[ch]) ", said, re.MULTILINE))  # what the compiler itself wrote
    assert {"main.c", "one.c", "two.c"} <= second <= set(origins["prog.debug"])
    for name in ("prog", "all.tar.gz"):
        assert {*compiled, "data"} <= set(origins[name]) <= {*compiled, "data", "edit.c"}, name
    found = {name: origins[name] for name in ("table", "loop", "piped")}
    assert found == {"table": ["words"], "loop": ["lines"], "piped": ["lines"]}
    assert made.inputs is not None
    assert made.inputs.problems == ()
