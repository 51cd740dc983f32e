"""The parsed view of one ELF file, for checks and descriptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from verifier.formats.elf.header import PT_LOAD

if TYPE_CHECKING:
    from verifier.formats.elf.header import Header, Section, Segment


class Note(NamedTuple):
    """One note (gABI, note section): `prefix` starts the names of its spans."""

    prefix: str
    owner: bytes
    type: int
    desc_offset: int
    desc_size: int


class Quarrel(NamedTuple):
    """A place where sections overlap, or contradict the program headers."""

    where: str
    summary: str
    offset: int


@dataclass(frozen=True, slots=True)
class Image:
    """Headers, notes, and what the two views of the file disagree on.

    No rule speaks where `quarrels` is not empty. `cache` keeps tables that only
    descriptions need, once they were read.
    """

    header: Header
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    notes: tuple[Note, ...] = ()
    quarrels: tuple[Quarrel, ...] = ()
    cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def loads(self) -> tuple[Segment, ...]:
        """The segments that are mapped."""
        return tuple(item for item in self.segments if item.type == PT_LOAD)

    def section(self, label: str) -> Section | None:
        """The section with that label."""
        if "labels" not in self.cache:
            self.cache["labels"] = {item.label: item for item in reversed(self.sections)}
        return cast("Section | None", self.cache["labels"].get(label))
