"""Debian source packages by a .dsc of a path or URL: Debian's own hello, and what is refused."""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from tests import realfiles
from verifier.errors import SourceError, UsageError
from verifier.source import Cache, Source, debian
from verifier.spec import DebianArchive, DebianSource, Signature, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ("hello", "2.10-3")
DSC = "hello_2.10-3.dsc"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return shutil.copytree(realfiles.debian_source(*PACKAGE), tmp_path / "pool")


@pytest.fixture
def url(pool: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=pool)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def of(
    place: Path, location: str, digest: str, *asked: Signature, package: tuple[str, str] = PACKAGE
) -> Source:
    wanted = DebianSource(*package, location=location, sha256=digest)
    cache = Cache.open(place / "cache")
    return debian.obtain(wanted, DebianArchive(), cache, lambda _text: None, asked)


def developers() -> tuple[Path, ...]:
    keys = realfiles.extracted("debian-keyring") / "usr/share/keyrings"
    return (keys / "debian-keyring.gpg",)


def test_by_path_and_by_url_with_its_signature(tmp_path: Path, pool: Path, url: str) -> None:
    asked = Signature("dsc", developers())
    digest = sha256(pool / DSC)
    for place, location in (("a", str(pool / DSC)), ("b", f"{url}/{DSC}")):
        source = of(tmp_path / place, location, digest, asked)
        assert (source.kind, source.digest) == ("debian", digest)
        names = {file.name for file in source.files}
        assert names == {DSC, "hello_2.10.orig.tar.gz", "hello_2.10-3.debian.tar.xz"} | {
            name for name in names if name.endswith(".asc")
        }
        assert [pin.kind for pin in source.pins] == ["sha256", "signature"]
        assert "as the specification pins it" in source.pins[0].detail
        assert "hello_2.10-3.dsc by Santiago Vila" in source.pins[1].detail
    shutil.rmtree(pool)  # what was fetched once is there, and is looked at again
    again = of(tmp_path / "a", str(pool / DSC), digest, asked)
    assert again.digest == digest
    kept = again.path / "hello_2.10.orig.tar.gz"
    kept.parent.chmod(0o755)
    kept.chmod(0o644)
    kept.write_bytes(b"swapped")
    with pytest.raises(SourceError, match="has SHA-256"):
        of(tmp_path / "a", str(pool / DSC), digest)


def test_a_file_that_is_not_the_listed_one(tmp_path: Path, pool: Path, url: str) -> None:
    digest = sha256(pool / DSC)
    original = pool / "hello_2.10.orig.tar.gz"
    content = original.read_bytes()
    for wrong, says in (
        (content[:-1] + b"x", "has not the SHA-256 that"),
        (content + b"x", r"has not the SHA-256 that|is larger than"),
    ):
        original.write_bytes(wrong)
        for location in (str(pool / DSC), f"{url}/{DSC}"):
            with pytest.raises(SourceError, match=says):
                of(tmp_path, location, digest)
    original.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        of(tmp_path, str(pool / DSC), digest)
    with pytest.raises(SourceError, match="cannot be fetched"):
        of(tmp_path, f"{url}/{DSC}", digest)


def test_another_dsc_is_refused(tmp_path: Path, pool: Path) -> None:
    dsc = pool / DSC
    with pytest.raises(SourceError, match=r"source\.sha256 pins another"):
        of(tmp_path, str(dsc), "0" * 64)
    with pytest.raises(SourceError, match=r"is of hello 2\.10-3, but the specification names tree"):
        of(tmp_path, str(dsc), sha256(dsc), package=("tree", "2.1.0-1"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace(b" hello_2.10.orig", b" ../hello_2.10.orig"), "in an odd way"),
        (lambda text: text.replace(b"Checksums-Sha256:", b"Checksums-Sha512:"), "lists no files"),
        (lambda text: text + b"\nSource: evil\n", "no single paragraph"),
        (lambda text: b"Source: evil\n\n" + text, "no single paragraph"),
        (lambda _text: b"", "no single paragraph"),
        (lambda text: text.replace(b"hello_2.10-3.debian", b"hello_2.10.orig"), "cannot be read"),
        (lambda text: text + b"x" * (1 << 20), "larger than"),
    ],
)
def test_an_odd_dsc_is_refused(tmp_path: Path, pool: Path, change: object, says: str) -> None:
    dsc = pool / DSC
    text = dsc.read_bytes().partition(b"\n\n")[2].partition(b"\n-----BEGIN")[0] + b"\n"
    dsc.write_bytes(text)
    assert of(tmp_path, str(dsc), sha256(dsc)).files  # without its signature, pinned all the same
    assert callable(change)
    dsc.write_bytes(change(text))
    with pytest.raises(SourceError, match=says):
        of(tmp_path, str(dsc), sha256(dsc))
    with pytest.raises(SourceError):
        of(tmp_path / "signed", str(dsc), sha256(dsc), Signature("dsc", developers()))


def test_the_keys_of_a_specification(tmp_path: Path) -> None:
    head = '[source]\nkind = "debian"\npackage = "hello"\nversion = "2.10-3"\n'
    path = tmp_path / "spec.toml"
    digest = f'sha256 = "{"1" * 64}"\n'
    path.write_text(f'{head}path = "pool/{DSC}"\n{digest}[build]\nrecipe = "debian"\n')
    read = load(path).source
    assert read == DebianSource(*PACKAGE, location=str(tmp_path / "pool" / DSC), sha256="1" * 64)
    for more, says in (
        (f'path = "{DSC}"\n', "sha256"),
        (f'path = "{DSC}"\nurl = "https://x/{DSC}"\n{digest}', "one of the two"),
        (f'url = "ssh://x/{DSC}"\n{digest}', "http"),
        (f'url = "https://x/hello.tar"\n{digest}', "must name a .dsc"),
        (digest, "sha256"),
    ):
        path.write_text(f'{head}{more}[build]\nrecipe = "debian"\n')
        with pytest.raises(UsageError, match=says):
            load(path)
