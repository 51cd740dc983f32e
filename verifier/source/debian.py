"""A Debian source package, from the archive's signed index."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier.errors import SourceError
from verifier.source.apt import Apt
from verifier.source.base import Source, SourceFile
from verifier.source.cache import publish
from verifier.source.tree import content_swhid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from verifier.source.cache import Cache
    from verifier.spec import DebianArchive, DebianSource


def obtain(
    spec: DebianSource, debian: DebianArchive, cache: Cache, notify: Callable[[str], None]
) -> Source:
    """Fetch the .dsc and the files it names; each is checked against the signed index.

    Raises:
        SourceError: unknown version, a file that the mirror no longer has, or a wrong digest.
    """
    apt = Apt(cache, debian, notify)
    expected = apt.source_files(spec.package, spec.version)
    dsc = [name for name in expected if name.endswith(".dsc")]
    if len(dsc) != 1 or any("/" in name for name in expected):
        raise SourceError(f"The index entry of {spec.package} {spec.version} names no single .dsc.")
    final = cache.under("sources", "debian") / f"{spec.package}-{expected[dsc[0]]}"
    if not final.is_dir():
        with cache.scratch() as scratch:
            made = scratch / "source"
            made.mkdir(mode=0o755)
            apt.fetch_source(spec.package, spec.version, made)
            _check(made, expected)
            publish(made, final)
    return Source(
        path=final,
        kind=spec.kind,
        description=f"{spec.package} {spec.version} from {debian.mirror} ({debian.suite})",
        digest=expected[dsc[0]],
        swhid=content_swhid(final / dsc[0]),
        files=_check(final, expected),
    )


def _check(directory: Path, expected: dict[str, str]) -> tuple[SourceFile, ...]:
    files = []
    for name, sha256 in sorted(expected.items()):
        path = directory / name
        if not path.is_file() or path.is_symlink():
            raise SourceError(f"The source file {path} is missing; remove its directory and retry.")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise SourceError(f"{path} has SHA-256 {found}, but the archive's index says {sha256}.")
        files.append(SourceFile(name, path.stat().st_size, sha256))
    return tuple(files)
