"""Envelopes: forged, replayed, doubled and confused signatures are refused with the reason."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.attest import material
from verifier.attest import dsse, evidence
from verifier.attest.refusal import NotAttestedError
from verifier.errors import LimitError, ParseError, VerifierError

PAYLOAD = b'{"a":1}'


def _envelope(folder: Path, *numbers: int, payload: bytes = PAYLOAD) -> dsse.Envelope:
    made = [
        dsse.parse(material.signed(payload, folder, number=number), "it").signatures[0]
        for number in numbers
    ]
    return dsse.Envelope(dsse.IN_TOTO, payload, tuple(made))


def _trusted(*numbers: int) -> list[Any]:
    return [material.trusted(number=number) for number in numbers]


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert dsse.pae("é", b"") == "DSSEv1 2 é 0 ".encode()


def test_each_trusted_signer_is_found_once(tmp_path: Path) -> None:
    both = dsse.parse(dsse.dump(_envelope(tmp_path, 0, 1)), "it")
    assert [key.name for key in dsse.signers(both, _trusted(0, 1, 2), "it")] == [
        "ed25519-0",
        "ed25519-1",
    ]
    assert not dsse.signers(both, _trusted(2), "it")


def test_key_ids_are_hints(tmp_path: Path) -> None:
    envelope = _envelope(tmp_path, 0)
    for keyid in ("", "foreign", "0" * 64):
        odd = envelope._replace(signatures=(envelope.signatures[0]._replace(keyid=keyid),))
        assert len(dsse.signers(odd, _trusted(0), "it")) == 1
    data = json.loads(dsse.dump(envelope))
    del data["signatures"][0]["keyid"]
    assert dsse.signers(dsse.parse(json.dumps(data).encode(), "it"), _trusted(0), "it")


def test_one_key_under_two_ids_signs_once(tmp_path: Path) -> None:
    (one,) = _envelope(tmp_path, 0).signatures
    double = dsse.Envelope(dsse.IN_TOTO, PAYLOAD, (one, one._replace(keyid="another")))
    with pytest.raises(ParseError, match="two signatures of one key"):
        dsse.signers(double, _trusted(0), "it")


def test_a_forged_payload_or_signature_is_nobodys(tmp_path: Path) -> None:
    envelope = _envelope(tmp_path, 0)
    (one,) = envelope.signatures
    other = _envelope(tmp_path, 0, payload=b'{"a":2}').signatures  # replayed from another
    for odd in (
        envelope._replace(payload=b'{"a":2}'),
        envelope._replace(signatures=other),
        envelope._replace(signatures=(one._replace(value=bytes(64)),)),
        envelope._replace(signatures=()),
    ):
        with pytest.raises(NotAttestedError, match="not signed by a trusted key"):
            evidence.read(dsse.dump(odd), "it", _trusted(0))


def test_another_payload_type_is_refused_even_when_signed(tmp_path: Path) -> None:
    private = material.private("ed25519")
    for kind in ("application/vnd.in-toto+json ", "text/plain", "", "Application/vnd.in-toto+json"):
        value = private.sign(dsse.pae(kind, PAYLOAD))
        odd = dsse.Envelope(kind, PAYLOAD, (dsse.Signature("", value),))
        with pytest.raises(ParseError, match="payload type"):
            evidence.read(dsse.dump(odd), "it", _trusted(0))
    bare = dsse.Signature("", private.sign(PAYLOAD))  # signed without its type
    with pytest.raises(NotAttestedError):
        evidence.read(dsse.dump(dsse.Envelope(dsse.IN_TOTO, PAYLOAD, (bare,))), "it", _trusted(0))


@pytest.mark.parametrize(
    "change",
    [
        {"payload": 7},
        {"payload": "e30"},
        {"payload": "e31="},
        {"payloadType": None},
        {"signatures": {}},
        {"signatures": [7]},
        {"signatures": [{}]},
        {"signatures": [{"sig": "AA==", "keyid": 7}]},
        {"signatures": [{"sig": "AA==", "other_headers": []}]},
    ],
)
def test_odd_envelopes_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    data = json.loads(dsse.dump(_envelope(tmp_path, 0)))
    with pytest.raises(ParseError):
        dsse.parse(json.dumps({**data, **change}).encode(), "it")


def test_too_many_signatures_are_refused() -> None:
    many = [{"sig": "AA=="}] * 65
    data = {"payload": "", "payloadType": dsse.IN_TOTO, "signatures": many}
    with pytest.raises(LimitError):
        dsse.parse(json.dumps(data).encode(), "it")


def test_repeated_keys_of_an_envelope_are_refused(tmp_path: Path) -> None:
    text = dsse.dump(_envelope(tmp_path, 0)).decode()
    odd = text.replace("{", '{"payload":"e30=",', 1)
    with pytest.raises(ParseError, match="twice"):
        dsse.parse(odd.encode(), "it")


def test_url_safe_base64_is_read() -> None:
    payload = b"\xff\xfe\xfd>>>???"
    data = {
        "payload": base64.urlsafe_b64encode(payload).decode(),
        "payloadType": dsse.IN_TOTO,
        "signatures": [{"sig": base64.urlsafe_b64encode(b"\xff" * 64).decode()}],
    }
    assert dsse.parse(json.dumps(data).encode(), "it").payload == payload


@given(st.data())
def test_no_byte_of_an_envelope_may_change(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A changed byte is refused, or changes nothing that counts (a hint, a space)."""
    folder = tmp_path_factory.getbasetemp()
    good = dsse.dump(_envelope(folder, 0))
    at = data.draw(st.integers(0, len(good) - 1))
    odd = bytearray(good)
    odd[at] = data.draw(st.integers(0, 255))
    try:
        envelope = dsse.parse(bytes(odd), "it")
        found = dsse.signers(envelope, _trusted(0), "it")
    except VerifierError:
        return
    assert not found or (envelope.payload, envelope.payload_type) == (PAYLOAD, dsse.IN_TOTO)


@given(st.binary(max_size=60))
def test_any_bytes_raise_nothing_but_our_errors(data: bytes) -> None:
    with pytest.raises(VerifierError):
        dsse.parse(data, "it")
