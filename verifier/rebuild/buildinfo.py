"""A Debian .buildinfo: which package in which version stood where a package was built.

deb-buildinfo(5). The file is the vendor's: `read` is done aside (see `verifier.aside`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.account import Maker
from verifier.errors import ParseError
from verifier.rebuild import binnmu

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BYTES = 16 * limits.MIB
_MOST = 20_000  # packages of one root
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_PACKAGE = re.compile(
    r"([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)? \(= ([A-Za-z0-9][A-Za-z0-9.+:~-]*)\)"
)
_VARIABLE = re.compile(r'^[ \t]*([A-Z][A-Z0-9_]*)="((?:[^"\\]|\\.)*)"$', re.MULTILINE)


class BuildInfo(NamedTuple):
    """What is used of it. `packages` are (name, version), sorted; `path` is empty if not told.

    `version` is the source's; `entry` is the changelog entry of a binary-only rebuild of it.
    """

    source: str
    version: str
    path: str
    packages: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
    entry: str = ""


class Found(NamedTuple):
    """What of a .buildinfo's packages an archive still has.

    `exact` are (name, version) as listed; `newer` are names that it has in other versions only;
    `gone` are names that it does not have at all.
    """

    exact: tuple[tuple[str, str], ...]
    newer: tuple[str, ...]
    gone: tuple[str, ...]


def read(path: Path) -> BuildInfo:
    """Read the file, signed or not.

    Raises:
        ParseError: unreadable, larger than such files are, or without what is needed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
    except OSError as error:
        raise ParseError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _BYTES:
        raise ParseError(f"{path.name} is larger than a .buildinfo may be.")
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    fields = {name.lower(): value for name, value in _FIELD.findall(text)}
    listed = fields.get("installed-build-depends", "")
    packages = sorted(set(_PACKAGE.findall(listed)))
    source = fields.get("source", "").split()
    if not packages or not source or len(packages) > _MOST:
        raise ParseError(f"{path.name} is no .buildinfo: no Source, or no Installed-Build-Depends.")
    if len(packages) != len({name for name, _ in packages}):
        raise ParseError(f"{path.name} lists a package in two versions.")
    if len(_PACKAGE.findall(listed)) != len([each for each in listed.split(",") if each.strip()]):
        raise ParseError(f"{path.name} lists something that is no package with a version.")
    return BuildInfo(
        source=source[0],
        # "Source: bzip2 (1.0.8-5)" where the binaries have another version.
        version=(source[1].strip("()") if len(source) > 1 else fields.get("version", "").strip()),
        path=fields.get("build-path", "").strip(),
        packages=tuple(packages),
        variables=tuple(_VARIABLE.findall(fields.get("environment", ""))),
        entry=binnmu.unfolded(changes) if (changes := fields.get("binary-only-changes")) else "",
    )


def look_for(info: BuildInfo, offered: Mapping[str, set[str]]) -> Found:
    """Which of the packages an archive has, where `offered` are its versions by name."""
    exact = tuple(each for each in info.packages if each[1] in offered.get(each[0], ()))
    rest = sorted({name for name, _ in info.packages} - {name for name, _ in exact})
    return Found(
        exact,
        tuple(name for name in rest if offered.get(name)),
        tuple(name for name in rest if not offered.get(name)),
    )


def drift(info: BuildInfo, file: str, here: Mapping[str, str]) -> tuple[Maker, ...]:
    """Each listed package that is not here in its version; `here` are versions by name."""
    advice = "Set debian.mirror to an archive of the day of the build, such as a snapshot."
    return tuple(
        Maker(f"package {name}", file, version, here.get(name, "nothing"), advice)
        for name, version in info.packages
        if here.get(name) != version
    )


def notes(makers: tuple[Maker, ...], total: int, file: str) -> tuple[str, ...]:
    """The same in sentences, for the record of the build."""
    head = f"{total - len(makers)} of the {total} packages of {file} were used in its version."
    told = [
        f"{each.tool.removeprefix('package ')} {each.shipped} is not in the archive any more; "
        + (f"{each.here} was used instead." if each.here != "nothing" else "nothing stands for it.")
        for each in makers
    ]
    return (head, *told)
