"""What other tools notice of a flipped byte, on a sample: each asked whether two files agree."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import random
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = 400
NOTE = (
    f"Peers are shown {SAMPLE} random flips (mask 0x01) beside the intact file, and say whether "
    "the two agree; the share that they call equal. `strip`: both stripped, then cmp. "
    "`osslsigncode`, `sbverify`: the signature verifies with the signer's certificate "
    "(osslsigncode before 2.12 is not for hostile files). `contents`: names and contents of "
    "members as Python's "
    "tarfile and zipfile, dpkg-deb, or the decoder read them."
)


class BlindError(Exception):
    """The peer cannot read the file: it noticed."""


def missed(name: str, shipped: bytes) -> str:
    """The share of sampled flips that each peer of this kind of file does not see."""
    found = []
    for peer, look in PEERS.get(name, ()):
        with tempfile.TemporaryDirectory() as work:
            rate = _rate(look, shipped, Path(work))
        found.append(f"{peer} {rate}")
    return ", ".join(found) or "none"


def _rate(look: Callable[[bytes, Path], object], shipped: bytes, work: Path) -> str:
    try:
        intact = look(shipped, work)
    except BlindError as error:
        return f"cannot read it ({error})"
    chance = random.Random(1)
    unseen = 0
    for _ in range(SAMPLE):
        data = bytearray(shipped)
        data[chance.randrange(len(data))] ^= 1
        try:
            unseen += look(bytes(data), work) == intact
        except BlindError:
            continue
    return f"{100 * unseen / SAMPLE:.1f} %"


def _strip(data: bytes, work: Path) -> bytes:
    path = work / "file"
    path.write_bytes(data)
    _tool("strip", "-o", str(work / "out"), str(path))
    return (work / "out").read_bytes()


def _osslsigncode(data: bytes, work: Path) -> object:
    path, signers = _certificates(data, work)
    return _tool("osslsigncode", "verify", "-CAfile", str(signers), "-in", str(path)) and True


def _sbverify(data: bytes, work: Path) -> object:
    path, signers = _certificates(data, work)
    return _tool("sbverify", "--cert", str(signers), str(path)) and True


def _certificates(data: bytes, work: Path) -> tuple[Path, Path]:
    """The file written down, and the certificates in the signature of the first (intact) one."""
    path, signers = work / "file", work / "signers.pem"
    path.write_bytes(data)
    if not signers.exists():
        made = work / "signature"
        _tool("osslsigncode", "extract-signature", "-in", str(path), "-out", str(made), "-pem")
        signers.write_bytes(_tool("openssl", "pkcs7", "-print_certs", "-in", str(made)))
    return path, signers


def _deb(data: bytes, work: Path) -> object:
    path = work / "file"
    path.write_bytes(data)
    return _tar(_tool("dpkg-deb", "--fsys-tarfile", str(path)), work)


def _tar(data: bytes, _work: Path) -> object:
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return [
                (
                    each.name,
                    each.linkname,
                    (file.read() if each.isreg() and (file := archive.extractfile(each)) else b""),
                )
                for each in archive
            ]
    except Exception as error:
        raise BlindError(str(error)) from error


def _zip(data: bytes, _work: Path) -> object:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(each.filename, archive.read(each)) for each in archive.infolist()]
    except Exception as error:
        raise BlindError(str(error)) from error


def _decoder(decode: Callable[[bytes], bytes]) -> Callable[[bytes, Path], object]:
    def look(data: bytes, _work: Path) -> object:
        try:
            return hashlib.sha256(decode(data)).digest()
        except Exception as error:
            raise BlindError(str(error)) from error

    return look


def _tool(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if done.returncode:
        raise BlindError(done.stderr.decode("utf-8", "replace").strip()[:80])
    return done.stdout


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


_ELF = (("`strip`", _strip),)
PEERS = {
    "pe-exe": _ELF,
    "pe-exe-32": _ELF,
    "pe-dll": _ELF,
    "pe-signed": (("`osslsigncode`", _osslsigncode),),
    "efi": (("`sbverify`", _sbverify),),
    "elf-exe": _ELF,
    "elf-so": _ELF,
    "elf-o": _ELF,
    "elf-ko": _ELF,
    "deb": (("contents", _deb),),
    "tar": (("contents", _tar),),
    "zip": (("contents", _zip),),
    "wheel": (("contents", _zip),),
    "gzip": (("contents", _decoder(gzip.decompress)),),
    "xz": (("contents", _decoder(lzma.decompress)),),
    "bzip2": (("contents", _decoder(bz2.decompress)),),
    "zstd": (("contents", _decoder(_unzstd)),),
}
