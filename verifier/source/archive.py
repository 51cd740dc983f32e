"""A tar or zip archive, from this machine or by http(s), pinned by its SHA-256."""

from __future__ import annotations

import hashlib
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import limits
from verifier.errors import SourceError
from verifier.source import signed
from verifier.source.base import Pin, Source
from verifier.source.cache import hold, publish
from verifier.source.extract import extract, extract_tar, unpacked
from verifier.source.tree import content_swhid, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from verifier.source.cache import Cache
    from verifier.source.tree import Tree
    from verifier.spec import ArchiveSource, Signature

STALL_SECONDS = 60.0
TAR = "tar"  # what a signature is over: the archive without its compression


def obtain(
    spec: ArchiveSource,
    cache: Cache,
    notify: Callable[[str], None],
    signatures: Sequence[Signature] = (),
) -> Source:
    """Fetch or read the archive, check digest and signatures, extract it into the cache.

    A lone top-level directory is entered, as `tar xf; cd` would. Builds work
    on copies of the cached tree, and its content is checked on every use.

    Raises:
        SourceError: unreachable, another digest, or an archive that is broken or unsafe.
    """
    file = _fetch(spec, cache, notify)
    pins = [Pin("sha256", spec.sha256, f"of the archive {_name(spec.location)}")]
    pins += [_signed(each, file, spec, cache, notify) for each in signatures if each.over != TAR]
    final = cache.under("sources", "trees") / spec.sha256
    if not hold(final):
        notify(f"extracting {spec.location}")
        with cache.scratch() as scratch:
            made = scratch / "entry"
            (made / "tree").mkdir(mode=0o755, parents=True)
            extract(file, made / "tree")
            (made / "digest").write_text(scan(top(made / "tree")).digest)
            publish(made, final)
    root = top(final / "tree")
    tree = scan(root)
    if tree.digest != (final / "digest").read_text():
        raise SourceError(f"The cached tree {final} was changed; remove it and retry.")
    pins += [
        _signed_tar(each, file, spec, tree, cache, notify)
        for each in signatures
        if each.over == TAR
    ]
    return Source(
        *(root, spec.kind, spec.location, spec.sha256, tree.swhid, tree.files),
        swhids=(tree.swhid, content_swhid(file)),
        pins=tuple(pins),
        entries=tree.entries,
    )


def _name(location: str) -> str:
    return location.rstrip("/").rsplit("/", 1)[-1]


def _signed(
    asked: Signature, file: Path, spec: ArchiveSource, cache: Cache, notify: Callable[[str], None]
) -> Pin:
    """Judge one detached signature over the very file that is extracted."""
    with cache.scratch() as scratch:
        made = _signature(asked, scratch, notify)
        return signed.check(asked, made, file, _name(spec.location))


def _signed_tar(
    asked: Signature,
    file: Path,
    spec: ArchiveSource,
    tree: Tree,
    cache: Cache,
    notify: Callable[[str], None],
) -> Pin:
    """Judge one over the tar inside, as kernel.org makes them; the tree must be that tar's.

    A file that is two archives at once would be read in one way here and in another there.
    """
    name = _name(spec.location)
    with cache.scratch() as scratch:
        made = _signature(asked, scratch, notify)
        tar, inside = scratch / "tar", scratch / "inside"
        unpacked(file, tar)
        pin = signed.check(asked, made, tar, f"the tar in {name}")
        inside.mkdir(mode=0o755)
        extract_tar(tar, inside)
        if scan(top(inside)).entries != tree.entries:
            raise SourceError(
                f"The tar in {name} that was signed holds another tree than the archive gives; "
                "nothing is built from it."
            )
        return pin


def _signature(asked: Signature, scratch: Path, notify: Callable[[str], None]) -> bytes:
    """Fetch one detached signature."""
    made = scratch / "signature"
    if re.match("https?://", asked.location):
        notify(f"fetching {asked.location}")
        download(asked.location, made, signed.SIGNATURE_BYTES)
    else:
        copy_in(Path(asked.location), made)
    if made.stat().st_size > signed.SIGNATURE_BYTES:
        raise SourceError(f"{asked.location} is larger than a signature may be.")
    return made.read_bytes()


def top(tree: Path) -> Path:
    """The lone directory of an extracted archive, else the place itself."""
    entries = list(tree.iterdir())
    lone = len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink()
    return entries[0] if lone else tree


def _fetch(spec: ArchiveSource, cache: Cache, notify: Callable[[str], None]) -> Path:
    """A copy of the archive in the cache, so that what was checked is what is extracted."""
    kept = cache.under("sources", "archives") / spec.sha256
    if hold(kept) and _digest(kept) != spec.sha256:
        notify(f"the cached copy {kept} is damaged; fetching it again")
        cache.discard(kept)
    if not hold(kept):
        with cache.scratch() as scratch:
            made = scratch / "archive"
            if re.match("https?://", spec.location):
                notify(f"fetching {spec.location}")
                download(spec.location, made)
            else:
                copy_in(Path(spec.location), made)
            _check(made, spec)
            publish(made, kept)
    _check(kept, spec)
    return kept


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(path: Path, spec: ArchiveSource) -> None:
    found = _digest(path)
    if found != spec.sha256:
        raise SourceError(f"{spec.location} has SHA-256 {found}, but source.sha256 pins another.")


def copy_in(path: Path, made: Path) -> None:
    """Copy a file of this machine; SourceError says why it cannot be had."""
    try:
        shutil.copyfile(path, made)
    except OSError as error:
        raise SourceError(f"The source {path} cannot be read: {error.strerror}.") from error


def download(url: str, made: Path, most: int = limits.SOURCE_BYTES) -> None:
    """Fetch an http(s) address into a file; SourceError says why it cannot be had."""
    # urllib follows redirects to http(s) and ftp only, never to local files.
    request = urllib.request.Request(url, headers={"User-Agent": "source-binary-verifier"})  # noqa: S310 - _fetch lets http(s) in only
    try:
        with (
            urllib.request.urlopen(request, timeout=STALL_SECONDS) as answer,  # noqa: S310
            made.open("wb") as file,
        ):
            size = 0
            while chunk := answer.read(1 << 20):
                size += len(chunk)
                if size > most:
                    raise SourceError(f"{url} is larger than {most} bytes.")
                file.write(chunk)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(f"{url} cannot be fetched: {reason}.") from error
