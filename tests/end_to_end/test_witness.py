"""Witnesses: the installed engines show what the report says of changed signatures."""

import subprocess
import sys
from pathlib import Path

import pytest

KEPT = b"Kept.Marker:0:*:6b6570742d6d61726b6572\n"
BODIES = {
    "plain": b"6d61726b65722d6f6e65",
    "wildcards": b"6d61??6b6?72*6f6e{3}65(41|42)6161",
    "ranges": b"6d6172{2-5}6f6e65!(41|42)6162",
}


def _run(tmp_path: Path, name: str, shipped: bytes, rebuilt: bytes) -> str:
    paths = []
    for side, data in (("shipped", shipped), ("rebuilt", rebuilt)):
        path = tmp_path / side / name
        path.parent.mkdir()
        path.write_bytes(data)
        paths.append(str(path.parent))
    command = [sys.executable, "-m", "verifier", "compare", *paths, "--witness"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("place", ["*", "7", "EOF-40"])
def test_a_removed_body_signature_is_missed_by_clamscan(
    tmp_path: Path, body: str, place: str
) -> None:
    gone = b"Gone.Marker:0:" + place.encode() + b":" + BODIES[body] + b"\n"
    told = _run(tmp_path, "a.ndb", KEPT, KEPT + gone)
    assert "WEAKENS (signature-removed): detection-removed: " in told
    assert "Gone.Marker" in told
    assert "detects them with the source's databases, and not with the shipped ones." in told


def test_an_added_logical_signature_is_met_by_clamscan(tmp_path: Path) -> None:
    added = b"Added.Marker;Engine:51-255,Target:0;0&1;6669727374;7365636f6e64\n"
    kept = b"Kept.Marker;Engine:51-255,Target:0;0;6b6570742d6d61726b6572\n"
    told = _run(tmp_path, "a.ldb", kept + added, kept)
    assert "detects them with the shipped databases, and not with the source's." in told


def test_no_file_is_made_for_a_hash(tmp_path: Path) -> None:
    one, other = b"a" * 32 + b":10:Kept.Hash\n", b"b" * 32 + b":11:Gone.Hash\n"
    told = _run(tmp_path, "a.hdb", one, one + other)
    assert "No witness: no sample can be made for" in told
    assert "Gone.Hash" in told


def test_a_changed_yara_rule_is_shown_by_yara(tmp_path: Path) -> None:
    rule = b'rule gone { strings: $a = "marker one" condition: $a }\n'
    kept = b'rule kept { strings: $a = "kept marker" condition: $a }\n'
    told = _run(tmp_path, "a.yar", kept, kept + rule)
    assert "detects them with the source's databases, and not with the shipped ones." in told
