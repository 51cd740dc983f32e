"""The class of a file that a build read, did not make, and that was not laid for it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from verifier.rebuild.inputs import bytecode
from verifier.rebuild.inputs.laid import digests
from verifier.rebuild.inputs.view import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from verifier.rebuild.inputs.packages import Owner, Packages
    from verifier.rebuild.inputs.view import View

SOURCE, PRODUCED, PINNED = "source", "produced", "pinned"
PACKAGE, ROOT, KERNEL, UNACCOUNTED = "package", "root", "kernel", "unaccounted"
CLASSES = (SOURCE, PRODUCED, PINNED, PACKAGE, ROOT, KERNEL, UNACCOUNTED)

LOADER_CACHE = "/etc/ld.so.cache"
NAME_SERVICES = "/etc/nsswitch.conf"
_MASTERS = {NAME_SERVICES: "/usr/share/libc-bin/nsswitch.conf"}
UNSEEN = "nothing that was recorded had made it"
_KERNEL = (
    "/proc", "/sys", "/dev/pts", "/dev/ptmx", "/dev/tty", "/dev/console",
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
)  # fmt: skip
# Where packages install files and their scripts make none: dpkg lists all that belongs there.
_LISTED = (
    "/usr/bin", "/usr/sbin", "/usr/include", "/usr/lib/gcc", "/usr/local", "/opt", "/home",
    "/root", "/srv", "/mnt", "/media",
)  # fmt: skip


class Decision(NamedTuple):
    """A class, the words for it, and what the file is; `package` is "NAME VERSION"."""

    name: str
    reason: str
    sha256: str = ""
    size: int = 0
    package: str = ""


class Judge(NamedTuple):
    """What files of a root are held against.

    `covered` says that a recorded digest of the whole root was checked before the build.
    `remake` makes a file of the root again where a program can, and says whether it is the same.
    `run` gives what a command printed in the sandbox; `compiled` are the compiled modules that were
    made again.
    """

    view: View
    packages: Packages
    covered: bool
    remake: Callable[[str], bool]
    run: Callable[[Sequence[str]], str] | None = None
    compiled: frozenset[str] = frozenset()

    def recompiled(self, paths: Iterable[str]) -> Judge:
        """This judge, which has the compiled modules among `paths` made again, all at once.

        By an interpreter and from sources that their packages list; where the digest of the root
        covers them, there is no need.
        """
        asked = [each for path in paths if (each := bytecode.module(path)) is not None]
        if self.covered or self.run is None or not asked:
            return self
        wanted = {path for each in asked for path in bytecode.needed(each)}
        self.packages.look_up(wanted)
        listed = {path for path in wanted if self._listed(path)}
        asked = [each for each in asked if listed.issuperset(bytecode.needed(each))]
        return self._replace(compiled=bytecode.remade(asked, self.run))

    def _listed(self, path: str) -> bool:
        found = self.decide(path)
        return found is not None and found.name == PACKAGE

    def decide(self, path: str) -> Decision | None:
        """The class of a path without links; None for a directory."""
        if any(within(path, top) for top in _KERNEL):
            return Decision(KERNEL, "of the kernel, and no file that is kept")
        host = self.view.host(path)
        if host is None or within(path, "/dev"):
            return Decision(UNACCOUNTED, UNSEEN)
        try:
            if stat.S_ISDIR(host.lstat().st_mode):
                return None
            sha256, md5, size = digests(host)
        except OSError:
            return Decision(UNACCOUNTED, "it was gone, or no plain file, when the build had ended")
        if path in self.view.own:
            return Decision(ROOT, "written by the verifier for the sandbox", sha256, size)
        decision = self._owned(path, md5) or self._again(path) or self._made(path, host)
        return decision._replace(sha256=sha256, size=size)

    def _owned(self, path: str, md5: str) -> Decision | None:
        """By the list of the package that has the file; None where no list has its digest."""
        listed = [owner for owner in self.packages.owners(path) if owner.md5]
        for owner in listed:
            if owner.md5 == md5:
                return Decision(PACKAGE, "as its package lists it", package=_named(owner))
        if listed:
            reason = f"differs from what its package {_named(listed[0])} lists"
            return Decision(UNACCOUNTED, reason)
        return None

    def _again(self, path: str) -> Decision | None:
        """A compiled module that its package's source gives again."""
        made = bytecode.module(path) if path in self.compiled else None
        if made is None:
            return None
        owner = self.packages.owners(made.source)[0]
        reason = f"{made.interpreter} makes it of {made.source} again"
        return Decision(PACKAGE, reason, package=_named(owner))

    def _made(self, path: str, host: Path) -> Decision:
        """What no package ships with a digest: made again where that can be done, or covered."""
        if path == LOADER_CACHE and not self.remake(path):
            return Decision(UNACCOUNTED, "is not what ldconfig makes of the libraries here")
        if path in _MASTERS:
            return self._by_master(path, host)
        if path == LOADER_CACHE:
            return Decision(ROOT, "as ldconfig makes it again")
        if self.covered and not any(within(path, top) for top in _LISTED):
            return Decision(ROOT, "made when the root was made, and covered by its digest")
        return Decision(UNACCOUNTED, "belongs to no package that lists its digest")

    def _by_master(self, path: str, host: Path) -> Decision:
        master = _MASTERS[path]
        at = self.view.host(master)
        try:
            wanted, md5, _ = digests(at) if at is not None else ("", "", 0)
            same = digests(host)[0] == wanted
        except OSError:
            same = False
        shipped = self._owned(master, md5)
        if not same or shipped is None or shipped.name != PACKAGE:
            return Decision(UNACCOUNTED, f"is no copy of {master}")
        return Decision(ROOT, f"a copy of {master}")


def _named(owner: Owner) -> str:
    return f"{owner.package} {owner.version}"
