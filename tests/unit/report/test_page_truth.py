"""The map of a page against the files themselves, over all pairs that the rules are tested on."""

import hashlib

import pytest

from tests.cases import Case
from tests.pages import samples
from tests.support import compare_bytes
from tests.test_rules import CASES
from verifier import limits
from verifier.report.page import bytemap, tree
from verifier.report.page.bytemap import AROUND, EQUAL, UNSETTLED

# Their parts stand at other offsets in the two files, so that offsets alone compare nothing.
_MOVED = ("image.", "cvd.", "clamav-info.")


def _painted(case: Case) -> tuple[bytes, bytes, bytearray]:
    """Both files, and the class of each shipped byte of the outermost one."""
    shipped, rebuilt = case.make()
    members = compare_bytes(shipped, rebuilt, **case.settings()).members
    parents = tree.parents(members)
    inside = [(at, each) for at, each in enumerate(members) if parents[at] == 0]
    for _, member in inside:
        assert member.within is not None
        start, end = member.within.offset, member.within.offset + member.within.length
        if member.within.codec == "stored" and member.shipped is not None:
            digest = hashlib.sha256(shipped[start:end]).hexdigest()
            assert digest == member.shipped.sha256, f"{member.path} stands somewhere else"
    drawn = bytemap.of(members[0], inside, bytemap.notable(members, parents))
    kinds = bytearray([drawn.base]) * len(shipped)
    for piece in drawn.pieces:
        kinds[piece.offset : piece.offset + piece.length] = bytes([piece.kind]) * piece.length
    return shipped, rebuilt, kinds


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule_id}: {case.name}")
def test_no_differing_byte_is_called_equal(case: Case) -> None:
    shipped, rebuilt, kinds = _painted(case)
    assert len(kinds) == len(shipped)
    if len(shipped) == len(rebuilt) and not case.rule_id.startswith(_MOVED):
        wrong = [
            at
            for at, (one, other) in enumerate(zip(shipped, rebuilt, strict=True))
            if one != other and kinds[at] in {EQUAL, AROUND}
        ]
        assert not wrong


def test_the_changed_bytes_of_a_function_are_on_the_map() -> None:
    (member,) = (each for each in samples.differing().members if each.path == "libz.so.1")
    assert all(each.offset is None for each in member.differences)
    drawn = bytemap.of(member, (), ())
    assert drawn.base == EQUAL
    changed = [piece for piece in drawn.pieces if piece.kind == UNSETTLED]
    assert 1 <= sum(piece.length for piece in changed) < 40


def test_of_very_many_places_neighbours_are_joined_and_none_is_lost() -> None:
    rebuilt = bytearray(400_000)
    shipped = bytearray(rebuilt)
    places = range(100, 400_000, 80)
    for at in places:
        shipped[at] = 1
    (member,) = compare_bytes(bytes(shipped), bytes(rebuilt)).members
    assert len(places) > 2 * limits.UNSETTLED
    assert 100 < len(member.unsettled) <= limits.UNSETTLED
    covered = set()
    for each in member.unsettled:
        covered.update(range(each.offset, each.offset + each.length))
    assert covered >= set(places)
    assert member.unsettled == tuple(sorted(member.unsettled))


def test_what_is_settled_in_the_end_leaves_nothing_open() -> None:
    for case in CASES:
        if case.expected == "settled" and case.rule_id.startswith(("image.", "yara.", "clamav.")):
            members = compare_bytes(*case.make(), **case.settings()).members
            assert not any(member.unsettled for member in members)
