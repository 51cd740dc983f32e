"""Keys of GnuPG, OpenSSH and minisign, made by the real tools, for tests of signatures."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def run(*argv: str, where: Path | None = None, **environment: str) -> bytes:
    """What a program prints; it must succeed."""
    around = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv, cwd=where, env=around | environment, check=False, capture_output=True, timeout=120
    )
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


class Gpg:
    """One GnuPG home; `close` ends its agent."""

    def __init__(self) -> None:
        # Sockets of the agent have short paths; those of pytest are too long.
        self.home = Path(tempfile.mkdtemp(prefix="gpg-"))

    def close(self) -> None:
        run("gpgconf", "--homedir", str(self.home), "--kill", "all")
        shutil.rmtree(self.home)

    def gpg(self, *arguments: str) -> bytes:
        base = ("gpg", "--homedir", str(self.home), "--batch", "--quiet", "--passphrase", "")
        return run(*base, "--pinentry-mode", "loopback", *arguments)

    def key(self, name: str, expires: str = "never", now: str = "", kind: str = "ed25519") -> str:
        """A new key's fingerprint; `now` (20200101T000000) is the clock while it is made."""
        clock = ("--faked-system-time", now) if now else ()
        self.gpg(*clock, "--quick-gen-key", name, kind, "sign", expires)
        rows = self.gpg("--with-colons", "--list-keys", name).decode().split("\n")
        return next(row.split(":")[9] for row in rows if row.startswith("fpr"))

    def public(self, fingerprint: str, path: Path, *, armor: bool = True) -> Path:
        path.write_bytes(self.gpg(*(("--armor",) if armor else ()), "--export", fingerprint))
        return path

    def sign(self, fingerprint: str, data: Path, *options: str) -> bytes:
        """A detached signature, armoured, unless the options say otherwise."""
        kind = options or ("--armor", "--detach-sign")
        return self.gpg("--local-user", fingerprint, "--output", "-", *kind, str(data))


def ssh_key(path: Path, kind: str = "ed25519", *options: str) -> Path:
    """A private key at `path`, its public half at `path`.pub."""
    run("ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-C", "tester", "-f", str(path))
    return path


def ssh_sign(key: Path, data: Path, namespace: str = "file") -> bytes:
    """What `ssh-keygen -Y sign` gives."""
    made = data.with_name(data.name + ".sig")
    made.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), str(data))
    return made.read_bytes()


def public(key: Path) -> bytes:
    """The public half of an SSH key."""
    return key.with_name(key.name + ".pub").read_bytes()


def minisign_key(directory: Path) -> tuple[Path, Path]:
    """A minisign key without password: secret, public."""
    secret, known = directory / "minisign.key", directory / "minisign.pub"
    run("minisign", "-G", "-W", "-s", str(secret), "-p", str(known))
    return secret, known


def minisign(secret: Path, data: Path, *options: str, comment: str = "for you") -> bytes:
    """What minisign makes; `-l` asks for the old form."""
    made = data.with_name(data.name + ".minisig")
    run("minisign", "-S", *options, "-s", str(secret), "-m", str(data), "-t", comment)
    return made.read_bytes()
