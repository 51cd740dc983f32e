"""Where one artifact lies: a path or glob, a Debian package, and perhaps a member inside it.

    PATH                       a file, or a glob with *, ? and [...]
    PATH!/usr/bin/tree         that member of the .deb at PATH
    deb:NAME                   the package NAME, fetched by apt from the pinned mirror
    deb:NAME=VERSION!/MEMBER   a member of exactly that version
    pypi:NAME-VERSION-….whl    a wheel of the Python package index

`!/` splits once, at its first place. As a table: {path = …}, {package = …, version = …}, and
`member = "/usr/…"` with either; {wheel = …, sha256 = …}, where the digest may be left out.
"""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._]*(-[A-Za-z0-9._+!]+){4,5}\.whl")
_SHA256 = re.compile("[0-9a-f]{64}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~-]*")


@dataclass(frozen=True, slots=True)
class Locator:
    """One of `path` (a glob), `package` and `wheel` is set; `member` starts with a slash."""

    path: str | None = None
    package: str | None = None
    version: str | None = None
    member: str | None = None
    wheel: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        if [self.path, self.package, self.wheel].count(None) != 2:
            raise ValueError("it names either a path, a package or a wheel")
        if self.wheel is not None and not _WHEEL.fullmatch(self.wheel):
            raise ValueError(f"{self.wheel!r} is not the file name of a wheel")
        if self.wheel is not None and self.member is not None:
            raise ValueError("a member of a wheel is compared with the whole wheel")
        if self.sha256 is not None and not (self.wheel and _SHA256.fullmatch(self.sha256)):
            raise ValueError("a sha256 is 64 hexadecimal digits, and belongs to a wheel")
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
        if head.startswith("pypi:"):
            return cls(wheel=head.removeprefix("pypi:"), member=member)
        if not head.startswith("deb:"):
            return cls(path=head, member=member)
        package, equals, version = head.removeprefix("deb:").partition("=")
        return cls(package=package, version=version if equals else None, member=member)

    def below(self, directory: Path) -> Locator:
        """The same, with a relative path made absolute from `directory`."""
        if self.path is None:
            return self
        return dataclasses.replace(self, path=os.path.normpath(directory / self.path))

    def __str__(self) -> str:
        head = self.path or (f"pypi:{self.wheel}" if self.wheel else None)
        if head is None:
            head = f"deb:{self.package}" + (f"={self.version}" if self.version else "")
        return head + (f"!{self.member}" if self.member else "")


def _check_member(member: str) -> None:
    path = PurePosixPath(member)
    plain = path.is_absolute() and ".." not in path.parts and str(path) == member
    if not plain or member.startswith("//") or member == "/":
        raise ValueError(f"member {member!r} is not a plain absolute path such as /usr/bin/tree")
