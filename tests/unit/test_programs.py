"""What becomes of a member whose programs were compared."""

import pytest

from verifier import programs
from verifier.engine import Task
from verifier.images import ImagesAnswer
from verifier.model import Difference, Images, Member, Pair, Place, Ref, Verdict
from verifier.tree import Node

LOOSE = Difference("bytes", ".text+0x10", "4 bytes differ.")
LATER = Difference("detection-removed", "Eicar", "Found by another stage.")
PAIR = Pair("lib.so", Ref("one", 0, 64), Ref("other", 0, 64))


class _Engine:
    """Answers that a map is total and allowed."""

    def submit(self, task: Task) -> None:
        self.task = task

    def answers(self) -> list[tuple[Task, ImagesAnswer]]:
        return [(self.task, ImagesAnswer(layout="map", total=True))]


@pytest.mark.parametrize("later", [(), (LATER,)])
def test_a_map_takes_away_only_what_the_comparison_found(later: tuple[Difference, ...]) -> None:
    member = Member("lib.so", Verdict.DIFFERENT, differences=(LOOSE, *later))
    images = Images("elf", (Place("section[.text]", 0, 8, 0, 8),))
    node = Node(PAIR, member, images=images, loose=frozenset({LOOSE}))
    programs.settle(_Engine(), [node])  # type: ignore[arg-type]
    assert node.member.differences == later
    assert node.member.verdict is (Verdict.DIFFERENT if later else Verdict.EQUIVALENT)
    assert bool(node.layout) is not bool(later)
