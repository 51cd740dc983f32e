"""Programs that are one program in two layouts: attested, re-checked, bundled and replayed."""

import json
from pathlib import Path

import pytest

from tests.cases import image
from tests.unit.attest import material
from verifier import shape
from verifier.attest import bundle, evidence, make, replay
from verifier.attest.refusal import MismatchError
from verifier.model import Strength, Verdict


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> material.Run:
    code = (image.FIRST, image.SECOND)
    sides = image.library(*code), image.library(*code, order=(1, 0))
    return material.compared(tmp_path_factory.mktemp("mapped"), *sides, "out.so")


def test_the_schemas_know_every_strength() -> None:
    known = [strength.value for strength in Strength]
    own = shape.schema("equivalence-v1")["properties"]
    assert own["policy"]["properties"]["accepts"]["enum"] == known
    assert own["rules"]["properties"]["fired"]["items"]["properties"]["strength"]["enum"] == known


def test_a_map_is_judged_again(mapped: material.Run, tmp_path: Path) -> None:
    data = material.attested(mapped, tmp_path)
    found = evidence.read(data, "it", [material.trusted()])
    assert found.statement.predicate["artifacts"][0]["relation"] == "layout"
    asked = {"artifact": mapped.shipped, "rebuilt": mapped.rebuilt, "proof": mapped.proof}
    assert "re-run" in evidence.judge(found, evidence.Demands(material.NOW, **asked))[-1]
    assert mapped.proof is not None
    parts = bundle.Parts(
        mapped.report.read_bytes(), mapped.proof.read_bytes(), mapped.shipped, mapped.rebuilt
    )
    bundle.write(bundle.pack(parts), tmp_path / "b.zip")
    assert replay.replay(tmp_path / "b.zip").verdict is Verdict.EQUIVALENT


def test_a_proof_without_its_map_does_not_hold(mapped: material.Run, tmp_path: Path) -> None:
    assert mapped.proof is not None
    proof = json.loads(mapped.proof.read_text("utf-8"))
    for entry in proof["files"]:
        del entry["layouts"]
    forged = tmp_path / "proof.json"
    forged.write_text(json.dumps(proof), "utf-8")
    lied = material.Run(mapped.shipped, mapped.rebuilt, mapped.report, forged)
    data = material.attested(lied, tmp_path)
    found = evidence.read(data, "it", [material.trusted()])
    asked = {"artifact": mapped.shipped, "rebuilt": mapped.rebuilt, "proof": forged}
    with pytest.raises(MismatchError, match="No map of layouts"):
        evidence.judge(found, evidence.Demands(material.NOW, **asked))
    assert make.parsed_proof(forged.read_bytes())
