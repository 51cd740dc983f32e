"""dpkg's database of a root, and single members of its packages."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import limits, process
from verifier.errors import BuildError

if TYPE_CHECKING:
    from tarfile import TarInfo

_FIELD = re.compile(r"^(Package|Version|Architecture|Status): (.*)$", re.MULTILINE)


def installed(root: Path) -> set[tuple[str, str, str]]:
    """Name, version and architecture of each installed package; empty where there is no dpkg."""
    try:
        status = (root / "var/lib/dpkg/status").read_text(errors="replace")
    except OSError:
        return set()
    found = (dict(_FIELD.findall(block)) for block in status.split("\n\n"))
    return {
        (fields["Package"], fields["Version"], fields["Architecture"])
        for fields in found
        if fields.get("Status", "").endswith(" installed")
    }


def extract_member(deb: Path, member: str, into: Path) -> Path:
    """Write one regular file of a .deb into a directory, under its own last name.

    Args:
        deb: the package file.
        member: its absolute path in the package, such as /usr/bin/tree.
        into: an existing directory.

    Raises:
        BuildError: no package, no such member, or no regular file.
        ToolError: dpkg-deb is missing or was stopped.
    """
    tar = into / f".{deb.name}.tar"
    try:
        with tar.open("wb") as file:
            done = process.run(
                ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=file, output=limits.SOURCE_BYTES
            )
        if done.status != 0:
            said = done.stderr.decode(errors="replace").strip()[: limits.TEXT]
            raise BuildError(f"{deb} cannot be read as a Debian package: {said!r}.")
        return _extract(tar, deb, member, into / Path(member).name)
    except tarfile.TarError as error:
        raise BuildError(f"{deb} holds a broken archive: {error}.") from error
    finally:
        tar.unlink(missing_ok=True)


def _extract(tar: Path, deb: Path, member: str, target: Path) -> Path:
    with tarfile.open(tar, "r:") as archive:
        found = [entry for entry in _bounded(archive) if _absolute(entry.name) == member]
        if len(found) != 1:
            have = "twice" if found else "not at all"
            raise BuildError(f"{deb.name} holds {member} {have}; check the artifact's member.")
        content = archive.extractfile(found[0]) if found[0].isreg() else None
        if content is None:
            raise BuildError(f"{member} in {deb.name} is no regular file; name the file itself.")
        with content, target.open("wb") as file:
            while chunk := content.read(1 << 20):
                file.write(chunk)
    return target


def _bounded(archive: tarfile.TarFile) -> list[TarInfo]:
    entries: list[TarInfo] = []
    for entry in archive:
        if len(entries) >= limits.MEMBERS:
            raise BuildError(f"A package has more than {limits.MEMBERS} members.")
        entries.append(entry)
    return entries


def _absolute(name: str) -> str:
    return "/" + name.removeprefix("./").strip("/")
