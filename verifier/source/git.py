"""One commit of a git repository, with nothing of the repository's own configuration at work."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits, process
from verifier.errors import SourceError, ToolError
from verifier.source import gitobject, signed
from verifier.source import snapshot as snapshots
from verifier.source.base import Pin, Source
from verifier.source.cache import hold, publish
from verifier.source.extract import extract
from verifier.source.swhid import object_id, swhid
from verifier.source.tree import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from verifier.source.cache import Cache
    from verifier.spec import GitSource, Signature

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


def obtain(
    spec: GitSource,
    cache: Cache,
    notify: Callable[[str], None],
    signatures: Sequence[Signature] = (),
    *,
    snapshot: bool = False,
) -> Source:
    """Fetch the commit into a bare repository of the cache, and lay out its tree.

    Every step from the id to the files is computed again: the commit's bytes have its id, it
    names a tree, and the files on disk have that tree's id. A signature is thus over what is built.
    With `snapshot`, the repository is asked for all its branches as they are now.

    Raises:
        SourceError: unreachable, no such commit or tag, submodules, or a signature that fails.
    """
    name = hashlib.sha256(f"{spec.location}\n{_algorithm(spec)}".encode()).hexdigest()[:32]
    repository = cache.under("git") / name
    final = cache.under("sources", "git") / spec.commit
    with cache.lock(f"git-{name}"):
        _fetch(spec, repository, notify)
        commit = _object(repository, "commit", spec.commit, spec)
        tag = _tag(spec, repository, notify) if spec.tag else b""
        tree_id = commit.split(b"\n", 1)[0].removeprefix(b"tree ").decode("latin-1")
        if not hold(final):
            _lay_out(spec, repository, cache, final)
    tree = scan(final, _algorithm(spec))
    if tree.object_id != tree_id:
        raise SourceError(
            f"The tree of {spec.commit} in {final} is not git's {tree_id}; remove it and retry."
        )
    pins = [Pin("git-commit", spec.commit, "its files have the id of the tree that it names")]
    swhids = [tree.swhid]
    if _algorithm(spec) == "sha1":
        swhids.insert(0, f"swh:1:rev:{spec.commit}")
    if tag:
        pins.append(Pin("git-tag", object_id("tag", tag, _algorithm(spec)), spec.tag))
        if _algorithm(spec) == "sha1":
            swhids.append(swhid("tag", tag))
    if snapshot:
        swhids.append(_snapshot(spec, repository, notify))
    pins += [_signed(each, spec, commit, tag, cache) for each in signatures]
    described = f"{spec.location} at {f'{spec.tag}, ' if spec.tag else ''}{spec.commit}"
    return Source(
        *(final, spec.kind, described, spec.commit, swhids[0], tree.files),
        swhids=tuple(swhids),
        pins=tuple(pins),
        entries=tree.entries,
    )


def _snapshot(spec: GitSource, repository: Path, notify: Callable[[str], None]) -> str:
    """The SWHID of all that the repository advertises; the commit must be among it."""
    if _algorithm(spec) != "sha1":
        raise SourceError("A repository with SHA-256 ids has no SWHIDs; drop source.swhid.")
    notify(f"listing the branches of {spec.location}")
    found = snapshots.listing(
        _git(repository, "ls-remote", "--symref", "--", spec.location), spec.location
    )
    if spec.commit not in found.commits:
        raise SourceError(
            f"No branch or tag of {spec.location} stands at {spec.commit}, so that a snapshot says "
            "nothing of it; pin swh:1:rev: alone."
        )
    return snapshots.swhid(found.branches)


class Head(NamedTuple):
    """What a checkout stands at; `algorithm` is that of its ids."""

    commit: str
    tree: str
    algorithm: str


def head(checkout: Path) -> Head | None:
    """The commit that a checkout is at; None where it is none, or git is missing."""
    place = checkout / ".git"
    if not place.is_dir():
        return None
    try:
        commit, tree = _git(place, "rev-parse", "HEAD", "HEAD^{tree}").decode().split()
    except (SourceError, ToolError, ValueError):
        return None
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", commit):
        return None
    return Head(commit, tree, "sha256" if len(commit) == 64 else "sha1")


def _algorithm(spec: GitSource) -> str:
    return "sha256" if len(spec.commit) == 64 else "sha1"


def _signed(asked: Signature, spec: GitSource, commit: bytes, tag: bytes, cache: Cache) -> Pin:
    what = f"tag {spec.tag}" if asked.over == "tag" else f"commit {spec.commit}"
    if asked.over == "tag":
        parts = gitobject.signed_tag(tag, what)
    else:
        parts = gitobject.signed_commit(commit, _algorithm(spec), what)
    with cache.scratch() as scratch:
        (scratch / "payload").write_bytes(parts.payload)
        return signed.check(asked, parts.signature, scratch / "payload", what)


def _object(repository: Path, kind: str, name: str, spec: GitSource) -> bytes:
    """An object's bytes, which must have the id by which they were asked for."""
    raw = _git(repository, "cat-file", kind, name)
    if object_id(kind, raw, _algorithm(spec)) != name:
        raise SourceError(f"{spec.location} gives other bytes for {name} than have that id.")
    return raw


def _tag(spec: GitSource, repository: Path, notify: Callable[[str], None]) -> bytes:
    """The tag object that `spec.tag` names there; it must itself name the tag and the commit."""
    what = f"The tag {spec.tag} of {spec.location}"
    ref = f"refs/verifier/tags/{spec.tag}"
    notify(f"fetching the tag {spec.tag}")
    wanted = ("fetch", "--quiet", "--no-tags", "--depth=1", "--", spec.location)
    if not _try(repository, *wanted, f"+refs/tags/{spec.tag}:{ref}"):
        raise SourceError(f"{what} cannot be fetched; check source.tag.")
    name = _git(repository, "rev-parse", "--verify", "--end-of-options", ref).decode().strip()
    if not _try(repository, "cat-file", "tag", name):
        raise SourceError(f"{what} is a lightweight one, which says nothing; leave source.tag out.")
    raw = _object(repository, "tag", name, spec)
    told = gitobject.tag(raw, what)
    if (told.target, told.kind) != (spec.commit, "commit"):
        raise SourceError(f"{what} stands for {told.kind} {told.target}, not for {spec.commit}.")
    if told.name != spec.tag:
        raise SourceError(f"{what} calls itself {told.name!r}: it was made as another tag.")
    return raw


def _fetch(spec: GitSource, repository: Path, notify: Callable[[str], None]) -> None:
    if not repository.is_dir():
        _git(None, "init", "--quiet", "--bare", "--template=",
             f"--object-format={_algorithm(spec)}", str(repository))  # fmt: skip
    hold(repository)
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
