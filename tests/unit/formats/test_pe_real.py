"""Real pairs: signed images against their unsigned twins, and what mingw-w64 makes twice."""

from pathlib import Path

import pytest

from tests.cases import pe_files as files
from tests.support import STRICT, compare_bytes
from verifier.compare import compare_pair
from verifier.model import Member, Pair, Ref, Settings, Verdict

SIGNER = {"shim": "Microsoft Windows UEFI Driver Publisher"}
TOGETHER = {
    "x86_64-exe-g", "x86_64-exe-s", "x86_64-dll-g", "x86_64-dll-s", "i686-exe-g", "i686-exe-s",
    "i686-dll-g", "i686-dll-s", "x86_64-dll-tiny",
}  # fmt: skip


@pytest.mark.parametrize("name", files.SIGNED_PAIRS)
def test_a_secure_boot_image_is_its_unsigned_twin(name: str) -> None:
    found = compare_bytes(*files.signed_pair(name), policy=STRICT)
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    assert "over the rebuilt image" in found.patches[-1].evidence
    signers = found.members[0].signers
    assert all(signer.verified for signer in signers)
    assert SIGNER.get(name, "Debian Secure Boot Signer") in signers[0].subject
    assert len(signers) == (2 if name == "shim" else 1)


@pytest.mark.slow
def test_a_kernel_is_its_unsigned_twin() -> None:
    assert compare_bytes(*files.kernel_pair(), policy=STRICT).verdict is Verdict.EQUIVALENT


def test_a_pinned_signer_is_reported() -> None:
    signed, rebuilt = files.signed_pair("fwupd")
    seen = compare_bytes(signed, rebuilt).members[0].signers[0]
    assert not seen.pinned
    found = compare_bytes(signed, rebuilt, pins=(seen.fingerprint,))
    assert found.members[0].signers[0].pinned
    # What an unknown issuer's certificate says is not free once that certificate is named.
    assert sum(patch.free_bytes for patch in found.patches) == 0


def test_the_table_of_mingw_builds_is_whole() -> None:
    assert set(files.mingw()) == TOGETHER


@pytest.mark.parametrize("name", sorted(TOGETHER))
def test_two_builds_of_mingw_differ_in_their_clocks_alone(name: str) -> None:
    one, other = files.mingw()[name]
    assert one != other
    found = compare_bytes(one, other)
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    free = {patch.field: patch.free_bytes for patch in found.patches}
    stamps = {"coff.TimeDateStamp": 4} | ({"export.TimeDateStamp": 4} if "dll" in name else {})
    assert free == stamps | {"optional.CheckSum": 0}
    assert compare_bytes(one, other, policy=STRICT).verdict is Verdict.DIFFERENT


def test_a_signature_made_after_another_clock_covers_the_shipped_bytes() -> None:
    one, other = files.mingw()["x86_64-exe-s"]
    found = compare_bytes(files.own_signed(one), other)
    assert found.verdict is Verdict.EQUIVALENT
    evidence = next(patch.evidence for patch in found.patches if patch.rule == "pe.authenticode")
    assert "over the shipped image (other patches" in evidence


def test_two_signatures_over_one_image() -> None:
    base = files.microsoft()
    found = compare_bytes(files.microsoft_signed(), files.own_signed(base))
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    assert len(found.members[0].signers) == 1


def _beside(tmp_path: Path, shipped: bytes, rebuilt: bytes, pdb: bytes) -> Member:
    """Compare two images where the shipped one has this PDB beside it."""
    refs = []
    for name, data in (("shipped", shipped), ("rebuilt", rebuilt), ("pdb", pdb)):
        path = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        path.write_bytes(data)
        refs.append(Ref(str(path), 0, len(data)))
    siblings = {"lib/run_code_on_dllmain_amd64.pdb": refs[2]}
    return compare_pair(Pair("file", refs[0], refs[1]), Settings(), siblings).member


def test_a_shipped_pdb_decides_the_identifier(tmp_path: Path) -> None:
    pdb, true = files.microsoft_pdb(), files.microsoft()
    other = files.put(true, {"codeview.GUID": bytes(16)})
    found = _beside(tmp_path, true, other, pdb)
    assert found.verdict is Verdict.EQUIVALENT
    assert any("beside the image carries the same" in patch.evidence for patch in found.patches)
    found = _beside(tmp_path, other, true, pdb)
    assert [item.where for item in found.differences] == ["codeview.GUID"]
    assert _beside(tmp_path, other, true, pdb[:100]).verdict is Verdict.DIFFERENT
    older = files.put(true, {"codeview.Age": b"\2\0\0\0"})
    assert compare_bytes(older, true).verdict is Verdict.EQUIVALENT
    assert _beside(tmp_path, older, true, pdb).verdict is Verdict.DIFFERENT
