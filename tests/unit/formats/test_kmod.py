"""Kernel modules with the trailer that the kernel appends."""

from __future__ import annotations

import itertools

import pytest

from tests.cases import elf_build as make
from tests.cases.elf_tampers import MODULE_TAMPERS
from tests.support import STRICT, compare_bytes
from verifier.model import Verdict


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("rebuilt", ["signed", "unsigned"])
def test_signature_verifies_over_the_rebuilt_module(digest: str, rebuilt: str) -> None:
    other = make.signed_module("two") if rebuilt == "signed" else make.unsigned_module()
    certificate = make.key("one")[1]
    found = compare_bytes(
        make.signed_module("one", digest=digest), other, STRICT, certificates=(certificate,)
    )
    assert found.verdict == Verdict.EQUIVALENT, found.differences
    assert "kmod.signature" in found.rules
    assert sum(patch.free_bytes for patch in found.patches) == 0
    (signer,) = found.members[0].signers
    assert (signer.subject, signer.verified, signer.pinned) == ("CN=verifier test one", True, True)


def test_signer_is_named_without_a_certificate() -> None:
    found = compare_bytes(make.signed_module("one"), make.signed_module("two"))
    assert found.verdict == Verdict.EQUIVALENT
    (signer,) = found.members[0].signers
    assert signer.issuer == "CN=verifier test one"
    assert not signer.verified
    assert compare_bytes(make.signed_module("one"), make.signed_module("two"), STRICT).verdict == (
        Verdict.DIFFERENT
    )


def test_signature_that_does_not_verify_is_refused_under_any_policy() -> None:
    data = make.signed_module("one")
    broken = data[:-41] + bytes([data[-41] ^ 1]) + data[-40:]
    certificate = make.key("one")[1]
    found = compare_bytes(broken, make.unsigned_module(), certificates=(certificate,))
    assert ("signature-invalid", "signature") in [
        (item.kind, item.where) for item in found.differences
    ]


def test_a_signature_does_not_excuse_other_content() -> None:
    certificate = make.key("one")[1]
    found = compare_bytes(
        make.signed_module("one", 0), make.unsigned_module(1), certificates=(certificate,)
    )
    assert found.verdict is Verdict.DIFFERENT
    assert any("another content than the rebuilt" in item.evidence for item in found.patches)


def test_a_signature_that_both_have_must_hold_for_what_was_changed_after_it() -> None:
    certificate = make.key("one")[1]
    signed = make.signed_module("one", 0)
    changed = bytearray(signed)
    changed[signed.index(b"license=")] ^= 1
    found = compare_bytes(bytes(changed), signed, certificates=(certificate,))
    assert ("signature-invalid", "signature") in [
        (item.kind, item.where) for item in found.differences
    ]


def test_missing_signature_is_a_difference() -> None:
    found = compare_bytes(make.unsigned_module(), make.signed_module("one"))
    assert [(item.kind, item.where) for item in found.differences] == [
        ("signature-missing", "signature"),
        ("signature-missing", "trailer"),
    ]


@pytest.mark.parametrize("name", MODULE_TAMPERS)
def test_tamper_alone(name: str) -> None:
    tamper, where = MODULE_TAMPERS[name]
    found = compare_bytes(tamper(make.signed_module("one")), make.signed_module("two"))
    assert found.verdict == Verdict.DIFFERENT
    assert any(where in item for item in found.where()), found.where()


def test_tampers_in_pairs() -> None:
    outermost = {"two trailers", "bytes after the trailer", "trailer removed", "DER tail"}
    for (one, (first, where)), (other, (second, there)) in itertools.combinations(
        MODULE_TAMPERS.items(), 2
    ):
        if one in outermost and other in outermost:
            continue  # the second would have no trailer to change
        inner, outer = (first, second) if other in outermost else (second, first)
        data = outer(inner(make.signed_module("one")))
        places = compare_bytes(data, make.signed_module("two")).where()
        missing = [item for item in (where, there) if not any(item in place for place in places)]
        # A trailer that is gone, doubled or no longer at the end has no fields to name.
        assert len(missing) <= (1 if {one, other} & outermost else 0), (one, other, places)
