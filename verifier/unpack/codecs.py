"""Decoders of compressed streams, one chunk at a time, with caps.

A codec name stands for one stream without anything around it: "deflate" (raw,
RFC 1951), "xz", "bzip2" and "zstd" (one frame, RFC 8878).
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Protocol

from verifier import limits
from verifier.errors import LimitError, ParseError
from verifier.unpack import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer

CHUNK = 256 << 10
_INPUT = 64 << 10

CODECS = ("deflate", "xz", "bzip2", "zstd")


def decode(codec: str, data: Buffer) -> Iterator[bytes]:
    """The payload of one whole stream, in chunks of at most `CHUNK` bytes.

    Raises:
        ParseError: the stream is damaged, cut short, or followed by other bytes.
        LimitError: it grows beyond `limits.RATIO` or asks for too much memory.
    """
    reader = _reader(codec, data)
    yield from reader
    if reader.end != len(data):
        trailing = len(data) - reader.end
        raise ParseError(f"{trailing} bytes follow the end of the {codec} stream", reader.end)


def end_of(codec: str, data: Buffer, each: _Sink | None = None, at: int = 0) -> int:
    """Where the stream that starts at `at` ends; `each` gets the payload. Errors as `decode`."""
    reader = _reader(codec, data[at:])
    keep = kept.writing(codec, data, at)
    try:
        for chunk in reader:
            if each is not None:
                each(chunk)
            if keep is not None:
                keep.write(chunk)
    except BaseException:
        if keep is not None:
            keep.abandon()
        raise
    if keep is not None:
        keep.finish(reader.end)
    return at + reader.end


class _Sink(Protocol):
    def __call__(self, chunk: bytes, /) -> None: ...


class _Decoder(Protocol):
    """What `lzma` and `bz2` decoders offer."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Reader(abc.ABC):
    """Iterates over the payload; `end` is the stream's end once that is through."""

    def __init__(self, codec: str, data: Buffer) -> None:
        self.codec = codec
        self.data = data
        self.end = 0
        self._cap = max(limits.RATIO_FREE, limits.RATIO * len(data))

    def __iter__(self) -> Iterator[bytes]:
        produced = 0
        for chunk in self._chunks():
            produced += len(chunk)
            if produced > self._cap:
                raise LimitError(
                    f"A {self.codec} stream of {len(self.data)} bytes grows to more than "
                    f"{produced} bytes: over {limits.RATIO} times its size, it is not unpacked."
                )
            yield chunk

    @abc.abstractmethod
    def _chunks(self) -> Iterator[bytes]:
        """Bounded pieces of the payload; sets `end`."""

    def _cut_short(self) -> ParseError:
        return ParseError(f"The {self.codec} stream is cut short", len(self.data))

    def _damaged(self, error: Exception, at: int) -> ParseError:
        return ParseError(f"The {self.codec} stream is damaged: {error}", at)


class _Deflate(_Reader):
    def _chunks(self) -> Iterator[bytes]:
        import zlib  # noqa: PLC0415 - start-up time

        decoder = zlib.decompressobj(-15)
        at, pending = 0, b""
        while not decoder.eof:
            if not pending:
                pending = bytes(self.data[at : at + _INPUT])
                at += len(pending)
            try:
                chunk = decoder.decompress(pending, CHUNK)
            except zlib.error as error:
                raise self._damaged(error, at) from error
            if not (chunk or pending or decoder.eof):
                raise self._cut_short()
            pending = decoder.unconsumed_tail
            if chunk:
                yield chunk
        self.end = at - len(decoder.unused_data)


class _Pulled(_Reader):
    """xz and bzip2: the standard library's decoders have one shape."""

    error: type[Exception] | tuple[type[Exception], ...] = ()

    @abc.abstractmethod
    def _decoder(self) -> _Decoder:
        """A new decoder of the standard library."""

    def _failed(self, error: Exception, at: int) -> Exception:
        return self._damaged(error, at)

    def _chunks(self) -> Iterator[bytes]:
        decoder = self._decoder()
        at = 0
        while not decoder.eof:
            piece = bytes(self.data[at : at + _INPUT]) if decoder.needs_input else b""
            if decoder.needs_input and not piece:
                raise self._cut_short()
            at += len(piece)
            try:
                chunk = decoder.decompress(piece, CHUNK)
            except self.error as error:
                raise self._failed(error, at) from error
            if chunk:
                yield chunk
        self.end = at - len(decoder.unused_data)


class _Xz(_Pulled):
    def _decoder(self) -> _Decoder:
        import lzma  # noqa: PLC0415 - start-up time

        self.error = (lzma.LZMAError, EOFError, MemoryError)
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.XZ_MEMORY)

    def _failed(self, error: Exception, at: int) -> Exception:
        if "emory" in str(error) or isinstance(error, MemoryError):
            return LimitError(
                f"An xz stream asks for more than {limits.XZ_MEMORY} bytes of memory to unpack."
            )
        return self._damaged(error, at)


class _Bzip2(_Pulled):
    error = (OSError, ValueError, EOFError)

    def _decoder(self) -> _Decoder:
        import bz2  # noqa: PLC0415 - start-up time

        return bz2.BZ2Decompressor()


class _Zstd(_Reader):
    def _chunks(self) -> Iterator[bytes]:
        import zstandard  # noqa: PLC0415 - start-up time

        from verifier.unpack import zstdframe  # noqa: PLC0415

        frame = zstdframe.read(self.data)
        if frame.window > limits.ZSTD_WINDOW:
            raise LimitError(
                f"A zstd frame asks for a window of {frame.window} bytes; "
                f"the limit is {limits.ZSTD_WINDOW}."
            )
        decoder = zstandard.ZstdDecompressor(max_window_size=limits.ZSTD_WINDOW)
        try:
            with decoder.stream_reader(self.data[: frame.end], closefd=False) as reader:
                while chunk := reader.read(CHUNK):
                    yield chunk
        except zstandard.ZstdError as error:
            raise self._damaged(error, 0) from error
        self.end = frame.end


_READERS: dict[str, type[_Reader]] = {
    "deflate": _Deflate,
    "xz": _Xz,
    "bzip2": _Bzip2,
    "zstd": _Zstd,
}


def _reader(codec: str, data: Buffer) -> _Reader:
    if codec not in _READERS:
        raise ParseError(f"No decoder is known for {codec}.")
    return _READERS[codec](codec, data)
