"""The journal: an append-only Merkle log in one SQLite file, with a signed checkpoint a commit.

Every append is one transaction that brings entries, tree and checkpoint together, so that a
process killed at any point leaves the state before or after it. Beside the file lies its latest
checkpoint (`NAME.checkpoint`): a journal that was set back behind it is not appended to.
"""

from __future__ import annotations

import contextlib
import glob
import os
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from verifier import limits
from verifier.attest import merkle, note
from verifier.attest.refusal import MismatchError
from verifier.errors import LimitError, ParseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from verifier.attest.note import Checkpoint, Key

WAIT = 120.0  # seconds that a writer waits for the others
_LEFT = 600.0  # seconds after which nobody writes a temporary file any more
_GUARD = "CREATE TRIGGER {} BEFORE {} ON entries BEGIN SELECT RAISE(ABORT, 'it only grows'); END"
SCHEMA = (
    "CREATE TABLE journal (id INTEGER PRIMARY KEY CHECK (id = 1), format TEXT, log TEXT)",
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE nodes (level INTEGER, id INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, id))",
    "CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL)",
    _GUARD.format("no_update", "UPDATE"),
    _GUARD.format("no_delete", "DELETE"),
)
_DAMAGED = (sqlite3.Error, UnicodeDecodeError, OverflowError)
FORMAT = "urn:source-binary-verifier:journal:v1"


class Signer(NamedTuple):
    """The private key of a log (of the cryptography library), and its public half."""

    private: Any
    key: Key

    def checkpoint(self, size: int, root: bytes) -> str:
        """A checkpoint that this log signs."""
        said = note.text(self.key.name, size, root)
        return str(note.Note(said, (note.sign(self.private, self.key, said),)))


