"""The data of a page: JSON in base64, in blocks that the page decodes when it needs them.

Texts are already harmless (`plain`) and stand once in each block; base64 holds nothing that
could end the element around it.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from verifier import limits
from verifier.model import Verdict
from verifier.report.page import bytemap, tree
from verifier.report.plain import lines as lines_of
from verifier.report.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.model import Difference, FileFacts, Member, Patch, Report, Signer

BLOCK = 64  # members decoded together
_HEX = 64  # patched bytes that are shown, where the report has them
_VERDICTS = tuple(Verdict)


def visible(text: str) -> str:
    """A text of a file in one line of printable characters."""
    return text if len(text) < limits.TEXT and text.isprintable() else plain(text)


def _long(text: str) -> str:
    return "\n".join(lines_of(text, limits.PAGE_DETAIL))


class _Texts:
    """Texts by their number, each once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, bool], int] = {}
        self._shown: list[str] = []

    def __call__(self, text: str, *, lines: bool = False) -> int:
        number = self._numbers.get((text, lines))
        if number is None:
            number = self._numbers[text, lines] = len(self._shown)
            self._shown.append(_long(text) if lines else visible(text))
        return number

    def all(self) -> list[str]:
        return self._shown


def islands(report: Report) -> Iterator[tuple[str, str]]:
    """(name, base64) of the index, then of each block of members."""
    members = report.members
    parents = tree.parents(members)
    yield "index", _packed(_index(report, parents))
    kinds = bytemap.notable(members, parents)
    children: dict[int, list[tuple[int, Member]]] = {}
    for number, parent in enumerate(parents):
        children.setdefault(parent, []).append((number, members[number]))
    for start in range(0, len(members), BLOCK):
        texts = _Texts()
        found = [
            _member(member, texts, bytemap.of(member, children.get(number, ()), kinds))
            for number, member in enumerate(members[start : start + BLOCK], start)
        ]
        yield f"block-{start // BLOCK}", _packed({"texts": texts.all(), "members": found})


def _packed(data: Any) -> str:
    """ASCII alone, so that base64 needs no care for lone surrogates."""
    return base64.b64encode(json.dumps(data, separators=(",", ":")).encode("ascii")).decode("ascii")


def _index(report: Report, parents: Sequence[int]) -> dict[str, Any]:
    """What the tree, its filters and its search need of all members; columns, not objects."""
    members = report.members
    marks = _Texts()
    formats = _Texts()
    sides = [member.shipped or member.rebuilt for member in members]
    rows = tree.rows(members, parents)
    return {
        "verdicts": [verdict.value for verdict in Verdict],
        "classes": bytemap.CLASSES,
        "block": BLOCK,
        "path": [visible(member.path) for member in members],
        "parent": parents,
        "verdict": [_VERDICTS.index(member.verdict) for member in members],
        "format": [formats(side.format if side else "") for side in sides],
        "size": [side.size if side else 0 for side in sides],
        "differences": [len(member.differences) for member in members],
        "problems": [len(member.problems) for member in members],
        "patches": [len(member.patches) for member in members],
        "free": [sum(patch.free_bytes for patch in member.patches) for member in members],
        "weaker": [sum(bool(each.weakening) for each in member.differences) for member in members],
        "marks": [sorted({marks(text) for text in _marks(member)}) for member in members],
        "formats": formats.all(),
        "mark": marks.all(),
        "rows": [
            [row.depth, visible(row.label), row.member, _VERDICTS.index(row.verdict)]
            for row in rows
        ],
    }


def _marks(member: Member) -> Iterator[str]:
    """What a member is found by beside its path: kinds, rules and what weakens."""
    for difference in member.differences:
        yield difference.kind
        if difference.weakening:
            yield difference.weakening
    for patch in member.patches:
        yield patch.rule
        yield patch.strength.value
    for problem in member.problems:
        yield problem.kind
    if member.signers:
        yield "signed"


def _member(member: Member, texts: _Texts, drawn: bytemap.Map) -> dict[str, Any]:
    data: dict[str, Any] = {
        "files": [_facts(member.shipped, texts), _facts(member.rebuilt, texts)],
        "base": drawn.base,
        "map": [_piece(piece, member) for piece in drawn.pieces],
        "patches": [_patch(patch, texts) for patch in member.patches],
        "differences": [_difference(each, texts) for each in member.differences],
        "problems": [
            [texts(each.kind), texts(each.where), texts(each.summary)] for each in member.problems
        ],
        "signers": [_signer(signer) for signer in member.signers],
        "notes": [texts(note) for note in member.notes],
        "narration": texts(member.narration, lines=True) if member.narration else -1,
        "summary": texts(member.summary),
    }
    if member.within is not None:
        data["within"] = [*member.within[1:3], texts(member.within.codec)]
    return data


def _facts(facts: FileFacts | None, texts: _Texts) -> list[Any] | None:
    return None if facts is None else [visible(facts.sha256), facts.size, texts(facts.format)]


def _piece(piece: bytemap.Piece, member: Member) -> int | list[int]:
    """A whole patch by its number alone; anything else in full."""
    if piece.what is bytemap.What.PATCH:
        patch = member.patches[piece.number]
        if (piece.offset, piece.length) == (patch.offset, patch.length):
            return piece.number
    return list(piece)


def _patch(patch: Patch, texts: _Texts) -> list[Any]:
    """Offset and length of the rebuilt bytes as they differ; what is empty at the end is left."""
    row: list[Any] = [
        *(texts(patch.rule), bytemap.rank(patch.strength), texts(patch.field)),
        texts(patch.evidence),
        *(patch.offset, patch.length),
        *(patch.rebuilt_offset - patch.offset, patch.rebuilt_length - patch.length),
        [[item.offset, item.length, texts(item.reason)] for item in patch.free] or 0,
    ]
    if patch.codec or patch.encoder or patch.data:
        row += [texts(patch.codec), texts(patch.encoder), patch.data[:_HEX].hex()]
    return row


def _difference(each: Difference, texts: _Texts) -> list[Any]:
    words = (each.kind, each.where, each.summary, each.weakening)
    return [
        *(texts(word) for word in words),
        each.offset,
        each.length,
        texts(each.detail, lines=True),
    ]


def _signer(signer: Signer) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, value in signer._asdict().items():
        if isinstance(value, str):
            data[name] = visible(value)
        elif isinstance(value, tuple):
            data[name] = [visible(item) for item in value]
        else:
            data[name] = value
    return data
