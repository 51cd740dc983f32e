"""Git commits, tags and archives with the signatures that a specification asks for."""

import hashlib
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import signers
from tests.signers import Gpg
from verifier import run
from verifier import spec as specs
from verifier.errors import SourceError, UsageError
from verifier.model import Settings
from verifier.report import terminal
from verifier.source import Cache, Source, archive, git, pins
from verifier.source.swhid import object_id, swhid
from verifier.spec import ArchiveSource, GitSource, Pins, Signature


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    made = Gpg()
    yield made
    made.close()


@pytest.fixture(scope="module")
def alice(gpg: Gpg) -> str:
    return gpg.key("alice <alice@example.org>")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.open(tmp_path / "cache")


def quiet(_text: str) -> None:
    pass


class Repository:
    """A repository with one commit, made by git."""

    def __init__(self, root: Path, home: Path | None = None, *, sha256: bool = False) -> None:
        self.root = root
        self.home = home
        root.mkdir()
        self.git("init", "-q", "-b", "main", f"--object-format={'sha256' if sha256 else 'sha1'}")
        (root / "file").write_text("content\n")
        self.git("add", "--all")

    def git(self, *arguments: str) -> str:
        names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER")
                 for what in ("NAME", "EMAIL")}  # fmt: skip
        gnupg = {"GNUPGHOME": str(self.home)} if self.home else {}
        said = signers.run(
            "git", *arguments, where=self.root, GIT_CONFIG_GLOBAL=os.devnull, **names, **gnupg
        )
        return said.decode().strip()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


def obtain(
    repository: Repository, cache: Cache, *signatures: Signature, tag: str = "", commit: str = ""
) -> Source:
    wanted = GitSource(str(repository.root), commit or repository.head(), tag=tag)
    return git.obtain(wanted, cache, quiet, signatures)


@pytest.mark.parametrize("sha256", [False, True])
@pytest.mark.parametrize("over", ["tag", "commit"])
def test_openpgp_over_tags_and_commits(
    tmp_path: Path, cache: Cache, gpg: Gpg, alice: str, over: str, sha256: bool
) -> None:
    repository = Repository(tmp_path / "r", gpg.home, sha256=sha256)
    repository.git("commit", "-q", f"-S{alice}", "-m", "first\n\nbody")
    repository.git("tag", "-u", alice, "-m", "release", "v1")
    asked = Signature(over, (gpg.public(alice, tmp_path / "alice.asc"),), namespace="git")
    source = obtain(repository, cache, asked, tag="v1")
    (pin,) = (each for each in source.pins if each.kind == "signature")
    assert pin.value == alice
    assert over in pin.detail
    signers.run(
        *("git", f"verify-{over}", "v1" if over == "tag" else "HEAD"),
        where=repository.root,
        GNUPGHOME=str(gpg.home),
    )  # git thinks so too
    mallory = gpg.public(gpg.key(f"m{over}{sha256}"), tmp_path / "mallory.asc")
    with pytest.raises(SourceError, match="none of the named keys"):
        obtain(repository, cache, Signature(over, (mallory,)), tag="v1")


@pytest.mark.parametrize("over", ["tag", "commit"])
def test_ssh_over_tags_and_commits(tmp_path: Path, cache: Cache, over: str) -> None:
    key = signers.ssh_key(tmp_path / "key")
    repository = Repository(tmp_path / "r")
    for setting in ("gpg.format=ssh", f"user.signingkey={key}"):
        repository.git("config", *setting.split("=", 1))
    repository.git("commit", "-q", "-S", "-m", "first")
    repository.git("tag", "-s", "-m", "release", "v1")
    public = key.with_name("key.pub")
    source = obtain(repository, cache, Signature(over, (public,), namespace="git"), tag="v1")
    assert [pin.kind for pin in source.pins] == ["git-commit", "git-tag", "signature"]
    allowed = tmp_path / "allowed"
    allowed.write_bytes(b'a@b namespaces="git" ' + public.read_bytes())
    repository.git("config", "gpg.ssh.allowedSignersFile", str(allowed))
    repository.git(f"verify-{over}", "v1" if over == "tag" else "HEAD")
    obtain(repository, cache, Signature(over, (allowed,), namespace="git"), tag="v1")
    allowed.write_bytes(b'a@b valid-before="20200101" ' + public.read_bytes())
    with pytest.raises(SourceError, match="not for this use or time"):
        obtain(repository, cache, Signature(over, (allowed,), namespace="git"), tag="v1")


