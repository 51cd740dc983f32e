"""Get and pin the audited source. One file per kind; a new kind is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from verifier.source import archive, debian, directory, git, pypi
from verifier.source.base import Source, SourceFile
from verifier.source.cache import Cache
from verifier.spec import ArchiveSource, DebianSource, DirectorySource, GitSource, PypiSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.spec import Spec

__all__ = ["Cache", "Source", "SourceFile", "obtain"]


def obtain(spec: Spec, cache: Cache, notify: Callable[[str], None] = lambda _text: None) -> Source:
    """Bring the specification's source to this machine and check it against its pin.

    Raises:
        SourceError: it cannot be had, or is not what its pin says.
        ToolError: git or apt is missing.
    """
    source = spec.source
    match source:
        case DirectorySource():
            return directory.obtain(source)
        case ArchiveSource():
            return archive.obtain(source, cache, notify)
        case GitSource():
            return git.obtain(source, cache, notify)
        case DebianSource():
            return debian.obtain(source, spec.debian, cache, notify)
        case PypiSource():
            return pypi.obtain(source, spec.pypi, cache, notify)
        case _:
            assert_never(source)
