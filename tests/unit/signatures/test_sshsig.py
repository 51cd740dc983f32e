"""Signatures of ssh-keygen: all kinds of keys, and what is refused; ssh-keygen agrees."""

import base64
import datetime as dt
import os
import subprocess
from pathlib import Path

import pytest

from tests import signers
from verifier.signatures import sshsig
from verifier.signatures.errors import SignatureError

KINDS = [("ed25519",), ("rsa", "-b", "2048"), *(("ecdsa", "-b", n) for n in ("256", "384", "521"))]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(b"content")
    return path


def openssh_agrees(allowed: Path, made: bytes, data: Path, namespace: str) -> bool:
    sig = data.with_name("checked.sig")
    sig.write_bytes(made)
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "me", "-n", namespace]
    done = subprocess.run(
        [*argv, "-s", str(sig)],
        input=data.read_bytes(),
        env={"PATH": os.environ["PATH"], "TZ": "UTC"},
        check=False,
        capture_output=True,
    )
    return done.returncode == 0


@pytest.mark.parametrize("kind", KINDS, ids="".join)
def test_each_kind_of_key(data: Path, kind: tuple[str, ...]) -> None:
    key = signers.ssh_key(data.with_name("key"), *kind)
    made = signers.ssh_sign(key, data)
    found = sshsig.detached(made, data, [signers.public(key)], "file")
    listed = signers.run("ssh-keygen", "-l", "-f", f"{key}.pub").decode()
    assert found.key in listed
    assert found.name == "tester"
    with pytest.raises(SignatureError, match="made for"):
        sshsig.detached(made, data, [signers.public(key)], "git")
    data.write_bytes(b"Content")
    with pytest.raises(SignatureError, match="not over these bytes"):
        sshsig.detached(made, data, [signers.public(key)], "file")


def test_each_byte_of_a_signature_counts(data: Path) -> None:
    key = signers.ssh_key(data.with_name("key"))
    lines = signers.ssh_sign(key, data).split(b"\n")
    raw = base64.b64decode(b"".join(lines[1:-2]))
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        made = b"\n".join([sshsig.BEGIN, base64.b64encode(changed), sshsig.END])
        with pytest.raises(SignatureError):
            sshsig.detached(made, data, [signers.public(key)], "file")


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ("", True),
        ('namespaces="git,file"', True),
        ('namespaces="git"', False),
        ('valid-before="20200101"', False),
        ('valid-before="29990101"', True),
        ('valid-after="29990101"', False),
        ('valid-after="20200101",valid-before="299901010000"', True),
    ],
)
def test_allowed_signers_as_openssh_reads_them(data: Path, options: str, holds: bool) -> None:
    key = signers.ssh_key(data.with_name("key"))
    allowed = data.with_name("allowed")
    allowed.write_bytes(f"me {options} ".encode() + signers.public(key))
    made = signers.ssh_sign(key, data)
    assert openssh_agrees(allowed, made, data, "file") == holds
    if holds:
        assert sshsig.detached(made, data, [allowed.read_bytes()], "file").name == "me"
    else:
        with pytest.raises(SignatureError, match="not for this use or time"):
            sshsig.detached(made, data, [allowed.read_bytes()], "file")


def test_odd_lines_are_refused(data: Path) -> None:
    key = signers.ssh_key(data.with_name("key"))
    made = signers.ssh_sign(key, data)
    line = signers.public(key)
    for bad in (
        *(b"me cert-authority " + line, b"me unknown " + line, b'me a="b ' + line),
        *(b"me valid-before=" + line, b'me valid-before="soon" ' + line),
        *(b"ssh-dss AAAA", b"junk", b"ssh-ed25519 ====", b"ssh-ed25519"),
    ):
        with pytest.raises(SignatureError):
            sshsig.detached(made, data, [bad], "file")


def test_another_key_and_junk(data: Path) -> None:
    key = signers.ssh_key(data.with_name("key"))
    other = signers.ssh_key(data.with_name("other"))
    made = signers.ssh_sign(key, data)
    with pytest.raises(SignatureError, match="which is not named"):
        sshsig.detached(made, data, [signers.public(other)], "file")
    with pytest.raises(SignatureError, match="which is not named"):
        sshsig.detached(made, data, [], "file")
    # the other's signature under this key's name
    mine, theirs = (
        base64.b64decode(b"".join(each.split(b"\n")[1:-2]))
        for each in (made, signers.ssh_sign(other, data))
    )
    mixed = base64.b64encode(mine[:70] + theirs[70:])
    armour = b"\n".join([sshsig.BEGIN, mixed, sshsig.END])
    with pytest.raises(SignatureError, match="not over these bytes"):
        sshsig.detached(armour, data, [signers.public(key)], "file")
    for bad in (b"", made + made, made.replace(b"SSH", b"PGP"), sshsig.BEGIN + b"\n" + sshsig.END):
        with pytest.raises(SignatureError):
            sshsig.detached(bad, data, [signers.public(key)], "file")


def test_times_are_utc() -> None:
    assert sshsig._time("202401021530", 1) == dt.datetime(2024, 1, 2, 15, 30, tzinfo=dt.UTC)
    assert sshsig._time("20240102Z", 1) == dt.datetime(2024, 1, 2, tzinfo=dt.UTC)
