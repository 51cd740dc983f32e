"""What a program does differently, told in the terms of whoever wrote it.

One reader a file of this package, each `differences(shipped, rebuilt)`. Readers
explain pairs that differ already: none of them can turn a verdict, so what a
reader cannot read is said as a difference of its own and hides nothing.
Adding one is its file and its name in `READERS`.
"""

from __future__ import annotations

from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Final

from verifier import limits
from verifier.errors import VerifierError
from verifier.model import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.formats.base import Side

READERS: Final[dict[str, tuple[str, ...]]] = {
    "elf": (
        "elf_hardening",
        "initialisers",
        "symbol_versions",
        "certificates",
        "strings",
        "entropy",
        "golang",
        "rust",
        "toolchain",
    ),
    "pe": (
        "pe_hardening",
        "pe_tables",
        "resources",
        "certificates",
        "strings",
        "entropy",
        "dotnet",
        "golang",
        "rust",
    ),
    "pyc": ("pyc",),
    "raw": ("lines",),
}


def explain(format_name: str, shipped: Side, rebuilt: Side) -> tuple[Difference, ...]:
    """What all readers of that format say of a pair that differs."""
    found: list[Difference] = []
    for name in READERS.get(format_name, ()):
        reader = import_module(f"verifier.semantic.{name}")
        found += _read(name, reader.differences(shipped, rebuilt))
    return tuple(found)


def _read(name: str, said: Iterable[Difference]) -> list[Difference]:
    """What one reader says up to the place where it gives up, and that it did."""
    result: list[Difference] = []
    try:
        result.extend(islice(said, limits.DIFFERENCES_PER_MEMBER))
    except VerifierError as error:
        what = name.replace("_", " ")
        summary = f"What this part means could not be compared: {error}"
        result.append(Difference("layout", what, summary, getattr(error, "offset", None)))
    return result
