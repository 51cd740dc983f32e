"""`.sign` files: whose, when, over what, and what happens when they are touched.

ClamAV 1.4.3 brings none, so openssl makes these under roots of their own.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.cases import clamav_build as make
from tests.support import compare_bytes
from verifier import formats
from verifier.errors import VerifierError
from verifier.formats.clamav import sign
from verifier.model import Policy, Verdict
from verifier.pair import pair_paths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Tree

NAME = "test-6.cvd"
# A day is judged at its noon, and the certificates are made while the tests run.
SOON = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)).isoformat()


def _compare(shipped: bytes, policy: Policy | None = None, **changes: Any) -> Tree:
    settings: dict[str, Any] = {
        "name": f"{NAME}.sign",
        "siblings": {NAME: make.file(NAME)},
        "certificates": (make.authority("vendor").root,),
    }
    return compare_bytes(shipped, make.sign_file(NAME, "auditor"), policy, **settings | changes)


def _summaries(found: Tree) -> str:
    return " ".join(item.summary for item in found.differences)


def _at(day: str) -> Policy:
    return Policy(parameters={"clamsign.signature": {"at": day}})


def test_the_layout_covers_each_line() -> None:
    data = make.sign_file(NAME, "vendor")
    cut = sign.layout(memoryview(data + data[len(sign.FIRST) :]))
    assert formats.recognise(memoryview(data)) == "clamsign"
    assert sum(span.name.endswith(".signature") for span in cut.spans) == 2


def test_the_signer_and_what_is_not_covered_are_told() -> None:
    found = _compare(make.sign_file(NAME, "vendor"))
    (patch,) = found.patches
    assert found.verdict is Verdict.EQUIVALENT
    assert "signed by CN=vendor signer" in patch.evidence
    assert "covers neither level" in patch.evidence
    assert patch.free_bytes == 0
    (signer,) = found.members[0].signers
    assert (signer.pinned, signer.verified, len(signer.chain)) == (True, True, 2)


@pytest.mark.parametrize(
    ("day", "verdict"), [(SOON, Verdict.EQUIVALENT), ("2040-01-01", Verdict.DIFFERENT)]
)
def test_certificates_are_judged_at_a_chosen_time(day: str, verdict: Verdict) -> None:
    found = _compare(make.sign_file(NAME, "vendor"), _at(day))
    assert found.verdict is verdict
    assert verdict.positive or "was not valid on 2040-01-01" in _summaries(found)


def test_a_day_that_is_none_is_told() -> None:
    assert "is no day" in _summaries(_compare(make.sign_file(NAME, "vendor"), _at("soon")))


def test_nobody_is_trusted_unless_named() -> None:
    found = _compare(make.sign_file(NAME, "vendor"), certificates=())
    assert "Nobody is named" in _summaries(found)


def test_the_file_must_lie_beside_it() -> None:
    found = _compare(make.sign_file(NAME, "vendor"), siblings={})
    assert "does not lie beside it" in _summaries(found)


@pytest.mark.parametrize(("version", "verdict"), [(6, "equivalent"), (5, "different")])
def test_a_name_with_a_version_stands_for_the_file_of_that_version(
    version: int, verdict: str
) -> None:
    found = _compare(
        make.sign_file(NAME, "vendor"),
        name=f"test-{version}.cvd.sign",
        siblings={"test.cvd": make.file(NAME)},
    )
    assert found.verdict == verdict


def test_a_signature_less_is_a_difference() -> None:
    rebuilt = make.sign_file(NAME, "auditor")
    twice = rebuilt + rebuilt[len(sign.FIRST) :]
    found = compare_bytes(
        make.sign_file(NAME, "vendor"),
        twice,
        name=f"{NAME}.sign",
        siblings={NAME: make.file(NAME)},
        certificates=(make.authority("vendor").root,),
    )
    assert "update-signature-missing" in {item.kind for item in found.differences}


def test_a_flip_is_seen() -> None:
    data = make.sign_file(NAME, "vendor")
    for at in random.Random(1).sample(range(len(data)), 150):
        for mask in (1, 2, 0x20):
            bad = bytearray(data)
            bad[at] ^= mask
            found = _compare(bytes(bad))
            assert not found.verdict.positive, at


def test_damaged_files_raise_nothing_unexpected() -> None:
    data, chance = make.sign_file(NAME, "vendor"), random.Random(2)
    for _ in range(100):
        at, other = chance.randrange(len(data)), chance.randrange(len(data))
        for bad in (data[:at], data[:at] + data[other:], data[:at] + b"\xff" + data[at:]):
            try:
                cut = sign.layout(memoryview(bad))
            except VerifierError:
                continue
            assert sum(span.length for span in cut.spans) == len(bad)
            assert _compare(bad).verdict is not Verdict.EQUIVALENT or bad == data


def test_a_directory_without_the_signature_that_the_other_has(tmp_path: Path) -> None:
    for side in ("shipped", "rebuilt"):
        (tmp_path / side).mkdir()
        (tmp_path / side / NAME).write_bytes(make.file(NAME))
    (tmp_path / "rebuilt" / f"{NAME}.sign").write_bytes(make.sign_file(NAME, "vendor"))
    (member,) = pair_paths(tmp_path / "shipped", tmp_path / "rebuilt").members
    assert [item.kind for item in member.differences] == ["update-signature-missing"]
