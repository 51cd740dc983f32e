"""What a worker can be asked to do: JSON in, JSON out. The pipeline knows the order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import content, formats, ruleset, wire
from verifier.checks.base import Refused
from verifier.compare import compare_pair
from verifier.errors import UsageError, VerifierError
from verifier.model import (
    Member,
    Outcome,
    Pair,
    Patch,
    Problem,
    Ref,
    Settings,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class CompareRequest(NamedTuple):
    """Pairs to compare, and the shipped files that derived members speak of."""

    pairs: tuple[Pair, ...]
    siblings: dict[str, Ref]


class CompareAnswer(NamedTuple):
    """One outcome for each requested pair, in order."""

    outcomes: tuple[Outcome, ...]


class ReproduceRequest(NamedTuple):
    """A proven payload, and the shipped and rebuilt stream it came in.

    `container` is the format around the stream, a hint at who compressed it.
    """

    codec: str
    container: str
    field: str
    payload: Ref
    stream: Ref
    rebuilt: Ref


class StreamAnswer(NamedTuple):
    """The patch that settles a stream (its place is the caller's), or why there is none."""

    patch: Patch | None
    refused: tuple[tuple[str, str], ...] = ()  # kind and reason


class LaidOut(NamedTuple):
    """One span, and the rules that speak of its field."""

    name: str
    offset: int
    length: int
    field: str
    rules: tuple[str, ...]


class LayoutRequest(NamedTuple):
    """A file to cut into spans."""

    file: Ref


class LayoutAnswer(NamedTuple):
    """The spans in order, or the error that its format found."""

    format: str
    size: int
    spans: tuple[LaidOut, ...]
    error: str = ""


def inconclusive(pair: Pair, kind: str, summary: str) -> Outcome:
    """The outcome of a pair that could not be compared."""
    where = pair.path.rsplit("/", 1)[-1] or "file"
    problem = Problem(kind, where, summary)
    return Outcome(Member(pair.path, Verdict.INCONCLUSIVE, problems=(problem,)))


def compare(settings: Settings, request: CompareRequest) -> CompareAnswer:
    """Compare each pair; what one file does to the parser stays with that file."""
    outcomes = []
    for pair in request.pairs:
        try:
            outcomes.append(compare_pair(pair, settings, request.siblings))
        except UsageError:
            raise  # a faulty rule is nobody's difference
        except VerifierError as error:
            outcomes.append(inconclusive(pair, "limit", str(error)))
        except OSError as error:
            outcomes.append(inconclusive(pair, "unreadable", f"It cannot be read: {error}."))
    return CompareAnswer(tuple(outcomes))


def reproduce(settings: Settings, request: ReproduceRequest) -> StreamAnswer:
    """Compress a proven payload again; the strongest rule that this satisfies settles it."""
    from verifier.settle_stream import settle_stream  # noqa: PLC0415 - few runs need encoders
    from verifier.unpack import encoders  # noqa: PLC0415

    shipped, rebuilt = content.view(request.stream), content.view(request.rebuilt)
    encoder = None
    if request.payload.length <= settings.policy.reencode:
        encoder = encoders.reproduce(
            request.codec, request.payload, shipped, rebuilt, request.container
        )
    answer = settle_stream(
        ruleset.load(),
        settings.policy,
        formats.named(request.container).rules,
        request.field,
        shipped,
        rebuilt,
        encoder,
    )
    if isinstance(answer, Refused):
        return StreamAnswer(None, ((answer.kind, answer.reason),))
    rule, accepted = answer
    return StreamAnswer(
        Patch(
            *(rule.id, rule.strength, request.field, 0, len(shipped), 0, len(rebuilt), b""),
            accepted.evidence,
            accepted.free,
            codec=request.codec,
            encoder=encoder or "",
        )
    )


def layout(_settings: Settings, request: LayoutRequest) -> LayoutAnswer:
    """Cut one file."""
    data = content.view(request.file)
    kind = formats.sniff(data)
    try:
        cut = kind.layout(data)
    except VerifierError as error:
        return LayoutAnswer(kind.name, len(data), (), str(error))
    rules = ruleset.load()
    spans = tuple(
        LaidOut(
            *(span.name, span.offset, span.length, span.field),
            tuple(rule.id for rule in rules.for_field(kind.rules, span.field)),
        )
        for span in cut.spans
    )
    return LayoutAnswer(kind.name, len(data), spans)


STAGES: dict[str, tuple[type, Callable[..., object]]] = {
    "compare": (CompareRequest, compare),
    "layout": (LayoutRequest, layout),
    "reproduce": (ReproduceRequest, reproduce),
}


def find(name: str) -> tuple[type, Callable[..., object]]:
    """The request of the stage `name`, and what answers it."""
    if name == "meaning":
        from verifier import meaning  # noqa: PLC0415 - few runs meet databases

        return meaning.MeaningRequest, meaning.compare_records
    if name == "images":
        from verifier import images  # noqa: PLC0415 - only where programs differ

        return images.ImagesRequest, images.compare_images
    if name == "samples":
        from verifier import meaning, samples  # noqa: PLC0415 - only where asked for

        return meaning.MeaningRequest, samples.make
    if name == "release":
        from verifier import release  # noqa: PLC0415 - few runs meet updates

        return release.ReleaseRequest, release.verify
    return STAGES[name]


def serve(settings: Settings, name: str, request: bytes) -> bytes:
    """Run the stage `name` on a JSON request and return its JSON answer."""
    kind, function = find(name)
    return wire.dumps(function(settings, wire.loads(kind, request)))
