"""Copies of an audited source for the build, checked after they were made.

A file that is swapped between the check of the source and its copying would else be built unseen.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from verifier.errors import SourceError
from verifier.source.tree import SKIPPED, scan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from verifier.source.base import Source


_NAMED = 5


def copy_tree(source: Source, into: Path) -> None:
    """Copy the tree into an empty directory, times included: make decides by them.

    Extended attributes stay behind: no audit saw them, and no recording shows who reads them.

    Raises:
        SourceError: what was copied is not what was checked.
    """
    skipped = {name.decode() for name in SKIPPED}
    top = str(source.path)
    try:
        shutil.copytree(
            top,
            into,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=lambda where, names: skipped.intersection(names) if where == top else (),
        )
        _strip(into)
    except (OSError, shutil.Error) as error:
        raise SourceError(f"The source {source.path} cannot be copied: {error}.") from error
    found = scan(into).entries
    if found != source.entries:
        names = sorted({entry.path for entry in {*found} ^ {*source.entries}})
        listed = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
        raise SourceError(
            f"The source {source.path} changed between its check and the build, in {listed}; "
            "nothing was built."
        )


def _strip(top: Path) -> None:
    """Remove all extended attributes that can be removed; OSError for one that stays.

    Those of the system's own security modules (`security.selinux` and the like) stay.
    """
    listing = getattr(os, "listxattr", None)
    if listing is None:
        return  # no such thing here, nor rebuilding
    for where, folders, files in os.walk(top):
        for name in (".", *folders, *files):
            path = os.path.join(where, name)  # noqa: PTH118 - os.walk gives text
            try:
                names = listing(path, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
                continue
            for each in names:
                if not each.startswith("security.") or each == "security.capability":
                    os.removexattr(path, each, follow_symlinks=False)


def check_copies(source: Source, copies: Mapping[str, Path]) -> None:
    """Hold single copies, by their name in the source, against what was checked.

    Raises:
        SourceError: one is not what was checked.
    """
    known = {file.name: file.sha256 for file in source.files}
    for name, path in copies.items():
        with path.open("rb") as file:
            if known.get(name) != hashlib.file_digest(file, "sha256").hexdigest():
                raise SourceError(
                    f"{name} of the source changed between its check and the build; "
                    "nothing was built."
                )
