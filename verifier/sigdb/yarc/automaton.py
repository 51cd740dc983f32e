"""The Aho-Corasick automaton: which bytes lead to which match, checked link by link.

Source: libyara, ahocorasick.c and scanner.c of 4.2.3 and 4.5.4. A slot of the
transition table is (state << 9 | offset from its own state); a state's first
slot is its failure link. A string is found only if its atoms are in here, so
that all that the compiler derives (failure links, lists of matches) is derived
anew and must be equal, and each match must be reached by exactly one path.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError
from verifier.sigdb.yarc.arena import ATOMS, MATCHES, REGEX, STRINGS, TRANSITIONS

if TYPE_CHECKING:
    from verifier.sigdb.yarc.arena import Arena

_DEPTH = 4  # bytes of an atom: YR_MAX_ATOM_LENGTH
_SLOTS = 257  # of one state: its failure link, and one for each byte
_FIRST = 512  # slots before the tables grow
_STATES = 2_000_000  # of one automaton
_ATOM = 40
_PATTERN = (b"\1" + bytes(7)) * 4 + bytes(8)  # where an entry of the pool has pointers
_NULL = (0xFFFFFFFF, 0xFFFFFFFF)


class Atom(NamedTuple):
    """One way to suspect a string: bytes that were read, and where matching goes on.

    `string` is an index; `forward` and `backward` are offsets of regex code, -1 for none.
    """

    path: bytes
    string: int
    forward: int
    backward: int
    backtrack: int


class _State(NamedTuple):
    slot: int
    path: bytes
    failure: int  # the slot of the state of its longest proper suffix


def atoms(arena: Arena, string_size: int) -> list[Atom]:
    """All atoms in the order in which the compiler added them; ParseError for a broken link."""
    table = _table(arena)
    children = _children(arena, table)
    states = _walk(arena, table, children)
    _check_failures(arena, table, states, children)
    paths = _owners(arena, states)
    found = []
    pool = arena.bytes[ATOMS]
    for number, path in enumerate(paths):
        if path is None:
            raise arena.error("A match is reached by no bytes", ATOMS, number * _ATOM)
        entry = struct.unpack_from("<8IH6s", pool, number * _ATOM)
        string = _target(arena, entry[0:2], STRINGS, number)
        if string < 0 or string % string_size or entry[9] != bytes(6):
            raise arena.error("A match names no string, or is padded", ATOMS, number * _ATOM)
        forward = _target(arena, entry[2:4], REGEX, number)
        backward = _target(arena, entry[4:6], REGEX, number)
        found.append(Atom(path, string // string_size, forward, backward, entry[8]))
    return found


def _target(arena: Arena, ref: tuple[int, int], buffer: int, number: int) -> int:
    """The offset in `buffer` that a pointer leads to, -1 for null."""
    if ref == _NULL:
        return -1
    if ref[0] != buffer or ref[1] >= len(arena.bytes[buffer]):
        raise arena.error("A match points nowhere", ATOMS, number * _ATOM)
    return ref[1]


def _table(arena: Arena) -> tuple[int, ...]:
    raw = arena.bytes[TRANSITIONS]
    grown, rest = divmod(len(raw) - 4 * _FIRST, 4 * _SLOTS)
    if grown < 0 or rest:
        raise arena.error("The automaton's table has an odd size", TRANSITIONS)
    # The compiler gives the match table the room of pointers where it grows, 8 bytes or 4.
    if len(arena.bytes[MATCHES]) not in (len(raw), 4 * _FIRST + 8 * _SLOTS * grown):
        raise arena.error("The match table is not as long as the transitions", MATCHES)
    return struct.unpack(f"<{len(raw) // 4}I", raw)


def _children(arena: Arena, table: tuple[int, ...]) -> dict[int, list[int]]:
    """The slots of transitions, by the state that they leave."""
    found: dict[int, list[int]] = {}
    count = 0
    for slot, value in enumerate(table):
        offset = value & 0x1FF
        if not offset:
            continue
        if offset > slot or offset >= _SLOTS:
            raise arena.error("A transition belongs to no state", TRANSITIONS, 4 * slot)
        found.setdefault(slot - offset, []).append(slot)
        count += 1
    if count > _STATES:
        raise LimitError(f"An automaton of {count} states; {_STATES} are the most.")
    return found


def _walk(
    arena: Arena, table: tuple[int, ...], children: dict[int, list[int]]
) -> dict[int, _State]:
    """All states by slot, breadth first; every slot that is not zero must be accounted for."""
    states = {0: _State(0, b"", 0)}
    queue = [states[0]]
    for state in queue:  # it grows while it is read
        if state.slot + _SLOTS > len(table):
            raise arena.error("A state reaches beyond the table", TRANSITIONS, 4 * state.slot)
        if table[state.slot] & 0x1FF:
            raise arena.error("A state's link is a transition too", TRANSITIONS, 4 * state.slot)
        for slot in children.get(state.slot, ()):
            target = table[slot] >> 9
            if target in states or len(state.path) == _DEPTH:
                raise arena.error("Transitions make no tree of 4 levels", TRANSITIONS, 4 * slot)
            code = slot - state.slot - 1
            failure = _suffix(table, states, state, code)
            states[target] = _State(target, state.path + bytes((code,)), failure)
            queue.append(states[target])
    if len(states) != 1 + sum(map(len, children.values())):
        raise arena.error("A transition cannot be reached", TRANSITIONS)
    used = len(states) - 1 + sum(1 for slot in states if table[slot])
    if used != len(table) - table.count(0):
        raise arena.error("A failure link belongs to no state", TRANSITIONS)
    return states


def _suffix(table: tuple[int, ...], states: dict[int, _State], parent: _State, code: int) -> int:
    """The slot of the longest proper suffix of a new state that is a state itself."""
    at = parent
    while at.slot:
        at = states[at.failure]
        value = table[at.slot + 1 + code]
        if value & 0x1FF == code + 1:
            return value >> 9
    return 0


def _check_failures(
    arena: Arena, table: tuple[int, ...], states: dict[int, _State], children: dict[int, list[int]]
) -> None:
    """Every link must be what the compiler's construction and its shortcut give."""
    if table[0]:
        raise arena.error("The root has a failure link", TRANSITIONS)
    shorter = {0: 0}
    for slot, state in states.items():
        failure = state.failure
        if failure:
            own = {child - slot for child in children.get(slot, ())}
            if own.issuperset(child - failure for child in children.get(failure, ())):
                failure = shorter[failure]
        shorter[slot] = failure
        if table[slot] >> 9 != failure:
            raise arena.error("A failure link is wrong", TRANSITIONS, 4 * slot)


