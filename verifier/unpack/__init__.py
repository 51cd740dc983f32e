"""Bounded decoding of compressed streams into files of the work directory."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, TypeVar

from verifier import content
from verifier.model import Ref
from verifier.unpack import codecs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from verifier.unpack.kept import Kept

S = TypeVar("S")
T = TypeVar("T")

PARALLEL = 1 << 20  # bytes of both together


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


def decode_children(codec: str, refs: tuple[Ref, Ref], work: str, kept: Kept) -> tuple[Ref, Ref]:
    """Decode the shipped and the rebuilt stream, unless their layouts did; errors as above."""

    def one(ref: Ref) -> Ref:
        return kept.take(codec, ref) or decode_child(codec, ref, work)

    return of_both(one, *refs, sum(ref.length for ref in refs))


def of_both(work: Callable[[S], T], shipped: S, rebuilt: S, size: int) -> tuple[T, T]:
    """The same work for both sides; at the same time if it is about many bytes.

    For work that leaves the interpreter's lock, as decoders and digests do: a
    second thread takes a second processor. An error of the shipped side goes first.
    """
    if size < PARALLEL:
        return work(shipped), work(rebuilt)
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - large files alone

    with ThreadPoolExecutor(1) as other:
        second = other.submit(work, rebuilt)
        return work(shipped), second.result()


def _write(write: object, chunks: Iterable[bytes]) -> int:
    size = 0
    for chunk in chunks:
        write(chunk)  # type: ignore[operator]
        size += len(chunk)
    return size
