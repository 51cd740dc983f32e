"""minisign's own signatures, in both forms; every changed byte of one is refused."""

import base64
from pathlib import Path

import pytest

from tests import signers
from verifier.signatures import minisign
from verifier.signatures.errors import SignatureError


@pytest.mark.parametrize("form", ["-l", "-H"])
def test_both_forms(tmp_path: Path, form: str) -> None:
    secret, known = signers.minisign_key(tmp_path)
    data = tmp_path / "data"
    data.write_bytes(bytes(range(256)) * 999)
    made = signers.minisign(secret, data, form)
    line = base64.b64decode(made.split(b"\n")[1])
    assert line[:2] == {b"l": b"Ed", b"H": b"ED"}[form[1:].encode()]
    key = known.read_bytes()
    found = minisign.detached(made, data, [key])
    assert found.comment == "for you"
    assert found.key.encode() in key
    assert minisign.detached(made, data, [key.split(b"\n")[1]]) == found  # the bare line
    signers.run("minisign", "-V", "-p", str(known), "-m", str(data))  # minisign thinks so too
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(SignatureError, match="not over these bytes"):
        minisign.detached(made, data, [key])


def test_each_byte_counts(tmp_path: Path) -> None:
    secret, known = signers.minisign_key(tmp_path)
    data = tmp_path / "data"
    data.write_bytes(b"x")
    made = signers.minisign(secret, data)
    free = made.index(b"\n")  # the untrusted comment, as it says
    for place in range(free, len(made) - 1):
        for bit in (1, 32):
            changed = made[:place] + bytes([made[place] ^ bit]) + made[place + 1 :]
            with pytest.raises(SignatureError):
                minisign.detached(changed, data, [known.read_bytes()])


def test_the_trusted_comment_is_signed(tmp_path: Path) -> None:
    secret, known = signers.minisign_key(tmp_path)
    data = tmp_path / "data"
    data.write_bytes(b"x")
    made = signers.minisign(secret, data, comment="version 1")
    changed = made.replace(b"version 1", b"version 9")
    with pytest.raises(SignatureError, match="trusted comment was changed"):
        minisign.detached(changed, data, [known.read_bytes()])
    data.with_name("other").write_bytes(b"y")
    other = signers.minisign(secret, data.with_name("other"), comment="version 9").split(b"\n")
    swapped = b"\n".join([*made.split(b"\n")[:2], *other[2:]])
    with pytest.raises(SignatureError, match="trusted comment was changed"):
        minisign.detached(swapped, data, [known.read_bytes()])


def test_other_keys(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    secret, _ = signers.minisign_key(tmp_path / "a")
    _, other = signers.minisign_key(tmp_path / "b")
    data = tmp_path / "data"
    data.write_bytes(b"x")
    made = signers.minisign(secret, data)
    with pytest.raises(SignatureError, match="which is not named"):
        minisign.detached(made, data, [other.read_bytes()])
    with pytest.raises(SignatureError, match="which is not named"):
        minisign.detached(made, data, [])
    # another key under the signer's id
    raw = base64.b64decode(other.read_bytes().split(b"\n")[1])
    mine = base64.b64decode(made.split(b"\n")[1])
    forged = base64.b64encode(raw[:2] + mine[2:10] + raw[10:])
    with pytest.raises(SignatureError, match="named minisign key"):
        minisign.detached(made, data, [forged])


def test_junk() -> None:
    for each in (b"", b"junk", b"untrusted comment: a\nb\ntrusted comment: c\nd\n"):
        with pytest.raises(SignatureError):
            minisign.detached(each, Path("/dev/null"), [])
        assert not minisign.looks_key(each)
