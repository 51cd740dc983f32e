"""Which factor explains which difference from shipped: the one that moves its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.account import Cause
from verifier.diagnose import factors as known
from verifier.diagnose.model import CHANCE, NONE, Place, Tried
from verifier.diagnose.places import OVERLAP, PART, best, compared, place, reordered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.model import Difference, Member, Report

_Found = list[tuple[Tried, int]]
FOLLOWS = 0  # less sure than any likeness of places
_FOLLOWING = re.compile(
    r"\.(?:p_(?:offset|vaddr|paddr|filesz|memsz)|sh_(?:addr|offset|size|link|info)|e_shoff)$"
    r"|\.(?:VirtualAddress|VirtualSize|SizeOfRawData|PointerToRawData|SizeOf\w+|AddressOf\w+)$"
    r"|^after |^gap\[|\.eh_frame|\((?:\.symtab|\.dynsym|\.strtab|\.dynamic|\.rela?\b.*)\)"
)
_SIZES = frozenset({"sh_size", "p_filesz", "p_memsz", "VirtualSize", "SizeOfRawData"})


def explain(
    report: Report, tried: Sequence[Tried], beside: Report | None = None
) -> tuple[Cause, ...]:
    """For each difference from shipped the factors that move its place, or `NONE`.

    `beside` is the comparison with the baseline: a text that holds the time has another name there.
    """
    told: dict[str, tuple[Difference, ...]] = {}
    if beside is not None:
        told = {member.path: member.differences for member in beside.members}
    causes: list[Cause] = []
    for member in compared(report):
        own = {(each.kind, each.where) for each in member.differences}
        others = [e for e in told.get(member.path, ()) if (e.kind, e.where) not in own]
        ranked: dict[Difference, _Found] = {}
        for difference in member.differences:
            wanted = place(member.path, difference)
            same = [place(member.path, each) for each in others if each.kind == difference.kind]
            found = _ranked(wanted, tried, _shifted(member))
            if not found and difference.offset is None:
                found = list(dict.fromkeys(f for s in same for f in _ranked(s, tried, False)))
            ranked[difference] = found
        causes += _told(member, ranked)
    return tuple(causes)


def _told(member: Member, ranked: dict[Difference, _Found]) -> list[Cause]:
    """The causes of one member's differences; what carries nothing of its own follows the others.

    Addresses, offsets and sizes of an image follow from the lengths of what stands in it.
    """
    leading = [item for found in ranked.values() for item in found if item[1] >= OVERLAP]
    first = {each.factor: (each, FOLLOWS) for each, _ in leading}
    causes: list[Cause] = []
    for difference, found in ranked.items():
        if not found and _shifted(member) and _FOLLOWING.search(difference.where):
            found = list(first.values())  # noqa: PLW2901 - the same, looked at again
        causes += _causes(place(member.path, difference), found)
    return causes


def _shifted(member: Member) -> bool:
    """Whether parts of the two files stand at other offsets."""
    sizes = member.shipped and member.rebuilt and member.shipped.size != member.rebuilt.size
    fields = (each.where.rpartition(".")[2] for each in member.differences)
    return bool(sizes) or not _SIZES.isdisjoint(fields)


def _ranked(wanted: Place, tried: Sequence[Tried], shifted: bool) -> _Found:
    """The factors that move a place, as surely as any does."""
    ranks = [(each, best(wanted, each.moved)) for each in tried]
    most = max((rank for _, rank in ranks), default=0)
    if most == 0:
        return [(each, OVERLAP) for each in tried if reordered(wanted, each.moved)]
    if most == PART and not shifted:
        return []
    return [item for item in ranks if item[1] == most]


def _causes(wanted: Place, found: _Found) -> list[Cause]:
    if not found:
        summary = "No condition that was varied moves it."
        return [Cause(NONE, wanted.member, wanted.where, summary, "Look at the difference itself.")]
    how = {
        PART: "moves this part of the file, which stands at another offset here",
        FOLLOWS: "moves other parts of the file, which have another length here: this may follow",
    }
    return [
        Cause(
            *(each.factor, wanted.member, wanted.where),
            f"{_named(each)} {how.get(rank, 'moves it')}.",
            _advice(each.factor),
        )
        for each, rank in found
    ]


def _advice(name: str) -> str:
    advice = {factor.name: factor.advice for factor in known.FACTORS}
    advice |= {CHANCE: known.CHANCE_ADVICE, known.TOOLCHAIN: known.TOOLCHAIN_ADVICE}
    return advice[name]


def _named(tried: Tried) -> str:
    if tried.factor == CHANCE:
        return "Chance, without any change of conditions,"
    return f"The {tried.factor} ({tried.varied})"
