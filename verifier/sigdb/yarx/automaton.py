"""The search for atoms: the serialised automaton must be exactly what the atoms imply.

Source: daachorse 3 (double-array Aho-Corasick: src/bytewise.rs, nfa_builder.rs,
build_helper.rs), and the bytes that the wheel 1.23.0 of YARA-X writes. A state is
12 bytes: base, failure link, and position of its outputs << 8 | check; the child
of a state by a byte is slot (base ^ byte) if that slot's check is the byte. Where
states lie is free; everything else is derived anew and compared. Behind the
automaton is a filter: for each pair of bytes, at which places of atoms it stands.
"""

from __future__ import annotations

import sys
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLOCK = 256  # slots
_DEPTH = 64  # bytes of an atom; the compiler takes 8 at most
_PAIRS = 1 << 16
_PLACES = 8  # of a pair in an atom that the filter knows
_ROOT = 0


class _States(NamedTuple):
    """Columns of the table of states."""

    base: array[int]
    failure: array[int]
    word: array[int]
    parent: array[int]  # the slot of the state before it, 0xFFFFFFFF for none

    def child(self, state: int, byte: int) -> int:
        """The slot of the state after it, -1 for none."""
        slot = self.base[state] ^ byte
        return slot if slot < len(self.parent) and self.parent[slot] == state else -1


_NONE = 0xFFFFFFFF


def check(data: bytes, atoms: Sequence[bytes]) -> None:
    """Compare a serialised automaton with the atoms, which are its patterns in their order.

    Raises:
        ParseError: it is another one, or broken.
        LimitError: an atom is longer than any that the compiler makes.
    """
    if any(len(atom) > _DEPTH for atom in atoms):
        raise LimitError(f"An atom has more than {_DEPTH} bytes.")
    table, at = _words(data, 0, 3)
    for _ in ("leftmost states", "their failure links"):
        _require(data[at : at + 4] == bytes(4), "has states of a kind that is not used")
        at += 4
    outputs, at = _words(data, at, 3)
    count = int.from_bytes(data[at + 1 : at + 5], "little")
    _require(data[at : at + 1] == b"\0" and at + 5 <= len(data), "is of another kind")
    columns = (table[0::3], table[1::3], table[2::3])
    size = len(columns[0])
    _require(size >= _BLOCK and size % _BLOCK == 0, "does not consist of whole blocks")
    states = _States(*columns, array("I", [_NONE]) * size)
    levels, ends = _walk(states, atoms)
    _require(count == 1 + sum(map(len, levels)), "has more states than the atoms need")
    _check_failures(states, levels)
    _check_outputs(states, levels, outputs, atoms, ends)
    _check_slots(states)
    _require(data[at + 5 :] == _filter(atoms), "has another filter than its atoms need")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ParseError(f"The automaton that searches for atoms {what}")


def _words(data: bytes, at: int, width: int) -> tuple[array[int], int]:
    """A vector of tuples of 32-bit numbers, and where it ends."""
    count = int.from_bytes(data[at : at + 4], "little")
    end = at + 4 + 4 * width * count
    _require(end <= len(data), "is cut short")
    words = array("I", data[at + 4 : end])
    if sys.byteorder == "big":
        words.byteswap()
    return words, end


def _walk(states: _States, atoms: Sequence[bytes]) -> tuple[list[list[int]], list[int]]:
    """The states by depth, without the root, and the state that each atom leads to."""
    base, word, parent = states.base, states.word, states.parent
    size = len(parent)
    levels: list[list[int]] = [[] for _ in range(max(map(len, atoms), default=0))]
    ends = []
    for atom in atoms:
        state = _ROOT
        for depth, byte in enumerate(atom):
            slot = base[state] ^ byte
            if slot >= size or slot <= 1 or word[slot] & 0xFF != byte or not base[state]:
                raise ParseError("The automaton does not find an atom")
            if parent[slot] == _NONE:
                parent[slot] = state
                levels[depth].append(slot)
            elif parent[slot] != state:
                raise ParseError("The automaton mixes the states of two atoms up")
            state = slot
        ends.append(state)
    return levels, ends


def _check_failures(states: _States, levels: list[list[int]]) -> None:
    """Each failure link leads to the longest proper suffix that is a state."""
    _require(states.failure[_ROOT] == _ROOT, "has a failure link from its root")
    for level in levels:
        for state in level:
            before, byte = states.parent[state], states.word[state] & 0xFF
            found = -1
            while found < 0 and before != _ROOT:
                before = states.failure[before]
                found = states.child(before, byte)
            _require(states.failure[state] == max(found, _ROOT), "has a wrong failure link")


def _check_outputs(
    states: _States,
    levels: list[list[int]],
    outputs: array[int],
    atoms: Sequence[bytes],
    ends: list[int],
) -> None:
    """Each state tells of its own atoms, then of those of its failure link."""
    values, lengths, after = outputs[0::3], outputs[1::3], outputs[2::3]
    _require(sorted(values) == list(range(len(atoms))), "does not tell of each atom once")
    place = [0] * len(atoms)
    for at, value in enumerate(values):
        place[value] = at + 1
        _require(lengths[at] == len(atoms[value]), "tells of an atom of another length")
    own: dict[int, list[int]] = {}
    for number, state in enumerate(ends):
        own.setdefault(state, []).append(place[number])
    for state in _all(levels):
        inherited = 0 if state == _ROOT else states.word[states.failure[state]] >> 8
        chain = [*own.get(state, ()), inherited]
        _require(states.word[state] >> 8 == chain[0], "tells of the wrong atoms")
        for one, following in pairwise(chain):
            _require(after[one - 1] == following, "tells of atoms in a wrong order")


def _all(levels: list[list[int]]) -> Iterator[int]:
    yield _ROOT
    for level in levels:
        yield from level


def _check_slots(states: _States) -> None:
    """No slot but those of the states is a child of any state."""
    base, failure, word, parent = states
    has_child = bytearray(len(parent))
    for before in parent:
        if before != _NONE:
            has_child[before] = 1
    used = bytearray(len(parent))
    for state, number in enumerate(base):
        if has_child[state]:
            _require(not used[number], "has one base twice")
            used[number] = 1
        else:
            _require(number == 0, "has a base for a state without children")
    for start in range(0, len(parent), _BLOCK):
        free = used.find(0, start, start + _BLOCK)
        for slot in range(start, start + _BLOCK):
            if parent[slot] != _NONE:
                continue
            # A slot without a state is the child of a base that no state has.
            expected = (slot ^ free) & 0xFF
            empty = word[slot] == expected and failure[slot] == 0
            if slot == _ROOT:
                empty = word[slot] & 0xFF == 0
            _require(empty and free >= 0, "has a state that no atom leads to")


def _filter(atoms: Sequence[bytes]) -> bytes:
    """What the filter must be; there is none if an atom has less than two bytes."""
    least = min(map(len, atoms), default=0)
    if least < 2:
        return b"\0"
    table = bytearray(b"\xff" * _PAIRS)
    for atom in set(atoms):
        for place, pair in enumerate(pairwise(atom[: _PLACES + 1])):
            table[pair[0] << 8 | pair[1]] &= 0xFF ^ 1 << place
    return bytes((1, least)) + table
