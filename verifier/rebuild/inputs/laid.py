"""What lies in a sandbox before the build begins, held against what was audited.

A file is audited source when its digest is the one that the audit saw under its name; under
another name, when any audited file has it. What the specification pins by digest is pinned.
All else is odd: a file that was swapped between review and build, or came from nowhere.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier.rebuild.inputs.names import Audited, Link, Odd, Pinned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verifier.rebuild.inputs.names import Names
    from verifier.source import SourceFile
    from verifier.spec import Spec

_SHA256 = re.compile(r"[0-9a-f]{64}")
SWAPPED = "changed between the audit and the build: its digest is no longer the audited one"
STRANGE = "laid for the build, but neither audited source nor pinned by the specification"


class Pins(NamedTuple):
    """Digests that account for what lies there: by audited name, and in the specification."""

    audited: dict[str, str]
    digests: frozenset[str]
    pinned: frozenset[str]
    own: frozenset[str]  # names that the recipe itself writes

    def beside(self) -> Pins:
        """The same for what lies beside the tree: there, names of the verifier's own come first.

        A requirements.txt that a recipe writes is not the audited one of that name.
        """
        audited = {name: digest for name, digest in self.audited.items() if name not in self.own}
        return self._replace(audited=audited)

    def judge(self, name: str, sha256: str, size: int) -> Audited | Pinned | Odd:
        """What a file is that lies under a relative name."""
        known = self.audited.get(name)
        if known == sha256 or (known is None and sha256 in self.digests):
            return Audited(name, sha256, size)
        if known is not None:
            return Odd(SWAPPED, sha256, size)
        if sha256 in self.pinned:
            return Pinned("pinned by the specification", sha256, size)
        if name in self.own:
            return Pinned("written by the verifier", sha256, size)
        return Odd(STRANGE, sha256, size)


def pins(files: Iterable[SourceFile], spec: Spec, own: frozenset[str]) -> Pins:
    """The digests of a source's files, and every SHA-256 that stands in the specification."""
    audited = {file.name: file.sha256 for file in files}
    texts = _SHA256.findall(repr(spec.build))
    return Pins(audited, frozenset(audited.values()), frozenset(texts), own)


class Found(NamedTuple):
    """One entry below a directory: a file with digest and size, a link, or a directory."""

    name: str
    sha256: str = ""
    size: int = 0
    target: str | None = None
    directory: bool = False


def names(top: Path) -> Iterator[str]:
    """Names of the regular files below `top`, relative to it; OSError if not all can be listed."""

    def fail(error: OSError) -> None:
        raise error

    for parent, _, files in os.walk(top, onerror=fail):
        for name in files:
            path = Path(parent) / name
            if stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(top).as_posix()


def walk(top: Path) -> Iterator[Found]:
    """Every file, link and directory below `top`; links are not followed."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(top / prefix) as listing:
            for entry in listing:
                name = prefix + entry.name
                if entry.is_symlink():
                    yield Found(name, target=os.readlink(entry.path))  # noqa: PTH115 - as it is
                elif entry.is_dir():
                    waiting.append(f"{name}/")
                    yield Found(name, directory=True)
                elif entry.is_file():
                    sha256, _, size = digests(Path(entry.path))
                    yield Found(name, sha256, size)


def digests(path: Path) -> tuple[str, str, int]:
    """SHA-256, MD5 (dpkg's lists have no other) and size of a file, in one reading; OSError."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no regular file")
        while chunk := file.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return sha256.hexdigest(), md5.hexdigest(), size


class Laid(NamedTuple):
    """What lay there when the build began, by path inside; nobody reads a link by itself."""

    files: dict[str, Audited | Pinned | Odd]
    links: dict[str, Audited | Pinned | Odd]


def lay(known: Names, inside: str, top: Path, judge: Pins | None, laid: Laid) -> None:
    """Enter what lies below `top` under `inside`; None takes all for audited as it is."""
    known.put(inside, {})
    for found in walk(top):
        path = f"{inside}/{found.name}"
        if found.directory:
            known.put(path, {})
            continue
        sha256 = found.sha256
        if found.target is not None:
            sha256 = hashlib.sha256(os.fsencode(found.target)).hexdigest()
        entry: Audited | Pinned | Odd = Audited(found.name, sha256, found.size)
        if judge is not None:
            entry = judge.judge(found.name, sha256, found.size)
        if found.target is not None:
            known.put(path, Link(found.target))
            laid.links[path] = entry
        else:
            known.put(path, entry)
            laid.files[path] = entry
