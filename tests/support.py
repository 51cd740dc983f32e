"""What tests of several parts share."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verifier import content
from verifier.engine import Inline
from verifier.model import Difference, Member, Patch, Policy, Settings, Strength, Verdict, worst
from verifier.pair import files
from verifier.pipeline import Pipeline

if TYPE_CHECKING:
    from verifier.tree import Node

# Seconds of processor time after which work on one small hostile input counts as a hang: far
# from what it takes, since coverage and a loaded machine slow it down manyfold.
HANG = 20.0

STRICT = Policy("strict", accepts=Strength.SIGNED)


@dataclasses.dataclass(frozen=True)
class Tree:
    """All members that one comparison found, outermost first."""

    members: tuple[Member, ...]
    bases: tuple[int | None, ...] = ()  # offset of each member in the file; None inside a stream

    def free(self) -> set[int]:
        """Offsets in the outermost shipped file of all bytes that some patch leaves free."""
        found: set[int] = set()
        for member, base in zip(self.members, self.bases, strict=True):
            for patch in member.patches if base is not None else ():
                for item in patch.free:
                    first = base + patch.offset + item.offset
                    found.update(range(first, first + item.length))
        return found

    @property
    def verdict(self) -> Verdict:
        return worst([member.verdict for member in self.members])

    @property
    def differences(self) -> list[Difference]:
        return [item for member in self.members for item in member.differences]

    @property
    def patches(self) -> list[Patch]:
        return [item for member in self.members for item in member.patches]

    @property
    def rules(self) -> set[str]:
        return {patch.rule for patch in self.patches}

    def where(self) -> list[str]:
        return [
            f"{member.path}: {item.where}" for member in self.members for item in member.differences
        ]


def compare_bytes(
    shipped: bytes, rebuilt: bytes, policy: Policy | None = None, **settings: Any
) -> Tree:
    """Compare two files and all that is in them: the real pipeline, within this process.

    `siblings` (name to bytes) are files that lie beside the shipped one, `name` is its own.
    """
    beside: dict[str, bytes] = settings.pop("siblings", {})
    called: str = settings.pop("name", "file")
    with tempfile.TemporaryDirectory(prefix="compare-") as work:
        paths = []
        for name, data in (("shipped", shipped), ("rebuilt", rebuilt)):
            path = Path(work) / name / "file"
            path.parent.mkdir()
            path.write_bytes(data)
            paths.append(path)
        for name, data in beside.items():
            path = paths[0].parent / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        chosen = Settings(policy=policy or Policy(), work=work, today="2026-01-01", **settings)
        try:
            (root,) = Pipeline(lambda _confined: Inline(chosen)).run([files(called, *paths)])
            nodes = list(root.walk())
            return Tree(tuple(node.frozen() for node in nodes), tuple(map(_base, nodes)))
        finally:
            content.forget()


def _base(node: Node) -> int | None:
    """Offset of a member in the outermost file; None inside a compressed stream."""
    if node.parent is None or node.child is None:
        return 0
    above = _base(node.parent)
    return None if above is None or node.child.codec != "stored" else above + node.child.offset
