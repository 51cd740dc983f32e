"""zstd streams (RFC 8878): one frame, whole, as one member; what follows it is `tail`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import names
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout
from verifier.unpack import zstdframe

if TYPE_CHECKING:
    from verifier.content import Buffer


def layout(data: Buffer) -> Layout:
    """The span `stream`; `info` is what the frame's header says."""
    cutter = Cutter("zstd", data)
    frame = zstdframe.read(data)
    cutter.add("stream", 0, frame.end, member=names.PAYLOAD, codec="zstd")
    cutter.add("tail", frame.end, len(data) - frame.end)
    return cutter.finish(frame)


FORMAT = Format("zstd", magic.zstd, layout, container=True)
