"""The sections of an ELF or PE image as readers need them, and which of them differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from verifier import content
from verifier.formats.elf.header import SHF_ALLOC, SHF_EXECINSTR

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.formats.base import Side


_TIMES: Final = 4  # how often sections may cover a file


class Part(NamedTuple):
    """One section with content in the file. `loaded` parts are mapped when the program runs."""

    label: str
    offset: int
    length: int
    executable: bool
    loaded: bool
    kind: int = 0  # sh_type in ELF

    def data(self, side: Side) -> Buffer:
        """Its bytes."""
        return side.data[self.offset : self.offset + self.length]


def is_elf(side: Side) -> bool:
    """Whether the image is ELF; the others are PE."""
    return side.layout.format != "pe"


def parts(side: Side) -> list[Part]:
    """All sections with content, in the order of the headers."""
    return list(_by_label(side).values())


def part(side: Side, label: str) -> Part | None:
    """The section with that label."""
    return _by_label(side).get(label)


def _by_label(side: Side) -> dict[str, Part]:
    cache: dict[str, Any] = side.layout.info.cache
    if "parts" not in cache:
        cache["parts"] = {item.label: item for item in _read(side)}
    found: dict[str, Part] = cache["parts"]
    return found


def _read(side: Side) -> list[Part]:
    image: Any = side.layout.info
    if is_elf(side):
        return [
            Part(
                item.label,
                item.offset,
                item.length,
                bool(item.flags & SHF_EXECINSTR),
                bool(item.flags & SHF_ALLOC),
                item.type,
            )
            for item in image.sections
            if item.length
        ]
    return [
        Part(item.label, item.pointer, item.content, item.executable, loaded=True)
        for item in image.sections
        if item.content
    ]


def changed(shipped: Side, rebuilt: Side) -> list[tuple[Part | None, Part | None]]:
    """Sections that are not the same in both, by their labels; None where one side has none."""
    cache: dict[str, Any] = shipped.layout.info.cache
    key = f"changed{id(rebuilt.layout)}"
    if key not in cache:
        cache[key] = _changed(shipped, rebuilt)
    found: list[tuple[Part | None, Part | None]] = cache[key]
    return found


def _changed(shipped: Side, rebuilt: Side) -> list[tuple[Part | None, Part | None]]:
    others = {item.label: item for item in parts(rebuilt)}
    result: list[tuple[Part | None, Part | None]] = []
    budget = _TIMES * (len(shipped.data) + len(rebuilt.data))
    for one in parts(shipped):
        other = others.pop(one.label, None)
        budget -= one.length
        if budget < 0:  # sections that overlap many times over: what they hold is told elsewhere
            break
        if other is None or not content.equal(one.data(shipped), other.data(rebuilt)):
            result.append((one, other))
    result.extend((None, other) for other in others.values())
    return result
