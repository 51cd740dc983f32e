"""Check a whole journal, and say where it was tampered with.

Everything is computed again from the entries: each leaf and subtree against what is stored, each
checkpoint against the tree of its size. An altered entry is named; where stored hashes were
altered with it, the first checkpoint that no longer fits tells between which entries.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from verifier.attest import entries, merkle, note
from verifier.attest.journal import SCHEMA
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import ParseError, UsageError, VerifierError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from verifier.attest.journal import Journal
    from verifier.attest.note import Checkpoint, Key

FAULTS = 20  # that are told


class Tree:
    """A Merkle tree in memory, grown from entries: 64 bytes an entry."""

    def __init__(self) -> None:
        self.nodes: list[list[bytes]] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """One more entry."""
        for level, _, hashed in merkle.grown(self.size, merkle.leaf(data), self.get):
            if level == len(self.nodes):
                self.nodes.append([])
            self.nodes[level].append(hashed)
        self.size += 1

    def get(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree."""
        return self.nodes[level][index]

    def root(self, size: int) -> bytes:
        """The root that the tree had at `size`."""
        return merkle.root(size, self.get)


class Sound(NamedTuple):
    """A journal that holds: its last checkpoint, and how many others were checked with it."""

    last: Checkpoint
    checkpoints: int


def journal(found: Journal, log: Key, witnesses: Sequence[Key], known: Sequence[bytes]) -> Sound:
    """Check a journal file against the key of its log, and against checkpoints known from outside.

    Raises:
        MismatchError: it was altered, cut, reordered or forked; the message says where.
        ParseError: it cannot be read.
    """
    if found.log != log:
        raise MismatchError(f"{found.path} is the journal of another key: {found.log}.")
    with found.reading():
        faults: list[str] = []
        if found.schema() != set(SCHEMA):
            faults.append("its tables are not those that the verifier makes")
        tree = _grow(found.entries(), faults)
        faults += _stored(found, tree)
        signed = [(f"{size} entries", data) for size, data in found.checkpoints()]
        sound = _checkpoints(signed, tree, log, witnesses, faults)
    _outside(known, tree, log, witnesses, faults)
    return _told(faults, sound, str(found.path))


def export(folder: Path, log: Key, witnesses: Sequence[Key], known: Sequence[bytes]) -> Sound:
    """Check what `verifier journal export` wrote, likewise."""
    faults: list[str] = []
    try:
        with (folder / "entries.jsonl").open("rb") as file:
            tree = _grow(enumerate(_lines(file)), faults)
        text = (folder / "checkpoints.jsonl").read_text("utf-8")
        signed = [
            (f"line {number + 1}", str(json.loads(each)).encode("utf-8"))
            for number, each in enumerate(text.split("\n")[:-1])
        ]
    except (OSError, ValueError) as error:
        raise ParseError(f"{folder} is no exported journal: {error}.") from error
    sound = _checkpoints(signed, tree, log, witnesses, faults)
    _outside(known, tree, log, witnesses, faults)
    return _told(faults, sound, str(folder))


def write(found: Journal, folder: Path) -> None:
    """Write all entries and checkpoints as text, for an auditor without SQLite."""
    with found.reading():
        last = found.latest()
        try:
            folder.mkdir(parents=True)
            with (folder / "entries.jsonl").open("wb") as file:
                for _, data in found.entries():
                    file.write(data + b"\n")
            with (folder / "checkpoints.jsonl").open("w", encoding="utf-8") as text:
                for _, data in found.checkpoints():
                    text.write(json.dumps(data.decode("utf-8"), ensure_ascii=False) + "\n")
            (folder / "checkpoint").write_text(str(last.note), "utf-8")
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}.") from error


def _lines(file: Iterable[bytes]) -> Iterator[bytes]:
    for each in file:
        yield each.removesuffix(b"\n")


def _grow(found: Iterable[tuple[int, bytes]], faults: list[str]) -> Tree:
    """The tree over all entries; entries that are odd in themselves are told."""
    tree = Tree()
    for index, data in found:
        if index != tree.size:
            faults.append(f"entry {tree.size} is missing, or stands at {index}")
            return tree
        try:
            entries.read(data, f"entry {index}")
        except VerifierError as error:
            faults.append(str(error).removesuffix("."))
        tree.add(data)
    return tree


def _stored(found: Journal, tree: Tree) -> Iterator[str]:
    """Stored hashes that are not those of the entries, lowest level first."""
    seen = 0
    altered: set[int] = set()
    for level, index, hashed in found.nodes():
        seen += 1
        numbers = isinstance(level, int) and isinstance(index, int)
        known = numbers and 0 <= level < len(tree.nodes) and 0 <= index < len(tree.nodes[level])
        if not known:
            yield f"it stores a hash at level {level}, {index} that belongs to no entry"
        elif tree.nodes[level][index] != hashed:
            if level == 0:
                altered.add(index)
                yield f"entry {index} was altered, or its hash was"
            elif not any(each >> level == index for each in altered):
                last = ((index + 1) << level) - 1
                yield f"the hash over entries {index << level} to {last} was altered"
    if seen != sum(map(len, tree.nodes)):
        yield "it lacks hashes of its tree"


def _checkpoints(
    signed: Sequence[tuple[str, bytes]],
    tree: Tree,
    log: Key,
    witnesses: Sequence[Key],
    faults: list[str],
) -> Sound:
    """Hold each checkpoint against the tree; the first that does not fit tells where."""
    fits, last = 0, None
    for where, data in signed:
        try:
            found = note.opened(data, log, witnesses, f"its checkpoint of {where}")
        except VerifierError as error:
            faults.append(str(error).removesuffix("."))
            continue
        if last is not None and found.size <= last.size:
            faults.append(f"its checkpoints are out of order at {where}")
        last = found
        if found.size > tree.size:
            faults.append(f"it was cut: {found.size} entries were signed, {tree.size} are there")
        elif found.root != tree.root(found.size):
            faults.append(f"entries {fits} to {found.size - 1} are not what was signed")
            return Sound(found, len(signed))
        else:
            fits = found.size
    if last is None:
        raise NotAttestedError("No checkpoint of the journal is signed by its log.")
    if last.size < tree.size:
        faults.append(f"entries {last.size} to {tree.size - 1} stand behind its last checkpoint")
    return Sound(last, len(signed))


def _outside(
    known: Sequence[bytes], tree: Tree, log: Key, witnesses: Sequence[Key], faults: list[str]
) -> None:
    """Checkpoints that others have kept: the journal must still begin with each of them."""
    for data in known:
        found = note.opened(data, log, witnesses, "The checkpoint that is known")
        if found.size > tree.size:
            faults.append(f"it was cut: others have seen {found.size} entries of it")
        elif found.root != tree.root(found.size):
            faults.append(
                f"split view: others have seen {found.size} entries with the root "
                f"{found.root.hex()}, and here they have {tree.root(found.size).hex()}"
            )


def _told(faults: Sequence[str], sound: Sound, what: str) -> Sound:
    if not faults:
        return sound
    shown = "; ".join(faults[:FAULTS])
    more = f"; and {len(faults) - FAULTS} faults more" if len(faults) > FAULTS else ""
    raise MismatchError(f"{what} does not hold: {shown}{more}.")
