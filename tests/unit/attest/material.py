"""Reports, keys and attestations that the tests of signed evidence share."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from verifier import pair, run
from verifier.attest import dsse, keys, make, signing, strict
from verifier.model import Policy, Settings
from verifier.report import document

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 25, 12, 0, 0, tzinfo=dt.UTC)
PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
OPENSSH = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
SPKI = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclasses.dataclass(frozen=True)
class Run:
    """Two files, the saved report on them, and its proof if there is one."""

    shipped: Path
    rebuilt: Path
    report: Path
    proof: Path | None


def compared(folder: Path, shipped: bytes, rebuilt: bytes, name: str = "tool.gz") -> Run:
    """A real run over two files."""
    paths = []
    for side, data in (("shipped", shipped), ("rebuilt", rebuilt)):
        path = folder / side / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    settings = Settings(policy=Policy(), today="2026-11-25")
    result = run.compare(pair.pair_paths(*paths), settings, 1)
    report, proof = folder / "report.json", folder / "proof.json"
    document.write(result.report, report)
    if result.proof is not None:
        proof.write_text(json.dumps(result.proof, indent=1) + "\n", "utf-8")
    return Run(*paths, report, proof if result.proof is not None else None)


def equivalent(folder: Path, text: bytes = b"hello") -> Run:
    """Two gzip files that differ in their times alone."""
    sides = [gzip.compress(text * 100, mtime=at) for at in (1_700_000_000, 1_600_000_000)]
    return compared(folder, *sides)


def different(folder: Path) -> Run:
    return compared(folder, gzip.compress(b"one", mtime=1), gzip.compress(b"two", mtime=1))


def private(kind: str, number: int = 0) -> Any:
    """A private key; one for each kind and number."""
    return _private(kind, number)


@cache
def _private(kind: str, _number: int) -> Any:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key({"p256": ec.SECP256R1, "p384": ec.SECP384R1}[kind]())


def key_file(folder: Path, kind: str = "ed25519", number: int = 0, form: Any = PKCS8) -> Path:
    path = folder / f"{kind}-{number}.key"
    path.write_bytes(private(kind, number).private_bytes(*form))
    return path


def public_pem(kind: str = "ed25519", number: int = 0) -> bytes:
    data: bytes = private(kind, number).public_key().public_bytes(*SPKI)
    return data


def trusted(kind: str = "ed25519", number: int = 0) -> keys.PublicKey:
    return keys.of_crypto(private(kind, number).public_key(), f"{kind}-{number}")


def basis(found: Run, **changes: Any) -> make.Basis:
    proof = found.proof.read_bytes() if found.proof else None
    auditor = changes.pop("auditor", make.Auditor("alice", "acme", "own"))
    issued = changes.pop("issued", NOW)
    return make.Basis(found.report.read_bytes(), proof, auditor, issued, **changes)


def signed(payload: bytes, folder: Path, kind: str = "ed25519", number: int = 0) -> bytes:
    signer = signing.load(str(key_file(folder, kind, number)))
    return dsse.dump(signer.sign(payload))


def attested(
    found: Run, folder: Path, kind: str = "ed25519", number: int = 0, **changes: Any
) -> bytes:
    """A signed attestation of a run."""
    return signed(strict.canonical(make.statement(basis(found, **changes))), folder, kind, number)
