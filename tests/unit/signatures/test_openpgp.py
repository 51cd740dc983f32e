"""gpgv judges; expired, revoked and unknown keys, other bytes and odd forms are all refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.signers import Gpg
from verifier.signatures import openpgp
from verifier.signatures.errors import SignatureError


@pytest.fixture(scope="module")
def gpg() -> Iterator[Gpg]:
    made = Gpg()
    yield made
    made.close()


@pytest.fixture(scope="module")
def alice(gpg: Gpg) -> str:
    return gpg.key("alice <alice@example.org>")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(b"line\r\nline\n")
    return path


@pytest.mark.parametrize("armor", [True, False])
def test_a_good_signature_names_its_key(gpg: Gpg, alice: str, data: Path, armor: bool) -> None:
    key = gpg.public(alice, data.with_name("key"), armor=armor).read_bytes()
    options = ("--armor", "--detach-sign") if armor else ("--detach-sign",)
    found = openpgp.detached(gpg.sign(alice, data, *options), data, [key])
    assert (found.primary, found.name) == (alice, "alice <alice@example.org>")
    data.write_bytes(data.read_bytes() + b" ")
    with pytest.raises(SignatureError, match="not over these bytes"):
        openpgp.detached(gpg.sign(alice, data.with_name("key"), *options), data, [key])


def test_every_changed_byte_is_seen(gpg: Gpg, alice: str, data: Path) -> None:
    key = gpg.public(alice, data.with_name("key")).read_bytes()
    made = gpg.sign(alice, data, "--detach-sign")
    whole = data.read_bytes()
    for place in range(len(whole)):
        data.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SignatureError):
            openpgp.detached(made, data, [key])


def test_another_key_is_none_of_the_named(gpg: Gpg, alice: str, data: Path) -> None:
    mallory = gpg.key("mallory")
    key = gpg.public(alice, data.with_name("key")).read_bytes()
    with pytest.raises(SignatureError, match="none of the named keys"):
        openpgp.detached(gpg.sign(mallory, data), data, [key])
    with pytest.raises(SignatureError, match="No OpenPGP key is named"):
        openpgp.detached(gpg.sign(alice, data), data, [])
    both = gpg.gpg("--armor", "--detach-sign", "-u", mallory, "-u", alice, "-o", "-", str(data))
    assert openpgp.detached(both, data, [key]).primary == alice  # mallory is merely unknown


def test_an_expired_key_is_refused_though_gpgv_ends_well(gpg: Gpg, data: Path) -> None:
    old = gpg.key("old", "1y", "20200101T000000")
    made = gpg.gpg(
        *("--faked-system-time", "20200201T000000", "--armor", "--detach-sign", "-u", old),
        *("-o", "-", str(data)),
    )
    key = gpg.public(old, data.with_name("key")).read_bytes()
    with pytest.raises(SignatureError, match="key has expired"):
        openpgp.detached(made, data, [key])


def test_a_revoked_key_is_refused(gpg: Gpg, data: Path) -> None:
    lost = gpg.key("lost")
    made = gpg.sign(lost, data)
    revocation = gpg.home / "openpgp-revocs.d" / f"{lost}.rev"
    text = revocation.read_text().replace(":-----BEGIN", "-----BEGIN")
    revocation.write_text(text)
    gpg.gpg("--import", str(revocation))
    key = gpg.public(lost, data.with_name("key")).read_bytes()
    with pytest.raises(SignatureError, match="revoked"):
        openpgp.detached(made, data, [key])


def test_a_broken_hash_is_refused(gpg: Gpg, alice: str, data: Path) -> None:
    rsa = gpg.key("rsa", kind="rsa2048")
    key = gpg.public(rsa, data.with_name("key")).read_bytes()
    weak = ("--digest-algo", "SHA1", "--armor", "--detach-sign")
    with pytest.raises(SignatureError, match="broken hash"):
        openpgp.detached(gpg.sign(rsa, data, *weak), data, [key])
    assert openpgp.detached(gpg.sign(rsa, data), data, [key]).primary == rsa


def test_a_message_that_holds_its_own_text_signs_no_file(
    gpg: Gpg, alice: str, data: Path, tmp_path: Path
) -> None:
    key = gpg.public(alice, tmp_path / "key").read_bytes()
    other = tmp_path / "other"
    other.write_text("something else")
    for kind in (("--sign",), ("--armor", "--sign"), ("--clear-sign",), ("--textmode", "-b")):
        with pytest.raises(SignatureError):
            openpgp.detached(gpg.sign(alice, data, *kind), other, [key])
    with pytest.raises(SignatureError, match="class 01"):
        openpgp.detached(gpg.sign(alice, data, "--textmode", "--detach-sign"), data, [key])


def test_two_armours_and_junk_are_refused(gpg: Gpg, alice: str, data: Path) -> None:
    key = gpg.public(alice, data.with_name("key")).read_bytes()
    made = gpg.sign(alice, data)
    lines = made.split(b"\n")
    bad = [
        *(made + made, made + b"junk", b"", b"junk", made[: len(made) // 2]),
        b"\n".join([*lines[:3], lines[3][::-1], *lines[4:]]),
        made.replace(b"SIGNATURE", b"MESSAGE"),
    ]
    for each in bad:
        with pytest.raises(SignatureError):
            openpgp.detached(each, data, [key])


def test_clear_signed_text_is_whole(gpg: Gpg, alice: str, data: Path) -> None:
    key = gpg.public(alice, data.with_name("key")).read_bytes()
    data.write_text("Source: a\nVersion: 1\n- dash\n")
    made = gpg.sign(alice, data, "--clear-sign")
    text, found = openpgp.clear_signed(made, [key])
    assert (text, found.primary) == (data.read_bytes(), alice)
    for each in (
        *(b"Source: b\n" + made, made + b"Source: b\n", made + made),
        made.replace(b"Version: 1", b"Version: 2"),
    ):
        with pytest.raises(SignatureError):
            openpgp.clear_signed(each, [key])


def test_no_key_in_a_key_file() -> None:
    for each in (b"", b"junk", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=\n"):
        with pytest.raises(SignatureError):
            openpgp.dearmoured(each)
