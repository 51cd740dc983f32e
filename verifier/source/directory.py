"""A tree on this machine, pinned by what it holds when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import SourceError
from verifier.source.base import Pin, Source
from verifier.source.tree import scan

if TYPE_CHECKING:
    from verifier.spec import DirectorySource


def obtain(spec: DirectorySource) -> Source:
    """Digest the tree; nothing is copied.

    Raises:
        SourceError: no directory, unreadable, or holding what is no file, link or directory.
    """
    if not spec.path.is_dir():
        raise SourceError(f"The source {spec.path} is no directory; correct source.path.")
    tree = scan(spec.path)
    return Source(
        *(spec.path, spec.kind, str(spec.path), tree.digest, tree.swhid, tree.files),
        swhids=(tree.swhid,),
        pins=(Pin("digest", tree.digest, "of the tree as it was read"),),
        entries=tree.entries,
    )
