"""Check a bundle again, offline and without a build: nothing missing, more, or altered.

What cannot be checked again without building is what the report says of differences: of a negative
report the files, their digests and the attestations are checked, and the verdict is taken as said.
"""

from __future__ import annotations

import hashlib
import mmap
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from verifier import limits, shape
from verifier.attest import bundle, dsse, make, reproof, statement, storedzip, strict
from verifier.attest.predicate import sha256
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import LimitError, ParseError
from verifier.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from verifier.attest.keys import PublicKey
    from verifier.attest.statement import Statement
    from verifier.attest.storedzip import Entry


class Replayed(NamedTuple):
    """The report's verdict, and what was checked, in words."""

    verdict: Verdict
    checked: tuple[str, ...]


class _Bag(NamedTuple):
    """An open bundle whose bag was checked: its data files and their digests."""

    file: BinaryIO
    entries: dict[str, Entry]
    digests: dict[str, str]
    roles: dict[str, Any]

    def read(self, name: str) -> bytes:
        """The bytes of one data file."""
        entry = self.entries[name]
        if entry.size > limits.REPORT_BYTES:
            raise LimitError(f"{name} of the bundle is larger than {limits.REPORT_BYTES} bytes.")
        return b"".join(storedzip.content(self.file, entry))


def replay(path: Path, keys: Sequence[PublicKey] = ()) -> Replayed:
    """Check a bundle; with `keys`, each attestation in it must be signed by one of them.

    Raises:
        ParseError: something is missing, more, altered, or does not belong together.
        MismatchError: the proof does not hold.
        NotAttestedError: keys are given, and an attestation is not signed by any of them.
    """
    try:
        with path.open("rb") as file:
            return _replay(_opened(file, str(path)), keys)
    except OSError as error:
        raise ParseError(f"{path} cannot be read: {error.strerror or error}.") from error


def _opened(file: BinaryIO, what: str) -> _Bag:
    """Check the archive and the bag, and that the index speaks of each file."""
    head = f"{bundle.TOP}/data/"
    found = storedzip.read(file, what)
    entries = {each.name.removeprefix(head): each for each in found if each.name.startswith(head)}
    digests: dict[str, str] = {}
    for name, entry in entries.items():
        bundle.safe(name)
        hashed = hashlib.sha256()
        for chunk in storedzip.content(file, entry):
            hashed.update(chunk)
        digests[name] = hashed.hexdigest()
    total = sum(entry.size for entry in entries.values())
    tags = bundle.tag_files({f"data/{name}": each for name, each in digests.items()}, total)
    others = {each.name: each for each in found if not each.name.startswith(head)}
    if set(others) != {f"{bundle.TOP}/{name}" for name in tags}:
        raise ParseError(f"{what} is no bundle: its bag lacks a file, or has one more.")
    for name, text in tags.items():
        entry = others[f"{bundle.TOP}/{name}"]
        same = entry.size == len(text) and b"".join(storedzip.content(file, entry)) == text
        if not same:
            raise ParseError(f"{what} was altered: {name} is not what its files make it.")
    return _Bag(file, entries, digests, _index(file, entries, what))


def _index(file: BinaryIO, entries: dict[str, Entry], what: str) -> dict[str, Any]:
    if "index.json" not in entries or entries["index.json"].size > limits.ATTESTATION_BYTES:
        raise ParseError(f"{what} has no index, or one that is too large.")
    data = b"".join(storedzip.content(file, entries["index.json"]))
    index = strict.object_of(data, "The index of the bundle")
    shape.check(index, "bundle-v1", "The index of the bundle")
    single = [index[role] for role in ("report", "proof", "spec", "record", "environment")]
    named = [name for name in single if name is not None]
    named += [name for role in ("attestations", "logs", "also") for name in index[role]]
    here = {name for name in entries if not name.startswith(("shipped/", "rebuilt/"))}
    if len(set(named)) != len(named) or {*named, "index.json"} != here:
        odd = sorted(here ^ {*named, "index.json"}) or sorted(named)
        raise ParseError(f"The index and the bundle disagree on {odd[0]}: missing, or one more.")
    return index


def _replay(bag: _Bag, keys: Sequence[PublicKey]) -> Replayed:
    report_bytes = bag.read(bag.roles["report"])
    report = make.report_of(report_bytes)
    verdict = Verdict(report["verdict"])
    checked = [f"{len(bag.entries)} files are what the bag says"]
    _belong(bag, report)
    _same_files(bag, report)
    checked.append("the report speaks of these files and no others")
    if verdict.positive:
        checked.append(_proven(bag, report))
    else:
        checked.append("the verdict is not positive, so there is no proof to check")
    checked.append(_attested(bag, report_bytes, keys))
    return Replayed(verdict, tuple(checked))


