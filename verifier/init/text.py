"""From a look to the text of a specification."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from verifier.errors import UsageError
from verifier.init.look import look
from verifier.init.parts import PARTS, quoted, relative
from verifier.source import git
from verifier.source.tree import scan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from verifier.init.look import Look
    from verifier.source.tree import Tree


def propose(tree: Path, shipped: Sequence[Path], target: Path, origin: Path | None = None) -> str:
    """The text of a specification that will lie at `target`.

    `origin` is the archive that `tree` was extracted from, which is then the pinned source.

    Raises:
        UsageError: nothing is recognised, or a file cannot be read.
    """
    if not shipped:
        raise UsageError("Name at least one shipped file: --shipped PATH.")
    found = look(tree.absolute(), [path.absolute() for path in shipped])
    here = target.absolute().parent
    part = next((made for each in PARTS if (made := each(found, here)) is not None), None)
    if part is None:
        raise UsageError(
            f"{tree} has no build that is known here (debian/, pyproject.toml, Cargo.toml, go.mod, "
            "meson.build, CMakeLists.txt, configure, Makefile, rules); start from "
            "fixtures/specs/command.toml."
        )
    tree_now = scan(found.tree)
    source = part.source or _source(found.tree, tree_now, here, origin)
    lines = ["# Proposed by `verifier init`: read each line, it is a first guess."]
    lines += [*_cautions(found, tree_now), ""]
    lines += ["[source]", *source, "", "[build]", *part.build, ""]
    if part.sandbox:
        lines += ["[sandbox]", *part.sandbox, ""]
    for one, other in part.artifacts:
        lines += ["[[artifacts]]", f"shipped = {one}", f"rebuilt = {other}", ""]
    lines += [
        "[policy]",
        'name = "standard"                    # "strict" accepts no free bytes at all',
        "",
        "# [[signers]]                        # whom the shipped signature must come from",
        '# certificate = "vendor.pem"',
    ]
    return "\n".join(lines) + "\n"


def _cautions(found: Look, tree: Tree) -> Iterator[str]:
    """A tree that holds what was shipped would "build" it by a copy, and prove nothing."""
    names = {file.sha256: file.name for file in tree.files}
    for each in found.shipped:
        with each.path.open("rb") as file:
            name = names.get(hashlib.file_digest(file, "sha256").hexdigest())
        if name is not None:
            yield f"# CAUTION: the audited tree holds {quoted(name)}, the shipped file itself."


def _source(tree: Path, found: Tree, here: Path, origin: Path | None) -> tuple[str, ...]:
    """The source as it is now: an archive, a commit of a clean checkout, or a tree."""
    if origin is not None:
        with origin.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return (
            'kind = "archive"',
            f"path = {relative(origin.absolute(), here)}",
            f'sha256 = "{digest}"',
            "# [[source.signatures]]             # its author's, if there is one",
            f"# path = {quoted(origin.name + '.asc')}",
            '# keys = ["author.asc"]             # OpenPGP, SSH or minisign',
        )
    head = git.head(tree)
    if head is not None and head.tree in (found.object_id, scan(tree, head.algorithm).object_id):
        return (
            'kind = "git"                         # the checkout is clean, so its commit says all',
            f"path = {relative(tree, here)}",
            f'commit = "{head.commit}"',
            '# tag = "v1.0"                      # an annotated tag of this commit',
            "# [[source.signatures]]             # over the tag, else over the commit",
            '# keys = ["author.asc"]             # OpenPGP, or SSH (allowed signers too)',
        )
    return (
        'kind = "directory"',
        f"path = {relative(tree, here)}",
        f'swhid = "{found.swhid}"  # the tree as it is now',
        "# What reviewers saw, mode and link included: verifier source record DIR --key …",
        '# record = "audit-record.json"',
        '# record_keys = ["auditor.pub"]',
    )
