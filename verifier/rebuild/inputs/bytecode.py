"""Compiled Python modules, which packages make when they are installed and list no digest of.

Debian's py3compile runs after the unpacking, so that `__pycache__` holds the work of the root's own
interpreter on a listed source. That interpreter compiles the source again, in the sandbox and
without loading any compiled module, and the two are held against each other. They are one code, or
the file stays unaccounted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MARK = "@compiled"
_BATCH = 400  # paths of one command line
_FORM = re.compile(
    r"(?P<top>/usr/(?:lib|share)/.+)/__pycache__/(?P<name>[^/]+)"
    r"\.cpython-3(?P<minor>\d{1,2})(?:\.opt-(?P<level>[12]))?\.pyc"
)
# Interned strings differ by what the interpreter had seen before; `same` takes "interned" from the
# types of strings, and heeds all else (CPython, Python/marshal.c). What it cannot walk is another.
SCRIPT = r"""
import marshal, sys

INTERNED = {65: 97, 90: 122, 116: 117}
CODE = (20, 8, 4, 2)

class Walk:
    def __init__(self, data):
        self.data, self.at = bytearray(data), 0

    def number(self, size=4):
        raw = self.data[self.at : self.at + size]
        if len(raw) != size:
            raise ValueError
        self.at += size
        return int.from_bytes(raw, "little", signed=size == 4)

    def skip(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise ValueError
        self.at += count

    def item(self):
        at = self.at
        kind = self.number(1) & 127
        if kind in INTERNED:
            self.data[at] = self.data[at] & 128 | INTERNED[kind]
        letter = chr(kind)
        if letter in "NTFS.":
            return
        if letter in "stuaA":
            self.skip(self.number())
        elif letter in "zZ":
            self.skip(self.number(1))
        elif letter in "ir":
            self.skip(4)
        elif letter == "l":
            self.skip(2 * abs(self.number()))
        elif letter in "gy":
            self.skip(8 if letter == "g" else 16)
        elif letter in ")(<>":
            for _ in range(self.number(1 if letter == ")" else 4)):
                self.item()
        elif letter == "c" and sys.version_info >= (3, 11):
            before, items, line, tables = CODE
            self.skip(before)
            for _ in range(items):
                self.item()
            self.skip(line)
            for _ in range(tables):
                self.item()
        else:
            raise ValueError

def plain(data):
    walk = Walk(data)
    walk.item()
    if walk.at != len(walk.data):
        raise ValueError
    return bytes(walk.data)

def same(source, compiled, level):
    with open(source, "rb") as file:
        code = compile(file.read(), source, "exec", dont_inherit=True, optimize=level)
    with open(compiled, "rb") as file:
        head, body = file.read(16), file.read()
    made = marshal.dumps(code)
    if len(head) != 16:
        return False
    return body == made or plain(body) == plain(made)

asked = sys.argv[1:]
for at in range(0, len(asked), 3):
    try:
        held = same(asked[at], asked[at + 1], int(asked[at + 2]))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        held = False
    if held:
        print("MARK", at // 3)
""".replace("MARK", MARK)


class Compiled(NamedTuple):
    """A compiled module by the paths inside: what it is of, and what would make it again."""

    path: str
    source: str
    interpreter: str
    level: str


def needed(each: Compiled) -> tuple[str, ...]:
    """What must be as its package lists it: source, interpreter, and what that starts with."""
    library = f"/usr/lib/{each.interpreter.rpartition('/')[2]}/encodings"
    start = (f"{library}/{name}.py" for name in ("__init__", "aliases", "utf_8"))
    return (each.source, each.interpreter, *start)


def module(path: str) -> Compiled | None:
    """What a path names, if it is a compiled module of Python beside its source."""
    found = _FORM.fullmatch(path)
    if found is None:
        return None
    source = f"{found['top']}/{found['name']}.py"
    return Compiled(path, source, f"/usr/bin/python3.{found['minor']}", found["level"] or "0")


def remade(asked: Iterable[Compiled], run: Callable[[Sequence[str]], str]) -> frozenset[str]:
    """Those paths that their interpreters make again; `run` gives what a command printed.

    Nothing compiled is loaded for it: caches are looked for where nothing can be, no site is set up
    and neither variables nor the working directory are heeded.
    """
    by: dict[str, list[Compiled]] = {}
    for each in asked:
        by.setdefault(each.interpreter, []).append(each)
    held: set[str] = set()
    for interpreter, several in by.items():
        for start in range(0, len(several), _BATCH):
            batch = several[start : start + _BATCH]
            words = [word for each in batch for word in (each.source, each.path, each.level)]
            options = (
                "-I",
                "-S",
                "-B",
                "-W",
                "ignore",
                "-X",
                "utf8",
                "-X",
                "pycache_prefix=/dev/null/none",
            )
            said = run((interpreter, *options, "-c", SCRIPT, *words))
            for number in re.findall(rf"^{MARK} (\d{{1,4}})$", said, re.MULTILINE):
                held.update(each.path for each in batch[int(number) : int(number) + 1])
    return frozenset(held)
