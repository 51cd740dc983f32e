"""YAML documents as trees of texts, from the part of YAML that all its readers agree on.

Anchors, aliases, tags, merge keys, directives and keys that are no plain text
are refused, and so is a key that stands twice. A scalar without quotes that
YAML 1.1 or 1.2 could take for a number, truth value, date or nothing is told
from a text; one that both take for a text equals its quoted form.
Source: YAML 1.1 and 1.2.2; the events of PyYAML (libyaml where it is built in).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from verifier import limits
from verifier.errors import LimitError, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer

_LARGEST = 4 * limits.MIB
_DEPTH = 32
_NODES = 200_000
# Line breaks of YAML 1.1 alone, byte order marks, controls; tabs that could be indentation.
_DISPUTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]|^ *\t", re.MULTILINE)
_WORDS = frozenset({
    "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "+.inf", "-.inf",
    ".nan", "=", "<<",
})  # fmt: skip
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_.,:eExXoOa-fA-F+-]*|\.[0-9].*|0[xob].*)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*")


class _Open:
    """A list or map that is being read; `key` is the one whose value comes next."""

    __slots__ = ("items", "key", "mapping")

    def __init__(self, mapping: bool) -> None:
        self.mapping = mapping
        self.items: Any = {} if mapping else []
        self.key: str | None = None


def documents(data: Buffer) -> Iterator[Any]:
    """The documents of a file: dicts, lists, and leaves as JSON texts or `plain` words.

    Raises:
        ParseError: no YAML, or a construct that readers take differently.
        LimitError: too large, too deep.
    """
    import yaml  # noqa: PLC0415 - few runs meet such a file

    if len(data) > _LARGEST:
        raise LimitError(f"A YAML file of more than {_LARGEST} bytes.")
    try:
        text = bytes(data).decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ParseError("A YAML file that is not UTF-8", error.start) from error
    found = _DISPUTED.search(text)
    if found:
        raise ParseError("A character that YAML readers take differently", found.start())
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from _composed(yaml, yaml.parse(text, Loader=loader))
    except yaml.YAMLError as error:
        raise ParseError(f"No YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError:
        raise ParseError("A YAML file nested too deep") from None


def _composed(yaml: Any, events: Any) -> Iterator[Any]:
    pending: list[_Open] = []
    for number, event in enumerate(events):
        at = event.start_mark.index
        if number > _NODES or len(pending) > _DEPTH:
            raise LimitError(f"A YAML file of more than {_NODES} parts, or {_DEPTH} deep.")
        _refuse(yaml, event, at)
        if isinstance(event, yaml.CollectionStartEvent):
            pending.append(_Open(isinstance(event, yaml.MappingStartEvent)))
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            node = pending.pop().items
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        elif pending and pending[-1].mapping and pending[-1].key is None:
            pending[-1].key = _key(event, pending[-1].items, at)
            continue
        else:
            node = _leaf(event)
        if not pending:
            yield node
        else:
            _add(pending[-1], node, at)


def _refuse(yaml: Any, event: Any, at: int) -> None:
    """ParseError for what readers of YAML take differently, or what could grow."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise ParseError("An anchor or alias in a YAML file", at)
    if getattr(event, "tags", None) or getattr(event, "version", None):
        raise ParseError("A directive in a YAML file", at)
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise ParseError(f"The tag {tag[:40]!r} in a YAML file", at)


def _key(event: Any, known: dict[str, Any], at: int) -> str:
    key = str(event.value)
    if key == "<<" or "\n" in key or (not event.style and not _surely_text(key)):
        raise ParseError(f"A YAML key that is no plain text: {key[:40]!r}", at)
    if key in known:
        raise ParseError(f"A YAML map that has the key {key[:80]!r} twice", at)
    return key


def _add(around: _Open, node: Any, at: int) -> None:
    if not around.mapping:
        around.items.append(node)
    elif around.key is None:
        raise ParseError("A YAML key that is a list or map", at)
    else:
        around.items[around.key] = node
        around.key = None


def _leaf(event: Any) -> str:
    """A text in quotes; what some reader takes for something else as it is written."""
    value = str(event.value)
    if not event.style and not _surely_text(value):
        return f"plain {value}"
    return json.dumps(value, ensure_ascii=False)


def _surely_text(value: str) -> bool:
    lower = value.lower()
    return not (not value or lower in _WORDS or _NUMBER.fullmatch(value) or _DATE.fullmatch(value))