def test_what_is_not_signed(tmp_path: Path, cache: Cache, gpg: Gpg, alice: str) -> None:
    key = gpg.public(alice, tmp_path / "alice.asc")
    repository = Repository(tmp_path / "r", gpg.home)
    repository.git("commit", "-q", "-m", "first")
    repository.git("tag", "-m", "release", "v1")
    repository.git("tag", "light")
    with pytest.raises(SourceError, match=r"commit .* is not signed"):
        obtain(repository, cache, Signature("commit", (key,)))
    with pytest.raises(SourceError, match="tag v1 is not signed"):
        obtain(repository, cache, Signature("tag", (key,)), tag="v1")
    with pytest.raises(SourceError, match="lightweight"):
        obtain(repository, cache, tag="light")
    with pytest.raises(SourceError, match="cannot be fetched"):
        obtain(repository, cache, tag="v2")


def test_a_tag_must_be_of_this_commit_and_name(
    tmp_path: Path, cache: Cache, gpg: Gpg, alice: str
) -> None:
    repository = Repository(tmp_path / "r", gpg.home)
    repository.git("commit", "-q", "-m", "first")
    first = repository.head()
    repository.git("tag", "-u", alice, "-m", "release", "v1")
    repository.git("commit", "-q", "--allow-empty", "-m", "second")
    with pytest.raises(SourceError, match=f"stands for commit {first}"):
        obtain(repository, cache, tag="v1")
    old = repository.git("rev-parse", "v1")
    repository.git("update-ref", "refs/tags/v2", old)  # an old signed tag under a new name
    with pytest.raises(SourceError, match="calls itself 'v1'"):
        obtain(repository, cache, tag="v2", commit=first)
    repository.git("tag", "-u", alice, "-m", "of a tag", "outer", "v1")
    with pytest.raises(SourceError, match="stands for tag"):
        obtain(repository, cache, tag="outer", commit=first)


def rewritten(repository: Repository, kind: str, name: str, change: tuple[bytes, bytes]) -> str:
    """A new object with the same signature over other bytes."""
    raw = subprocess.run(
        ["git", "cat-file", kind, name], cwd=repository.root, check=True, capture_output=True
    ).stdout
    assert change[0] in raw
    (repository.root / ".git" / "raw").write_bytes(raw.replace(*change, 1))
    return repository.git("hash-object", "-w", "-t", kind, ".git/raw")


def test_a_signature_moved_onto_another_commit(
    tmp_path: Path, cache: Cache, gpg: Gpg, alice: str
) -> None:
    key = gpg.public(alice, tmp_path / "alice.asc")
    repository = Repository(tmp_path / "r", gpg.home)
    repository.git("commit", "-q", f"-S{alice}", "-m", "first")
    good = repository.head()
    tree = repository.git("rev-parse", "HEAD^{tree}")
    (repository.root / "file").write_text("evil\n")
    repository.git("add", "--all")
    evil = repository.git("write-tree")
    forged = rewritten(repository, "commit", good, (tree.encode(), evil.encode()))
    repository.git("update-ref", "refs/heads/main", forged)
    with pytest.raises(SourceError, match="not over these bytes"):
        obtain(repository, cache, Signature("commit", (key,)), commit=forged)
    twice = rewritten(repository, "commit", good, (b"\ngpgsig ", b"\ngpgsig -\ngpgsig "))
    repository.git("update-ref", "refs/heads/main", twice)
    with pytest.raises(SourceError, match="signed twice"):
        obtain(repository, cache, Signature("commit", (key,)), commit=twice)


def test_a_tag_with_more_than_its_signature(
    tmp_path: Path, cache: Cache, gpg: Gpg, alice: str
) -> None:
    key = gpg.public(alice, tmp_path / "alice.asc")
    repository = Repository(tmp_path / "r", gpg.home)
    repository.git("commit", "-q", "-m", "first")
    repository.git("tag", "-u", alice, "-m", "release", "v1")
    for change in (
        (b"release\n", b"Release\n"),
        (b"release\n", b"release\n-----BEGIN SSH SIGNATURE-----\n"),
        (b"-----END PGP SIGNATURE-----\n", b"-----END PGP SIGNATURE-----\nand more\n"),
    ):
        forged = rewritten(repository, "tag", "v1", change)
        repository.git("update-ref", "refs/tags/v1", forged)
        with pytest.raises(SourceError):
            obtain(repository, cache, Signature("tag", (key,)), tag="v1")
        repository.git("tag", "-f", "-u", alice, "-m", "release", "v1")


