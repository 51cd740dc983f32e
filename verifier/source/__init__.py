"""Get and pin the audited source. One file per kind; a new kind is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from verifier.source import archive, debian, directory, git, pins, pypi
from verifier.source.base import Source, SourceDiffersError, SourceFile
from verifier.source.cache import Cache
from verifier.source.swhid import kind_of
from verifier.spec import ArchiveSource, DebianSource, DirectorySource, GitSource, PypiSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.spec import Spec

__all__ = ["Cache", "Source", "SourceDiffersError", "SourceFile", "obtain"]


def obtain(spec: Spec, cache: Cache, notify: Callable[[str], None] = lambda _text: None) -> Source:
    """Bring the specification's source to this machine and check it against all its pins.

    Raises:
        SourceError: it cannot be had, or is not what a pin says.
        ToolError: git, apt or gpgv is missing.
    """
    return pins.hold(spec.pins, _obtain(spec, cache, notify))


def _obtain(spec: Spec, cache: Cache, notify: Callable[[str], None]) -> Source:
    source, signatures = spec.source, spec.pins.signatures
    match source:
        case DirectorySource():
            return directory.obtain(source)
        case ArchiveSource():
            return archive.obtain(source, cache, notify, signatures)
        case GitSource():
            asked = any(kind_of(swhid) == "snp" for swhid in spec.pins.swhids)
            return git.obtain(source, cache, notify, signatures, snapshot=asked)
        case DebianSource():
            return debian.obtain(source, spec.debian, cache, notify, signatures)
        case PypiSource():
            return pypi.obtain(source, spec.pypi, cache, notify)
        case _:
            assert_never(source)
