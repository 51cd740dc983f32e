"""Hold a saved proof against the comparison made again: does each rule speak of its own field?

The stand-alone checker sees that patches give the shipped bytes, and under which rule's name
each stands. That a rule was right to speak at that place it cannot see: this is where a proof
that someone wrote by hand is found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = ("offset", "length", "rebuilt_offset", "rebuilt_length")
_SAID = ("rule", "strength", "free_bytes", "data", "codec", "encoder")


def unlike(saved: dict[str, Any], fresh: dict[str, Any] | None, verdict: str) -> str:
    """One sentence on what the saved proof says and a comparison here does not; "" if nothing.

    `fresh` is the proof document of that comparison, None where it proved nothing; `verdict`
    is the comparison's own.
    """
    if fresh is None:
        return f"It says {saved['verdict']}; a comparison here says {verdict}."
    known = set(_patches(fresh))
    for each in _patches(saved):
        if each not in known:
            path, offset, length, _, _, rule, strength = each[:7]
            return (
                f"It settles {length} bytes at offset {offset:#x} of {path or 'the file'} by {rule}"
                f" ({strength}); a comparison here does not."
            )
    for name in ("verdict", "free_bytes"):
        if saved[name] != fresh[name]:
            return f"Its {name} is {saved[name]}; a comparison here has {fresh[name]}."
    return ""


def _patches(proof: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Every patch with the path of its file, in compressed members too."""
    alone = len(proof["files"]) == 1  # one file may have another name by now
    waiting = [("" if alone else entry["path"], entry) for entry in proof["files"]]
    while waiting:
        path, entry = waiting.pop()
        for patch in entry["patches"]:
            yield (path, *(patch.get(name) for name in (*_PLACE, *_SAID)))
            if "payload" in patch:
                waiting.append((f"{path}@{patch['offset']:#x}", patch["payload"]))
