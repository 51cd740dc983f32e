"""A chain of shipped ClamAV databases and updates, verified as one release, step by step.

The first step is a database. Each update must lead from the version before it
to the next one, be signed, fit the files, and make what the new list says;
each full database must be what the updates before it led to.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError, VerifierError
from verifier.formats import magic
from verifier.formats.base import text
from verifier.formats.clamav import cdiff, info, script, unpacked
from verifier.sigdb.base import Change
from verifier.signatures import clamav, clamav_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from verifier.content import Buffer
    from verifier.sigdb.base import File
    from verifier.signatures.clamav_keys import Key

SIGN = ".sign"


class Release(NamedTuple):
    """What a chain leads to: the last version, its files, and what is wrong on the way."""

    version: int
    files: dict[str, bytes]
    changes: tuple[Change, ...]


def ordered(files: Iterable[File]) -> list[File]:
    """The databases and updates among `files` by version, updates first; ParseError for none.

    A version that stands twice keeps the order in which the files came.
    """
    steps = [file for file in files if magic.cvd(file.data) or magic.cdiff(file.data)]
    return sorted(steps, key=lambda file: (_version(file.data), magic.cvd(file.data)))


def verify(steps: Sequence[File], beside: Iterable[str] = (), keys: Sequence[Key] = ()) -> Release:
    """Replay a chain.

    Args:
        steps: in the order in which customers get them; the first is a database.
        beside: names of the files that lie beside them, for their `.sign`.
        keys: further keys that may have signed, beside ClamAV's own.

    Raises:
        ParseError: there is no step, or the first is no database.
    """
    if not steps or not magic.cvd(steps[0].data):
        raise ParseError("A chain of updates starts with a database")
    chain = _Chain(frozenset(beside), tuple(keys))
    for step in steps:
        try:
            if not (chain.database(step) if magic.cvd(step.data) else chain.update(step)):
                break
        except VerifierError as error:
            chain.tell("update-result", step, f"The step cannot be taken: {error}")
            break
    return Release(chain.version, chain.files, tuple(chain.changes))


class _Chain:
    """Where the chain has come."""

    def __init__(self, beside: frozenset[str], keys: tuple[Key, ...]) -> None:
        self.version = 0
        self.files: dict[str, bytes] = {}
        self.changes: list[Change] = []
        self._beside = beside
        self._keys = keys
        self._signed = self._vouched = False

    def tell(self, kind: str, step: File, summary: str) -> None:
        """Keep one finding on a step."""
        where = text(step.name.encode("utf-8", "surrogateescape"))
        self.changes.append(Change(kind, where, summary, "", step.path))

    def database(self, step: File) -> bool:
        """Take a full database; whether the chain can go on."""
        head = unpacked.head(step.data)
        version = int(head["version"])
        files = unpacked.members(step.data)
        self._signature(step, head["dsig"] not in {b"", b"X"}, self._database_holds(step, head))
        if version < self.version:
            self.tell("update-downgrade", step, _older(self.version, version))
            return False
        if version == self.version and (odd := _odd(self.files, files)):
            self.tell(
                "update-result",
                step,
                f"The updates make {odd} otherwise than this database has it.",
            )
        self._listed(step, files, version)
        self.version, self.files = version, files
        return True

    def update(self, step: File) -> bool:
        """Take an update; whether the chain can go on."""
        version = _version(step.data)
        dsig = cdiff.layout(step.data).spans[-1]
        signature = bytes(step.data[dsig.offset : dsig.end]) if dsig.field == "dsig" else b""
        self._signature(step, signature not in {b"", b"X"}, self._update_holds(step, signature))
        if version <= self.version:
            self.tell("update-downgrade", step, _older(self.version, version))
            return False
        if version != self.version + 1:
            summary = f"It leads to version {version}, but {self.version} is the one before it."
            self.tell("update-gap", step, summary)
            return False
        self.files = script.replay(self.files, unpacked.script(step.data))
        self.version = version
        self._listed(step, self.files, version)
        return True

    def _signature(self, step: File, signed: bool, holds: bool) -> None:
        if signed and not holds:
            self.tell("signature-invalid", step, "Its signature is not for its bytes.")
        if self._signed and not signed:
            self.tell("update-signature-missing", step, "The steps before it are signed.")
        self._signed = signed
        vouched = step.name + SIGN in self._beside
        if self._vouched and not vouched:
            summary = "The steps before it have a .sign, this one has none."
            self.tell("update-signature-missing", step, summary)
        self._vouched = vouched

    def _database_holds(self, step: File, head: Mapping[str, bytes]) -> bool:
        digest = hashlib.md5(step.data[512:], usedforsecurity=False).digest()
        keys = (clamav_keys.DATABASE, *self._keys)
        if head["md5"] not in {b"X", digest.hex().encode()}:
            return False
        return _holds(lambda: clamav.verify_md5(head["dsig"], digest, keys) is not None)

    def _update_holds(self, step: File, signature: bytes) -> bool:
        end = len(step.data) - len(signature) - 1
        digest = hashlib.sha256(step.data[:end]).digest()
        keys = (clamav_keys.UPDATE, *self._keys)
        return _holds(lambda: clamav.verify_sha256(signature, digest, keys) is not None)

    def _listed(self, step: File, files: Mapping[str, bytes], version: int) -> None:
        """The files must be those of their own list, which must be of this version."""
        names = [name for name in files if name.lower().endswith(".info")]
        if len(names) != 1:
            self.tell("update-result", step, f"It leads to {len(names)} lists instead of one.")
            return
        data = files[names[0]]
        view = memoryview(data)
        cut = info.layout(view)
        values = {span.name: bytes(view[span.offset : span.end]) for span in cut.spans}
        if int(values["header.version"]) != version:
            self.tell("update-result", step, "Its list is of another version than it is itself.")
        wrong = [
            name for row, name in cut.info.rows.items() if not _row_holds(values, row, files, name)
        ]
        left = files.keys() - set(cut.info.rows.values()) - {"COPYING", names[0]}
        for name in sorted({*wrong, *left}):
            self.tell("update-result", step, f"Its list does not agree with the file {name}.")
        dsig = cut.info.dsig
        keys = (clamav_keys.LISTING, *self._keys)
        if dsig is not None:
            digest = hashlib.sha256(data[:dsig]).digest()
            signature = data[dsig + 5 :].removesuffix(b"\n")
            if not _holds(lambda: clamav.verify_sha256(signature, digest, keys) is not None):
                self.tell("signature-invalid", step, "The signature of its list is not for it.")


def _row_holds(
    values: Mapping[str, bytes], row: str, files: Mapping[str, bytes], name: str
) -> bool:
    data = files.get(name)
    return (
        data is not None
        and values[f"{row}.size"] == str(len(data)).encode()
        and values[f"{row}.digest"] == hashlib.sha256(data).hexdigest().encode()
    )


def _holds(verified: Callable[[], bool]) -> bool:
    try:
        return verified()
    except ParseError:
        return False


def _odd(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> str:
    """The first file in which two versions differ; empty if there is none."""
    names = sorted({*one, *other})
    return next((name for name in names if one.get(name) != other.get(name)), "")


def _older(before: int, version: int) -> str:
    return f"It leads to version {version}; the steps before it have led to {before} already."


def _version(data: Buffer) -> int:
    if magic.cvd(data):
        return int(unpacked.head(data)["version"])
    span = next(span for span in cdiff.layout(data).spans if span.name == "header.version")
    return int(bytes(data[span.offset : span.end]))
