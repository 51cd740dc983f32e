import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import wire
from verifier.errors import ParseError
from verifier.model import (
    Child,
    Difference,
    FileFacts,
    Member,
    Outcome,
    Pair,
    Patch,
    Problem,
    Range,
    Ref,
    Settings,
    Signer,
    Strength,
    Verdict,
)

_small = st.integers(0, 2**63)
_text = st.text(max_size=8)
_ref = st.builds(Ref, _text, _small, _small)
_pair = st.builds(Pair, _text, _ref, _ref, _text, st.tuples(_text), _text)
_patch = st.builds(
    Patch,
    *(_text, st.sampled_from(Strength), _text, _small, _small, _small, _small),
    *(st.binary(max_size=20), _text, st.tuples(st.builds(Range, _small, _small, _text))),
)
_difference = st.builds(Difference, _text, _text, _text, st.none() | _small, st.none() | _small)
_member = st.builds(
    Member,
    *(_text, st.sampled_from(Verdict), st.none() | st.builds(FileFacts, _text, _small, _text)),
    patches=st.tuples(_patch),
    differences=st.tuples(_difference),
    problems=st.tuples(st.builds(Problem, _text, _text, _text)),
    signers=st.tuples(
        st.builds(Signer, *([_text] * 6), st.none() | _text, st.booleans(), st.booleans())
    ),
)
_child = st.builds(Child, _pair, _text, _text, _text, _small, _small, _small, _small)


@given(st.builds(Outcome, _member, st.tuples(_child)))
def test_what_is_written_is_read_back(outcome: Outcome) -> None:
    assert wire.loads(Outcome, wire.dumps(outcome)) == outcome


def test_settings_travel() -> None:
    settings = Settings(certificates=(b"\0\xff",), pins=("aa",), today="2026-01-01")
    assert wire.loads(Settings, wire.dumps(settings)) == settings


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"[1,0,0]",
        b'["a",true,0]',
        b'["a","0",0]',
        b'["a",0,0.0]',
        b'["a",0]',
        b'["a",0,0,1]',
        b'{"path":"a","offset":0,"length":0}',
        b"[" * 100_000,
    ],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        wire.loads(Ref, text)


def test_unknown_types_are_not_written() -> None:
    with pytest.raises(TypeError):
        json.dumps(wire.to_data(object()))
