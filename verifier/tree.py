"""The tree of compared files: a file, the files inside it, and what was found on each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier.model import Member, Patch, Records, Verdict, Within, worst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.account import Maker
    from verifier.model import Child, Difference, Images, Pair


@dataclass(eq=False, slots=True)
class Node:
    """One pair while the pipeline works on it.

    `stream` is the patch that settles the compressed form of this payload in
    its parent, where that differs; `records` those of a database that wait for
    all databases around them; `images` two programs to map onto each other, `layout`
    that map as text, once it settles them, and `loose` the differences that it may take away.
    `makers` are the tools that both sides name.
    """

    pair: Pair
    member: Member
    child: Child | None = None
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    stream: Patch | None = None
    records: Records | None = None
    images: Images | None = None
    loose: frozenset[Difference] = frozenset()
    layout: str = ""
    makers: tuple[Maker, ...] = ()

    def verdict(self) -> Verdict:
        """The worst of its own findings and of everything inside it."""
        return worst([self.member.verdict, *(each.verdict() for each in self.children)])

    def walk(self) -> Iterator[Node]:
        """This node and all below it, containers before their members."""
        yield self
        for each in self.children:
            yield from each.walk()

    def ancestors(self) -> Iterator[Node]:
        """The containers around this node, innermost first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def frozen(self) -> Member:
        """The member as the report shows it: verdict with its contents, all its patches.

        Its differences stand most telling first, and in one sentence.
        """
        streams = tuple(each.stream for each in self.children if each.stream is not None)
        patches = (*self.member.patches, *streams)
        return told(
            self.member._replace(
                verdict=self.verdict(),
                patches=tuple(
                    sorted(patches, key=lambda patch: (patch.offset, patch.rebuilt_offset))
                ),
                within=self._within(),
                unsettled=self.member.unsettled if self._open() else (),
            )
        )

    def _within(self) -> Within | None:
        if self.parent is None or self.child is None:
            return None
        child = self.child
        return Within(self.parent.pair.path, child.offset, child.length, child.codec)

    def _open(self) -> bool:
        """Whether something of its own bytes is still unsettled."""
        return bool(self.member.differences or self.member.problems)


def told(member: Member) -> Member:
    """The member with its differences in order, and what they say together."""
    if not member.differences:
        return member
    from verifier.semantic import telling  # noqa: PLC0415 - only for members that differ

    ordered = telling.ranked(member.differences)
    name = member.shipped.format if member.shipped else ""
    return member._replace(differences=tuple(ordered), summary=telling.sentence(name, ordered))
