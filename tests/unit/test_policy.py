from pathlib import Path

import pytest

from verifier import policy
from verifier.errors import UsageError
from verifier.model import Strength


def test_strict_accepts_what_is_recomputed_or_signed_alone() -> None:
    assert policy.load("strict").accepts is Strength.SIGNED
    assert not policy.load("strict").waivers
    assert policy.load("standard").accepts is Strength.BOUNDED


def test_a_policy_file(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(
        'accepts = "related"\ndenied = ["pe.coff-timestamp"]\n'
        '[parameters."pe.coff-timestamp"]\nnot-before = "2026-01-01"\n',
        "utf-8",
    )
    loaded = policy.load(str(path))
    assert (loaded.name, loaded.accepts) == ("gate", Strength.RELATED)
    assert loaded.parameters == {"pe.coff-timestamp": {"not-before": "2026-01-01"}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("acepts = 'related'", "unknown keys: acepts"),
        ("accepts = 'all'", "must be one of"),
        ("denied = ['no.such']", "do not exist: no.such"),
        ("[parameters.'pe.coff-timestamp']\nbefore = 1", "no parameter before"),
        ("waivers = 3", "true or false"),
        ("reencode = -1", "number of bytes"),
        ("=", "not TOML"),
    ],
)
def test_a_faulty_policy_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=fault):
        policy.load(str(path))


def test_a_missing_policy_names_the_choices() -> None:
    with pytest.raises(UsageError, match="none of strict, standard, layout"):
        policy.load("stricter")