def _belong(bag: _Bag, report: dict[str, Any]) -> None:
    """Specification and environment must be those of the report, and there if it names them."""
    index, source = bag.roles, report["source"] or {}
    spec = source.get("spec_sha256")
    if (index["spec"] is None) != (spec is None):
        raise ParseError("The report and the bundle disagree on whether there is a specification.")
    if spec is not None and bag.digests[index["spec"]] != spec:
        raise ParseError("The specification is not the one that the report speaks of.")
    if (index["environment"] is None) != (report["build"] is None):
        raise ParseError("The report and the bundle disagree on whether there was a build.")
    if index["environment"] and bag.read(index["environment"]) != bundle.environment(report):
        raise ParseError("The environment is not the one that the report speaks of.")


def _same_files(bag: _Bag, report: dict[str, Any]) -> None:
    """The compared files must be there, to the byte, and no others."""
    for side in bundle.SIDES:
        told = {
            f"{side}/{item['path']}": (item[side]["sha256"], item[side]["size"])
            for item in report.get("artifacts", [])
            if item[side] is not None
        }
        here = {
            name: (bag.digests[name], entry.size)
            for name, entry in bag.entries.items()
            if name.startswith(f"{side}/")
        }
        odd = sorted(name for name in told.keys() | here.keys() if told.get(name) != here.get(name))
        if odd:
            raise ParseError(f"{odd[0]} is missing, one more, or not what the report speaks of.")


def _proven(bag: _Bag, report: dict[str, Any]) -> str:
    """Re-run the proof on the files of the bundle."""
    if bag.roles["proof"] is None:
        if report["verdict"] != Verdict.IDENTICAL or bag.roles["links"]:
            raise ParseError("The bundle lacks the proof of its report.")
        if not report.get("artifacts"):
            raise ParseError("The report speaks of no file; nothing is proven.")
        for item in report["artifacts"]:
            sides = [item[side] and item[side]["sha256"] for side in bundle.SIDES]
            if sides[0] is None or sides[0] != sides[1]:
                raise MismatchError(f"{item['path']} is not identical on both sides.")
        return "both sides are identical"
    proof = make.proof_of(bag.read(bag.roles["proof"]), report)
    _links(bag.roles["links"])
    data = memoryview(mmap.mmap(bag.file.fileno(), 0, access=mmap.ACCESS_READ))

    def view(side: str, path: str) -> memoryview:  # where it lies: nothing is unpacked
        entry = bag.entries[f"{side}/{path}"]
        return data[entry.start : entry.start + entry.size]

    free = reproof.recheck_parts(proof, view)
    return f"the proof was re-run and holds, with {free} free bytes"


def _links(links: list[dict[str, str]]) -> None:
    """Both sides must have the same links, to the same places."""
    sides: dict[str, dict[str, str]] = {side: {} for side in bundle.SIDES}
    for link in links:
        side, _, path = link["path"].partition("/")
        bundle.safe(link["path"])
        if side not in sides or path in sides[side]:
            raise ParseError(f"The link {link['path']} is of neither side, or there twice.")
        sides[side][path] = link["target"]
    odd = sorted(set(sides["shipped"].items()) ^ set(sides["rebuilt"].items()))
    if odd:
        raise MismatchError(f"The link {odd[0][0]} is not the same on both sides.")


def _attested(bag: _Bag, report: bytes, keys: Sequence[PublicKey]) -> str:
    """Each attestation must speak of this report, and be signed if keys are given."""
    names = bag.roles["attestations"]
    found = {name: _statement(bag.read(name), name, keys) for name in names}
    own = {said.digest for said in found.values()}
    ours = {
        "report": sha256(report),
        "proof": bag.digests.get(bag.roles["proof"] or ""),
        "record": bag.digests.get(bag.roles["record"] or ""),
    }
    for name, said in found.items():
        if said.predicate_type == statement.VSA:
            about = said.predicate.get("inputAttestations")
            if not isinstance(about, list) or not any(_names(item, own) for item in about):
                raise ParseError(f"{name} is a VSA of another attestation than those here.")
            continue
        for what, digest in ours.items():
            says = said.predicate[what]
            if what != "record" and (says and says["sha256"]) != digest:
                raise ParseError(f"{name} speaks of another {what} than the one here.")
            if what == "record" and says is not None and says["sha256"] != digest:
                raise ParseError(f"{name} speaks of an audit record that is not here.")
    one = len(names) == 1
    told = f"{len(names)} attestation{'' if one else 's'} speak{'s' if one else ''} of this report"
    if not keys:
        return f"{told}; no key was given to check by"
    if not names:
        raise NotAttestedError("Keys are given, and the bundle holds no attestation.")
    return f"{told}, signed by trusted keys"


def _statement(data: bytes, name: str, keys: Sequence[PublicKey]) -> Statement:
    envelope = dsse.parse(data, name)
    if envelope.payload_type != dsse.IN_TOTO:
        raise ParseError(f"{name} has the payload type {envelope.payload_type!r}.")
    if keys and not dsse.signers(envelope, keys, name):
        raise NotAttestedError(f"{name} is not signed by a trusted key.")
    return statement.read(envelope.payload, name)


def _names(item: object, digests: set[str]) -> bool:
    digest = item.get("digest") if isinstance(item, dict) else None
    return isinstance(digest, dict) and digest.get("sha256") in digests
