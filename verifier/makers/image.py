"""What a PE image says of its linker: version, Rich header (products and builds), /Brepro."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from verifier.formats.pe import rich
from verifier.formats.pe.directories import REPRO

if TYPE_CHECKING:
    from verifier.formats.base import Side

_DOS: Final = 64  # bytes of the DOS header
_TOOLS: Final = 64


def said(side: Side, _name: str) -> dict[str, str]:
    """The version of the linker always; the others where the image has them."""
    image: Any = side.layout.info
    major, minor = (image.optional[f"{which}LinkerVersion"] for which in ("Major", "Minor"))
    found = {"linker": f"{major}.{minor:02d}" if major > 5 else f"{major}.{minor}"}
    header = rich.find(side.data, _DOS, image.nt)
    if header is not None:
        tools = dict.fromkeys(rich.entry_name(product) for product, _ in header.entries[:_TOOLS])
        found["Rich header"] = ", ".join(tools)
        builds = [product & 0xFFFF for product, _ in header.entries if product]
        found["Visual Studio build"] = str(max(builds, default=0))
    repro = any(entry.kind == REPRO for entry in image.debug)
    found["/Brepro"] = "yes" if repro else "no"
    return found
