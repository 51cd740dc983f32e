"""Files beside a compared file on this machine: debug files, PDBs. Looked up only when asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache

from verifier.model import Ref

_FOLDERS = ("", ".debug")


class Beside(Mapping[str, Ref]):
    """The regular files next to `path` and in its `.debug` folder, by their relative names."""

    def __init__(self, path: str) -> None:
        self._folder = os.path.dirname(path)  # noqa: PTH120 - pathlib costs start-up time
        self._own = os.path.basename(path)  # noqa: PTH119

    def __getitem__(self, name: str) -> Ref:
        path = os.path.join(self._folder, name)  # noqa: PTH118
        try:
            return Ref(path, 0, os.stat(path).st_size)  # noqa: PTH116
        except OSError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return (name for name in _names(self._folder) if name != self._own)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=8)
def _names(folder: str) -> tuple[str, ...]:
    found = []
    for inner in _FOLDERS:
        try:
            entries = list(os.scandir(os.path.join(folder, inner)))  # noqa: PTH118
        except OSError:
            continue
        found += [
            f"{inner}/{entry.name}" if inner else entry.name
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        ]
    return tuple(sorted(found))
