"""When two places are one, and when a factor must not be credited."""

from __future__ import annotations

from verifier.diagnose.causes import explain
from verifier.diagnose.model import NONE, Place, Tried
from verifier.diagnose.places import OVERLAP, PART, SAME, likeness, reordered, within, without
from verifier.model import Difference, FileFacts, Member, Policy, Report, Verdict


def _bytes(where: str, offset: int, length: int, member: str = "m") -> Place:
    return Place(member, "bytes", where, "They differ.", offset, length)


def _line(where: str, summary: str = "x") -> Place:
    return Place("m", "text-changed", where, summary)


ROWS = [
    (_bytes(".rodata+0x10", 16, 4), _bytes(".rodata+0x10", 16, 9), SAME),
    (_bytes(".rodata+0x10", 16, 4), _bytes(".rodata+0x12", 18, 4), OVERLAP),
    (_bytes(".rodata+0x10", 16, 4), _bytes(".rodata+0x14", 20, 4), PART),
    (_bytes(".rodata+0x10", 16, 4), _bytes(".text+0x14", 20, 4), 0),
    (_bytes(".rodata+0x10", 16, 4), _bytes(".rodata+0x10", 16, 4, "other"), 0),
    (_line("line 3"), _line("lines 2-4"), OVERLAP),
    (_line("line 3"), _line("line 4"), 0),
    (_line("before line 3"), _line("lines 1-3"), OVERLAP),
    (
        Place("m", "string-added", "/a/b", "."),
        Place("m", "string-removed", "/a/b", "."),
        SAME,
    ),
    (Place("m", "string-added", "/a/b", "."), Place("m", "import-added", "/a/b", "."), 0),
]


def test_likeness_is_by_name_or_by_bytes_and_symmetric() -> None:
    for one, other, wanted in ROWS:
        assert likeness(one, other) == likeness(other, one) == wanted, (one, other)


def test_chance_is_taken_away_and_what_stays_is_kept() -> None:
    noise = (_bytes("x+0x4", 4, 2),)
    found = (_bytes("x+0x5", 5, 1), _bytes("x+0x8", 8, 1))
    assert without(found, noise) == (found[1],)
    assert within(found, noise) == (found[0],)


def test_an_order_is_lines_that_went_and_came() -> None:
    moved = [_line("lines 1-2", 'Only shipped: "a"'), _line("before line 9", 'Only rebuilt: "a"')]
    assert reordered(_line("line 5"), moved)
    assert not reordered(_line("line 12"), moved)
    assert not reordered(_line("line 5"), [_line("line 1"), _line("line 9")])


def _causes(differences: list[Difference], moved: list[Place], sizes: tuple[int, int]) -> list[str]:
    sides = (FileFacts("", size, "elf") for size in sizes)
    member = Member("m", Verdict.DIFFERENT, *sides, differences=tuple(differences))
    report = Report("", Verdict.DIFFERENT, "", Policy(), "", 0, {}, (member,))
    tried = [Tried("build path", "a → b", tuple(moved)), Tried("user", "c → d")]
    return [cause.factor for cause in explain(report, tried)]


def test_a_change_beside_an_explained_one_is_not_explained() -> None:
    moved = [_bytes(".rodata+0x10", 16, 4)]
    path = Difference("bytes", ".rodata+0x10", "They differ.", 16, 4)
    door = Difference("bytes", ".rodata+0x80", "They differ.", 128, 4)
    assert _causes([path, door], moved, (1000, 1000)) == ["build path", NONE]
    # Where parts stand at other offsets, the part is all that can be told.
    assert _causes([path, door], moved, (1000, 1004)) == ["build path", "build path"]


def test_sizes_and_offsets_follow_and_new_code_does_not() -> None:
    moved = [_bytes(".rodata+0x10", 16, 4)]
    path = Difference("bytes", ".rodata+0x10", "They differ.", 16, 4)
    size = Difference("field", "section[.rodata].sh_size", "Shipped 9, rebuilt 8.", 500, 8)
    door = Difference("function-added", "backdoor", "Only the shipped image has it.")
    found = _causes([path, size, door], moved, (1000, 1004))
    assert found == ["build path", "build path", NONE]
    assert _causes([size, door], moved, (1000, 1004)) == [NONE, NONE]
