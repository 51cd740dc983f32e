"""Who builds: the caller, or a user without rights or files when the caller is root."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from verifier.errors import BuildError

# In systemd's range for short-lived users, which no distribution gives to anyone else.
BUILD_UID = 61_747


def build_uid() -> int:
    """The real user id of build processes, outside every namespace."""
    return BUILD_UID if os.geteuid() == 0 else os.geteuid()


def give(path: Path, uid: int) -> None:
    """Make a tree the build user's own; links are not followed."""
    if os.geteuid() != 0:
        return
    os.lchown(path, uid, uid)
    for directory, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.lchown(Path(directory) / name, uid, uid)


def check_reachable(path: Path, uid: int) -> None:
    """Refuse a path below a directory that the build user may not enter.

    Raises:
        BuildError: names the closed directory and the way out.
    """
    for parent in path.resolve().parents:
        found = parent.stat()
        enter = stat.S_IXGRP if found.st_gid == uid else stat.S_IXOTH
        enter = stat.S_IXUSR if found.st_uid == uid else enter
        if not found.st_mode & enter and os.geteuid() in (0, uid):
            raise BuildError(
                f"The build user cannot enter {parent}, where {path.name} lies; set "
                "VERIFIER_CACHE to a directory that everyone can enter, such as /var/cache/…"
            )


def as_user(uid: int, *, die: bool = False) -> list[str]:
    """Leave root for good; a user stays who they are. `die`: with the process that starts it."""
    user = ["--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if os.geteuid() == 0 else []
    end = ["--pdeathsig", "KILL"] if die else []
    return ["setpriv", *end, *user] if user or end else []
