"""The directories that one build owns, closed to other users of this machine."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from verifier.rebuild.sandbox import Room
from verifier.rebuild.user import build_uid, give

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from verifier.rebuild.log import Log
    from verifier.rebuild.root import Root
    from verifier.source.cache import Cache
    from verifier.spec import Sandbox


@contextlib.contextmanager
def open_room(
    settings: Sandbox,
    root: Root | None,
    cache: Cache,
    build_path: str,
    log: Log,
    lay: Callable[[Room], None] = lambda _room: None,
) -> Iterator[Room]:
    """A room in the cache's scratch, removed afterwards; `lay` fills it before it is given away."""
    with cache.scratch() as work:
        uid = build_uid()
        work.chmod(0o711)  # podman's own directories lie here, and it wants them reachable
        closed = work / "closed"
        closed.mkdir(mode=0o700)
        _close(closed, uid)
        tree, home, sources = (closed / name for name in ("tree", "home", "sources"))
        for path in (tree, home, sources):
            path.mkdir(mode=0o755)
        room = Room(settings, root, work, tree, home, sources, build_path, uid, log)
        lay(room)
        if settings.kind != "host":
            give(room.tree, uid)
            give(room.home, uid)
        yield room


def _close(path: Path, uid: int) -> None:
    """The build user passes through and sees nothing else; other users stay out.

    They could otherwise start what a build leaves setuid, as the build user.
    """
    if os.geteuid() == 0:  # a user's is closed as it was made
        os.chown(path, -1, uid)
        path.chmod(0o710)
