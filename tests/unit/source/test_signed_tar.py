"""Signatures over the tar inside a compressed archive, as kernel.org publishes them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests import signers
from tests.signers import Gpg
from verifier.errors import SourceError
from verifier.source import Cache, Source, archive, extract
from verifier.spec import ArchiveSource, Signature

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    made = Gpg()
    yield made
    made.close()


def tar_of(text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("hello-1/hello.c")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    path = tmp_path / "hello-1.tar"
    path.write_bytes(tar_of("int main;\n"))
    return path


@pytest.fixture
def asked(tar: Path, gpg: Gpg) -> Signature:
    """alice's signature over the tar, named as kernel.org does."""
    alice = gpg.key(f"alice {tar.parent.name} <alice@example.org>")
    sign = tar.with_name("hello-1.tar.sign")
    sign.write_bytes(gpg.sign(alice, tar))
    return Signature("tar", (gpg.public(alice, tar.with_name("alice.asc")),), str(sign))


def of(place: Path, data: bytes, asked: Signature) -> Source:
    path = place / "hello-1.tar.any"
    path.write_bytes(data)
    spec = ArchiveSource(str(path), hashlib.sha256(data).hexdigest())
    return archive.obtain(spec, Cache.open(place / "cache"), lambda _text: None, [asked])


@pytest.mark.parametrize("kind", PACKERS)
def test_the_tar_is_signed_however_it_is_packed(tar: Path, asked: Signature, kind: str) -> None:
    source = of(tar.parent, PACKERS[kind](tar.read_bytes()), asked)
    assert [pin.kind for pin in source.pins] == ["sha256", "signature"]
    assert "OpenPGP signature over the tar in hello-1.tar.any by alice" in source.pins[1].detail
    assert [file.name for file in source.files] == ["hello.c"]
    with pytest.raises(SourceError, match="not over these bytes"):
        of(tar.parent, PACKERS[kind](tar_of("int evil;\n")), asked)
    # The same file is no signature over the archive itself, nor the other way round.
    with pytest.raises(SourceError, match="not over these bytes"):
        of(tar.parent, PACKERS[kind](tar.read_bytes()), Signature("archive", *asked_for(asked)))


def asked_for(asked: Signature) -> tuple[tuple[Path, ...], str]:
    return asked.keys, asked.location


def test_several_streams_are_one_tar(tar: Path, asked: Signature) -> None:
    data = tar.read_bytes()
    packed = lzma.compress(data[:700]) + lzma.compress(data[700:])
    assert of(tar.parent, packed, asked).files


def test_what_has_no_tar_inside_is_refused(tar: Path, asked: Signature) -> None:
    with pytest.raises(SourceError, match='let the signature be over the "archive"'):
        of(tar.parent, tar.read_bytes(), asked)
    with pytest.raises(SourceError, match="broken"):
        of(tar.parent, lzma.compress(tar.read_bytes())[:-9], asked)


def test_an_archive_that_is_two_at_once_is_refused(tar: Path, asked: Signature) -> None:
    """A zip is found by its end: behind the signed tar stands one that would be built."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as other:
        other.writestr("hello-1/hello.c", "int evil;\n")
    packed = bz2.compress(tar.read_bytes()) + buffer.getvalue()  # bz2 ignores what follows
    with pytest.raises(SourceError, match="another tree than the archive gives"):
        of(tar.parent, packed, asked)


def test_a_tar_is_not_unpacked_without_end(
    tar: Path, asked: Signature, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = lzma.compress(tar.read_bytes())
    assert of(tar.parent, packed, asked)
    monkeypatch.setattr(extract.limits, "SOURCE_BYTES", 5_000)
    with pytest.raises(SourceError, match="too large"):
        of(tar.parent, packed, asked)


def test_the_specification_says_so(tmp_path: Path) -> None:
    from verifier.spec import load  # noqa: PLC0415 - its errors are of interest here alone

    key = signers.ssh_key(tmp_path / "key")
    text = (
        '[source]\nkind = "archive"\npath = "a.tar.xz"\nsha256 = "' + "0" * 64 + '"\n'
        f'[[source.signatures]]\nkeys = ["{key}.pub"]\npath = "a.tar.sign"\nover = "tar"\n'
        '[build]\nrecipe = "command"\nsteps = ["true"]\noutputs = ["x"]\n'
    )
    (tmp_path / "spec.toml").write_text(text)
    (signature,) = load(tmp_path / "spec.toml").pins.signatures
    assert (signature.over, signature.location) == ("tar", str(tmp_path / "a.tar.sign"))
