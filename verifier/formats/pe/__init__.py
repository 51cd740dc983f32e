"""Portable Executable images: exe, DLL, driver, EFI application, Python extension.

Cut to the last byte by `layout`, named by `describe` and `meaning`. Nothing is
imported before the first such file turns up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.formats import magic
from verifier.formats.base import Format

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Layout, Side
    from verifier.model import Difference, Run, Span


def _layout(data: Buffer) -> Layout:
    from verifier.formats.pe.layout import layout  # noqa: PLC0415 - many runs meet no PE

    return layout(data)


def _describe(shipped: Side, rebuilt: Side, span: Span, run: Run) -> Difference:
    from verifier.formats.pe.describe import describe  # noqa: PLC0415 - only for leftovers

    return describe(shipped, rebuilt, span, run)


def _explain(shipped: Side, rebuilt: Side) -> tuple[Difference, ...]:
    from verifier.formats.pe.meaning import explain  # noqa: PLC0415 - only for leftovers

    return explain(shipped, rebuilt)


FORMAT = Format(
    *("pe", magic.pe, _layout, _describe, _explain),
    families=("image",),
    follows=frozenset({"certificate.table"}),
    mapped=True,
)
