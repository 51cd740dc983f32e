"""Pairs of images that are one program in two layouts, built once and kept."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, NamedTuple

from tests import realfiles
from tests.layouts import builds
from tests.layouts.builds import ELF, PE, PE32

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.layouts.builds import Kind

_VERSION = 1  # of what is written here: raise it when a pair is made in another way
_SAME = {"elf": "-Wl,--build-id=none", "pe": "-Wl,--no-insert-timestamp"}  # by format
_REPRODUCIBLE = _SAME["pe"]

SHAPES = """
#include <stdexcept>
#include <string>
struct Negative : std::runtime_error { using std::runtime_error::runtime_error; };
struct Shape { virtual ~Shape() {} virtual int area() const = 0; };
struct Square : Shape {
  int a; Square(int x) : a(x) {}
  int area() const override { if (a < 0) throw Negative("negative"); return a * a; }
};
struct Oblong : Shape {
  int a, b; Oblong(int x, int y) : a(x), b(y) {}
  int area() const override { if (a < 0) throw std::string("x"); return a * b; }
};
extern "C" int go(int n) {
  try {
    Shape *s = n & 1 ? (Shape *)new Square(n) : (Shape *)new Oblong(n, 2);
    int area = s->area(); delete s; return area;
  } catch (Negative &e) { return (int)e.what()[0];
  } catch (std::string &s) { return s.size(); } catch (...) { return 7; }
}
"""


class Twin(NamedTuple):
    """Two layouts of one program."""

    kind: Kind
    rebuilt: Path
    shipped: Path

    def contents(self) -> tuple[bytes, bytes]:
        """(rebuilt, shipped), without what rules of their own speak for: PE clock and checksum."""
        one, other = (
            unsummed(path.read_bytes(), self.kind) for path in (self.rebuilt, self.shipped)
        )
        return one, other


def unsummed(data: bytes, kind: Kind) -> bytes:
    """A PE image with zeros for its time stamp and checksum."""
    if kind.format != "pe":
        return data
    nt = int.from_bytes(data[0x3C:0x40], "little")
    return data[: nt + 8] + bytes(4) + data[nt + 12 : nt + 88] + bytes(4) + data[nt + 92 :]


def names() -> list[str]:
    return [f"{name}{'-stripped' * bare}" for name in _MAKERS for bare in (False, True)]


def twin(name: str) -> Twin:
    """One pair by its name."""
    plain = name.removesuffix("-stripped")
    kind, make = _MAKERS[plain]
    where = realfiles.made("layout-twin", f"{plain}-{_VERSION}", lambda out: _made(kind, make, out))
    file = f"lib{'-stripped' * (plain != name)}.{kind.suffix}"
    return Twin(kind, where / "1" / file, where / "2" / file)


def _made(kind: Kind, make: Callable[[Path, Path], None], out: Path) -> None:
    for part in ("1", "2"):
        (out / part).mkdir()
    one, other = out / "1" / f"lib.{kind.suffix}", out / "2" / f"lib.{kind.suffix}"
    make(one, other)
    builds.stripped(kind, one)
    builds.stripped(kind, other)


def _zlib(kind: Kind, *flags: str) -> tuple[Path, ...]:
    return builds.objects(kind, builds.zlib_files(), builds.zlib_flags(*flags))


def _order(kind: Kind) -> Callable[[Path, Path], None]:
    def make(one: Path, other: Path) -> None:
        objects = _zlib(kind)
        more = (_SAME[kind.format],)
        builds.linked(kind, objects, one, *more)
        builds.linked(kind, objects[::-1], other, *more)

    return make


def _cpp(kind: Kind) -> Callable[[Path, Path], None]:
    def make(one: Path, other: Path) -> None:
        shapes = one.parent.parent / "shapes.cpp"
        shapes.write_text(SHAPES)
        objects = builds.objects(kind, (builds.tinyxml2_file(), shapes), ("-O2",))
        more = (_SAME[kind.format],)
        builds.linked(kind, objects, one, *more, plus=True)
        builds.linked(kind, objects[::-1], other, *more, plus=True)

    return make


def _cpp_and_c(kind: Kind) -> Callable[[Path, Path], None]:
    def make(one: Path, other: Path) -> None:
        shapes = one.parent.parent / "shapes.cpp"
        shapes.write_text(SHAPES)
        objects = (*builds.objects(kind, (shapes,), ("-O2",)), *_zlib(kind))
        more = (_SAME[kind.format],)
        builds.linked(kind, objects, one, *more, plus=True)
        builds.linked(kind, objects[::-1], other, *more, plus=True)

    return make


def _shuffled(one: Path, other: Path) -> None:
    """Every function and object in an order of its own (gold)."""
    objects = _zlib(ELF, "-ffunction-sections", "-fdata-sections")
    said = "".join(builds.run("readelf", "-SW", each) for each in objects)
    found = sorted(
        {
            item[1]
            for item in re.finditer(r"\] (\.(?:text|rodata|data|bss|data\.rel\.\S+)\.\S+)", said)
        }
    )
    random.Random(4).shuffle(found)
    order = one.parent.parent / "order"
    order.write_text("\n".join(found) + "\n")
    more = ("-fuse-ld=gold", "-Wl,-soname,libz.so.1", _SAME["elf"])
    builds.linked(ELF, objects, one, *more)
    builds.linked(ELF, objects, other, *more, f"-Wl,--section-ordering-file={order}")


def _build_id(one: Path, other: Path) -> None:
    builds.linked(ELF, _zlib(ELF), one, "-Wl,--build-id=sha1")
    builds.linked(ELF, _zlib(ELF), other, "-Wl,--build-id=0x" + "ab" * 20)


def _debug(one: Path, other: Path) -> None:
    """Debug data that names a short and a long path; objects in another order."""
    for path, root, step in ((one, "/a", 1), (other, "/a/very/much/longer/path", -1)):
        said = f"-ffile-prefix-map={builds.source('zlib')}={root}"
        builds.linked(ELF, _zlib(ELF, "-g", said)[::step], path, "-Wl,--build-id=none")


def _aligned(one: Path, other: Path) -> None:
    """Sections at other distances: the linker pads to other addresses."""
    builds.linked(ELF, _zlib(ELF), one, "-Wl,--build-id=none")
    script = one.parent.parent / "script"
    said = builds.run("ld", "-shared", "--verbose").split("=" * 50)[1]
    for section, align in ((".text", 0x400), (".rodata", 0x800), (".data", 0x100)):
        said = re.sub(
            rf"^  {section} +:", f"  . = ALIGN({align});\\n  {section} :", said, flags=re.MULTILINE
        )
    script.write_text(said)
    builds.linked(ELF, _zlib(ELF), other, "-Wl,--build-id=none", f"-Wl,-T,{script}")


def _pages(one: Path, other: Path) -> None:
    builds.linked(ELF, _zlib(ELF), one, "-Wl,--build-id=none")
    builds.linked(ELF, _zlib(ELF), other, "-Wl,--build-id=none", "-Wl,-z,max-page-size=0x10000")


def _based(kind: Kind, base: int) -> Callable[[Path, Path], None]:
    def make(one: Path, other: Path) -> None:
        builds.linked(kind, _zlib(kind), one, _REPRODUCIBLE)
        builds.linked(kind, _zlib(kind), other, _REPRODUCIBLE, f"-Wl,--image-base,{base:#x}")

    return make


def _vectors(one: Path, other: Path) -> None:
    """Constants of 16 bytes that code reads at once, where they are; another order and base."""
    objects = _zlib(PE32, "-O3", "-msse2", "-mfpmath=sse")
    builds.linked(PE32, objects, one, _REPRODUCIBLE)
    builds.linked(PE32, objects[::-1], other, _REPRODUCIBLE, "-Wl,--image-base,0x10000000")


_MAKERS: dict[str, tuple[Kind, Callable[[Path, Path], None]]] = {
    "elf-order": (ELF, _order(ELF)),
    "elf-cpp": (ELF, _cpp(ELF)),
    "elf-shuffled": (ELF, _shuffled),
    "elf-build-id": (ELF, _build_id),
    "elf-debug": (ELF, _debug),
    "elf-aligned": (ELF, _aligned),
    "elf-pages": (ELF, _pages),
    "pe-order": (PE, _order(PE)),
    "pe-cpp": (PE, _cpp(PE)),
    "pe-based": (PE, _based(PE, 0x2A0000000)),
    "pe32-order": (PE32, _order(PE32)),
    "pe32-cpp": (PE32, _cpp_and_c(PE32)),
    "pe32-based": (PE32, _based(PE32, 0x2A000000)),
    "pe32-vectors": (PE32, _vectors),
}
