"""What a specification holds once it is valid. Frozen; paths are absolute; sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from verifier import limits
from verifier.spec.plans import SEARCH_PATH, PypiBuild, ToolBuild

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from verifier.model import Database
    from verifier.spec.locator import Locator


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """An audited tree on this machine, pinned by the digest it has when it is read."""

    path: Path
    kind: str = "directory"


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """A tar or zip archive at `location` (a path or an http(s) URL), pinned by SHA-256."""

    location: str
    sha256: str
    kind: str = "archive"


@dataclass(frozen=True, slots=True)
class GitSource:
    """A commit (40 or 64 hexadecimal digits) of the repository at `location`, a path or URL.

    `tag` names an annotated tag that must stand for this commit; empty for none.
    """

    location: str
    commit: str
    kind: str = "git"
    tag: str = ""


@dataclass(frozen=True, slots=True)
class DebianSource:
    """A Debian source package in exactly one version.

    By the archive's signed index; or, with a `location`, by a .dsc of that path or http(s) URL,
    pinned by SHA-256, beside which its files lie.
    """

    package: str
    version: str
    location: str = ""
    sha256: str = ""
    kind: str = "debian"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that must hold over the source, by one of the keys in the files `keys`.

    `over` is "archive", "tar" (the archive without its compression), "tag", "commit", "dsc" or
    "upstream"; `location` is the path or URL of a detached one, empty where the source itself holds
    it; `namespace` is that of SSH signatures.
    """

    over: str
    keys: tuple[Path, ...]
    location: str = ""
    namespace: str = "file"


@dataclass(frozen=True, slots=True)
class Pins:
    """What the source must be beside its own pin: SWHIDs, signatures, a record of its audit.

    `record_keys` are files of public keys, one of which must have signed the record.
    """

    swhids: tuple[str, ...] = ()
    signatures: tuple[Signature, ...] = ()
    record: Path | None = None
    record_keys: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class PypiSource:
    """An sdist of the Python package index: its file's name, pinned by SHA-256."""

    file: str
    sha256: str
    kind: str = "pypi"


Source = DirectorySource | ArchiveSource | GitSource | DebianSource | PypiSource


@dataclass(frozen=True, slots=True)
class PypiIndex:
    """Where sdists, wheels and build requirements of Python come from (PEP 691)."""

    index: str = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True)
class DebianArchive:
    """Where Debian packages come from: sources, build dependencies, roots, shipped packages."""

    suite: str = "bookworm"
    mirror: str = "http://deb.debian.org/debian"
    security: str = "http://deb.debian.org/debian-security"
    components: tuple[str, ...] = ("main",)
    keyring: str = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True, slots=True)
class CommandBuild:
    """Steps that the specification lists, run in the source tree in their order.

    `steps` are argument vectors (a shell string became `/bin/sh -c`); `outputs` are globs
    relative to the tree; `packages` are Debian packages added to a root.
    """

    steps: tuple[tuple[str, ...], ...]
    outputs: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    path: str = SEARCH_PATH
    source_date_epoch: int | None = None
    packages: tuple[str, ...] = ()
    recipe: str = "command"


@dataclass(frozen=True, slots=True)
class DebianBuild:
    """dpkg-buildpackage on a Debian source package; `binaries` is any, all or both.

    `tests` None is what the distribution does; `buildinfo` names the versions of the root.
    `binary_only_changes` is a file with the changelog entry of a binary-only rebuild (+b1), which a
    .buildinfo brings by itself.
    """

    binaries: str = "both"
    tests: bool | None = None
    buildinfo: Path | None = None
    binary_only_changes: Path | None = None
    options: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    packages: tuple[str, ...] = ()
    recipe: str = "debian"


@dataclass(frozen=True, slots=True)
class ClamavBuild:
    """A ClamAV database `database` of the signature files in `directory` of the source.

    `packer` is "own" or "sigtool". The header's fields come from the database at `shipped`, or
    are `version`, `level`, `builder`, `time` and `signatures`. `stored` packs a bare tar, as
    freshclam does; `leave_out` are globs of signature files that the packer may pass over.
    """

    database: str
    output: str
    directory: str = "."
    packer: str = "own"
    shipped: Path | None = None
    version: int = 0
    level: int = 0
    builder: str = ""
    time: dt.datetime | None = None
    signatures: int = 0
    stored: bool = False
    leave_out: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    recipe: str = "clamav-db"


YARA_ENGINES = {
    "yara": "yarac of the sandbox",
    "yara-python": "libyara in a wheel from PyPI",
    "yara-x": "YARA-X in a wheel from PyPI",
}


