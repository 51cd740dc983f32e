"""A witness: remembers the last checkpoint of each log, and cosigns only what extends it.

Source: c2sp.org/tlog-witness. Comparing and remembering is one transaction, done before the
signature leaves, so that a witness that is killed or asked twice at once never signs two histories.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from verifier.attest import merkle, note, tlog
from verifier.attest.journal import WAIT
from verifier.errors import ParseError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from pathlib import Path

    from verifier.attest.note import Checkpoint, Key

_TABLE = "CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, note TEXT NOT NULL)"


def cosign(request: bytes, log: Key, state: Path, private: Any, by: Key, time: dt.datetime) -> str:
    """The signature line of a witness on the checkpoint of a consistency proof.

    Raises:
        MismatchError: the log shows another history than the witness has seen.
        ParseError: the request is malformed, or starts from another size than was last seen.
        NotAttestedError: the log did not sign the checkpoint.
    """
    proof = tlog.growth(request, "The request")
    with _alone(state) as database:
        old = _seen(database, log)
        found = tlog.grows(proof, old, log, (), "The request")
        database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (log.name, str(found.note)))
    line = note.cosign(private, by, found.note.text, int(time.timestamp()))
    return note.signature_line(line)


def _seen(database: sqlite3.Connection, log: Key) -> Checkpoint:
    """What was last cosigned of the log; the empty log if nothing was."""
    row = database.execute("SELECT note FROM seen WHERE origin = ?", (log.name,)).fetchone()
    if row is None:
        nothing = note.Note(note.text(log.name, 0, merkle.EMPTY), ())
        return note.checkpoint(nothing, "Nothing")
    return note.opened(str(row[0]).encode("utf-8"), log, (), "The witness's own record")


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[sqlite3.Connection]:
    """One transaction, durable before it ends; none at all on any failure."""
    try:
        with contextlib.closing(
            sqlite3.connect(state, timeout=WAIT, isolation_level=None)
        ) as database:
            database.execute("PRAGMA synchronous = EXTRA")
            database.execute("BEGIN IMMEDIATE")
            database.execute(_TABLE)
            yield database  # closing without a commit rolls back
            database.execute("COMMIT")
    except sqlite3.Error as error:
        raise ParseError(f"{state} is no usable record of a witness: {error}.") from error
