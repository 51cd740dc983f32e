"""Programs that differ, on the pipeline's side: ask workers, put their findings in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import limits
from verifier.engine import Failure, Task
from verifier.images import ImagesAnswer, ImagesRequest
from verifier.model import Place, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.engine import Engine, Inline
    from verifier.model import Difference, Patch
    from verifier.tree import Node

_NOISE = {"bytes", "field"}  # kinds that tell a place, where functions and facts tell more
_FEW = 12  # of them; more come from everything having moved


def settle(engine: Engine | Inline, nodes: Sequence[Node]) -> None:
    """Compare the programs of these nodes; their members get patches, or better differences."""
    for node in nodes:
        assert node.images is not None
        settled = tuple(_place(patch) for patch in node.member.patches)
        pair = node.pair
        request = ImagesRequest(pair.shipped, pair.rebuilt, node.images, settled)
        size = pair.shipped.length + pair.rebuilt.length
        seconds = limits.WORKER_SECONDS + size / limits.IMAGE_BYTES_PER_SECOND
        engine.submit(Task("images", request, ImagesAnswer, seconds, node))
    for task, answer in engine.answers():
        node = task.ticket
        if isinstance(answer, ImagesAnswer):
            _put(node, answer)
        else:
            assert isinstance(answer, Failure)
            note = f"Its functions were not compared: {answer.summary}"
            node.member = node.member._replace(notes=(*node.member.notes, note))


def _place(patch: Patch) -> Place:
    at = patch.offset, patch.length, patch.rebuilt_offset, patch.rebuilt_length
    return Place(patch.field, *at)


def _put(node: Node, answer: ImagesAnswer) -> None:
    """A total map that a rule allows takes the loose differences away; else all stay, told better.

    Whatever another stage found meanwhile is not loose, and keeps the member different. Places
    are dropped from the list only where something is told in their stead.
    """
    member, images = node.member, node.images
    assert images is not None
    notes = (*member.notes, *answer.notes)
    firm = tuple(each for each in member.differences if each not in node.loose)
    if answer.layout and not firm:
        verdict = Verdict.INCONCLUSIVE if member.problems else Verdict.EQUIVALENT
        patches = sorted(
            (*member.patches, *answer.patches), key=lambda each: (each.offset, each.rebuilt_offset)
        )
        node.member = member._replace(
            verdict=verdict, differences=(), patches=tuple(patches), notes=notes
        )
        node.layout = answer.layout
        return
    kept = firm
    if not answer.total:
        kept = _worth_telling(member.differences, answer, images.open, node.loose)
    told = (*answer.differences, *kept)[: limits.DIFFERENCES_PER_MEMBER]
    node.member = member._replace(differences=told, notes=notes)


def _worth_telling(
    differences: tuple[Difference, ...],
    answer: ImagesAnswer,
    places: tuple[Place, ...],
    loose: frozenset[Difference],
) -> tuple[Difference, ...]:
    """The format's own differences without what functions tell better.

    Where so much moved that most fields and bytes differ for that reason alone, what loaders
    are told, addresses apart, takes their place.
    """
    kept = tuple(
        each
        for each in differences
        if each not in loose or not (answer.instead and each.kind.startswith(answer.instead))
    )
    if answer.differences:
        spans = [
            (place.offset, place.offset + place.length)
            for place in places
            if any(_holds(place.name, name) for name in answer.code)
        ]
        kept = tuple(each for each in kept if each not in loose or not _inside(each, spans))
    noise = [each for each in kept if each in loose and _is_noise(each)]
    if len(noise) <= _FEW or not (answer.differences or answer.facts):
        return kept
    return (*answer.facts, *(each for each in kept if each not in noise))


def _holds(span: str, label: str) -> bool:
    """Whether a span holds contents of a section, as either format names them."""
    return span == f"section[{label}]" or span.startswith(f"section[{label}].content")


def _inside(difference: Difference, spans: list[tuple[int, int]]) -> bool:
    at = difference.offset
    bytes_alone = difference.kind == "bytes" and at is not None
    return bytes_alone and any(start <= (at or 0) < end for start, end in spans)


def _is_noise(difference: Difference) -> bool:
    told = difference.offset is None and difference.where != "more"  # by meaning, not by place
    return (difference.kind in _NOISE and not told) or difference.kind.startswith("gap-")
