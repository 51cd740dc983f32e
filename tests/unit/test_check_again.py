"""`verifier check --again`: a rule's name is no licence for bytes that are not its own."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from verifier import run
from verifier.attest.again import unlike
from verifier.commands import build
from verifier.engine import Failure, Inline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from verifier.engine import Task

PROGRAM = '#include <stdio.h>\nint main(void) { return puts("{}") < 0; }\n'
IDS = "11" * 20, "22" * 20


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program linked twice under other build-ids, in archives that tar made; and its proof."""
    root = tmp_path_factory.mktemp("again")
    for side, number in zip(("shipped", "rebuilt"), IDS, strict=True):
        _build(root / side, number, "good day")
    assert _run("compare", root / "shipped", root / "rebuilt", "--proof", root / "proof") == 0
    return root


def _build(folder: Path, number: str, words: str) -> None:
    folder.mkdir()
    program = folder / "program"
    command = ["gcc", "-xc", "-", f"-Wl,--build-id=0x{number}", "-o", program]
    subprocess.run(command, input=PROGRAM.replace("{}", words), text=True, check=True)
    tar = ["tar", "--create", "--xz", "--mtime=@0", "--file", "program.tar.xz", "program"]
    subprocess.run(tar, cwd=folder, check=True)


def _called(*arguments: object) -> Result:
    words = [str(each) for each in arguments]
    return CliRunner().invoke(build(words[0]), words)


def _run(*arguments: object) -> int:
    return _called(*arguments).exit_code


def _facts(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def test_a_true_proof_is_found_again(pair: Path) -> None:
    arguments = "check", pair / "proof", pair / "shipped", pair / "rebuilt", "--again"
    assert _run(*arguments) == 0
    assert "settles the same bytes by the same rules" in _called(*arguments).output


def test_other_words_in_a_program_are_no_build_id(pair: Path, tmp_path: Path) -> None:
    """The patches give the shipped bytes, the rule exists, and is of this strength: no proof."""
    shipped = (pair / "shipped" / "program").read_bytes()
    forged = shipped.replace(b"good day", b"evil day")
    proof = json.loads((pair / "proof").read_text())
    entry = next(item for item in proof["files"] if item["path"] == "program")
    at = forged.index(b"evil day")
    place = {"offset": at, "length": 4, "rebuilt_offset": at, "rebuilt_length": 4}
    (build_id,) = entry["patches"]
    data = base64.b64encode(b"evil").decode()
    entry["patches"] = sorted(
        [build_id, {**build_id, **place, "free_bytes": 4, "data": data}],
        key=lambda item: int(item["offset"]),
    )
    proof.update(files=[{**entry, "shipped": _facts(forged)}], links=[])
    proof["free_bytes"] = sum(item["free_bytes"] for item in entry["patches"])
    (tmp_path / "program").write_bytes(forged)
    (tmp_path / "proof").write_text(json.dumps(proof))
    arguments = "check", tmp_path / "proof", tmp_path / "program", pair / "rebuilt" / "program"
    assert _run(*arguments) == 0  # all that a program can see that knows no format
    assert _run(*arguments, "--again") == 1
    assert "a comparison here says different" in _called(*arguments, "--again").output


def test_each_word_of_a_proof_is_held_against_the_comparison(pair: Path) -> None:
    """In members of archives too: another rule, place, strength, value or number of free bytes."""
    proof = json.loads((pair / "proof").read_text())
    assert unlike(proof, proof, "equivalent") == ""
    assert unlike(proof, None, "different").endswith("says different.")
    entry = next(item for item in proof["files"] if item["path"].endswith(".xz"))
    inner = entry["patches"][0]["payload"]["patches"][-1]
    changes = {"rule": "elf.debuglink-name", "strength": "assumed", "free_bytes": 1, "data": "AA=="}
    for name, value in {**changes, "offset": 0, "length": 1, "rebuilt_offset": 0}.items():
        kept = inner[name]
        fresh = json.loads(json.dumps(proof))
        inner[name] = value
        assert "a comparison here does not" in unlike(proof, fresh, "equivalent"), name
        inner[name] = kept
    assert "Its free_bytes" in unlike({**proof, "free_bytes": 0}, proof, "equivalent")
    assert "Its verdict" in unlike({**proof, "verdict": "identical"}, proof, "equivalent")


def test_the_policy_is_the_one_of_the_proof_or_as_asked(pair: Path) -> None:
    """Under strict no build-id is free, so that the proof is not found again."""
    arguments = "check", pair / "proof", pair / "shipped", pair / "rebuilt", "--again"
    assert _run(*arguments, "--policy", "strict") == 1


def test_what_cannot_be_compared_again_is_not_refuted(
    pair: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checker alone held it, and here no worker could read the files: exit 3, not 0, not 1."""

    def answers(self: Inline) -> Iterator[tuple[Task, object]]:
        while self._waiting:
            yield self._waiting.popleft(), Failure("worker-died", "It died.")

    monkeypatch.setattr(Inline, "answers", answers)
    monkeypatch.setattr(run, "_engine", lambda settings, *_rest: Inline(settings))
    arguments = "check", pair / "proof", pair / "shipped", pair / "rebuilt", "--again"
    assert _run(*arguments) == 3
