"""A chain of shipped ClamAV databases and updates, verified as one release, step by step.

Each update must lead from the version before it to the next one, be signed, fit
the files, and make what the new list says; each full database must be what the
updates before it led to. Updates that come before the first database have no
files to be replayed on: of them, the order and the signatures are looked at.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import LimitError, ParseError, VerifierError
from verifier.formats import magic
from verifier.formats.base import text
from verifier.formats.clamav import cdiff, info, script, sign, unpacked
from verifier.sigdb.base import Change
from verifier.signatures import clamav, clamav_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from verifier.content import Buffer
    from verifier.sigdb.base import File
    from verifier.signatures.clamav_keys import Key
    from verifier.signatures.trust import Trust

SIGN = ".sign"
_NAMED = re.compile(r"(.+?)(?:-[0-9]{1,10})?\.(?:cvd|cld|cud|cdiff)\Z", re.DOTALL)
_NUMBERED = re.compile(r"-([0-9]{1,10})\.cdiff\Z")  # freshclam asks for an update by its number


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


def groups(files: Iterable[File]) -> dict[str, list[File]]:
    """The steps among `files` by folder and name of their database, each group `ordered`.

    `daily.cvd`, `daily-7.cdiff` and `daily-7.cvd` of one folder belong together.
    """
    found: dict[str, list[File]] = {}
    for file in files:
        named = _NAMED.match(file.name)
        if named and (magic.cvd(file.data) or magic.cdiff(file.data)):
            folder = file.path.rpartition("/")[0]
            found.setdefault(f"{folder}/{named[1]}".lstrip("/"), []).append(file)
    return {name: ordered(steps) for name, steps in sorted(found.items())}


def verify(
    steps: Sequence[File],
    beside: Mapping[str, Buffer] | None = None,
    keys: Sequence[Key] = (),
    trust: Trust | None = None,
) -> Release:
    """Replay a chain.

    Args:
        steps: in the order in which customers get them; see `ordered`.
        beside: the files that lie beside them by name, for their `.sign`.
        keys: further keys that may have signed, beside ClamAV's own.
        trust: who may have signed a `.sign`; None looks at its presence alone.

    Raises:
        ParseError: there is no step.
        LimitError: the files are too large to be replayed.
    """
    if not steps:
        raise ParseError("A chain of updates has at least one step")
    chain = _Chain(beside or {}, tuple(keys), trust)
    for step in steps:
        try:
            if not (chain.database(step) if magic.cvd(step.data) else chain.update(step)):
                break
        except LimitError:
            raise
        except VerifierError as error:
            chain.tell("update-result", step, f"The step cannot be taken: {error}")
            break
    return Release(chain.version, chain.files, tuple(chain.changes))


class _Chain:
    """Where the chain has come."""

    def __init__(
        self, beside: Mapping[str, Buffer], keys: tuple[Key, ...], trust: Trust | None
    ) -> None:
        self.version = 0
        self.files: dict[str, bytes] = {}
        self.changes: list[Change] = []
        self._beside = beside
        self._keys = keys
        self._trust = trust
        self._based = False  # there is a database that updates can be replayed on
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
        if self._based and version == self.version and (odd := _odd(self.files, files)):
            self.tell(
                "update-result",
                step,
                f"The updates make {odd} otherwise than this database has it.",
            )
        self._listed(step, files, version)
        self.version, self.files, self._based = version, files, True
        return True

    def update(self, step: File) -> bool:
        """Take an update; whether the chain can go on."""
        version = _version(step.data)
        dsig = cdiff.layout(step.data).spans[-1]
        signature = bytes(step.data[dsig.offset : dsig.end]) if dsig.field == "dsig" else b""
        self._signature(step, signature not in {b"", b"X"}, self._update_holds(step, signature))
        named = _NUMBERED.search(step.name)
        if named and int(named[1]) != version:
            summary = f"Customers get it as {step.name}; it leads to version {version}."
            self.tell("update-gap", step, summary)
        if version <= self.version:
            self.tell("update-downgrade", step, _older(self.version, version))
            return False
        if self.version and version != self.version + 1:
            summary = f"It leads to version {version}, but {self.version} is the one before it."
            self.tell("update-gap", step, summary)
            return False
        text = unpacked.script(step.data)
        self.version = version
        if self._based:
            self.files = script.replay(self.files, text)
            self._listed(step, self.files, version)
        return True

    def _signature(self, step: File, signed: bool, holds: bool) -> None:
        if signed and not holds:
            self.tell("signature-invalid", step, "Its signature is not for its bytes.")
        if self._signed and not signed:
            self.tell("update-signature-missing", step, "The steps before it are signed.")
        self._signed = signed
        vouched = self._beside.get(step.name + SIGN)
        if self._vouched and vouched is None:
            summary = "The steps before it have a .sign, this one has none."
            self.tell("update-signature-missing", step, summary)
        elif vouched is not None and self._trust is not None:
            self._sign(step, vouched, self._trust)
        self._vouched = vouched is not None

    def _sign(self, step: File, data: Buffer, trust: Trust) -> None:
        """Every line of a `.sign` must hold for the step, by someone who is trusted."""
        from verifier.signatures.detached import verify_detached  # noqa: PLC0415 - arithmetic

        try:
            found = [
                verify_detached(blob, lambda name: hashlib.new(name, step.data).digest(), trust)
                for blob in sign.blobs(data)
            ]
        except VerifierError as error:
            self.tell("signature-invalid", step, f"Its .sign does not hold: {error}")
            return
        if not found or not all(report.pinned for report in found):
            self.tell("signature-unexpected", step, "Its .sign is by nobody who is trusted.")

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
