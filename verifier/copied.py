"""Artifacts that the audited source already holds: a build may just have copied them.

Equal bytes then prove a copy and no build. A text is what its reviewers read, and is told alone;
anything else is a blob that nobody has read, and the policy's `unaccounted` decides.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from verifier.account import Input, Inputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from verifier.rebuild import Build
    from verifier.rebuild.shipped import Pair
    from verifier.source import Source

_READ = 1 << 20
_CONTROL = re.compile(r"[^\t\n\f\r\x20-\x7e\x80-\U0010ffff]")
_COPY = (
    "the {} file is a file of the audited source, {}: equal bytes show a copy and no build; leave "
    "that file out of the source"
)
_INSIDE = (
    "the shipped file lies in the audited tree, where a build can copy it; move it out of the tree"
)


class Copy(NamedTuple):
    """One artifact, the reason why it may be no work of a build, and whether it is plain text."""

    artifact: str
    reason: str
    sha256: str = ""
    text: bool = False


def find(audited: Source, built: Build, artifacts: Sequence[Pair]) -> tuple[Copy, ...]:
    """By digest, both sides of each artifact; by place, what was shipped from within the tree.

    Raises:
        OSError: a file is gone.
    """
    names = _audited(audited, built)
    top = audited.path.resolve() if audited.kind == "directory" else None
    found: list[Copy] = []
    for item in artifacts:
        for side, path in (("shipped", item.shipped), ("rebuilt", item.rebuilt)):
            sha256 = _digest(path)
            if sha256 in names:
                found.append(
                    Copy(item.name, _COPY.format(side, names[sha256]), sha256, _is_text(path))
                )
                break
        else:
            if top is not None and item.origin.resolve().is_relative_to(top):
                found.append(Copy(item.name, _INSIDE))
    return tuple(found)


def told(inputs: Inputs | None, copies: Sequence[Copy]) -> Inputs | None:
    """The report's inputs with a word on each copy."""
    if not copies:
        return inputs
    if inputs is None:
        problem = "The build's inputs were not recorded, as the specification says."
        inputs = Inputs("none", (), problems=(problem,))
    events = (Input(each.artifact, each.reason, (), each.sha256) for each in copies)
    return inputs._replace(events=(*events, *inputs.events))


def _audited(audited: Source, built: Build) -> dict[str, str]:
    """Names of audited files by digest; of a tree that the build unpacked, those that it read."""
    names = {file.sha256: file.name for file in audited.files}
    if built.record is not None:
        record = json.loads((built.output_dir / built.record["file"]).read_text("utf-8"))
        for each in record["files"]:
            if each["class"] == "source" and each.get("sha256"):
                names.setdefault(each["sha256"], each["path"])
    return names


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_text(path: Path) -> bool:
    """Whether all of it is UTF-8 without control characters that editors do not show."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(_READ):
                if _CONTROL.search(decoder.decode(chunk)):
                    return False
            return not decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
