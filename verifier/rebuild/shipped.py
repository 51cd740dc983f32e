"""From the specification's artifacts to concrete pairs of files: shipped, and rebuilt."""

from __future__ import annotations

import glob
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import SourceError
from verifier.rebuild.dpkg import extract_member
from verifier.source import pypi
from verifier.source.apt import Apt
from verifier.source.cache import hold, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.source.cache import Cache
    from verifier.spec import Artifact, DebianArchive, Locator, Spec

DIGEST = "sha256"  # a file beside a cached package: what the signed index said of it


@dataclass(frozen=True, slots=True)
class Pair:
    """One shipped file and its rebuilt twin; both exist. `origin` is the file that it came from."""

    name: str
    shipped: Path
    rebuilt: Path
    origin: Path


def resolve(
    spec: Spec,
    output_dir: Path,
    work: Path,
    cache: Cache,
    notify: Callable[[str], None] = lambda _text: None,
) -> tuple[Pair, ...]:
    """Find, fetch and extract every artifact of the specification.

    Args:
        spec: the specification; no artifacts is an error too.
        output_dir: what the rebuild made; rebuilt paths are relative to it.
        work: an existing directory that takes extracted members; keep it while pairs are used.
        cache: where fetched packages are kept.
        notify: told of each fetch.

    Raises:
        SourceError: a path or glob matches nothing, a package cannot be had, or the files of
            both sides do not pair up.
        BuildError: a member is not in its package.
    """
    if not spec.artifacts:
        raise SourceError(f"{spec.path} names no artifacts; add an [[artifacts]] table.")
    pairs: list[Pair] = []
    for number, artifact in enumerate(spec.artifacts):
        here = work / str(number)
        pairs += _pairs(artifact, spec, output_dir, here, cache, notify)
    return tuple(pairs)


def fetch_package(
    locator: Locator, debian: DebianArchive, cache: Cache, notify: Callable[[str], None]
) -> Path:
    """The .deb that a locator's package and version name, from the cache or the archive."""
    assert locator.package is not None
    apt = Apt(cache, debian, notify)
    known = cache.under("packages", apt.key)
    pinned = locator.version is not None
    name = f"{locator.package}={locator.version}"
    if pinned and hold(link := known / hashlib.sha256(name.encode()).hexdigest()):
        for file in link.glob("*.deb"):
            if _intact(file):
                return file
        cache.discard(link)
    with cache.scratch() as scratch:
        made = scratch / "package"
        made.mkdir(mode=0o755)
        deb = apt.fetch_binary(locator.package, locator.version, made)
        name = f"{deb.name}={deb.version}"
        (made / DIGEST).write_text(deb.sha256)
        final = known / hashlib.sha256(name.encode()).hexdigest()
        if hold(final) and not _intact(final / deb.file):
            cache.discard(final)
        publish(made, final)
    return final / deb.file


def _intact(file: Path) -> bool:
    """Whether a cached package is still what the signed index said when it was fetched."""
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        return found == (file.parent / DIGEST).read_text()
    except OSError:
        return False


def _pairs(
    artifact: Artifact,
    spec: Spec,
    output_dir: Path,
    work: Path,
    cache: Cache,
    notify: Callable[[str], None],
) -> list[Pair]:
    shipped_at, rebuilt_at = artifact.shipped, artifact.rebuilt
    if shipped_at.package is not None:
        shipped = [fetch_package(shipped_at, spec.debian, cache, notify)]
    elif shipped_at.wheel is not None:
        shipped = [pypi.fetch(shipped_at.wheel, shipped_at.sha256, spec.pypi, cache, notify)]
    else:
        assert shipped_at.path is not None
        shipped = match(shipped_at.path, "shipped")
    assert rebuilt_at.path is not None
    rebuilt = match(str(output_dir / rebuilt_at.path), "rebuilt")
    matched = _matched(artifact, shipped, rebuilt)
    pairs = []
    for number, (left, right) in enumerate(matched):
        parts = work / str(number)
        first = _member(left, shipped_at, parts / "shipped")
        second = _member(right, rebuilt_at, parts / "rebuilt")
        single = artifact.name if len(matched) == 1 else None
        pairs.append(Pair(single or first.name, first, second, left))
    return pairs


def _matched(
    artifact: Artifact, shipped: Sequence[Path], rebuilt: Sequence[Path]
) -> list[tuple[Path, Path]]:
    """One with one as they are; several by file name, where nobody may be left over."""
    if len(shipped) == len(rebuilt) == 1:
        return [(shipped[0], rebuilt[0])]
    left = {path.name: path for path in shipped}
    right = {path.name: path for path in rebuilt}
    if len(left) != len(shipped) or len(right) != len(rebuilt) or left.keys() != right.keys():
        odd = ", ".join(sorted(left.keys() ^ right.keys())[:5]) or "a name that occurs twice"
        raise SourceError(
            f"{artifact.shipped} ({len(shipped)} files) and {artifact.rebuilt} ({len(rebuilt)} "
            f"files) do not pair up by name: {odd}; narrow the globs."
        )
    return [(left[name], right[name]) for name in sorted(left)]


def match(pattern: str, side: str) -> list[Path]:
    """The files of a path or glob, sorted; a name that exists as it stands is no glob."""
    if Path(pattern).is_file():
        return [Path(pattern)]
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute
    files = [path for path in found if path.is_file()]
    if not files:
        raise SourceError(f"No {side} file matches {pattern}; correct the artifact's {side} path.")
    return files


def _member(path: Path, locator: Locator, into: Path) -> Path:
    if locator.member is None:
        return path
    into.mkdir(parents=True)
    return extract_member(path, locator.member, into)