@dataclass(frozen=True, slots=True)
class YaraBuild:
    """Rules compiled by one version of one of `YARA_ENGINES` into `output`, a path in the tree.

    `rules` are (namespace, glob relative to the tree), compiled in this order and within one
    glob by path; `wheel` is (file, SHA-256) of the engine; `externals` are variables' defaults.
    """

    rules: tuple[tuple[str, str], ...]
    output: str
    version: str
    engine: str = "yara"
    wheel: tuple[Path, str] | None = None
    externals: tuple[tuple[str, str], ...] = ()
    packages: tuple[str, ...] = ()
    recipe: str = "yara"


@dataclass(frozen=True, slots=True)
class RulesetBuild:
    """Files of the source packed into `archive`, whose ending says how (.tar.gz, .tar, .zip).

    `include` and `exclude` are globs relative to the source; `folder` is the path that the
    archive puts before them; `level` is that of the compression.
    """

    archive: str
    include: tuple[str, ...] = ("**/*",)
    exclude: tuple[str, ...] = ()
    folder: str = ""
    directories: bool = True
    level: int = 6
    source_date_epoch: int = 315_532_800
    packages: tuple[str, ...] = ()
    recipe: str = "ruleset"


BuildPlan = (
    CommandBuild | DebianBuild | ClamavBuild | YaraBuild | RulesetBuild | PypiBuild | ToolBuild
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step may use; `disk` counts the build tree and home, `processes` threads."""

    seconds: float = limits.BUILD_SECONDS
    memory: int = limits.BUILD_MEMORY
    processes: int = limits.BUILD_PROCESSES
    disk: int = limits.BUILD_DISK
    output: int = limits.BUILD_OUTPUT


@dataclass(frozen=True, slots=True)
class Conditions:
    """What no specification sets: `diagnose` holds these still, or varies one of them.

    `wrap` stands before each step's command (setarch, taskset). `files` are laid beside the
    sources, `environment` may name them by "{sources}". `reversed_listing` puts the tree where
    directories list their entries in another order. `start` is the time at which the first step
    begins, written as an offset into the file `clock` among the sources' conditions. `probe` asks
    what a step really meets.
    """

    wrap: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    files: Path | None = None
    reversed_listing: bool = False
    start: dt.datetime | None = None
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The place where steps run.

    `root` is "host-tools" or "debian:SUITE"; `image` pins the OCI image that podman makes of it,
    "sha256:" and the digest of its manifest. `build_path` None leaves it to the recipe.
    `clock` is None for the real one, "changelog", "epoch" (SOURCE_DATE_EPOCH), or an aware
    date-time. `conditions` are what `diagnose` holds or varies.
    """

    kind: str = "bubblewrap"
    root: str = "host-tools"
    image: str | None = None
    user: str = "builder"
    uid: int = 1000
    hostname: str = "sandbox"
    umask: int = 0o022
    locale: str = "C.UTF-8"
    timezone: str = "UTC"
    build_path: str | None = None
    processors: int = 1
    clock: str | dt.datetime | None = None
    limits: Limits = field(default_factory=Limits)
    conditions: Conditions = field(default_factory=Conditions)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Which shipped files answer to which rebuilt ones; a rebuilt path is relative to the output.

    `name` titles a single pair in the report; None takes the shipped file's own name.
    """

    shipped: Locator
    rebuilt: Locator
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate that the shipped signature must chain to: its file, or its SHA-256."""

    certificate: Path | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """An auditor's exception for one field of one member, until the end of the day `expires`."""

    member: str
    field: str
    reason: str
    author: str
    expires: dt.date
    offset: int | None = None
    length: int | None = None

    def expired(self, today: dt.date) -> bool:
        """Whether the waiver no longer holds on `today`."""
        return today > self.expires


@dataclass(frozen=True, slots=True)
class Spec:
    """One audit. `policy` is "standard", "strict", or the path of a policy file.

    `rebuilds` is how many builds in all; None builds twice where the first is not identical.
    """

    path: Path
    sha256: str
    source: Source
    build: BuildPlan
    sandbox: Sandbox
    debian: DebianArchive
    artifacts: tuple[Artifact, ...]
    policy: str | Path = "standard"
    signers: tuple[Signer, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    databases: tuple[Database, ...] = ()
    records_inputs: bool = True  # of the build
    pins: Pins = field(default_factory=Pins)
    rebuilds: int | None = None
    pypi: PypiIndex = PypiIndex()
