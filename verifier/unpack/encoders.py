"""Find the encoder and setting that give exactly the shipped compressed bytes.

Candidates are tried in the order in which the stream's own header makes them
likely; each is dropped at its first wrong byte, which is cheap. What is found
is proof that the stream carries nothing but its payload. What is not found
proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from verifier import content
from verifier.errors import VerifierError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from verifier.content import Buffer
    from verifier.model import Ref

_FIRST = 16 << 10
_INPUT = 1 << 20


class Compressor(Protocol):
    """What zlib, lzma, bz2 and zstandard offer alike."""

    def compress(self, data: bytes, /) -> bytes:
        """Take more of the payload."""
        ...

    def flush(self) -> bytes:
        """End the stream."""
        ...


class Candidate(NamedTuple):
    """An encoder with its setting: `start` for one within this process, else `program`.

    `skip` and `tail` bytes around the program's output are not part of the stream.
    """

    name: str
    start: Callable[[], Compressor] | None = None
    program: tuple[str, ...] = ()
    skip: int = 0
    tail: int = 0


def reproduce(
    codec: str, payload: Ref, stream: Buffer, rebuilt: Buffer | None = None, context: str = ""
) -> str | None:
    """The name of the first known encoder that turns `payload` into exactly `stream`.

    Args:
        codec: as in `unpack.codecs`.
        payload: the decoded bytes as shipped.
        stream: the compressed bytes as shipped.
        rebuilt: the rebuilt stream, a hint: it is no longer looked at than its header.
        context: name of the format that holds the stream ("deb", "zip", "gzip" …), a hint.

    Returns:
        None where no candidate fits. A program that is not installed is no candidate.
    """
    from verifier.unpack import candidates  # noqa: PLC0415 - few runs need encoders

    del rebuilt
    data = content.view(payload)
    return next(
        (
            each.name
            for each in candidates.of(codec, stream, len(data), context)
            if _matches(each, payload, data, stream)
        ),
        None,
    )


def _matches(candidate: Candidate, payload: Ref, data: Buffer, stream: Buffer) -> bool:
    if candidate.start is not None:
        return _equal(_encoded(candidate.start(), data), stream)
    return _program_matches(candidate, payload, stream)


def _encoded(compressor: Compressor, data: Buffer) -> Iterator[bytes]:
    at, step = 0, _FIRST
    while at < len(data):
        yield compressor.compress(bytes(data[at : at + step]))
        at, step = at + step, _INPUT
    yield compressor.flush()


def _equal(chunks: Iterable[bytes], stream: Buffer) -> bool:
    at = 0
    for chunk in chunks:
        if bytes(stream[at : at + len(chunk)]) != chunk:
            return False
        at += len(chunk)
    return at == len(stream)


class _OtherBytesError(VerifierError):
    """A program's output left the stream; ends the program."""


class _Sink:
    """Compares what a program prints, but for `skip` leading bytes, as it comes."""

    def __init__(self, stream: Buffer, skip: int) -> None:
        self._stream = stream
        self._skip = skip
        self.at = -skip

    def __call__(self, chunk: bytes) -> None:
        begin, self.at = self.at, self.at + len(chunk)
        wanted = chunk[max(0, -begin) :]
        begin = max(0, begin)
        expected = bytes(self._stream[begin : begin + len(wanted)])
        # What follows the stream's end (a gzip trailer) is counted, not compared.
        if wanted[: len(expected)] != expected:
            raise _OtherBytesError


def _program_matches(candidate: Candidate, payload: Ref, stream: Buffer) -> bool:
    """Run a program on the payload's file; it must be a file of its own."""
    from verifier import limits, process  # noqa: PLC0415 - few runs need programs

    if payload.offset or content.of_file(payload.path).length != payload.length:
        return False
    sink = _Sink(stream, candidate.skip)
    try:
        done = process.stream(
            (*candidate.program, payload.path),
            sink=sink,
            seconds=limits.TOOL_SECONDS,
            output=len(stream) + candidate.skip + candidate.tail,
        )
    except VerifierError:
        return False
    return done.status == 0 and not done.stopped and sink.at == len(stream) + candidate.tail