def test_nothing_of_a_hostile_repository_runs(
    tmp_path: Path, cache: Cache, gpg: Gpg, alice: str
) -> None:
    repository = Repository(tmp_path / "r", gpg.home)
    (repository.root / ".gitattributes").write_text("* filter=evil diff=evil\n")
    repository.git("add", "--all")
    repository.git("commit", "-q", "-m", "first")
    repository.git("tag", "-m", "unsigned", "v1")
    marker = tmp_path / "ran"
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {marker}\necho '[GNUPG:] GOODSIG x y'\nexit 0\n")
    script.chmod(0o755)
    for setting in (
        *("gpg.program", "gpg.ssh.program", "core.fsmonitor", "core.sshCommand", "core.pager"),
        *("uploadpack.packObjectsHook", "filter.evil.smudge", "filter.evil.clean", "core.editor"),
        *("credential.helper", "diff.evil.textconv", "alias.fetch"),
    ):
        (repository.root / ".git/config").open("a").close()
        repository.git("config", "--local", setting, str(script))
    hooks = repository.root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-receive", "post-checkout", "reference-transaction", "update", "post-merge"):
        (hooks / name).symlink_to(script)
    marker.unlink(missing_ok=True)  # git's own commands above may have run something
    commit = (repository.root / ".git/refs/heads/main").read_text().strip()
    source = obtain(repository, cache, tag="v1", commit=commit)
    assert (source.path / "file").read_text() == "content\n"
    key = gpg.public(alice, tmp_path / "alice.asc")
    with pytest.raises(SourceError, match="is not signed"):
        obtain(repository, cache, Signature("tag", (key,)), tag="v1", commit=commit)
    assert not marker.exists()


def test_swhids_of_a_commit(tmp_path: Path, cache: Cache) -> None:
    repository = Repository(tmp_path / "r")
    repository.git("commit", "-q", "-m", "first")
    repository.git("tag", "-m", "release", "v1")
    source = obtain(repository, cache, tag="v1")
    tree = repository.git("rev-parse", "HEAD^{tree}")
    tag = repository.git("rev-parse", "v1")
    revision = f"swh:1:rev:{repository.head()}"
    assert source.swhids == (revision, f"swh:1:dir:{tree}", f"swh:1:rel:{tag}")
    for each in source.swhids:
        held = pins.hold(Pins(swhids=(each,)), source)
        assert held.pins[-1].value == each
    for wrong in (f"swh:1:dir:{'0' * 40}", f"swh:1:cnt:{tree}"):
        with pytest.raises(SourceError, match=r"source\.swhid pins"):
            pins.hold(Pins(swhids=(revision, wrong)), source)


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    (tmp_path / "hello.c").write_text("int main;")
    path = tmp_path / "a.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        tar.add(tmp_path / "hello.c", "hello-1/hello.c")
    return path


def of_archive(path: Path, cache: Cache, *signatures: Signature) -> Source:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return archive.obtain(ArchiveSource(str(path), sha256), cache, quiet, signatures)


def test_detached_signatures_of_an_archive(
    tarball: Path, cache: Cache, gpg: Gpg, alice: str
) -> None:
    asc, ssh, mini = (tarball.with_name(name) for name in ("a.asc", "a.ssh", "a.mini"))
    asc.write_bytes(gpg.sign(alice, tarball))
    key = signers.ssh_key(tarball.with_name("key"))
    ssh.write_bytes(signers.ssh_sign(key, tarball))
    secret, known = signers.minisign_key(tarball.parent)
    mini.write_bytes(signers.minisign(secret, tarball))
    keys = (gpg.public(alice, tarball.with_name("alice.asc")), key.with_name("key.pub"), known)
    asked = [Signature("archive", keys, str(each)) for each in (asc, ssh, mini)]
    source = of_archive(tarball, cache, *asked)
    assert [pin.kind for pin in source.pins] == ["sha256", *["signature"] * 3]
    kinds = ("OpenPGP", "SSH", "minisign")
    assert all(name in pin.detail for name, pin in zip(kinds, source.pins[1:], strict=True))
    # the same signatures, over an archive that is another
    with tarfile.open(tarball, "w:xz") as tar:
        tar.add(__file__, "hello-1/hello.c")
    for each in asked:
        with pytest.raises(SourceError, match="not over these bytes"):
            of_archive(tarball, cache, each)
    # each kind of signature needs a key of its kind
    for each, others in zip(asked, (keys[1:], keys[:1], keys[:2]), strict=True):
        with pytest.raises(SourceError, match="does not hold"):
            of_archive(tarball, cache, Signature("archive", others, each.location))
    with pytest.raises(SourceError, match="no signature of OpenPGP, SSH or minisign"):
        of_archive(tarball, cache, Signature("archive", keys, str(tarball.with_name("hello.c"))))
    with pytest.raises(SourceError, match="cannot be read"):
        of_archive(tarball, cache, Signature("archive", keys, str(tarball.with_name("none"))))


