"""A Debian source package, by the archive's signed index or by a .dsc that is pinned itself."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from verifier.errors import SourceError
from verifier.source import dscs, signed
from verifier.source.apt import Apt, stanzas
from verifier.source.base import Pin, Source, SourceFile
from verifier.source.cache import hold, publish
from verifier.source.tree import content_swhid, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from verifier.source.cache import Cache
    from verifier.spec import DebianArchive, DebianSource, Signature

_ORIGINAL = re.compile(r".+\.orig(-[A-Za-z0-9-]+)?\.tar\.(gz|xz|bz2|lzma)")


def obtain(
    spec: DebianSource,
    debian: DebianArchive,
    cache: Cache,
    notify: Callable[[str], None],
    signatures: Sequence[Signature] = (),
) -> Source:
    """Fetch the .dsc and the files it names; each is checked against the index, or the .dsc.

    Raises:
        SourceError: unknown version, a file that the mirror no longer has, a wrong digest, or a
            signature that fails.
    """
    if spec.location:
        dsc, expected, final = dscs.fetch(spec, cache, notify)
        origin = spec.location
        pin = Pin("sha256", expected[dsc], f"{dsc}, as the specification pins it")
    else:
        dsc, expected, final = _indexed(spec, debian, cache, notify)
        origin = f"{debian.mirror} ({debian.suite})"
        said = f"{dsc}, as the signed index of {debian.suite} has it"
        pin = Pin("index", expected[dsc], said)
    files = _check(final, expected)
    pins = [pin]
    for each in signatures:
        if each.over == "upstream":
            pins += _upstream(each, final, [file.name for file in files])
        else:
            pins.append(_dsc(each, spec, final / dsc, expected))
    swhids = (content_swhid(final / dsc), scan(final).swhid)
    return Source(
        path=final,
        kind=spec.kind,
        description=f"{spec.package} {spec.version} from {origin}",
        digest=expected[dsc],
        swhid=swhids[0],
        files=files,
        swhids=swhids,
        pins=tuple(pins),
    )


def _indexed(
    spec: DebianSource, debian: DebianArchive, cache: Cache, notify: Callable[[str], None]
) -> dscs.Fetched:
    """The files that the signed index of the archive names, fetched by apt."""
    apt = Apt(cache, debian, notify)
    expected = apt.source_files(spec.package, spec.version)
    dsc = [name for name in expected if name.endswith(".dsc")]
    if len(dsc) != 1 or any("/" in name for name in expected):
        raise SourceError(f"The index entry of {spec.package} {spec.version} names no single .dsc.")
    final = cache.under("sources", "debian") / f"{spec.package}-{expected[dsc[0]]}"
    if not hold(final):
        with cache.scratch() as scratch:
            made = scratch / "source"
            made.mkdir(mode=0o755)
            apt.fetch_source(spec.package, spec.version, made)
            _check(made, expected)
            publish(made, final)
    return dscs.Fetched(dsc[0], expected, final)


def _dsc(asked: Signature, spec: DebianSource, dsc: Path, expected: dict[str, str]) -> Pin:
    """The uploader's signature; what it is over must name this version and exactly these files."""
    text, pin = signed.clear_signed(asked, dsc.read_bytes(), dsc.name)
    fields = next(stanzas(text.decode("utf-8", "replace")), {})
    rows = [line.split() for line in fields.get("Checksums-Sha256", "").splitlines()]
    told = {row[2]: row[0] for row in rows if len(row) == 3}
    others = {name: sha256 for name, sha256 in expected.items() if name != dsc.name}
    named = (fields.get("Source"), fields.get("Version"))
    if told != others or named != (spec.package, spec.version):
        raise SourceError(f"What was signed in {dsc.name} is not {spec.package} {spec.version}.")
    return pin


def _upstream(asked: Signature, directory: Path, names: Sequence[str]) -> list[Pin]:
    """The upstream author's signatures over the original archives, each beside its archive."""
    found = []
    for name in names:
        if not name.endswith(".asc"):
            continue
        archive = name.removesuffix(".asc")
        if archive not in names or not _ORIGINAL.fullmatch(archive):
            raise SourceError(f"{name} signs no original archive of this source package.")
        blob = (directory / name).read_bytes()[: signed.SIGNATURE_BYTES]
        found.append(signed.check(asked, blob, directory / archive, archive))
    if not found:
        raise SourceError(
            f"The source package in {directory} brings no signature of its upstream authors "
            '(….orig.tar.….asc); drop the signature over "upstream".'
        )
    return found


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
