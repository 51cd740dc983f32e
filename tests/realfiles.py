"""Real files for tests, downloaded when a test first asks and kept outside the tree.

No third-party file is ever committed. The cache is `$VERIFIER_TEST_CACHE`, by
default `~/.cache/source-binary-verifier/tests`. A file that cannot be had
fails the test that needs it: it is never a skip. A lock file per item makes
this safe under parallel pytest-xdist workers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.source.apt import Apt
from verifier.source.cache import Cache
from verifier.spec.model import DebianArchive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 300.0
CLAMAV = "1.4.3+dfsg-1~deb12u2"


class RealFileError(AssertionError):
    """A real file could not be had; the message holds the command and what it said."""


def cache_directory() -> Path:
    """Where downloads are kept between runs."""
    chosen = os.environ.get("VERIFIER_TEST_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache/source-binary-verifier/tests"


def debian_package(name: str) -> Path:
    """The .deb of `name` in the version that this machine's apt sources offer (or cached before).

    `name` may pin a version as apt does: `zlib1g=1:1.2.13.dfsg-1`.
    """
    return _only_file(_item("deb", name, lambda where: _run(["apt-get", "download", name], where)))


def debian_source(name: str, version: str) -> Path:
    """The directory that holds the source package of `name` (.dsc and tarballs), not unpacked.

    Fetched by the verifier itself, since few machines have deb-src lines.
    """

    def fetch(where: Path) -> None:
        apt = Apt(Cache.open(), DebianArchive(), lambda _text: None)
        apt.source_files(name, version)
        apt.fetch_source(name, version, where)

    return _item("dsc", f"{name}-{version}", fetch)


def clamav_source() -> Path:
    """The unpacked source of ClamAV, whose own tests bring signed databases and updates."""

    def unpack(where: Path) -> None:
        fetched = debian_source("clamav", CLAMAV)
        _run(["dpkg-source", "--no-check", "-x", str(next(fetched.glob("*.dsc"))), "tree"], where)

    return _item("unpacked", f"clamav-{CLAMAV}", unpack) / "tree"


def extracted(name: str) -> Path:
    """The directory that holds the files of the Debian package `name`; do not change them."""
    package = debian_package(name)
    command = ["dpkg-deb", "--extract", str(package), "."]
    return _item("extracted", package.stem, lambda where: _run(command, where))


def wheel(name: str, version: str, platform: str = "any") -> Path:
    """The wheel of `name` at `version` for a pip platform tag such as `win_amd64`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--platform", platform]
    command += ["--python-version", "3.11", f"{name}=={version}"]
    return _only_file(
        _item("wheel", f"{name}-{version}-{platform}", lambda where: _run(command, where))
    )


def made(kind: str, name: str, fill: Callable[[Path], object]) -> Path:
    """The directory of files that are made here once, by `fill(directory)`, and kept."""
    return _item(kind, name, fill)


@cache
def signed_kernel_package() -> str:
    """Name of the signed Debian kernel package (the small `cloud` flavour) that apt offers now."""
    said = _run(["apt-cache", "depends", "linux-image-cloud-amd64"], Path.cwd())
    names = [line.split()[-1] for line in said.splitlines() if "Depends: linux-image-" in line]
    if len(names) != 1:
        raise RealFileError(f"apt-cache names {len(names)} signed kernels instead of one:\n{said}")
    return names[0]


def _item(kind: str, name: str, fill: Callable[[Path], object]) -> Path:
    """The directory of one cached item; `fill` makes its content once, whole or not at all."""
    final = cache_directory() / kind / name.replace("/", "_").replace(":", "_")
    if not final.is_dir():
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(final.with_name(final.name + ".lock")):
            if not final.is_dir():
                work = Path(tempfile.mkdtemp(prefix=".partial-", dir=final.parent))
                try:
                    fill(work)
                    work.chmod(0o755)
                    work.rename(final)
                finally:
                    shutil.rmtree(work, ignore_errors=True)
    return final


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _only_file(directory: Path) -> Path:
    files = sorted(directory.iterdir())
    if len(files) != 1:
        raise RealFileError(f"{directory} holds {len(files)} files instead of one")
    return files[0]


def _run(command: list[str], directory: Path) -> str:
    # apt drops its rights to the user _apt and warns about the directory unless told not to.
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    if command[0] == "apt-get":
        command = [command[0], "-o", "APT::Sandbox::User=root", *command[1:]]
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            timeout=SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RealFileError(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0:
        raise RealFileError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def sdist_file(name: str, version: str, inner: str) -> Path:
    """One file of the source distribution of a Python package; `inner` is its path in there."""

    def fetch(where: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-binary", ":all:", f"{name}=={version}"]
        _run(command, where)

    archive = _only_file(_item("sdist", f"{name}-{version}", fetch))
    top = archive.name.removesuffix(".tar.gz")
    command = ["tar", "-xf", str(archive), f"{top}/{inner}"]
    return (
        _item("sdist-files", f"{name}-{version}", lambda where: _run(command, where)) / top / inner
    )