def _owners(arena: Arena, states: dict[int, _State]) -> list[bytes | None]:
    """For each match the bytes that lead to it; lists must end in those of the suffix."""
    raw = arena.bytes[MATCHES]
    heads = struct.unpack(f"<{len(raw) // 4}I", raw)
    if sum(1 for slot in states if heads[slot]) != len(heads) - heads.count(0):
        raise arena.error("The match table has an entry for no state", MATCHES)
    following = _following(arena)
    paths: list[bytes | None] = [None] * len(following)
    for slot, state in states.items():
        at, stop = heads[slot], heads[state.failure] if slot else 0
        last = len(following) + 1
        while at and at != stop:
            if at >= last or paths[at - 1] is not None:
                raise arena.error("A list of matches is out of order", MATCHES, 4 * slot)
            paths[at - 1] = state.path
            last, at = at, following[at - 1]
        if at != stop:
            raise arena.error("A list of matches lacks those of its suffix", MATCHES, 4 * slot)
    return paths


def _following(arena: Arena) -> list[int]:
    """For each match of the pool the number of the next one, counted from 1; 0 for the last."""
    pool = arena.bytes[ATOMS]
    count, rest = divmod(len(pool), _ATOM)
    if rest or not arena.take(ATOMS, _PATTERN * count):
        raise arena.error("Relocations of the matches are missing or too many", ATOMS)
    found = []
    for number in range(count):
        ref = struct.unpack_from("<II", pool, number * _ATOM + 24)
        target = _target(arena, ref, ATOMS, number)
        if target >= 0 and target % _ATOM:
            raise arena.error("A match points between others", ATOMS, number * _ATOM)
        found.append(target // _ATOM + 1 if target >= 0 else 0)
    return found
