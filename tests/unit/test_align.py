from hypothesis import given
from hypothesis import strategies as st

from verifier.align import align
from verifier.formats.base import Layout
from verifier.model import Span


def _layout(names: list[str]) -> Layout:
    spans = tuple(Span(name, index * 4, 4, name) for index, name in enumerate(names))
    return Layout("test", 4 * len(names), spans)


NAMES = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10)


@given(NAMES, NAMES)
def test_every_span_of_both_files_is_met_exactly_once_and_in_order(
    one: list[str], other: list[str]
) -> None:
    found = align(_layout(one), _layout(other))
    assert [item.shipped.name for item in found if item.shipped] == one
    assert [item.rebuilt.name for item in found if item.rebuilt] == other
    for item in found:
        if item.shipped and item.rebuilt:
            assert item.shipped.name == item.rebuilt.name
            assert not item.moved


@given(NAMES, NAMES)
def test_places_of_missing_spans_lie_between_their_neighbours(
    one: list[str], other: list[str]
) -> None:
    at = rebuilt_at = 0
    for item in align(_layout(one), _layout(other)):
        assert item.at == at
        assert item.rebuilt_at == rebuilt_at
        at += 4 if item.shipped else 0
        rebuilt_at += 4 if item.rebuilt else 0


def test_a_moved_span_is_told_from_an_added_one() -> None:
    found = align(_layout(["a", "b", "c", "x"]), _layout(["b", "c", "a"]))
    assert {item.shipped.name for item in found if item.shipped and item.moved} == {"a"}
    added = [item for item in found if item.shipped and not item.rebuilt and not item.moved]
    assert [item.shipped.name for item in added if item.shipped] == ["x"]
