"""One commit of a git repository, with nothing of the repository's own configuration at work."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from verifier import limits, process
from verifier.errors import SourceError
from verifier.source.base import Source
from verifier.source.cache import publish
from verifier.source.extract import extract
from verifier.source.tree import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from verifier.source.cache import Cache
    from verifier.spec import GitSource

# Attributes can rewrite what a commit holds (line ends, $Id$, export-subst, filters); these
# stand in the repository's info/attributes, which outrank the commit's own.
ATTRIBUTES = "* -text -eol -ident -filter -working-tree-encoding -export-ignore -export-subst\n"
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "HOME": "/nonexistent",
}
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "safe.directory=*",
    "gc.auto=0",
    "tar.umask=0022",
    "fetch.fsckObjects=false",
)


def obtain(spec: GitSource, cache: Cache, notify: Callable[[str], None]) -> Source:
    """Fetch the commit into a bare repository of the cache, and lay out its tree.

    The tree on disk must have the id that git has for it: nothing was added, lost or changed.

    Raises:
        SourceError: unreachable, no such commit, or a tree with submodules.
    """
    name = hashlib.sha256(spec.location.encode()).hexdigest()[:32]
    repository = cache.under("git") / name
    final = cache.under("sources", "git") / spec.commit
    with cache.lock(f"git-{name}"):
        _fetch(spec, repository, notify)
        tree_id = _git(repository, "rev-parse", f"{spec.commit}^{{tree}}").decode().strip()
        if not final.is_dir():
            _lay_out(spec, repository, cache, final)
    tree = scan(final)
    if len(tree_id) == 40 and tree.swhid != f"swh:1:dir:{tree_id}":
        raise SourceError(
            f"The tree of {spec.commit} in {final} is not git's {tree_id}; remove it and retry."
        )
    description = f"{spec.location} at {spec.commit}"
    swhid = f"swh:1:rev:{spec.commit}" if len(spec.commit) == 40 else tree.swhid
    return Source(final, spec.kind, description, spec.commit, swhid, tree.files)


def _fetch(spec: GitSource, repository: Path, notify: Callable[[str], None]) -> None:
    if not repository.is_dir():
        kind = "sha256" if len(spec.commit) == 64 else "sha1"
        _git(None, "init", "--quiet", "--bare", "--template=", f"--object-format={kind}",
             str(repository))  # fmt: skip
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info" / "attributes").write_text(ATTRIBUTES)
    if _has(repository, spec.commit):
        return
    notify(f"fetching {spec.location}")
    shallow = ("fetch", "--quiet", "--no-tags", "--depth=1", "--", spec.location, spec.commit)
    if _try(repository, *shallow) and _has(repository, spec.commit):
        return
    # A server may refuse to hand out a commit by its id; then every branch and tag it is.
    _git(repository, "fetch", "--quiet", "--", spec.location, "+refs/*:refs/fetched/*")
    if not _has(repository, spec.commit):
        raise SourceError(f"{spec.location} has no commit {spec.commit}; check source.commit.")


def _lay_out(spec: GitSource, repository: Path, cache: Cache, final: Path) -> None:
    listing = _git(repository, "ls-tree", "-r", "-z", spec.commit)
    for row in listing.split(b"\0"):
        if row.startswith(b"160000 "):
            name = row.split(b"\t", 1)[-1].decode(errors="replace")
            raise SourceError(
                f"{spec.commit} has a submodule at {name!r}; make the source an archive or "
                "directory that holds it."
            )
    with cache.scratch() as scratch:
        made, tar = scratch / "tree", scratch / "tree.tar"
        made.mkdir(mode=0o755)
        _git(repository, "archive", "--format=tar", f"--output={tar}", spec.commit)
        extract(tar, made)
        publish(made, final)


def _has(repository: Path, commit: str) -> bool:
    return _try(repository, "cat-file", "-e", f"{commit}^{{commit}}")


def _try(repository: Path, *arguments: str) -> bool:
    return _call(repository, arguments).status == 0


def _git(repository: Path | None, *arguments: str) -> bytes:
    done = _call(repository, arguments)
    if done.status != 0:
        said = done.stderr.decode(errors="replace").strip()[-limits.TEXT :]
        raise SourceError(f"git {arguments[0]} failed: {said!r}.")
    return done.stdout


def _call(repository: Path | None, arguments: Sequence[str]) -> process.Completed:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    where = [f"--git-dir={repository}"] if repository else []
    return process.run(
        ["git", *settings, *where, *arguments],
        seconds=limits.FETCH_SECONDS,
        memory=None,
        environment=_ENVIRONMENT,
    )
