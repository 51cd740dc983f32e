"""A .dsc of a path or URL, pinned by its SHA-256, and the files beside it that it names."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import SourceError
from verifier.signatures.openpgp import CLEAR
from verifier.source.apt import stanzas
from verifier.source.archive import copy_in, download
from verifier.source.cache import hold, publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.source.cache import Cache
    from verifier.spec import DebianSource

_BYTES = 1 << 20  # of a .dsc
_FILES = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~_-]*\.dsc")
_ROW = re.compile(r"([0-9a-f]{64}) +(\d{1,15}) +([A-Za-z0-9][A-Za-z0-9.+:~_-]*)")
_URL = re.compile("https?://")


class Fetched(NamedTuple):
    """The name of the .dsc, each file's SHA-256 by name, and the directory that holds all."""

    dsc: str
    expected: dict[str, str]
    place: Path


def fetch(spec: DebianSource, cache: Cache, notify: Callable[[str], None]) -> Fetched:
    """Bring the pinned .dsc and its files into the cache.

    Raises:
        SourceError: unreachable, of another digest, not of the package and version that the
            specification names, or naming files in an odd way.
    """
    dsc = urllib.parse.unquote(spec.location.rsplit("/", 1)[-1])
    if not _NAME.fullmatch(dsc):
        raise SourceError(f"{spec.location} is no address of a file such as NAME_VERSION.dsc.")
    final = cache.under("sources", "debian") / f"{spec.package}-{spec.sha256}"
    if hold(final) and not (final / dsc).is_file():  # once fetched under another name
        cache.discard(final)
    if hold(final):
        files = _named(_pinned(final / dsc, spec), dsc, spec)
    else:
        with cache.scratch() as scratch:
            made = scratch / "source"
            made.mkdir(mode=0o755)
            _bring(spec.location, made / dsc, _BYTES, notify)
            files = _named(_pinned(made / dsc, spec), dsc, spec)
            for name, (sha256, size) in files.items():
                place = _beside(spec.location, name)
                _bring(place, made / name, size, notify)
                with (made / name).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                        raise SourceError(f"{place} has not the SHA-256 that {dsc} lists.")
            publish(made, final)
    listed = {name: sha256 for name, (sha256, _) in files.items()}
    return Fetched(dsc, {dsc: spec.sha256, **listed}, final)


def _pinned(path: Path, spec: DebianSource) -> bytes:
    """The bytes of the .dsc, which must be those that the specification pins."""
    with path.open("rb") as file:
        content = file.read(_BYTES + 1)
    found = hashlib.sha256(content).hexdigest()
    if len(content) > _BYTES:
        raise SourceError(f"{spec.location} is larger than a .dsc may be.")
    if found != spec.sha256:
        raise SourceError(f"{spec.location} has SHA-256 {found}, but source.sha256 pins another.")
    return content


def _bring(location: str, into: Path, most: int, notify: Callable[[str], None]) -> None:
    if _URL.match(location):
        notify(f"fetching {location}")
        download(location, into, most)
    else:
        copy_in(Path(location), into)


def _beside(location: str, name: str) -> str:
    folder = location.rsplit("/", 1)[0]
    return f"{folder}/{urllib.parse.quote(name) if _URL.match(location) else name}"


def _named(content: bytes, dsc: str, spec: DebianSource) -> dict[str, tuple[str, int]]:
    """SHA-256 and size of each file that the .dsc lists, which must be of what is asked for."""
    fields = _fields(content, dsc)
    named = (fields.get("Source"), fields.get("Version"))
    if named != (spec.package, spec.version):
        raise SourceError(
            f"{dsc} is of {named[0]} {named[1]}, but the specification names {spec.package} "
            f"{spec.version}."
        )
    rows = fields.get("Checksums-Sha256", "").split("\n")
    matches = [_ROW.fullmatch(row) for row in rows if row]
    if not matches or len(matches) > _FILES or None in matches:
        raise SourceError(f"Checksums-Sha256 of {dsc} lists no files, or in an odd way.")
    files = {each[3]: (each[1], int(each[2])) for each in matches if each is not None}
    if len(files) != len(matches) or any(name.endswith(".dsc") for name in files):
        raise SourceError(f"Checksums-Sha256 of {dsc} names a file twice, or a .dsc.")
    if sum(size for _, size in files.values()) > limits.SOURCE_BYTES:
        raise SourceError(f"The files of {dsc} are larger than a source may be.")
    return files


def _fields(content: bytes, dsc: str) -> dict[str, str]:
    """Its one paragraph; of a signed one, the paragraph between head and signature."""
    text = content.decode("utf-8", "replace")
    if content.startswith(CLEAR):
        text = text.partition("\n\n")[2].partition("\n-----BEGIN PGP SIGNATURE-----\n")[0]
    found = list(stanzas(text))
    if len(found) != 1 or "-----BEGIN PGP" in text:
        raise SourceError(f"{dsc} is no single paragraph of a .dsc.")
    return found[0]
