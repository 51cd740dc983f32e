"""Build the proof: ordered patches that turn the rebuilt bytes into the shipped ones.

Not the rules but the SHA-256 of what the patches produce makes a verdict
`equivalent`. `verifier.check` re-checks a saved proof without this module.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from verifier import content
from verifier.errors import VerifierError
from verifier.wire import to_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from verifier.content import Buffer
    from verifier.model import Patch, Ref
    from verifier.tree import Node

SCHEMA = "urn:source-binary-verifier:proof:v1"
LAYOUT = "layout"  # codec of patches that a map between two images justifies


class ProofError(VerifierError):
    """The patches do not produce the shipped bytes."""


def patches_of(node: Node) -> list[tuple[Patch, Node | None]]:
    """All patches in `node`'s own bytes, in order: its own, and those of stored members.

    A compressed member is one patch, paired with the node of its payload.
    """
    found: list[tuple[Patch, Node | None]] = [(patch, None) for patch in node.member.patches]
    for each in node.children:
        child = each.child
        assert child is not None
        if child.codec == "stored":
            found.extend(
                (
                    patch._replace(
                        offset=patch.offset + child.offset,
                        rebuilt_offset=patch.rebuilt_offset + child.rebuilt_offset,
                    ),
                    nested,
                )
                for patch, nested in patches_of(each)
            )
        elif each.stream is not None:
            found.append((each.stream, each))
    return sorted(found, key=lambda item: (item[0].offset, item[0].rebuilt_offset))


def prove(node: Node) -> None:
    """Check that the patches of `node`, and of every payload in it, give the shipped SHA-256.

    Raises:
        ProofError: they do not; the verdict must not be equivalent.
    """
    patches = patches_of(node)
    shipped, rebuilt = content.view(node.pair.shipped), content.view(node.pair.rebuilt)
    total = hashlib.sha256()
    for piece in apply((patch for patch, _ in patches), shipped, rebuilt):
        total.update(piece)
    expected = node.member.shipped
    if expected is None or total.hexdigest() != expected.sha256:
        raise ProofError(f"The patches of {node.pair.path} do not produce the shipped bytes.")
    for _, payload in patches:
        if payload is not None:
            prove(payload)


def apply(patches: Iterable[Patch], shipped: Buffer, rebuilt: Buffer) -> Iterator[Buffer]:
    """The pieces of the file that the patches make of `rebuilt`.

    Compressed streams are taken from `shipped`: that they hold the proven
    payload, and how they were made, is checked where their patch is made.
    """
    at = rebuilt_at = 0
    for patch in patches:
        same = patch.offset - at
        if same < 0 or patch.rebuilt_offset - rebuilt_at != same:
            raise ProofError(f"The patch of {patch.field} does not follow the one before it.")
        yield rebuilt[rebuilt_at : rebuilt_at + same]
        data = memoryview(patch.data)
        if patch.codec:
            data = shipped[patch.offset : patch.offset + patch.length]
        if len(data) != patch.length:
            raise ProofError(f"The patch of {patch.field} has not its own length.")
        yield data
        at, rebuilt_at = patch.offset + patch.length, patch.rebuilt_offset + patch.rebuilt_length
    yield rebuilt[rebuilt_at:]


def entry(node: Node) -> dict[str, Any]:
    """The proof of one file as plain data, for the proof document."""
    return {"path": node.pair.path, **_entry(node)}


def _entry(node: Node) -> dict[str, Any]:
    data = {
        "shipped": _facts(node.member.shipped, node.pair.shipped),
        "rebuilt": _facts(node.member.rebuilt, node.pair.rebuilt),
        "patches": [_patch(patch, payload) for patch, payload in patches_of(node)],
    }
    if maps := _layouts(node):
        data["layouts"] = maps
    return data


def _layouts(node: Node, offset: int = 0, rebuilt_offset: int = 0) -> list[dict[str, Any]]:
    """The maps of all images in `node`'s own bytes, with the place of each image."""
    found: list[dict[str, Any]] = []
    if node.layout and node.member.shipped is not None:
        place = {
            "offset": offset,
            "length": node.pair.shipped.length,
            "rebuilt_offset": rebuilt_offset,
            "rebuilt_length": node.pair.rebuilt.length,
        }
        found.append({"format": node.member.shipped.format, **place, "map": node.layout})
    for each in node.children:
        child = each.child
        if child is not None and child.codec == "stored":
            at, other = offset + child.offset, rebuilt_offset + child.rebuilt_offset
            found += _layouts(each, at, other)
    return found


def _facts(facts: Any, ref: Ref) -> dict[str, Any]:
    return {"sha256": facts.sha256, "size": ref.length}


def _patch(patch: Patch, payload: Node | None) -> dict[str, Any]:
    data = {key: value for key, value in to_data(patch).items() if value not in ("", None, [])}
    if patch.codec != LAYOUT:
        data["data"] = to_data(patch.data)
    data["free_bytes"] = patch.free_bytes
    data.pop("free", None)
    if payload is not None:
        del data["data"]
        data["payload"] = _entry(payload)
    return data
