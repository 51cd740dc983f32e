"""All files of one family on one side of a comparison, wherever they are packed.

Members are found through the same layouts, and get the same paths, as in the
comparison of bytes, so that a change is told of the member it belongs to. What
that comparison has unpacked already is not unpacked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import content, formats, limits, names, sigdb
from verifier.errors import LimitError
from verifier.formats import raw, records
from verifier.model import Database, Pair, Ref, Span
from verifier.sigdb.base import File
from verifier.unpack import decode_child

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.content import Buffer
    from verifier.formats.base import Format

DATABASES = frozenset({"cvd", "clamav-tar"})  # containers that an engine loads by themselves

_KNOWN = "known"  # what a payload is stored as, where it was unpacked before


class Source(NamedTuple):
    """A compared file as it stands outside of all containers, or one that a side lacks (None).

    `prefix`, `ancestors` and `role` are those of its pair.
    """

    path: str
    shipped: Ref | None
    rebuilt: Ref | None
    prefix: str = ""
    ancestors: tuple[str, ...] = ()
    role: str = ""

    def side(self, *, shipped: bool) -> Pair | None:
        """The pair of this file with itself; None where the side has none."""
        ref = self.shipped if shipped else self.rebuilt
        if ref is None:
            return None
        return Pair(self.path, ref, ref, self.prefix, self.ancestors, self.role)


class Opened(NamedTuple):
    """A pair inside of which something is of interest: both sides as they were compared."""

    path: str
    shipped: Ref
    rebuilt: Ref


def by_folder(files: Sequence[File]) -> dict[str, list[File]]:
    """The files by the folder that they, or the databases that hold them, lie in."""
    found: dict[str, list[File]] = {}
    for file in files:
        place = file.path.rpartition("!/")[0] if file.container in DATABASES else file.path
        found.setdefault(place.rpartition("/")[0], []).append(file)
    return found


class Collector:
    """Finds the files of `family` in one side of what is compared.

    `opened` are the containers that hold something of interest, at any depth; others
    are passed over, unless they are databases by themselves. Streams that nobody has
    decoded yet are decoded into `work`.
    """

    def __init__(
        self, family: str, databases: Sequence[Database], opened: Sequence[Opened], work: str
    ) -> None:
        self._family = family
        self._databases = databases
        self._opened = {item.path: item for item in opened}
        self._work = work

    def files(self, sources: Sequence[Source], *, shipped: bool) -> list[File]:
        """All files, in the order of `sources` and of the containers' own members.

        Raises:
            ParseError: a container on the way is not well-formed.
            LimitError: containers nest too deeply, or unpack to too much.
        """
        found: list[File] = []
        for source in sources:
            pair = source.side(shipped=shipped)
            if pair is not None:
                found.extend(self._walk(pair, shipped=shipped))
        return found

    def _walk(self, pair: Pair, *, shipped: bool) -> Iterator[File]:
        data = content.view(pair.shipped)
        kind = formats.of_member(pair, data)
        if self._belongs(pair, kind):
            yield File(pair.path, sigdb.file_name(pair.path), data, _container(pair))
            return
        if not kind.container or not (pair.path in self._opened or kind.name in DATABASES):
            return
        if len(pair.ancestors) >= limits.DEPTH:
            raise LimitError(f"Containers nest deeper than {limits.DEPTH}; the rest is not opened.")
        for span in self._members(pair, kind, data):
            yield from self._walk(self._child(pair, kind, span, shipped), shipped=shipped)

    def _members(self, pair: Pair, kind: Format, data: Buffer) -> list[Span]:
        """The spans that hold members.

        A database holds its payload and nothing else. Where that was compared, both
        files were laid out and unpacked: its place is of no interest any more.
        """
        path = names.child_path(pair, names.PAYLOAD)
        if kind.name == "cvd" and pair.path in self._opened and path in self._opened:
            return [Span(_KNOWN, 0, len(data), _KNOWN, names.PAYLOAD, _KNOWN)]
        return [span for span in kind.layout(data).spans if span.member]

    def _child(self, pair: Pair, kind: Format, span: Span, shipped: bool) -> Pair:
        path = names.child_path(pair, span.member)
        ref = Ref(pair.shipped.path, pair.shipped.offset + span.offset, span.length)
        if span.codec != "stored":
            known = self._opened.get(path)
            if known is not None:
                ref = known.shipped if shipped else known.rebuilt
            else:
                ref = decode_child(span.codec, ref, self._work)
        return Pair(
            path,
            ref,
            ref,
            names.child_prefix(pair, span.member),
            (*pair.ancestors, kind.name),
            formats.role_in(pair, kind, span.member),
        )

    def _belongs(self, pair: Pair, kind: Format) -> bool:
        if records.holds(kind):
            return kind.name == self._family
        if kind is not raw.FORMAT:
            return False
        sides = (content.view(pair.shipped),)
        return sigdb.family_at(self._databases, pair.path, sides) == self._family


def _container(pair: Pair) -> str:
    """The database container around a file (`cvd`), or the format of the archive it lies in."""
    around = pair.ancestors[-1] if pair.ancestors else ""
    return next((each for each in pair.ancestors if each in DATABASES), around)
