"""bzip2 streams: one stream, whole, as one member; what follows it is `tail`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier import names
from verifier.formats import magic
from verifier.formats.base import Cutter, Format, Layout
from verifier.unpack import codecs

if TYPE_CHECKING:
    from verifier.content import Buffer

_START = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
_END = 0x177245385090


def layout(data: Buffer) -> Layout:
    """The span `stream`."""
    cutter = Cutter("bzip2", data)
    end = len(data) if _ends_well(data) else codecs.end_of("bzip2", data)
    cutter.add("stream", 0, end, member=names.PAYLOAD, codec="bzip2")
    cutter.add("tail", end, len(data) - end)
    return cutter.finish()


def _ends_well(data: Buffer) -> bool:
    """Whether the mark of a stream's end stands there, at one of eight bits."""
    value = int.from_bytes(bytes(data[-11:]), "big")
    return any(value >> (32 + shift) & ((1 << 48) - 1) == _END for shift in range(8))


FORMAT = Format("bzip2", magic.bzip2, layout, container=True)
