import hashlib
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import content
from verifier.errors import ParseError
from verifier.model import Ref


def _naive(one: bytes, other: bytes) -> set[int]:
    return {index for index, (a, b) in enumerate(zip(one, other, strict=True)) if a != b}


@given(st.binary(max_size=300), st.data())
def test_runs_find_exactly_the_differing_bytes(one: bytes, data: st.DataObject) -> None:
    other = data.draw(st.binary(min_size=len(one), max_size=len(one)))
    found = {
        index
        for run in content.runs(memoryview(one), memoryview(other))
        for index in range(run.offset, run.offset + run.length)
    }
    assert found == _naive(one, other)


@pytest.mark.parametrize("place", [0, 1, 65535, 65536, 65537, 199_999])
def test_runs_work_across_blocks(place: int) -> None:
    one = bytes(200_000)
    other = bytearray(one)
    other[place] = 1
    runs = list(content.runs(memoryview(one), memoryview(bytes(other))))
    assert [(run.offset, run.length) for run in runs] == [(place, 1)]


def test_runs_close_together_are_one_place() -> None:
    runs = list(content.runs(memoryview(b"a..b....c"), memoryview(b"A..B....C"), gap=2))
    assert [(run.offset, run.length) for run in runs] == [(0, 4), (8, 1)]


@given(st.binary(max_size=300).map(lambda raw: bytes(map((1).__and__, raw))), st.integers(1, 9))
def test_runs_are_joined_across_gaps_and_only_those(marks: bytes, gap: int) -> None:
    runs = list(content.runs(memoryview(bytes(len(marks))), memoryview(marks), gap))
    places = [(run.offset, run.offset + run.length) for run in runs]
    assert all(marks[start] and marks[end - 1] for start, end in places)
    assert all(later[0] - first[1] > gap for first, later in pairwise(places))
    assert not any(bytes(gap + 1) in marks[start:end] for start, end in places)
    assert {at for at, mark in enumerate(marks) if mark} <= {
        at for start, end in places for at in range(start, end)
    }


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_equal_is_equality(one: bytes, other: bytes) -> None:
    assert content.equal(memoryview(one), memoryview(other)) == (one == other)


def test_a_view_beyond_the_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert bytes(content.view(Ref(str(path), 1, 3))) == b"234"
    with pytest.raises(ParseError, match="shorter than 9"):
        content.view(Ref(str(path), 4, 5))


def test_an_empty_file_has_a_view_and_a_digest(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    view = content.view(content.of_file(str(path)))
    assert content.sha256(view) == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("seed", range(60))
def test_stretches_agree_with_plain_comparison(seed: int) -> None:
    chance = random.Random(seed)
    data, shift = chance.randbytes(chance.randrange(9000)), chance.randrange(3)
    other = bytearray(bytes(shift) + data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(other) + 1)
        other[at : at + 1] = bytes(value ^ 1 for value in other[at : at + 1])
    known = content.Stretches(memoryview(data), memoryview(bytes(other)))
    at = 0
    while at < len(data):
        size = min(chance.choice([1, 4, 40, 2000]), len(data) - at)
        same = data[at : at + size] == other[at + shift : at + shift + size]
        assert known.equal(at, at + shift, size) is same
        at += size


def test_digests_of_stretches_that_begin_alike(tmp_path: Path) -> None:
    data = bytes(range(256)) * 400
    paths = tmp_path / "one", tmp_path / "other"
    paths[0].write_bytes(data + b"signature")
    paths[1].write_bytes(data + b"another, longer")
    one, other = (str(path) for path in paths)
    digests = content.Digests()
    body = len(data)
    wanted = [
        (Ref(one, 0, body), data),
        (Ref(one, 0, body + 9), data + b"signature"),
        (Ref(one, 0, body), data),
        (Ref(one, 0, 100), data[:100]),
        (Ref(one, 5, 100), data[5:105]),
        (Ref(one, 0, 0), b""),
        (Ref(one, 0, body + 9), data + b"signature"),
    ]
    for ref, expected in wanted:
        assert digests.sha256(ref) == hashlib.sha256(expected).hexdigest()
    digests.sha256(Ref(one, 0, body))
    digests.same(Ref(one, 0, body), Ref(other, 0, body))
    assert (
        digests.sha256(Ref(other, 0, body + 15))
        == hashlib.sha256(data + b"another, longer").hexdigest()
    )
    digests.sha256(Ref(one, 0, body + 9))
    digests.same(Ref(one, 0, body), Ref(other, 0, body))  # more is known of one than was compared
    expected = hashlib.sha256(data + b"another, longer").hexdigest()
    assert digests.sha256(Ref(other, 0, body + 15)) == expected
    digests.same(Ref(one, 3, 4), Ref(other, 3, 4))  # never digested
    assert digests.sha256(Ref(other, 3, 4)) == hashlib.sha256(data[3:7]).hexdigest()
