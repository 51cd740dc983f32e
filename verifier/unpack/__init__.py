"""Bounded decoding of compressed streams into files of the work directory."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from verifier import content
from verifier.model import Ref
from verifier.unpack import codecs

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARALLEL = 1 << 20  # compressed bytes of both together


def decode_child(codec: str, ref: Ref, work: str) -> Ref:
    """Decode the bytes at `ref` into a new file below `work`.

    Raises:
        ParseError: the stream is damaged, or does not end where its span ends.
        LimitError: it grows beyond what `verifier.limits` allows.
    """
    descriptor, path = tempfile.mkstemp(prefix="payload-", dir=work)
    with os.fdopen(descriptor, "wb") as file:
        size = _write(file.write, codecs.decode(codec, content.view(ref)))
    return Ref(path, 0, size)


def decode_children(codec: str, refs: tuple[Ref, Ref], work: str) -> tuple[Ref, Ref]:
    """Decode the shipped and the rebuilt stream; large ones at the same time.

    Decoders leave the interpreter's lock, so a second thread takes a second processor.
    """
    if sum(ref.length for ref in refs) < _PARALLEL:
        return decode_child(codec, refs[0], work), decode_child(codec, refs[1], work)
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - large streams alone

    with ThreadPoolExecutor(1) as other:
        shipped = other.submit(decode_child, codec, refs[0], work)
        rebuilt = decode_child(codec, refs[1], work)
        return shipped.result(), rebuilt


def _write(write: object, chunks: Iterable[bytes]) -> int:
    size = 0
    for chunk in chunks:
        write(chunk)  # type: ignore[operator]
        size += len(chunk)
    return size
