"""One line changed at the head of a library: exactly the functions it changes are reported.

The truth comes from the compiler's own assembly (tests/layouts/mutants.py).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.layouts import builds, mutants
from tests.layouts.places import addresses, place
from verifier.semantic.layout.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.layouts.builds import Kind

# Lines of zlib and TinyXML-2 (numbered from 0) whose comparison is turned into its opposite.
LINES = {
    "adler32": (80, 164),
    "crc32": (561, 765),
    "deflate": (881, 1891),
    "infback": (368, 573),
    "inffast": (149,),
    "inflate": (730, 1310),
    "inftrees": (146, 270),
    "trees": (725, 1074),
    "gzlib": (177,),
    "gzread": (35, 63),
    "gzwrite": (81,),
    "uncompr": (61,),
    "compress": (49,),
    "tinyxml2": (293, 865, 1132, 2418),
}
PAIRS = [
    (kind, name, line)
    for kind in builds.KINDS
    for name in LINES
    for line in LINES[name][: 1 if kind == "pe32" else None]
]


@cache
def library(kind: Kind, name: str, line: int, out: Path) -> tuple[Path, Path]:
    """The library, whole and stripped, with one line of one source changed, which comes first."""
    file = _file(name)
    files = builds.zlib_files() if name != "tinyxml2" else (file,)
    rest = [each for each in files if each != file]
    first = file if line < 0 else mutants.mutant(file, line)
    objects = builds.objects(kind, (first, *rest), _flags(file))
    target = out / f"{kind.name}-{name}{line}" / f"lib.{kind.suffix}"
    more = ("-Wl,--no-insert-timestamp",) if kind.format == "pe" else ()
    path = builds.linked(kind, objects, target, *more, plus=name == "tinyxml2")
    return path, builds.stripped(kind, path)


def _file(name: str) -> Path:
    return builds.tinyxml2_file() if name == "tinyxml2" else builds.source("zlib") / f"{name}.c"


def _flags(file: Path) -> tuple[str, ...]:
    return builds.zlib_flags(f"-I{file.parent}")


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("truth")


def test_there_are_enough_pairs() -> None:
    assert len(PAIRS) >= 40


@pytest.mark.parametrize(("kind", "name", "line"), PAIRS)
def test_exactly_the_changed_functions_are_reported(
    kind: str, name: str, line: int, out: Path
) -> None:
    which = builds.KINDS[kind]
    file = _file(name)
    before, after = library(which, name, -1, out), library(which, name, line, out)
    truth = mutants.changed(which, file, mutants.mutant(file, line), _flags(file))
    assert truth, "the change has no effect"
    known = [addresses(which, pair[0]) for pair in (before, after)]
    wanted = {known[1].get(each, ("rebuilt", known[0].get(each))) for each in truth}
    for one, other in zip(before, after, strict=True):
        found = explain(
            builds.KINDS[kind].format, *(memoryview(path.read_bytes()) for path in (other, one))
        )
        assert not found.finding.total
        reported = {
            place(which, other, known[1], each.where)
            if each.kind != "function-removed"
            else ("rebuilt", place(which, one, known[0], each.where))
            for each in found.differences
            if each.kind.startswith("function-")
        }
        assert reported == wanted
