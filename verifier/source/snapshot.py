"""The SWHID of a snapshot: all branches and tags of a repository, and what each of them names.

Source: SWHID specification 1.2, snapshots. Which references count is Software Heritage's own
choice: all that a repository advertises, but for the merges that GitHub makes of pull requests.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import SourceError
from verifier.source.swhid import object_id

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(rb"([0-9a-f]{40}|ref: [^\t\n]+)\t([^\t\n]+)")
_MERGE = re.compile(rb"refs/pull/.*/merge", re.DOTALL)
_PEELED = b"^{}"


class Branch(NamedTuple):
    """What a branch names: an object by its id in raw bytes, or another branch by its name.

    `kind` is `content`, `directory`, `revision`, `release`, `snapshot`, `alias` or `dangling`.
    """

    kind: str
    target: bytes = b""


class Listing(NamedTuple):
    """What a repository advertises, and the ids in hex of all commits that it names."""

    branches: dict[bytes, Branch]
    commits: frozenset[str]


def swhid(branches: Mapping[bytes, Branch]) -> str:
    """The identifier of a snapshot with these branches, by name."""
    rows = (
        b"%s %s\0%d:%s" % (each.kind.encode(), name, len(each.target), each.target)
        for name, each in sorted(branches.items())
    )
    return f"swh:1:snp:{object_id('snapshot', b''.join(rows))}"


def listing(said: bytes, location: str) -> Listing:
    """Read what `git ls-remote --symref` printed.

    A reference to something else than a commit or an annotated tag is taken for one to a commit:
    its snapshot has another identifier then, and the pin does not hold.

    Raises:
        SourceError: a line is not understood.
    """
    names: dict[bytes, bytes] = {}
    links: dict[bytes, bytes] = {}
    for line in said.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise SourceError(f"{location} lists its branches in a way that is not understood.")
        if found[1].startswith(b"ref: "):
            links[found[2]] = found[1].removeprefix(b"ref: ")
        else:
            names[found[2]] = bytes.fromhex(found[1].decode())
    branches = {}
    commits = set()
    for name, target in names.items():
        if name.endswith(_PEELED) or _MERGE.fullmatch(name):
            continue
        peeled = names.get(name + _PEELED)
        commits.add((peeled or target).hex())
        kind = "release" if peeled is not None else "revision"
        branches[name] = Branch(kind, target)
        if name in links:
            branches[name] = Branch("alias", links[name])
    return Listing(branches, frozenset(commits))
