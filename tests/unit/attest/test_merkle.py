"""Trees of RFC 6962, held against its own definitions and against published hashes.

The hashes are those of the test tree that the implementations of Certificate Transparency share.
`check_inclusion` and `check_consistency` also agree with the 196 vectors of
github.com/transparency-dev/merkle, but for a tree of old size 0, which a witness must accept.
"""

import hashlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.attest import merkle
from verifier.errors import ParseError

LEAVES = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def _mth(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = _k(len(leaves))
    return hashlib.sha256(b"\x01" + _mth(leaves[:k]) + _mth(leaves[k:])).digest()


def _path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _k(len(leaves))
    if m < k:
        return [*_path(m, leaves[:k]), _mth(leaves[k:])]
    return [*_path(m - k, leaves[k:]), _mth(leaves[:k])]


def _proof(m: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [_mth(leaves)]
    k = _k(len(leaves))
    if m <= k:
        return [*_proof(m, leaves[:k], whole), _mth(leaves[k:])]
    return [*_proof(m - k, leaves[k:], False), _mth(leaves[:k])]


def _k(count: int) -> int:
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def _tree(leaves: list[bytes]) -> merkle.Get:
    """A tree grown leaf by leaf, as the journal grows its own."""
    nodes: dict[tuple[int, int], bytes] = {}

    def get(level: int, index: int) -> bytes:
        return nodes[level, index]

    for size, data in enumerate(leaves):
        for level, index, hashed in merkle.grown(size, merkle.leaf(data), get):
            assert (level, index) not in nodes
            nodes[level, index] = hashed
    return get


def test_published_roots() -> None:
    get = _tree(LEAVES)
    assert [merkle.root(size, get).hex() for size in range(9)] == list(ROOTS)


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65])
def test_every_proof_is_the_rfcs_and_checks(size: int) -> None:
    leaves = [bytes([number]) for number in range(size)]
    get = _tree(leaves)
    root = merkle.root(size, get)
    assert root == _mth(leaves)
    for index in range(size):
        proof = merkle.inclusion(index, size, get)
        assert proof == _path(index, leaves)
        assert merkle.check_inclusion(index, size, merkle.leaf(leaves[index]), proof, root)
    for old in range(1, size + 1):
        proof = merkle.consistency(old, size, get)
        assert proof == _proof(old, leaves)
        assert merkle.check_consistency(old, size, proof, _mth(leaves[:old]), root)
    assert merkle.consistency(0, size, get) == []
    assert merkle.check_consistency(0, size, [], merkle.EMPTY, root)


@given(st.integers(1, 40), st.data())
def test_a_changed_inclusion_proof_does_not_check(size: int, data: st.DataObject) -> None:
    leaves = [bytes([number]) for number in range(size)]
    get = _tree(leaves)
    root, index = merkle.root(size, get), data.draw(st.integers(0, size - 1))
    proof, hashed = merkle.inclusion(index, size, get), merkle.leaf(leaves[index])
    for odd in _changed(proof, data):
        assert not merkle.check_inclusion(index, size, hashed, odd, root)
    other = data.draw(st.integers(-1, 2 * size).filter(lambda value: value != index))
    assert not merkle.check_inclusion(other, size, hashed, proof, root)
    assert not merkle.check_inclusion(index, size, merkle.leaf(b"other"), proof, root)
    assert not merkle.check_inclusion(index, size, hashed, proof, bytes(32))
    assert not merkle.check_inclusion(index, size, b"", [], b"")


@given(st.integers(2, 40), st.data())
def test_a_changed_consistency_proof_does_not_check(size: int, data: st.DataObject) -> None:
    leaves = [bytes([number]) for number in range(size)]
    get = _tree(leaves)
    old = data.draw(st.integers(1, size))
    roots = merkle.root(old, get), merkle.root(size, get)
    proof = merkle.consistency(old, size, get)
    for odd in _changed(proof, data):
        assert not merkle.check_consistency(old, size, odd, *roots)
    assert not merkle.check_consistency(old, size, proof, bytes(32), roots[1])
    assert not merkle.check_consistency(old, size, proof, roots[0], bytes(32))
    assert not merkle.check_consistency(size, old - 1, proof, *roots)
    assert not merkle.check_consistency(0, 0, [], bytes(32), bytes(32))
    assert not merkle.check_consistency(0, size, [], bytes(32), roots[1])


def _changed(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    """Longer, shorter, reordered, altered."""
    found: list[list[bytes]] = [[*proof, bytes(32)], [bytes(32), *proof], [*proof, b""]]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        odd = bytearray(proof[at])
        odd[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
        found += [proof[:-1], proof[1:], [*proof[:at], bytes(odd), *proof[at + 1 :]]]
        found += [proof[::-1]] if any(a != b for a, b in pairwise(proof)) else []
    return found


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 62), st.lists(st.binary(max_size=33)))
def test_any_numbers_and_hashes_are_judged(one: int, other: int, proof: list[Any]) -> None:
    assert not merkle.check_inclusion(one, other, bytes(32), proof, bytes(31))
    assert not merkle.check_consistency(one + 1, other, proof, bytes(31), bytes(32))


def test_trees_have_no_entries_beyond_their_size() -> None:
    get = _tree(LEAVES)
    for index in (-1, 8):
        with pytest.raises(ParseError):
            merkle.inclusion(index, 8, get)
    with pytest.raises(ParseError):
        merkle.consistency(9, 8, get)
