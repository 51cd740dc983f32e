"""Compiled modules are of a package when its source gives them again; nothing else passes."""

from __future__ import annotations

import hashlib
import marshal
import py_compile
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from verifier.rebuild.inputs.bytecode import Compiled, module, remade
from verifier.rebuild.inputs.classify import Judge
from verifier.rebuild.inputs.packages import Packages
from verifier.rebuild.inputs.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXT = '''
"""A module with one constant of each kind."""
import sys
NUMBERS = (1, -7, 10**30, 1.5, 2j, True, None, ..., b"bytes", "text with Z", "", "é", "x" * 3)
def inner(given, *, other="*"):
    def deeper():
        return given in {"a", "b", other}
    try:
        return [deeper() for _ in range(3) if __debug__]
    except ValueError as error:
        raise KeyError(f"{error!r:>3}") from error
class Thing:
    """Text of the class."""
    async def wait(self): yield "A"
'''
MINOR = sys.version_info.minor
FOLDER = "usr/lib/python3/dist-packages"
START = [f"usr/lib/python3.{MINOR}/encodings/{n}.py" for n in ("__init__", "aliases", "utf_8")]
INTERPRETER = f"/usr/bin/python3.{MINOR}"
MODULE = f"/{FOLDER}/__pycache__/thing.cpython-3{MINOR}.pyc"


def ran(argv: Sequence[str]) -> str:
    done = subprocess.run([sys.executable, *argv[1:]], capture_output=True, text=True, check=True)
    return done.stdout


def holds(folder: Path, source: str, compiled: bytes, level: int = 0) -> bool:
    (folder / "thing.py").write_text(source)
    (folder / "thing.pyc").write_bytes(compiled)
    asked = Compiled(str(folder / "thing.pyc"), str(folder / "thing.py"), "python", str(level))
    return asked.path in remade([asked], ran)


def made(folder: Path, level: int = 0) -> bytes:
    (folder / "thing.py").write_text(TEXT)
    target = str(folder / "made.pyc")
    py_compile.compile(str(folder / "thing.py"), target, optimize=level, doraise=True)
    return (folder / "made.pyc").read_bytes()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_the_source_gives_again_holds(tmp_path: Path, level: int) -> None:
    data = made(tmp_path, level)
    assert holds(tmp_path, TEXT, data, level)
    assert not holds(tmp_path, TEXT, data, 1 if level == 0 else 0)
    assert not holds(tmp_path, TEXT.replace("-7", "-8"), data, level)


def test_strings_may_be_interned_and_nothing_else_may_change(tmp_path: Path) -> None:
    data = made(tmp_path)
    star = data.index(b"\x01*")
    other = bytearray(data)
    other[star - 1] ^= 0x20  # Z or z: a short string that is interned or is not
    assert chr(data[star - 1] & 0x7F) in "zZ"
    assert holds(tmp_path, TEXT, bytes(other))
    for at in (data.index(b"text with Z") + 10, data.index(b"\x01A") + 1):
        other = bytearray(data)
        other[at] ^= 0x20  # the same two letters, within a text
        assert not holds(tmp_path, TEXT, bytes(other)), at
    for at in range(16, len(data), 7):
        other = bytearray(data)
        other[at] ^= 0x01
        assert not holds(tmp_path, TEXT, bytes(other)), at


@pytest.mark.parametrize(
    "body",
    [b"", b"c", marshal.dumps((1,)), b"(\xff\xff\xff\xff", b"l\0\0\0\x80", b"(\1\0\0\0" * 9999],
    ids=["empty", "cut", "another", "negative", "a long", "deep"],
)  # fmt: skip
def test_what_is_no_module_never_holds(tmp_path: Path, body: bytes) -> None:
    assert not holds(tmp_path, TEXT, made(tmp_path)[:16] + body)
    assert not holds(tmp_path, TEXT, made(tmp_path) + body[:1] + b"\0")


def test_names_of_compiled_modules() -> None:
    found = module("/usr/lib/python3.11/json/__pycache__/decoder.cpython-311.opt-2.pyc")
    assert found is not None
    assert found[1:] == ("/usr/lib/python3.11/json/decoder.py", "/usr/bin/python3.11", "2")
    for path in (
        "/home/x/__pycache__/a.cpython-311.pyc",
        "/usr/lib/a.cpython-311.pyc",
        "/usr/lib/python3.11/__pycache__/a.py",
        "/usr/local/lib/python3.11/__pycache__/a.cpython-311.pyc",
    ):
        assert module(path) is None


def judged(root: Path, listed: Sequence[str], *, covered: bool = False) -> tuple[str, str]:
    """Class and package of the compiled module in a root whose package lists these files."""
    info = root / "var/lib/dpkg/info"
    (root / FOLDER / "__pycache__").mkdir(parents=True)
    (root / "usr/bin").mkdir()
    info.mkdir(parents=True)
    (root / INTERPRETER[1:]).write_text("python")
    for name in START:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("start")
    (root / FOLDER / "thing.py").write_text(TEXT)
    code = compile(TEXT, f"/{FOLDER}/thing.py", "exec", dont_inherit=True, optimize=0)
    (root / MODULE[1:]).write_bytes(bytes(16) + marshal.dumps(code))
    (root / "var/lib/dpkg/status").write_text(
        "Package: thing\nStatus: install ok installed\nArchitecture: all\nVersion: 3\n"
    )
    (info / "thing.list").write_text("".join(f"/{name}\n" for name in listed))
    (info / "thing.md5sums").write_text(
        "".join(
            f"{hashlib.md5((root / name).read_bytes()).hexdigest()}  {name}\n" for name in listed
        )
    )

    def run(argv: Sequence[str]) -> str:
        # The name that a module is compiled under is part of it, so the file is read elsewhere.
        script = argv[argv.index("-c") + 1].replace("open(", f"open({str(root)!r} + ")
        return ran([script if word == argv[argv.index("-c") + 1] else word for word in argv])

    view = View((), (), (), root)
    judge = Judge(view, Packages(root), covered, lambda _path: False, run).recompiled([MODULE])
    found = judge.decide(MODULE)
    assert found is not None
    return found.name, found.package


def test_a_module_is_of_the_package_that_lists_its_source(tmp_path: Path) -> None:
    listed = [f"{FOLDER}/thing.py", INTERPRETER[1:], *START]
    assert judged(tmp_path / "all", listed) == ("package", "thing 3")
    assert judged(tmp_path / "no-source", listed[1:]) == ("unaccounted", "")
    assert judged(tmp_path / "no-interpreter", [listed[0], *START]) == ("unaccounted", "")
    assert judged(tmp_path / "no-start", listed[:-1]) == ("unaccounted", "")
    assert judged(tmp_path / "covered", [], covered=True) == ("root", "")
