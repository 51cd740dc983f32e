"""Let diffoscope comment on leftovers. Commentary alone: no verdict ever depends on it.

diffoscope is GPL and stays a program that is called, with caps, on copies of
the two members.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import content, limits, process
from verifier.errors import ToolError
from verifier.formats.base import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.tree import Node

_MEMBERS = 20  # narrated members a run
_SECONDS = 120.0
_LINES = 400  # lines a member
_LARGEST = 64 * limits.MIB


def narrate(nodes: Iterable[Node]) -> None:
    """Add diffoscope's text to the innermost members that differ."""
    told = 0
    for root in nodes:
        for node in root.walk():
            if node.member.differences and not node.children and told < _MEMBERS:
                node.member = node.member._replace(narration=_narration(node))
                told += 1


def _narration(node: Node) -> str:
    if max(node.pair.shipped.length, node.pair.rebuilt.length) > _LARGEST:
        return f"Not narrated: larger than {_LARGEST >> 20} MiB."
    name = Path(node.pair.path.rstrip("!")).name or "member"
    with tempfile.TemporaryDirectory(prefix="verifier-narrate-") as folder:
        paths = []
        for side, ref in (("shipped", node.pair.shipped), ("rebuilt", node.pair.rebuilt)):
            path = Path(folder, side, name)
            path.parent.mkdir()
            path.write_bytes(content.view(ref))
            paths.append(str(path))
        try:
            done = process.run(
                ["diffoscope", "--text", "-", "--max-text-report-size", "1000000", *paths],
                seconds=_SECONDS,
                output=4 * limits.MIB,
                environment={"HOME": folder, "TMPDIR": folder},
            )
        except ToolError as error:
            return f"Not narrated: {error}"
    lines = done.stdout.decode("utf-8", "backslashreplace").splitlines()
    shown = [text(line.encode()) for line in lines[:_LINES]]
    if len(lines) > _LINES:
        shown.append(f"… {len(lines) - _LINES} more lines")
    return "\n".join(shown)