class Journal:
    """An open journal. Every method that reads may raise ParseError on a damaged file."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database
        self.log = self._log()

    def _log(self) -> Key:
        """The public key that the file names; a reader compares it with the one it trusts."""
        found = self._rows("SELECT format, log FROM journal")
        if len(found) != 1 or found[0][0] != FORMAT or not isinstance(found[0][1], str):
            raise ParseError(f"{self.path} is no journal of a version that is known here.")
        try:
            return note.key(found[0][1])
        except UsageError as error:
            raise ParseError(f"{self.path} names no key of a log: {error}") from error

    def schema(self) -> set[str]:
        """The statements that made the file's tables and triggers."""
        return {row[0] for row in self._rows("SELECT sql FROM sqlite_master") if row[0]}

    def size(self) -> int:
        """How many entries there are."""
        found = self._rows("SELECT max(id) FROM entries")[0][0]
        if found is not None and not isinstance(found, int):
            raise ParseError(f"{self.path} numbers its entries oddly.")
        return 0 if found is None else found + 1

    def entry(self, index: int) -> bytes:
        """The bytes of one entry."""
        return self._bytes("SELECT data FROM entries WHERE id = ?", index)

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """All entries, by their own numbers."""
        for index, data in self._each("SELECT id, data FROM entries ORDER BY id"):
            yield index, data if isinstance(data, bytes) else b""

    def nodes(self) -> Iterator[tuple[Any, Any, Any]]:
        """All stored subtrees: level, index, hash; whatever stands there."""
        yield from self._each("SELECT level, id, hash FROM nodes ORDER BY level, id")

    def node(self, level: int, index: int) -> bytes:
        """The hash of one complete subtree."""
        return self._bytes("SELECT hash FROM nodes WHERE level = ? AND id = ?", level, index)

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        """All checkpoints by the size they stand at."""
        for size, said in self._each("SELECT size, note FROM checkpoints ORDER BY size"):
            yield size, str(said).encode("utf-8")

    def latest(self) -> Checkpoint:
        """The last checkpoint, with the log's signature checked."""
        found = self._rows("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        if not found:
            raise ParseError(f"{self.path} has no checkpoint.")
        data = str(found[0][0]).encode("utf-8")
        return note.opened(data, self.log, (), f"The last checkpoint of {self.path}")

    def append(self, entries: Sequence[bytes], signer: Signer) -> Checkpoint:
        """Add entries, all or none, and sign the new size and root.

        Raises:
            MismatchError: the file is not what its last checkpoints say; nothing is added.
        """
        if signer.key != self.log:
            raise UsageError(f"{self.path} is the journal of another key: {self.log}.")
        if not entries:
            raise UsageError("There is nothing to append.")
        if any(len(each) > limits.JOURNAL_ENTRY_BYTES for each in entries):
            raise LimitError(f"An entry is larger than {limits.JOURNAL_ENTRY_BYTES} bytes.")
        with self._writing():
            self._sound()
            size = self.size()
            for data in entries:
                self._database.execute("INSERT INTO entries VALUES (?, ?)", (size, data))
                self._database.executemany(
                    "INSERT INTO nodes VALUES (?, ?, ?)",
                    merkle.grown(size, merkle.leaf(data), self.node),
                )
                size += 1
            said = signer.checkpoint(size, merkle.root(size, self.node))
            self._database.execute("INSERT INTO checkpoints VALUES (?, ?)", (size, said))
        found = note.opened(said.encode("utf-8"), self.log, (), "The new checkpoint")
        self._remember(found)
        return found

    def add_signatures(self, size: int, lines: Sequence[note.Line]) -> Checkpoint:
        """Add cosignatures to the checkpoint of `size`; the caller has verified them."""
        with self._writing():
            found = self._rows("SELECT note FROM checkpoints WHERE size = ?", size)
            if not found:
                raise UsageError(f"{self.path} has no checkpoint of {size} entries.")
            what = f"The checkpoint of {size} entries"
            known = note.parse(str(found[0][0]).encode("utf-8"), what)
            new = tuple(each for each in lines if each not in known.lines)
            signed = known._replace(lines=(*known.lines, *new))
            note.parse(str(signed).encode("utf-8"), what)  # within the caps still
            self._database.execute(
                "UPDATE checkpoints SET note = ? WHERE size = ?", (str(signed), size)
            )
        return note.opened(str(signed).encode("utf-8"), self.log, (), what)

    def _sound(self) -> None:
        """MismatchError unless the tree is what the last checkpoints say, here and beside."""
        last, size = self.latest(), self.size()
        if last.size != size or last.root != merkle.root(size, self.node):
            raise MismatchError(
                f"{self.path} is not what its last checkpoint says; run 'verifier journal check'."
            )
        for data in kept_beside(self.path):
            old = note.opened(data, self.log, (), f"The checkpoint beside {self.path}")
            if old.size > size or old.root != merkle.root(old.size, self.node):
                raise MismatchError(
                    f"{self.path} was set back: the checkpoint beside it has seen "
                    f"{old.size} entries."
                )

    def _remember(self, found: Checkpoint) -> None:
        """Keep the latest checkpoint beside the file; another writer's later one stays."""
        kept = _beside(self.path)
        with contextlib.suppress(OSError, ParseError, MismatchError):
            if note.opened(kept.read_bytes(), self.log, (), str(kept)).size > found.size:
                return
        _write(kept, str(found.note).encode("utf-8"))

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """One view of the whole file, whatever writers add meanwhile."""
        self._rows("BEGIN")
        try:
            yield
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, alone among all writers."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except _DAMAGED as error:
            raise ParseError(f"{self.path} could not be written: {error}.") from error

    def _each(self, statement: str, *values: int) -> Iterator[Any]:
        try:
            yield from self._database.execute(statement, values)
        except _DAMAGED as error:
            raise ParseError(f"{self.path} cannot be read: {error}.") from error

    def _rows(self, statement: str, *values: int) -> list[Any]:
        return list(self._each(statement, *values))

    def _bytes(self, statement: str, *values: int) -> bytes:
        found = self._rows(statement, *values)
        if len(found) != 1 or not isinstance(found[0][0], bytes):
            raise ParseError(f"{self.path} lacks what belongs at {values}.")
        return found[0][0]


def create(path: Path, signer: Signer) -> Checkpoint:
    """A new, empty journal with its first checkpoint; UsageError if the file is there already."""
    if path.exists():
        raise UsageError(f"{path} is there already.")
    work = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        database = _connect(work.absolute().as_uri())
        with contextlib.closing(database):
            database.execute("BEGIN")
            for statement in SCHEMA:
                database.execute(statement)
            database.execute("INSERT INTO journal VALUES (1, ?, ?)", (FORMAT, str(signer.key)))
            said = signer.checkpoint(0, merkle.EMPTY)
            database.execute("INSERT INTO checkpoints VALUES (0, ?)", (said,))
            database.execute("COMMIT")
        os.link(work, path)  # whole or not at all, and never over another's
    except FileExistsError as error:
        raise UsageError(f"{path} is there already.") from error
    except (sqlite3.Error, OSError) as error:
        raise UsageError(f"{path} cannot be made: {error}.") from error
    finally:
        work.unlink(missing_ok=True)
    return note.opened(said.encode("utf-8"), signer.key, (), "The first checkpoint")


@contextlib.contextmanager
def opened(path: Path, *, write: bool = False) -> Iterator[Journal]:
    """An open journal; ParseError if the file is none."""
    if not path.is_file():
        raise UsageError(f"{path} is no journal; make one with 'verifier journal init'.")
    # Also a reader must be able to roll back what a killed writer left, if it may write at all.
    mode = "rw" if write or os.access(path, os.W_OK) else "ro"
    try:
        database = _connect(f"{path.absolute().as_uri()}?mode={mode}")
        if not write:
            database.execute("PRAGMA query_only = ON")
    except _DAMAGED as error:
        raise ParseError(f"{path} cannot be opened: {error}.") from error
    with contextlib.closing(database):
        yield Journal(path, database)


def _connect(uri: str) -> sqlite3.Connection:
    """A connection that loses nothing on a crash, and trusts nothing in the file."""
    database = sqlite3.connect(uri, timeout=WAIT, isolation_level=None, uri=True)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.JOURNAL_ENTRY_BYTES + limits.MIB)
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "synchronous = EXTRA"):
        database.execute(f"PRAGMA {setting}")
    return database


def kept_beside(path: Path) -> list[bytes]:
    """The latest checkpoint that lies beside a journal, if one does."""
    kept = _beside(path)
    try:
        return [kept.read_bytes()] if kept.exists() else []
    except OSError as error:
        raise ParseError(f"{kept} cannot be read: {error.strerror}.") from error


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".checkpoint")


def _write(path: Path, data: bytes) -> None:
    """Replace a file, whole or not at all; what killed writers left over is swept away."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < time.time() - _LEFT:
                left.unlink()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
