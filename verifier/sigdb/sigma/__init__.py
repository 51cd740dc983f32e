"""Sigma rules, correlations and filters by their id.

Source: the Sigma specification 2.1. Values of a list in `detection` are
alternatives (with `|all`: all of them), so that their order means nothing;
elsewhere it is kept. What a reader may show but never acts upon is left out;
a key that the specification does not know stays in the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verifier.errors import ParseError
from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, Record
from verifier.sigdb.sigma import yamltree
from verifier.sigdb.sigma.weakening import CLASSES, weakening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import File, Options

_DOCUMENTATION = frozenset({
    "title", "id", "description", "author", "date", "modified", "references", "tags",
    "falsepositives", "related", "license",
})  # fmt: skip
# The key that makes a document what it is, and what it does then.
_KINDS = {
    "filter": Effect.ALLOW,  # it takes matches from the rules that it names
    "correlation": Effect.DETECT,
    "detection": Effect.DETECT,
}


def records(file: File, _options: Options) -> Iterator[Record]:
    """One record for each document of a file; ParseError for one that is no Sigma."""
    for document in yamltree.documents(file.data):
        if not isinstance(document, dict):
            raise ParseError("A YAML document that is no map")
        kind = next((name for name in _KINDS if name in document), "")
        if not kind or "action" in document:
            # `action` copies keys from one document to the next, which was given up.
            raise ParseError("A YAML document that is no rule, correlation or filter of Sigma")
        name = _text(document.get("id") or document.get("title"))
        scope = "rule" if kind == "detection" else kind
        yield Record(scope, name, tuple(_body(document)), _KINDS[kind], (file.path, 0, 0))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ParseError("A Sigma document without an id or title")
    return value.strip('"').removeprefix("plain ")


def _body(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in sorted(document.items()):
        if key in _DOCUMENTATION:
            continue
        if key == "detection":
            yield from _detection(value)
        elif isinstance(value, dict) and value:
            yield from ((f"{key}.{name}", _shown(value[name])) for name in sorted(value))
        else:
            yield key, _shown(value)


def _detection(detection: Any) -> Iterator[tuple[str, str]]:
    """The condition, then each field of each search."""
    if not isinstance(detection, dict) or "condition" not in detection:
        raise ParseError("A Sigma rule without a condition")
    for name in ("condition", *sorted(set(detection) - {"condition"})):
        search = detection[name]
        if isinstance(search, dict) and search:
            yield from (
                (f"detection.{name}.{field}", _shown(search[field], ordered=False))
                for field in sorted(search)
            )
        else:
            yield f"detection.{name}", _shown(search, ordered=False)


def _shown(value: Any, *, ordered: bool = True) -> str:
    """One text for a tree, whose depth is limited by its reader."""
    if isinstance(value, dict):
        parts = (f"{key!r}: {_shown(value[key], ordered=ordered)}" for key in sorted(value))
        return f"{{{', '.join(parts)}}}"
    if isinstance(value, list):
        items = [_shown(item, ordered=ordered) for item in value]
        return f"[{', '.join(items if ordered else sorted(items))}]"
    return str(value)


FAMILY = Family(
    name="sigma",
    accepts=sniff.sigma,
    records=records,
    weakening=weakening,
    classes=CLASSES,
    volatile=(
        "comments, layout and quotes of YAML, order of keys, documents and files",
        "order of values and searches in detection",
        "title, description, author, date, modified, references, tags",
        "falsepositives, related, license",
    ),
)
