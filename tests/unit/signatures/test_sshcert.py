"""Signatures by certified SSH keys: what holds by ssh-keygen holds here, and nothing more."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests import signers
from tests.unit.signatures.test_sshsig import KINDS, openssh_agrees
from verifier.signatures import sshcert, sshsig
from verifier.signatures.errors import SignatureError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(b"content")
    return path


def certified(
    data: Path,
    *options: str,
    kind: tuple[str, ...] = ("ed25519",),
    authority: tuple[str, ...] = ("ed25519",),
    names: str = "me",
    sign: tuple[str, ...] = (),
) -> tuple[bytes, bytes]:
    """A signature by a certified key, and the public key of its authority."""
    key = signers.ssh_key(data.with_name("key"), *kind)
    ca = signers.ssh_key(data.with_name("ca"), *authority)
    listed = ("-n", names) if names else ()
    signers.run(
        *("ssh-keygen", "-q", "-s", str(ca), *sign, "-I", "the key", *listed, *options),
        f"{key}.pub",
    )
    signers.run(
        *("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", f"{key}-cert.pub", str(data))
    )
    return data.with_name("data.sig").read_bytes(), signers.public(ca)


def judged(data: Path, made: bytes, line: bytes) -> sshsig.Signer:
    return sshsig.detached(made, data, [line], "file")


def agrees(data: Path, made: bytes, line: bytes) -> bool:
    allowed = data.with_name("allowed")
    allowed.write_bytes(line)
    return openssh_agrees(allowed, made, data, "file")


@pytest.mark.parametrize("kind", KINDS, ids="".join)
@pytest.mark.parametrize("swapped", [False, True])
def test_each_kind_of_key_and_authority(data: Path, kind: tuple[str, ...], swapped: bool) -> None:
    plain = ("ed25519",)
    both = (plain, kind) if swapped else (kind, plain)
    made, ca = certified(data, kind=both[0], authority=both[1])
    line = b"me cert-authority " + ca
    assert agrees(data, made, line)
    found = judged(data, made, line)
    assert found.name.startswith("me, certified by SHA256:")
    listed = signers.run("ssh-keygen", "-l", "-f", str(data.with_name("key.pub"))).decode()
    assert found.key in listed
    data.write_bytes(b"Content")
    with pytest.raises(SignatureError, match="not over these bytes"):
        judged(data, made, line)


@pytest.mark.parametrize(
    ("options", "names", "head", "says"),
    [
        ((), "me,you", "*", ""),
        ((), "you,me", "m?", ""),
        (("-V", "20200101:29990101"), "me", "me", ""),
        ((), "me", 'me valid-before="29990101",namespaces="file",', ""),
        ((), "you", "me", "not for you"),
        ((), "me", "M?,you,me@*", "not for me"),
        ((), "", "*", "names no principal"),
        ((), "me", "!you,*", "Negated"),
        (("-V", "20200101:20210101"), "me", "me", "does not hold at this time"),
        (("-V", "29980101:29990101"), "me", "me", "does not hold at this time"),
        (("-h",), "me", "me", "none of a user"),
        (("-O", "source-address=10.0.0.0/8"), "me", "me", "critical options"),
        ((), "me", 'me namespaces="git",', "not for this use"),
        ((), "me", 'me valid-before="20200101",', "not for this use or time"),
    ],
)  # fmt: skip
def test_what_a_certificate_and_its_line_allow(
    data: Path, options: tuple[str, ...], names: str, head: str, says: str
) -> None:
    made, ca = certified(data, *options, names=names)
    start = head.encode() if " " in head else head.encode() + b" "
    line = start + b"cert-authority " + ca
    if not says:
        assert agrees(data, made, line)
        assert judged(data, made, line)
        return
    with pytest.raises(SignatureError, match=says):
        judged(data, made, line)
    # Two are stricter here than in OpenSSH: options for logins, and negated names.
    assert agrees(data, made, line) == (says in ("critical options", "Negated"))


def test_only_a_line_with_the_authority_itself_counts(data: Path) -> None:
    made, ca = certified(data)
    other = signers.ssh_key(data.with_name("other"))
    key = signers.public(data.with_name("key"))
    for line in (
        b"me " + ca,  # a key that signs, and does not certify
        b"me " + key,  # the certified key itself, whose certificate nobody vouches for
        b"me cert-authority " + key,
        b"me cert-authority " + signers.public(other),
    ):
        assert not agrees(data, made, line)
        with pytest.raises(SignatureError, match="which no line names as cert-authority"):
            judged(data, made, line)
    plain = signers.ssh_sign(data.with_name("ca"), data)  # the authority signs by itself
    line = b"me cert-authority " + ca
    assert not agrees(data, plain, line)
    with pytest.raises(SignatureError, match="which is not named"):
        judged(data, plain, line)


def test_an_authority_that_signs_by_sha1_is_refused(data: Path) -> None:
    made, ca = certified(data, authority=("rsa", "-b", "2048"), sign=("-t", "rsa-sha2-256"))
    assert judged(data, made, b"me cert-authority " + ca)
    raw = base64.b64decode(b"".join(made.split(b"\n")[1:-2]))
    weak = raw.replace(b"\0\0\0\x0crsa-sha2-256", b"\0\0\0\x07ssh-rsa" + bytes(5))
    assert weak != raw
    armour = b"\n".join([sshsig.BEGIN, base64.b64encode(weak), sshsig.END])
    with pytest.raises(SignatureError):
        judged(data, armour, b"me cert-authority " + ca)


def test_each_byte_of_a_certified_signature_counts(data: Path) -> None:
    made, ca = certified(data)
    raw = base64.b64decode(b"".join(made.split(b"\n")[1:-2]))
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        armour = b"\n".join([sshsig.BEGIN, base64.b64encode(changed), sshsig.END])
        with pytest.raises(SignatureError):
            judged(data, armour, b"me cert-authority " + ca)


def test_broken_certificates_raise_nothing_else(data: Path) -> None:
    certified(data)
    blob = base64.b64decode(data.with_name("key-cert.pub").read_bytes().split()[1])
    assert sshcert.is_certificate(blob)
    assert sshcert.parse(blob).names == ("me",)
    for end in range(len(blob)):
        with pytest.raises(SignatureError):
            sshcert.parse(blob[:end])
    with pytest.raises(SignatureError, match="after its fields"):
        sshcert.parse(blob + b"\0")
    dss = b"ssh-dss-cert-v01@openssh.com"
    with pytest.raises(SignatureError, match="are not accepted"):
        sshcert.parse(len(dss).to_bytes(4, "big") + dss + blob)
