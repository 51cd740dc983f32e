"""What a layout unpacked is taken over, exactly once, and only for the stream that it was."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from verifier import content, unpack
from verifier.errors import LimitError, ParseError
from verifier.formats import named
from verifier.model import Ref
from verifier.unpack.kept import Kept

if TYPE_CHECKING:
    from pathlib import Path

PAYLOAD = b"some text, more text, and text again\n" * 4_000


def _file(where: Path, data: bytes) -> Ref:
    where.write_bytes(data)
    return content.of_file(str(where))


def _kept(ref: Ref, work: Path) -> tuple[Kept, Ref]:
    """The layout of a gzip file, keeping its payload; and the place of its stream."""
    kept, data = Kept(str(work)), content.view(ref)
    with kept.of(ref, data):
        spans = named("gzip").layout(data).spans
    body = next(span for span in spans if span.member)
    return kept, Ref(ref.path, ref.offset + body.offset, body.length)


def test_a_payload_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = _file(tmp_path / "a.gz", gzip.compress(PAYLOAD))
    kept, stream = _kept(ref, tmp_path)
    calls: list[Ref] = []
    real = unpack.decode_child

    def counted(codec: str, ref: Ref, work: str) -> Ref:
        calls.append(ref)
        return real(codec, ref, work)

    monkeypatch.setattr(unpack, "decode_child", counted)
    found = unpack.decode_children("deflate", (stream, stream), str(tmp_path), kept)
    assert [bytes(content.view(ref)) for ref in found] == [PAYLOAD, PAYLOAD]
    assert calls == [stream]  # the second time: what was kept is taken once


def test_another_stream_is_not_taken_for_it(tmp_path: Path) -> None:
    ref = _file(tmp_path / "a.gz", gzip.compress(PAYLOAD))
    kept, stream = _kept(ref, tmp_path)
    for wrong in (
        stream._replace(offset=stream.offset + 1),
        stream._replace(length=stream.length - 1),
        stream._replace(path=str(tmp_path / "b.gz")),
    ):
        assert kept.take("deflate", wrong) is None
    assert kept.take("xz", stream) is None


def test_what_nobody_takes_is_removed(tmp_path: Path) -> None:
    ref = _file(tmp_path / "a.gz", gzip.compress(PAYLOAD))
    work = tmp_path / "work"
    work.mkdir()
    kept, _ = _kept(ref, work)
    assert len(list(work.iterdir())) == 1
    kept.drop()
    assert not list(work.iterdir())


@pytest.mark.parametrize("cut", [30, 200])
def test_a_damaged_stream_leaves_nothing(tmp_path: Path, cut: int) -> None:
    ref = _file(tmp_path / "a.gz", gzip.compress(PAYLOAD)[:cut])
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(ParseError):
        _kept(ref, work)
    assert not list(work.iterdir())


def test_bytes_that_are_not_the_file_s_are_not_kept(tmp_path: Path) -> None:
    """Another buffer of the same length, laid out meanwhile, is not the file."""
    packed = gzip.compress(PAYLOAD)
    ref = _file(tmp_path / "a.gz", packed)
    kept, data = Kept(str(tmp_path)), content.view(ref)
    with kept.of(ref, data):
        named("gzip").layout(memoryview(packed))
    assert list(tmp_path.iterdir()) == [tmp_path / "a.gz"]
    named("gzip").layout(data)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.gz"]


@pytest.mark.parametrize("size", [0, unpack.PARALLEL])
def test_the_shipped_side_s_error_goes_first(size: int) -> None:
    def work(side: str) -> str:
        if side != "fine":
            raise (LimitError if side == "large" else ParseError)(side)
        return side

    assert unpack.of_both(work, "fine", "fine", size) == ("fine", "fine")
    with pytest.raises(LimitError):
        unpack.of_both(work, "large", "broken", size)
    with pytest.raises(ParseError):
        unpack.of_both(work, "broken", "large", size)
    with pytest.raises(LimitError):
        unpack.of_both(work, "fine", "large", size)
