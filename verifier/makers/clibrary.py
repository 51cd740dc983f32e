"""Which C library a program was linked with, as its start tells: stripped files name no tools.

glibc 2.34 gave `__libc_start_main` a new version (its NEWS, 2021-08-01), which every program needs
that is linked with it. What a program calls beside that says too much of its source.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from verifier.formats.elf.symbols import dynamic_symbols
from verifier.semantic.symbol_versions import needed

if TYPE_CHECKING:
    from verifier.formats.base import Side

_START: Final = b"__libc_start_main"
_VERSION: Final = re.compile(r"GLIBC_2\.(\d{1,4})(?:\.\d{1,4})? of libc\.so\.6")
_MOVED: Final = 34


def said(side: Side, _name: str) -> dict[str, str]:
    """Before or since 2.34; nothing of libraries, and of programs without glibc."""
    if _START not in dynamic_symbols(side)[0]:
        return {}
    versions = [int(found[1]) for each in needed(side) if (found := _VERSION.fullmatch(each))]
    if not versions:
        return {}
    return {"C library": "glibc 2.34 or later" if max(versions) >= _MOVED else "glibc before 2.34"}
