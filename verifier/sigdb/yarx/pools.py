"""What numbers in compiled YARA-X rules stand for; what nothing leads to is told as well."""

from __future__ import annotations

import hashlib
from typing import Generic, NamedTuple, TypeVar

from verifier.errors import ParseError

T = TypeVar("T")
_SHOWN = 300  # bytes of a text


class Pool(Generic[T]):
    """Things that are named by their number."""

    def __init__(self, what: str, items: dict[int, T]) -> None:
        self._what = what
        self._items = items
        self._used: set[int] = set()

    def get(self, number: int) -> T:
        """The thing of that number, which then counts as used."""
        if number not in self._items:
            raise ParseError(f"There is no {self._what} of number {number}")
        self._used.add(number)
        return self._items[number]

    def unused(self) -> list[str]:
        """What nothing has asked for, as text."""
        return sorted(str(item) for at, item in self._items.items() if at not in self._used)


def listed(what: str, items: list[T]) -> Pool[T]:
    """A pool whose numbers are the places in a list."""
    return Pool(what, dict(enumerate(items)))


def shown(text: bytes) -> str:
    """A text as Python writes bytes; a long one as what it starts with and its digest."""
    if len(text) <= _SHOWN:
        return repr(text)
    digest = hashlib.sha256(text).hexdigest()
    return f"{text[:_SHOWN]!r}… {len(text)} bytes, sha256 {digest}"


class Pools(NamedTuple):
    """All that conditions may name, as text; `rules` are written `namespace:rule`."""

    texts: Pool[str]
    regexes: Pool[str]
    text_sets: Pool[str]
    regex_sets: Pool[str]
    fields: Pool[str]  # of the outermost structure: modules and variables
    rules: list[str]
