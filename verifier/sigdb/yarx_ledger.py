"""Which bytes of compiled YARA-X rules belong to which rule: nothing is lost on the way.

Every byte is booked once, in the file's order: for a rule, or for nobody. The
common digest holds nobody's bytes and the order of the owners; a rule's digest
holds its bytes and where its runs begin. All digests together say the whole file,
however the owners are chosen: a wrong owner can misname a change, never hide it.
"""

from __future__ import annotations

import hashlib
import re
import struct
from bisect import bisect_right
from typing import NamedTuple

from verifier.errors import ParseError

NOBODY = -1
# The instruction Match; an escape byte before it is a literal. See YARA-X, re/thompson/instr.rs.
_MATCH = re.compile(rb"(?<!\xaa)(?:\xaa\xaa)*\xaa\x00")


class Atom(NamedTuple):
    """Whose it is, its bytes without places, and where its code starts (-1: nowhere)."""

    rule: int
    text: bytes
    places: tuple[int, int]


class Ledger:
    """Books bytes under the number of a rule, or under NOBODY."""

    def __init__(self, rules: int, rest: hashlib._Hash) -> None:
        self._own = [hashlib.sha256() for _ in range(rules)]
        self._rest = rest
        self._last = NOBODY

    def add(self, rule: int, part: bytes) -> None:
        """Book some bytes."""
        if rule == NOBODY:
            update(self._rest, NOBODY, part)
        else:
            if rule != self._last:
                update(self._rest, rule, b"")
                update(self._own[rule], 0, b"")
            update(self._own[rule], 1, part)
        self._last = rule

    def digest(self, rule: int) -> str:
        """What a rule's bytes are, as hexadecimal digits."""
        return self._own[rule].hexdigest()

    def code(self, code: bytes, atoms: list[Atom]) -> None:
        """Book atoms and their code, cut into programs; places count from a rule's first program.

        Raises:
            ParseError: An atom's code starts outside all code.
        """
        starts = sorted({0, *(found.end() for found in _MATCH.finditer(code))})
        owners: dict[int, int] = {}
        first: dict[int, int] = {}
        for atom in atoms:
            for place in atom.places:
                if place > len(code):
                    raise ParseError("An atom's code lies outside all code")
                if place >= 0:
                    program = bisect_right(starts, place) - 1
                    same = owners.setdefault(program, atom.rule) == atom.rule
                    owners[program] = atom.rule if same else NOBODY
        for program in sorted(owners):
            first.setdefault(owners[program], program)
        for atom in atoms:
            self.add(atom.rule, atom.text)
            for place in atom.places:
                program = bisect_right(starts, place) - 1
                here = (program - first.get(atom.rule, 0), place - starts[program])
                self.add(atom.rule, struct.pack("<qq", *(here if place >= 0 else (0, -1))))
        self.add(NOBODY, b"code")
        for program, start in enumerate(starts):
            end = starts[program + 1] if program + 1 < len(starts) else len(code)
            self.add(owners.get(program, NOBODY), code[start:end])


def update(digest: hashlib._Hash, number: int, part: bytes) -> None:
    """Add bytes with what they are, so that they cannot pass for their neighbours."""
    digest.update(struct.pack("<qQ", number, len(part)))
    digest.update(part)