def test_git_ids_that_are_published() -> None:
    """Pro Git, 10.2 "Git Objects": blobs, trees and a commit, with their ids."""
    assert object_id("blob", b"what is up, doc?") == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"
    one, two, new = (object_id("blob", text) for text in (b"version 1\n", b"version 2\n",
                                                          b"new file\n"))  # fmt: skip
    assert one == "83baae61804e65cc73a7201a7252750c76066a30"

    def row(mode: bytes, name: bytes, digest: str) -> bytes:
        return mode + b" " + name + b"\0" + bytes.fromhex(digest)

    first = object_id("tree", row(b"100644", b"test.txt", one))
    assert first == "d8329fc1cc938780ffdd9f94e0d364e0ea74f579"
    second = row(b"100644", b"new.txt", new) + row(b"100644", b"test.txt", two)
    assert object_id("tree", second) == "0155eb4229851634a0f03eb265b69f5a2d56f341"
    who = b"Scott Chacon <schacon@gmail.com> 1243040974 -0700"
    commit = b"tree %s\nauthor %s\ncommitter %s\n\nfirst commit\n" % (first.encode(), who, who)
    assert swhid("commit", commit) == "swh:1:rev:fdf4fc3344e67ab068f836878b6c4951e3b15f3d"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('swhid = "swh:1:dir:abc"', "of 40 digits"),
        ('swhid = ["swh:1:ori:' + "0" * 40 + '"]', "of 40 digits"),
        ('record_keys = ["a.pub"]', "belongs to a record"),
        ('record = "r.json"\nrecord_keys = []', "names no key"),
        ('tag = "../x"', "no plain name"),
        ("[[source.signatures]]\nkeys = []", "at least one file"),
        ('[[source.signatures]]\nkeys = ["a"]\nover = "tag"', "names none"),
        ('[[source.signatures]]\nkeys = ["a"]\nover = "archive"', "none of tag, commit"),
        ('[[source.signatures]]\nkeys = ["a"]\npath = "x"', "not a known key"),
        ("[[source.signatures]]", "keys is missing"),
    ],
)
def test_mistakes_in_a_specification(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(
        f'[source]\nkind = "git"\npath = "r"\ncommit = "{"0" * 40}"\n{text}\n'
        '[build]\nrecipe = "command"\nsteps = ["true"]\noutputs = ["x"]\n'
    )
    with pytest.raises(UsageError, match=fault):
        specs.load(path)


def test_pins_of_a_specification(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(
        f'[source]\nkind = "git"\npath = "r"\ncommit = "{"0" * 40}"\ntag = "v1"\n'
        'record = "r.json"\nrecord_keys = ["a.pub"]\n'
        f'swhid = "swh:1:dir:{"1" * 40}"\n[[source.signatures]]\nkeys = ["a.pub"]\n'
        '[build]\nrecipe = "command"\nsteps = ["true"]\noutputs = ["x"]\n'
    )
    found = specs.load(path).pins
    key = tmp_path / "a.pub"
    assert found.signatures == (Signature("tag", (key,), "", "git"),)
    assert (found.record, found.record_keys) == (tmp_path / "r.json", (key,))
    assert found.swhids == (f"swh:1:dir:{'1' * 40}",)


def test_a_report_names_what_was_pinned(tmp_path: Path, cache: Cache) -> None:
    repository = Repository(tmp_path / "r")
    repository.git("commit", "-q", "-m", "first")
    source = obtain(repository, cache)
    report = run.ended(run.Origin(source=source.to_json()), Settings()).report
    said = terminal.text(report)
    assert f"source {repository.root} at {repository.head()}" in said
    assert f"git-commit {repository.head()}: its files have the id" in said
    odd = report._replace(source={"description": "\x1b[2J", "pins": [1, {"kind": 2}], "x": None})
    assert "\x1b" not in terminal.text(odd)
