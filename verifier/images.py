"""Two differing program images: settle them by a map of their layouts, or say what they do.

Runs in a worker, after the rules have spoken on every span. Never makes a verdict better
without a map that `verifier check` can judge again.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from verifier import content, formats, limits, ruleset
from verifier.checks.base import Refused
from verifier.confine import more_memory
from verifier.errors import VerifierError
from verifier.model import Difference, Images, Patch, Place, Range, Ref, Settings
from verifier.settle_stream import settle_alone

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.settle_stream import Settled

FIELD = "image"
_FIELD_BYTES = 8  # of the largest field of a header
CODEC = "layout"  # of a patch: its bytes are the shipped ones, as a map of the layouts proves


class ImagesRequest(NamedTuple):
    """Two images, what of them is open, and the places that rules have settled."""

    shipped: Ref
    rebuilt: Ref
    images: Images
    settled: tuple[Place, ...]


class ImagesAnswer(NamedTuple):
    """Patches and the map that justifies them; or differences of meaning. Notes in any case.

    `facts` tell what loaders are told differently, for images of which so much moved that
    the fields themselves say little. `code` are the sections whose functions were compared,
    `instead` beginnings of kinds of which `differences` tell all that there is.
    """

    patches: tuple[Patch, ...] = ()
    layout: str = ""
    differences: tuple[Difference, ...] = ()
    facts: tuple[Difference, ...] = ()
    code: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    total: bool = False  # whether the map is total, whatever the policy says of it


def compare_images(settings: Settings, request: ImagesRequest) -> ImagesAnswer:
    """Map two images onto each other; patches where the map is total and a rule allows it."""
    images = request.images
    shipped, rebuilt = content.view(request.shipped), content.view(request.rebuilt)
    large = max(len(shipped), len(rebuilt)) > limits.IMAGES_LARGE
    try:
        with more_memory() if large else nullcontext():
            judged = _at_another_base(request, shipped, rebuilt) or _judged(
                request, shipped, rebuilt
            )
    except VerifierError as error:
        return ImagesAnswer(notes=(f"Its functions were not compared: {error}",))
    parameters = {
        "faults": str(judged.faults),
        "assumptions": str(judged.assumptions),
        "extents": str(judged.extents),
        "choices": str(len(judged.map) * 3 // 4),
    }
    kind = formats.named(images.format)
    answer = settle_alone(
        ruleset.load(), settings.policy, kind.rules, FIELD, shipped, rebuilt, parameters
    )
    notes = judged.notes
    if not isinstance(answer, Refused):
        return ImagesAnswer(
            _patches(images.open, answer, judged.gaps), judged.map, notes=notes, total=True
        )
    if not judged.faults:
        told = Difference(answer.kind, FIELD, answer.reason)
        return ImagesAnswer(differences=(told,), notes=notes, total=True)
    return judged.told._replace(notes=notes)


class _Judged(NamedTuple):
    """What is known of a map; `told` is what to say where it is not total."""

    map: str
    extents: int
    notes: tuple[str, ...]
    faults: int = 0
    assumptions: int = 0
    gaps: tuple[tuple[int, int], ...] = ()
    told: ImagesAnswer = ImagesAnswer()


def _at_another_base(request: ImagesRequest, shipped: Buffer, rebuilt: Buffer) -> _Judged | None:
    """The map of a PE image that differs by its base alone; None for all others."""
    from verifier.semantic.layout import encode, rebased  # noqa: PLC0415 - only where programs differ

    if request.images.format != "pe":
        return None
    found = rebased.find(shipped, rebuilt, *_settled(request.settled))
    if found is None:
        return None
    notes = (rebased.NOTE, *(f"Assumed: {item}" for item in found.assumptions))
    text = encode.encode(found.extents)
    return _Judged(text, len(found.extents), notes, assumptions=len(found.assumptions))


def _judged(request: ImagesRequest, shipped: Buffer, rebuilt: Buffer) -> _Judged:
    """The map that reading all code finds."""
    from verifier.semantic.layout import encode  # noqa: PLC0415 - only where programs differ
    from verifier.semantic.layout.explain import explain  # noqa: PLC0415 - as above

    images = request.images
    found = explain(images.format, shipped, rebuilt, request.settled, images.open)
    return _Judged(
        encode.encode(found.extents),
        len(found.extents),
        found.notes,
        len(found.finding.faults),
        len(found.finding.assumptions),
        found.finding.gaps,
        ImagesAnswer((), "", found.differences, found.facts, found.code, found.instead),
    )


def _settled(places: tuple[Place, ...]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(offset, length) of what rules have settled, in the shipped and in the rebuilt file."""
    return (
        [(place.offset, place.length) for place in places],
        [(place.rebuilt_offset, place.rebuilt_length) for place in places],
    )


def _patches(
    places: tuple[Place, ...], settled: Settled, gaps: tuple[tuple[int, int], ...]
) -> tuple[Patch, ...]:
    """One patch for each open place.

    Fields of headers follow from where things are laid out, which a vendor may choose: all of
    them is free, as is padding. The largest place carries what the map itself could say.
    """
    rule, accepted = settled
    largest = max(range(len(places)), key=lambda index: places[index].length)
    return tuple(
        Patch(
            rule=rule.id,
            strength=rule.strength,
            field=place.name,
            offset=place.offset,
            length=place.length,
            rebuilt_offset=place.rebuilt_offset,
            rebuilt_length=place.rebuilt_length,
            data=b"",
            evidence=accepted.evidence,
            free=_free(accepted.free if index == largest else (), place, gaps),
            codec=CODEC,
        )
        for index, place in enumerate(places)
    )


def _free(
    choices: tuple[Range, ...], place: Place, gaps: tuple[tuple[int, int], ...]
) -> tuple[Range, ...]:
    """Ranges within a place, disjoint; the choices of the map are on what is not padding."""
    if 0 < place.length <= _FIELD_BYTES:
        return (Range(0, place.length, "where things are laid out"),)
    found = []
    for offset, length in gaps:
        start = max(offset, place.offset) - place.offset
        end = min(offset + length, place.offset + place.length) - place.offset
        if start < end:
            found.append(Range(start, end - start, "padding between things that moved"))
    return (*_outside(choices, sorted(found), place.length), *sorted(found))


def _outside(choices: tuple[Range, ...], taken: list[Range], size: int) -> tuple[Range, ...]:
    """As many bytes as the choices have, from the start on, that no taken range holds."""
    left = sum(item.length for item in choices)
    found: list[Range] = []
    at = 0
    for item in [*taken, Range(size, 0)]:
        length = min(item.offset - at, left)
        if length > 0:
            found.append(Range(at, length, choices[0].reason))
            left -= length
        at = item.offset + item.length
    return tuple(found)
