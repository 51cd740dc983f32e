"""ELF: executables, shared objects, relocatable objects, separate debug files, 32 and 64 bit."""

from __future__ import annotations

from verifier.formats import magic
from verifier.formats.base import Format
from verifier.formats.elf.describe import describe, explain
from verifier.formats.elf.layout import layout

FORMAT = Format(
    *("elf", magic.elf, layout, describe, explain),
    container=True,
    families=("image",),
    mapped=True,
)
