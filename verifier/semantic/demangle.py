"""C++ (Itanium, Microsoft) and Rust names as their authors wrote them, by LLVM's demanglers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from verifier.formats.base import text

if TYPE_CHECKING:
    from verifier.model import Difference

_LONGEST: Final = 1_000  # characters of a name that is demangled
_MICROSOFT: Final = 300
_REFERENCES: Final = 24  # to earlier parts; each may double what a name expands to
_SHOWN: Final = 300  # characters of the result
_PREFIXES: Final = ("_Z", "_R", "?", "__Z")
_REFERENCE = re.compile(r"[STB][0-9A-Za-z]{0,4}_")
_RUST_ESCAPE = re.compile(r"\$(SP|BP|RF|LT|GT|LP|RP|C|u[0-9a-f]{2,4})\$")
_RUST_CHARACTERS: Final = {
    "SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ",",
}  # fmt: skip
_VARIANT = re.compile(r"([CD][0-5])E[^E]*$")
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}(?= |$|@)")


def readable(difference: Difference) -> Difference:
    """The difference with its name in the language's own terms before its summary.

    `where` stays what the file says. Only for workers: the demanglers are native code.
    """
    mangled = difference.where.partition(" ")[0].rpartition("!")[2]
    if not mangled.startswith(_PREFIXES):
        return difference
    shown = demangled(mangled)
    if shown == mangled:
        return difference
    return difference._replace(summary=f"{shown}: {difference.summary}")


@lru_cache(maxsize=4096)
def demangled(name: str) -> str:
    """The name in the language's own terms; as it is where it is none, or expands too far."""
    if not name.startswith(_PREFIXES) or len(name) > _LONGEST:
        return name
    if len(name) > _MICROSOFT and name[0] == "?":
        return name
    if len(_REFERENCE.findall(name)) > _REFERENCES:
        return name
    import pycxxfilt  # noqa: PLC0415 - for images with such names alone

    try:
        found = pycxxfilt.demangle(name)
    except ValueError:
        return name
    if not found:
        return name
    plain = _RUST_HASH.sub("", found)
    if plain != found:
        plain = _rust(plain)
    return text(plain[:_SHOWN].encode("utf-8", "backslashreplace"))


def _rust(name: str) -> str:
    """A name of Rust's older mangling with the characters that Itanium's has no room for.

    Source: rustc-demangle, legacy scheme: `$LT$` is `<`, `$u7b$` is `{`, `..` is `::`.
    """
    found = _RUST_ESCAPE.sub(_unescaped, name)
    return (
        found.replace("::_<", "::<")
        .removeprefix("_" if found.startswith("_<") else "")
        .replace("..", "::")
    )


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "u" and code[1:]:
        value = int(code[1:], 16)
        return chr(value) if 0x20 <= value < 0x7F else match[0]
    return _RUST_CHARACTERS.get(code, match[0])


def shown(symbol: str) -> str:
    """A symbol as its author wrote it; constructors and destructors with their variant.

    Itanium C++ ABI, 5.1.4.3: a class has up to three of each (D0 deletes, D1 is whole, D2 a base).
    """
    name = demangled(symbol)
    if name == symbol:
        return name
    variant = _VARIANT.search(symbol)
    return f"{name} [{variant[1]}]" if variant else name
