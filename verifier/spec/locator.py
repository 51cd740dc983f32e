"""Where one artifact lies: a path or glob, a Debian package, and perhaps a member inside it.

    PATH                       a file, or a glob with *, ? and [...]
    PATH!/usr/bin/tree         that member of the .deb at PATH
    deb:NAME                   the package NAME, fetched by apt from the pinned mirror
    deb:NAME=VERSION!/MEMBER   a member of exactly that version

`!/` splits once, at its first place. As a table: {path = …}, {package = …, version = …}, and
`member = "/usr/…"` with either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~-]*")


@dataclass(frozen=True, slots=True)
class Locator:
    """Exactly one of `path` (a glob) and `package` is set; `member` starts with a slash."""

    path: str | None = None
    package: str | None = None
    version: str | None = None
    member: str | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.package is None):
            raise ValueError("it names either a path or a package")
        if self.path == "":
            raise ValueError("its path is empty")
        if self.package is not None and not _PACKAGE.fullmatch(self.package):
            raise ValueError(f"{self.package!r} is not the name of a Debian package")
        if self.version is not None and not _VERSION.fullmatch(self.version):
            raise ValueError(f"{self.version!r} is not a Debian version")
        if self.version is not None and self.package is None:
            raise ValueError("a version belongs to a package")
        if self.member is not None:
            _check_member(self.member)

    @classmethod
    def parse(cls, text: str) -> Locator:
        """Read the one-line form; ValueError says what is wrong with it."""
        head, mark, rest = text.partition("!/")
        member = f"/{rest}" if mark else None
        if not head.startswith("deb:"):
            return cls(path=head, member=member)
        package, equals, version = head.removeprefix("deb:").partition("=")
        return cls(package=package, version=version if equals else None, member=member)

    def __str__(self) -> str:
        head = self.path
        if head is None:
            head = f"deb:{self.package}" + (f"={self.version}" if self.version else "")
        return head + (f"!{self.member}" if self.member else "")


def _check_member(member: str) -> None:
    path = PurePosixPath(member)
    plain = path.is_absolute() and ".." not in path.parts and str(path) == member
    if not plain or member.startswith("//") or member == "/":
        raise ValueError(f"member {member!r} is not a plain absolute path such as /usr/bin/tree")
