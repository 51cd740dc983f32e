"""A private apt: own configuration, lists and archives, so that the host's sources play no part.

apt checks the archive's signature, and through it the SHA-256 of every index and file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from verifier import limits, process
from verifier.errors import SourceError
from verifier.source.cache import hold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from verifier.source.cache import Cache
    from verifier.spec import DebianArchive

LISTS_SECONDS = 24 * 3600.0  # lists older than this are fetched again
_SINGLE_SUITES = ("sid", "unstable", "experimental")  # no updates or security suite beside them
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Deb:
    """One binary package of the archive; `file` is its name in apt's archives directory."""

    name: str
    version: str
    architecture: str
    sha256: str
    file: str


@dataclass(frozen=True, slots=True)
class Apt:
    """apt for one Debian archive and suite."""

    cache: Cache
    archive: DebianArchive
    notify: Callable[[str], None]

    @property
    def key(self) -> str:
        """What tells this archive from others in the cache."""
        return hashlib.sha256(self.sources().encode()).hexdigest()[:16]

    @property
    def directory(self) -> Path:
        """Where this archive's configuration, lists and packages are kept."""
        return self.cache.under("apt", self.key)

    @property
    def archives(self) -> Path:
        """Where fetched binary packages are kept."""
        return self.cache.under("apt", self.key, "archives")

    def sources(self, *, binary_only: bool = False) -> str:
        """The sources.list: the suite, its updates and its security suite."""
        archive = self.archive
        suites = [(archive.mirror, archive.suite)]
        if archive.suite not in _SINGLE_SUITES:
            suites.append((archive.mirror, f"{archive.suite}-updates"))
            suites.append((archive.security, f"{archive.suite}-security"))
        lines = []
        for mirror, suite in suites:
            for kind in ("deb",) if binary_only else ("deb", "deb-src"):
                words = (kind, f"[signed-by={archive.keyring}]", mirror, suite)
                lines.append(" ".join((*words, *archive.components)))
        return "\n".join(lines) + "\n"

    def source_files(self, package: str, version: str) -> dict[str, str]:
        """File name to SHA-256 of a source package, from the signed Sources index."""
        self._update()
        found = self._run(["apt-cache", "showsrc", "--only-source", package], check=False)
        versions = []
        for stanza in stanzas(found.decode(errors="replace")):
            if stanza.get("Package") != package:
                continue
            versions.append(stanza.get("Version", ""))
            if stanza.get("Version") == version:
                rows = [line.split() for line in stanza.get("Checksums-Sha256", "").splitlines()]
                return {row[2]: row[0] for row in rows if len(row) == 3}
        have = f"it has {', '.join(sorted(set(versions)))}" if versions else "nor any other"
        raise SourceError(
            f"{self.archive.mirror} ({self.archive.suite}) has no source {package} {version}, "
            f"{have}; check the name and version."
        )

    def fetch_source(self, package: str, version: str, into: Path) -> None:
        """Download a source package's files into a directory; apt checks their digests."""
        self.notify(f"fetching source {package} {version}")
        options = ["--download-only", "--only-source", "-y"]
        self._run(["apt-get", "source", *options, f"{package}={version}"], directory=into)

    def fetch_binary(self, package: str, version: str | None, into: Path) -> Deb:
        """Download one binary package into a directory; no version takes the suite's newest."""
        self._update()
        wanted = f"{package}={version}" if version else package
        self.notify(f"fetching package {wanted}")
        self._run(["apt-get", "download", wanted], directory=into)
        files = sorted(into.glob("*.deb"))
        if len(files) != 1:
            raise SourceError(f"apt fetched {len(files)} files for {wanted} instead of one.")
        (deb,) = self._described([files[0].name])
        _check(files[0], deb)
        return deb

    def versions(self, names: Sequence[str]) -> dict[str, set[str]]:
        """The versions in which the archive has each binary package; none for an unknown one."""
        self._update()
        said = self._run(["apt-cache", "madison", "--", *names]).decode(errors="replace")
        found: dict[str, set[str]] = {}
        for line in said.splitlines():
            words = [word.strip() for word in line.split("|")]
            if len(words) == 3 and not words[2].endswith(" Sources"):
                found.setdefault(words[0], set()).add(words[1])
        return found

    def resolve(self, wanted: Sequence[str], status: Path) -> tuple[Deb, ...]:
        """What `apt-get WANTED` would add to a root with that dpkg status file, sorted by file.

        `wanted` is a command and its arguments, such as ("install", "make") or
        ("build-dep", "/path/to/x.dsc").
        """
        self._update()
        # apt names no file that it has already; let it see none.
        (self.directory / "none" / "partial").mkdir(parents=True, exist_ok=True)
        nothing = ("-o", f"Dir::Cache::archives={self.directory / 'none'}")
        with self._state(status) as state:
            said = self._run(["apt-get", "-y", "--print-uris", *nothing, *state, *wanted])
        files = re.findall(r"^'[^']+' (\S+\.deb) ", said.decode(errors="replace"), re.MULTILINE)
        return tuple(self._described(sorted(files)))

    def fetch(self, wanted: Sequence[str], status: Path, debs: Sequence[Deb]) -> None:
        """Bring the packages of `resolve` into `archives`, and check each one's SHA-256."""
        missing = [deb for deb in debs if not (self.archives / deb.file).exists()]
        if missing:
            with self.cache.lock(f"apt-{self.key}"), self._state(status) as state:
                self.notify(f"fetching {len(missing)} packages")
                self._run(["apt-get", "-y", "--download-only", *state, *wanted])
        for deb in debs:
            _check(self.archives / deb.file, deb)

    @contextlib.contextmanager
    def _state(self, status: Path) -> Iterator[tuple[str, str]]:
        """Show apt a copy of a dpkg status: it leaves lock files beside what it reads."""
        with self.cache.scratch() as scratch:
            shutil.copyfile(status, scratch / "status")
            yield ("-o", f"Dir::State::status={scratch / 'status'}")

    def _described(self, files: Sequence[str]) -> Iterator[Deb]:
        """The index's word on packages, from the names that apt gives their files."""
        if not files:
            return
        asked = {}
        for file in files:
            name, version, rest = file.split("_")
            asked[name, unquote(version), rest.removesuffix(".deb")] = file
        names = [f"{name}={version}" for name, version, _ in asked]
        shown = self._run(["apt-cache", "show", *names]).decode(errors="replace")
        for stanza in stanzas(shown):
            key = (stanza["Package"], stanza["Version"], stanza["Architecture"])
            if (file := asked.pop(key, "")) and (sha256 := stanza.get("SHA256", "")):
                yield Deb(*key, sha256, file)
        if asked:
            raise SourceError(f"apt gives no SHA-256 for {', '.join(sorted(asked.values()))}.")

    def _update(self) -> None:
        """Fetch the indexes when they are missing or a day old."""
        hold(self.directory)
        stamp = self.directory / "updated"
        with self.cache.lock(f"apt-{self.key}"):
            if stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_SECONDS:
                return
            self._configure()
            self.notify(f"fetching the package lists of {self.archive.suite}")
            try:
                self._run(["apt-get", "-o", "APT::Update::Error-Mode=any", "update"])
            except SourceError:
                if not stamp.exists():
                    raise
                # Signed lists of another day still pin every digest; only news is missed.
                self.notify("the package lists could not be refreshed; using the older ones")
                return
            stamp.touch()

    def _configure(self) -> None:
        directory = self.directory
        for part in ("lists/partial", "archives/partial", "empty"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        (directory / "status").touch()
        (directory / "sources.list").write_text(self.sources())
        settings = {
            "Dir::State": directory,
            "Dir::State::lists": directory / "lists",
            "Dir::State::status": directory / "status",
            "Dir::Cache": directory,
            "Dir::Cache::archives": directory / "archives",
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::Etc::sourceparts": directory / "empty",
            "Dir::Etc::parts": directory / "empty",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": directory / "empty",
            "Dir::Log": directory,
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": 3,
        }
        lines = [f'{name} "{value}";\n' for name, value in settings.items()]
        (directory / "apt.conf").write_text("".join(lines))

    def _run(
        self, argv: Sequence[str], *, directory: Path | None = None, check: bool = True
    ) -> bytes:
        environment = {"APT_CONFIG": str(self.directory / "apt.conf")}
        environment |= {name: os.environ[name] for name in _PROXIES if name in os.environ}
        environment["DEBIAN_FRONTEND"] = "noninteractive"
        done = process.run(
            argv,
            seconds=limits.FETCH_SECONDS,
            output=limits.TOOL_OUTPUT,
            environment=environment,
            directory=directory or self.directory,
        )
        if check and done.status != 0:
            raise SourceError(_cause(argv, done.stderr.decode(errors="replace")))
        return done.stdout


def _cause(argv: Sequence[str], said: str) -> str:
    """One sentence for what apt printed; a file that the mirror lacks gets its own."""
    if gone := re.search(r"Failed to fetch (\S+)\s+404", said):
        name = unquote(gone[1].rsplit("/", 1)[-1])
        return f"The archive no longer has {name} (404 for {gone[1]}); name another mirror."
    errors = re.findall(r"^E: (.*)$", said, re.MULTILINE)
    text = " ".join(errors) or said.strip()[-limits.TEXT :] or "no reason given"
    return f"{' '.join(argv[:2])} failed for {argv[-1]}: {text}"


def _check(path: Path, deb: Deb) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"The package {path} is missing: {error.strerror}.") from error
    if found != deb.sha256:
        path.unlink()  # apt trusts a file of the right size; the next run fetches it again
        raise SourceError(f"{path} is not the archive's {deb.file}: SHA-256 {found}; run again.")


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a control file; continuation lines are joined by newlines."""
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in " \t" and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                fields[name] = value.strip()
        if fields:
            yield fields
