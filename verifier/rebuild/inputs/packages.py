"""Which package a file of a root belongs to, and the digest that the package's own lists give it.

dpkg keeps them below /var/lib/dpkg: `info/*.md5sums` for shipped files, `Conffiles` in `status`
for configuration, `info/*.list` for all names, `diversions` for names that another package took.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_MD5 = 32


class Owner(NamedTuple):
    """A package, and the MD5 that it lists for one file, "" where it lists the name alone."""

    package: str
    version: str
    md5: str


class Packages:
    """dpkg's database below one root, read when it is asked."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._database = root / "var/lib/dpkg"
        self._known: dict[str, list[Owner]] = {}

    def owners(self, path: str) -> tuple[Owner, ...]:
        """Those packages that have a file at an absolute path without links; most often one."""
        if path not in self._known:
            self.look_up([path])
        return tuple(self._known[path])

    def look_up(self, paths: Iterable[str]) -> None:
        """Find the owners of many paths in one pass over the lists."""
        asked = [path for path in paths if path not in self._known]
        self._known.update((path, []) for path in asked)
        names = {name for path in asked for name in self._names(path)}
        for name, package, version, conffiles in self._packages:
            stem = self._stem(name, package)
            listed = names.intersection(
                self._text(self._database / f"info/{stem}.list").split("\n")
            )
            digests = {**dict(self._digests(stem)), **conffiles} if listed else {}
            for each in listed:
                path = self._canonical(self._diverted(each, package))
                if path in self._known:
                    self._known[path].append(Owner(package, version, digests.get(each, "")))

    def _names(self, path: str) -> Iterator[str]:
        """Names under which lists may have a path: before the merge of /usr, or diverted."""
        for target in (path, *(source for source in self._diversions if self._leads(source, path))):
            yield target
            if target.startswith("/usr/") and target.split("/", 3)[2] in self._links:
                yield target[len("/usr") :]

    def _leads(self, source: str, path: str) -> bool:
        return self._canonical(self._diversions[source][0]) == path

    @cached_property
    def _packages(self) -> list[tuple[str, str, str, dict[str, str]]]:
        return list(self._installed())

    def _installed(self) -> Iterator[tuple[str, str, str, dict[str, str]]]:
        """NAME:ARCH, name, version and configuration files of each installed package."""
        for block in self._text(self._database / "status").split("\n\n"):
            fields: dict[str, str] = {}
            key = ""
            for line in block.split("\n"):
                if line.startswith(" "):
                    fields[key] += "\n" + line
                else:
                    key, _, fields[key] = line.partition(": ")
                    key = key.rstrip(":")
                    fields.setdefault(key, "")
            if not fields.get("Status", "").endswith(" installed"):
                continue
            words = (line.split() for line in fields.get("Conffiles", "").split("\n"))
            conffiles = {each[0]: each[1] for each in words if len(each) > 1}
            package = fields.get("Package", "")
            name = f"{package}:{fields.get('Architecture', '')}"
            yield name, package, fields.get("Version", ""), conffiles

    def _stem(self, name: str, package: str) -> str:
        both = (name, package)
        return next((n for n in both if (self._database / f"info/{n}.list").exists()), package)

    def _digests(self, stem: str) -> Iterator[tuple[str, str]]:
        for line in self._text(self._database / f"info/{stem}.md5sums").split("\n"):
            if len(line) > _MD5 + 2:
                yield "/" + line[_MD5 + 2 :].removeprefix("./"), line[:_MD5]

    def _diverted(self, path: str, package: str) -> str:
        target, by = self._diversions.get(path, (path, package))
        return path if by == package else target

    @cached_property
    def _diversions(self) -> dict[str, tuple[str, str]]:
        lines = self._text(self._database / "diversions").split("\n")
        return {
            lines[at]: (lines[at + 1], lines[at + 2])
            for at in range(0, len(lines) - len(lines) % 3, 3)
        }

    def _canonical(self, path: str) -> str:
        """The name on a system whose /bin, /lib … are links to those of /usr."""
        top = path.split("/", 2)[1]
        return f"/usr{path}" if top in self._links else path

    @cached_property
    def _links(self) -> frozenset[str]:
        return frozenset(name for name in _MERGED if (self._root / name).is_symlink())

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text("utf-8", "surrogateescape")
        except OSError:
            return ""
