"""Any bytes: one span. The last resort, where nothing is allowed to vary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout

if TYPE_CHECKING:
    from verifier.content import Buffer


def layout(data: Buffer) -> Layout:
    """The whole file as one span named `bytes`."""
    cutter = Cutter("raw", data)
    cutter.add("bytes", 0, len(data))
    return cutter.finish()


FORMAT = Format("raw", accepts=magic.anything, layout=layout)
