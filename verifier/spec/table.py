"""Typed reading of one TOML table: every key is asked for by name, and what is left is an error."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import TYPE_CHECKING, Any, TypeVar

from verifier.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_NAMES = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+)\s*([KMGT]?)(?:iB)?")


class Table:
    """One table of a specification; `where` is its key's path, for errors."""

    def __init__(self, data: dict[str, Any], file: Path, where: str = "") -> None:
        self.file = file
        self.where = where
        self._data = data
        self._asked: list[str] = []

    def key(self, name: str) -> str:
        """The path of a key, as in sandbox.limits.memory."""
        return f"{self.where}.{name}" if self.where else name

    def error(self, name: str, text: str) -> UsageError:
        """An error about one key, to raise."""
        return UsageError(f"{self.file}: {self.key(name)} {text}.")

    def has(self, name: str) -> bool:
        """Whether the key is given; asking makes it a known one."""
        self._asked.append(name)
        return name in self._data

    def get(self, name: str, kind: type[T], default: T | None = None) -> T:
        """The value of a key, of exactly that type; required when there is no default."""
        value = self.optional(name, kind)
        if value is not None:
            return value
        if default is None:
            raise self.error(name, f"is missing; it is {_NAMES.get(kind, kind.__name__)}")
        return default

    def optional(self, name: str, kind: type[T]) -> T | None:
        """The value of a key, or None when it is not given."""
        if not self.has(name):
            return None
        value = self._data[name]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:  # a bool is an int to isinstance, and a mistake here
            raise self.error(name, f"must be {_NAMES.get(kind, kind.__name__)}, not {value!r}")
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """A string that is one of `choices`."""
        value = self.get(name, str, default)
        if value not in choices:
            raise self.error(name, f"is {value!r}, which is none of {', '.join(choices)}")
        return value

    def strings(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(self.items(name, self._string, default))

    def items(
        self, name: str, read: Callable[[str, Any], T], default: tuple[T, ...] | None = None
    ) -> tuple[T, ...]:
        """A list whose items `read(name, item)` turns into what is wanted."""
        if not self.has(name):
            if default is None:
                raise self.error(name, "is missing; it is a list")
            return default
        value = self._data[name]
        if not isinstance(value, list):
            raise self.error(name, f"must be a list, not {value!r}")
        return tuple(read(f"{name}[{place}]", item) for place, item in enumerate(value))

    def _string(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise self.error(name, f"must be a string, not {value!r}")
        return value

    def variables(self, name: str) -> tuple[tuple[str, str], ...]:
        """A table of strings, sorted; for environment variables."""
        if not self.has(name):
            return ()
        value = self._data[name]
        if not isinstance(value, dict):
            raise self.error(name, f"must be a table of strings, not {value!r}")
        pairs = ((key, self._string(f"{name}.{key}", text)) for key, text in value.items())
        return tuple(sorted(pairs))

    def size(self, name: str, default: int) -> int:
        """Bytes: a positive integer, or a text such as "512 MiB" or "4G"."""
        if not self.has(name):
            return default
        value = self._data[name]
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        number = int(match[1]) * _UNITS[match[2]] if match else value
        if type(number) is not int or number <= 0:
            raise self.error(name, f'must be a size such as 4096 or "512 MiB", not {value!r}')
        return number

    def positive(self, name: str, default: T) -> T:
        """A number above zero, of the default's type."""
        value = self.get(name, type(default), default)
        if not value > 0:  # type: ignore[operator]
            raise self.error(name, f"must be above zero, not {value!r}")
        return value

    def sha256(self, name: str) -> str:
        """A SHA-256 as 64 hexadecimal digits, colons allowed; lower case comes back."""
        text = self.get(name, str).replace(":", "").lower()
        if not re.fullmatch("[0-9a-f]{64}", text):
            raise self.error(name, "must be a SHA-256 of 64 hexadecimal digits")
        return text

    def date(self, name: str) -> dt.date:
        """A day: a TOML date, or a string such as "2026-12-31"."""
        value = self._data.get(name)
        if not self.has(name):
            raise self.error(name, "is missing; it is a date such as 2026-12-31")
        if isinstance(value, str):
            try:
                value = dt.date.fromisoformat(value)
            except ValueError:
                raise self.error(name, f"is {value!r}, which is no date") from None
        if type(value) is not dt.date:  # a date-time is a date to isinstance
            raise self.error(name, f"must be a date such as 2026-12-31, not {value!r}")
        return value

    def raw(self, name: str) -> object:
        """The value as it stands, None when it is not given; the caller checks it."""
        return self._data[name] if self.has(name) else None

    def child(self, name: str, *, required: bool = False) -> Table:
        """A table inside this one; an empty one stands for a missing one."""
        if not self.has(name) and required:
            raise self.error(name, "is missing; it is a table")
        value = self._data.get(name, {})
        if not isinstance(value, dict):
            raise self.error(name, f"must be a table, not {value!r}")
        return Table(value, self.file, self.key(name))

    def children(self, name: str) -> list[Table]:
        """The tables of an array of tables, perhaps none."""
        value = self._data.get(name, []) if self.has(name) else []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(name, f"must be tables, each headed [[{name}]]")
        return [Table(item, self.file, f"{self.key(name)}[{n}]") for n, item in enumerate(value)]

    def finish(self) -> None:
        """Refuse the keys that nobody asked for, naming the nearest known one."""
        for name in self._data:
            if name in self._asked:
                continue
            near = difflib.get_close_matches(name, self._asked, 1, 0.5)
            known = sorted(set(self._asked))
            hint = f"did you mean {self.key(near[0])}?" if near else f"known: {', '.join(known)}."
            raise UsageError(f"{self.file}: {self.key(name)} is not a known key; {hint}")
