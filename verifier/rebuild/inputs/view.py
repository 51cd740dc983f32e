"""Where a path of the sandbox lies on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class View:
    """What a sandbox shows its steps.

    `mounts` are (path inside, path on this machine), None for what exists inside alone. All that
    lies under `known` is empty at first, or laid by the verifier. `own` are files that the
    verifier wrote for the sandbox. `root` is the file system below all mounts.
    """

    mounts: tuple[tuple[str, Path | None], ...]
    known: tuple[str, ...]
    own: tuple[str, ...]
    root: Path

    def host(self, path: str) -> Path | None:
        """This machine's path of an absolute path inside, None where there is none."""
        over = [item for item in self.mounts if within(path, item[0])]
        top, host = max(over, key=lambda item: len(item[0]), default=("", self.root))
        if host is None:
            return None
        rest = path[len(top) :].strip("/")
        return host / rest if rest else host

    def is_known(self, path: str) -> bool:
        """Whether the verifier knew all that lay there when the build began."""
        return any(within(path, top) for top in self.known)


def within(path: str, top: str) -> bool:
    """Whether an absolute path is `top` or lies below it."""
    return path == top or path.startswith(top.rstrip("/") + "/")
