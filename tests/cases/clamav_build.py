"""ClamAV databases for tests: the signed ones of ClamAV's own tests, and ours beside them."""

from __future__ import annotations

import atexit
import base64
import hashlib
import shutil
import subprocess
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests import realfiles
from verifier.formats.clamav import archive, header, pack, shipped

NAMES = (*(f"test-{number}.cvd" for number in range(1, 7)), "bytecode.cvd")
OURS = pack.Fields("14 Nov 2023 22-13 +0000", 1, 7, 81, "auditor", 1_700_000_000)


def folder() -> Path:
    """Where ClamAV keeps the inputs of its unit tests."""
    return realfiles.clamav_source() / "unit_tests/input"


@cache
def file(name: str) -> bytes:
    """One of ClamAV's own databases or updates."""
    inner = "bytecode_sigs" if name == "bytecode.cvd" else "freshclam_testfiles"
    return (folder() / inner / name).read_bytes()


def payload(data: bytes) -> bytes:
    """The tar inside a database."""
    return data[512:] if data[512:519] == b"COPYING" else zlib.decompress(data[512:], 31)


def members(data: bytes) -> dict[str, bytes]:
    """The members of a database by name, in order."""
    tar = payload(data)
    layout = archive.layout(memoryview(tar))
    return {
        each.label: tar[each.data : each.data + each.size] for each in layout.info.entries.values()
    }


def fields(data: bytes) -> pack.Fields:
    """The header's fields, and all else that a packer chooses, of a shipped database."""
    return shipped.fields(memoryview(data))


def source(data: bytes) -> dict[str, bytes]:
    """The audited files that a database was packed from: its members without the list."""
    return {name: each for name, each in members(data).items() if not name.endswith(".info")}


def name_of(data: bytes) -> str:
    """The database's own name: `test` or `bytecode`."""
    (listing,) = (name for name in members(data) if name.endswith(".info"))
    return listing.removesuffix(".info")


def rebuilt(name: str, **changes: object) -> bytes:
    """An unsigned database of the same source, packed by an auditor at another time."""
    theirs = fields(file(name))
    ours = OURS._replace(version=theirs.version, level=theirs.level, order=theirs.order)
    return packed(file(name), ours._replace(**changes))


def packed(data: bytes, chosen: pack.Fields) -> bytes:
    """The source of a shipped database packed with these fields."""
    return pack.pack(name_of(data), source(data), chosen)


def repacked(data: bytes, tar: bytes, **changes: bytes) -> bytes:
    """`data` around another tar, with the MD5 made right and some header fields changed."""
    body = tar if data[512:519] == b"COPYING" else pack.gzip(tar, data[520])
    values = {each.name: each.value for each in header.read(data[:512])[0]}
    values["md5"] = hashlib.md5(body).hexdigest().encode()
    values.update(changes)
    return b":".join(values.values()).ljust(512) + body


def tar_of(data: bytes, **changes: bytes | None) -> bytes:
    """The tar of a database with some members changed (by name with `_` for `.`), or left out."""
    wanted = {name.replace(".", "_"): name for name in members(data)}
    kept = {
        name: changes.get(key, members(data)[name])
        for key, name in wanted.items()
        if changes.get(key, b"") is not None
    }
    return pack.tar((name, each) for name, each in kept.items() if each is not None)


def summed(tar: bytes, start: int) -> bytes:
    """The tar with the checksum of the header at `start` made right."""
    head = tar[start : start + 148] + b" " * 8 + tar[start + 156 : start + 512]
    return tar[: start + 148] + b"%06o" % sum(head) + tar[start + 154 :]


def update(data: bytes, signature: bytes, length: bytes) -> bytes:
    """A cdiff with another signature and length of its script."""
    magic, version, _, rest = data.split(b":", 3)
    body = rest.rpartition(b":")[0]
    return b":".join((magic, version, length, body, signature))


def updates() -> tuple[bytes, bytes]:
    """A signed update, and the one of the same script that an auditor made."""
    data = file("test-2.cdiff")
    return data, update(data, b"X", data.split(b":", 3)[2])


def cld() -> tuple[bytes, bytes]:
    """What freshclam makes of a database, and an auditor's one of the same source."""
    data = file("test-6.cvd")
    theirs = fields(data)._replace(md5="X", dsig="X", stored=True)
    ours = OURS._replace(version=6, order=theirs.order, md5="X", stored=True)
    return packed(data, theirs), packed(data, ours)


def bare() -> tuple[bytes, bytes]:
    """Two databases that are not compressed and have no list, with other headers."""
    return tuple(
        repacked(data, tar_of(data, test_info=None), md5=b"X", dsig=b"X") for data in cld()
    )


class Authority(NamedTuple):
    """A root made here: its certificate (DER), and the files of a signer below it."""

    root: bytes
    chain: Path
    key: Path


@cache
def authority(name: str) -> Authority:
    """A root and a code-signing certificate below it, valid now; made by openssl once a run."""
    place = Path(tempfile.mkdtemp(prefix=f"authority-{name}-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    (place / "ext").write_text("extendedKeyUsage=codeSigning\nkeyUsage=digitalSignature\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-subj"]
    root = ["-x509", "-days", "3650", "-keyout", "root.key", "-out", "root.pem"]
    _run(place, [*new, f"/CN={name} root", *root])
    _run(place, [*new, f"/CN={name} signer", "-keyout", "key.pem", "-out", "signer.csr"])
    issue = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "365"]
    sign = ["openssl", "x509", "-req", "-in", "signer.csr", *issue, "-extfile", "ext"]
    _run(place, [*sign, "-sha256", "-out", "signer.pem"])
    der = _run(place, ["openssl", "x509", "-in", "root.pem", "-outform", "DER"])
    return Authority(der, place / "signer.pem", place / "key.pem")


@cache
def sign_file(name: str, by: str) -> bytes:
    """A `.sign` over one of ClamAV's databases: openssl's PKCS #7, as ClamAV 1.5 writes it.

    ClamAV 1.4.3 brings no such file, so this is made here.
    """
    owner = authority(by)
    (owner.key.parent / "data").write_bytes(file(name))
    smime = ["openssl", "smime", "-sign", "-binary", "-in", "data", "-outform", "DER"]
    blob = _run(owner.key.parent, [*smime, "-signer", str(owner.chain), "-inkey", str(owner.key)])
    return b"#clamsign-1.0\n220:255:pkcs7-pem:" + base64.b64encode(blob) + b"\n"


def _run(place: Path, command: list[str]) -> bytes:
    return subprocess.run(command, cwd=place, check=True, capture_output=True).stdout
