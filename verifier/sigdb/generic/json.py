"""JSON (RFC 8259): keys once, numbers as they are written, nothing but UTF-8."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from verifier.errors import ParseError
from verifier.sigdb import sniff
from verifier.sigdb.base import Family, Record
from verifier.sigdb.generic import rows, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import File, Options


class _Number(str):
    """The text of a number, which is told from a string of the same text."""

    __slots__ = ()


def records(file: File, options: Options) -> Iterator[Record]:
    """Every record; ParseError for a key that stands twice, or what is no JSON."""
    plan = rows.Plan.of(options)
    try:
        document = _leaf(
            json.loads(
                bytes(file.data).decode(),
                object_pairs_hook=_once,
                parse_int=_Number,
                parse_float=_Number,
                parse_constant=_refused,
            )
        )
    except UnicodeError as error:
        raise ParseError(f"A JSON document that is not Unicode: {error}") from error
    except json.JSONDecodeError as error:
        raise ParseError(f"No JSON: {error.msg}", error.pos) from error
    except RecursionError:
        raise ParseError("A JSON document nested too deep") from None
    return rows.limited(tree.records(document, plan, file.path))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        key.encode()  # half a surrogate pair is no text
        if key in found:
            raise ParseError(f"A JSON object that has the key {key[:80]!r} twice")
        found[key] = _leaf(value)
    return found


def _refused(name: str) -> NoReturn:
    raise ParseError(f"{name} is no JSON number")


def _leaf(value: Any) -> Any:
    """Leaves as texts; the parts of lists too, which no hook sees."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, str):
        value.encode()
        return rows.quoted(value)
    if isinstance(value, list):
        return [_leaf(item) for item in value]
    if isinstance(value, dict):
        return value
    return "null" if value is None else "true" if value else "false"


FAMILY = Family(
    name="json",
    accepts=sniff.nothing,
    records=records,
    effective=rows.effective(records),
    together="file",
    volatile=("blanks, order of keys, order of declared records, escapes in texts",),
)
