"""What each pattern is, as text that does not depend on where its rule stands in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb.yarx.pools import shown
from verifier.sigdb.yarx.regex import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.yarx.implied import Implied
    from verifier.sigdb.yarx.layout import Compiled
    from verifier.sigdb.yarx.parts import Atom
    from verifier.sigdb.yarx.pools import Pool


class Patterns:
    """All patterns of a file, by their numbers."""

    def __init__(self, compiled: Compiled, texts: Pool[str]) -> None:
        self._compiled = compiled
        self._texts = texts
        self._parts: list[list[int]] = [[] for _ in compiled.limits]
        self._places: list[int] = []  # of each part in its pattern
        for number, part in enumerate(compiled.parts):
            if not 0 <= part.pattern < len(self._parts):
                raise ParseError("A part belongs to no pattern")
            self._places.append(len(self._parts[part.pattern]))
            self._parts[part.pattern].append(number)
        for known in (compiled.sizes, compiled.heads):
            if not known.keys() <= set(range(len(self._parts))):
                raise ParseError("Files are told apart for a pattern that is missing")
        self._check_anchored()
        self._atoms: list[list[Atom]] = [[] for _ in compiled.parts]
        for atom in compiled.atoms:
            if atom.part >= len(self._atoms):
                raise ParseError("An atom belongs to no part of a pattern")
            self._atoms[atom.part].append(atom)
        self._read_code()

    def _check_anchored(self) -> None:
        """Just those parts are looked for at one place that say so."""
        expected = [at for at, part in enumerate(self._compiled.parts) if part.anchored]
        if sorted(self._compiled.anchored) != expected:
            raise ParseError("Other parts stand at one place than those that say so")

    def _read_code(self) -> None:
        compiled = self._compiled
        starts = {
            place
            for atom in compiled.atoms
            if compiled.parts[atom.part].fast
            for place in atom.places
            if place is not None
        }
        self._code = Code(compiled.code, starts)
        self._found = {
            place: self._code.find(place)
            for atom in compiled.atoms
            for place in atom.places
            if place is not None
        }
        if any(self._found[place][1] for place in starts):
            raise ParseError("An atom does not lead to the start of its code")

    def left(self) -> str:
        """Code that no atom leads to."""
        return self._code.unused()

    def text(self, number: int) -> str:
        """One pattern: its parts, their atoms and code."""
        compiled = self._compiled
        found = [self._part(part) for part in self._parts[number]]
        if compiled.limits[number] is not None:
            found.append(f"up to {compiled.limits[number]} times")
        return "; ".join(found)

    def bounds(self, number: int, implied: Implied) -> str:
        """In which files a pattern is looked for, where its rule may hold for others as well."""
        sizes, found = self._compiled.sizes.get(number), ""
        if sizes and not implied.within(sizes):
            found += f"; in files of {sizes[0]} to {sizes[1]} bytes"
        heads = self._compiled.heads
        if number in heads and not implied.starts(heads[number]):
            head = heads[number]
            found += f"; in files that start with {'nothing' if head is None else shown(head)}"
        return found

    def literals(self) -> dict[int, bytes]:
        """The bytes of each pattern that is nothing else, in any case of letters and any place."""
        found = {}
        for number, parts in enumerate(self._parts):
            part = self._compiled.parts[parts[0]] if len(parts) == 1 else None
            if part is not None and part.plain and part.texts[0] < len(self._compiled.texts):
                found[number] = self._compiled.texts[part.texts[0]]
        return found

    def _part(self, number: int) -> str:
        part = self._compiled.parts[number]
        text = part.text.format(*map(self._texts.get, part.texts))
        if part.before is not None:
            if self._compiled.parts[part.before].pattern != part.pattern:
                raise ParseError("A part follows one of another pattern")
            text += f", follows {self._places[part.before]}"
        programs: dict[int, int] = {}
        atoms = [
            " ".join([atom.text, *self._code_of(atom, programs)]) for atom in self._atoms[number]
        ]
        code = [f"code {at}: {self._code.text(program)}" for program, at in programs.items()]
        return ", ".join([text, *code, *(f"atom {atom}" for atom in atoms)])

    def _code_of(self, atom: Atom, programs: dict[int, int]) -> Iterator[str]:
        """Where an atom's code starts: in which of the part's programs, and how far behind it."""
        for sign, place in zip("><", atom.places, strict=True):
            if place is not None:
                program, offset = self._found[place]
                yield f"{sign}{programs.setdefault(program, len(programs))}.{offset}"
