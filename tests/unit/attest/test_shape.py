"""Our reader of schemas says what a full validator says."""

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.attest import material
from verifier import shape
from verifier.attest import make
from verifier.errors import ParseError

NAMES = sorted(path.stem for path in shape.SCHEMAS.glob("*.json"))
JUNK: list[Any] = [None, True, 0, -1, 1.5, "", "x", "0" * 64, "a" * 64 + "\n", [], {}, ["x"]]


def _fits(value: Any, name: str) -> bool:
    try:
        shape.check(value, name, "it")
    except ParseError:
        return False
    return True


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        found += _places(item, (*path, key))
    return found


def _with(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copied = copy.deepcopy(value)
    around = copied
    for key in path[:-1]:
        around = around[key]
    around[path[-1]] = new
    return copied


@pytest.mark.parametrize("name", NAMES)
def test_every_published_schema_is_a_schema_and_can_be_read(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(shape.schema(name))
    assert not _fits([], name)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_it_agrees_with_a_full_validator(good: material.Run, data: st.DataObject) -> None:
    assert good.proof is not None
    documents = {
        "report-v1": json.loads(good.report.read_text("utf-8")),
        "proof-v1": json.loads(good.proof.read_text("utf-8")),
        "equivalence-v1": make.statement(material.basis(good))["predicate"],
    }
    name = data.draw(st.sampled_from(sorted(documents)))
    document = documents[name]
    assert _fits(document, name)
    path = data.draw(st.sampled_from(_places(document)))
    changed = _with(document, path, data.draw(st.sampled_from(JUNK)))
    full = jsonschema.Draft202012Validator(shape.schema(name))
    newline = "a\\n" in str(changed)  # its patterns let a last newline pass; ours do not
    assert _fits(changed, name) == full.is_valid(changed) or newline


def test_a_newline_behind_a_digest_does_not_pass() -> None:
    schema = shape.schema("equivalence-v1")
    fault = shape._fault({"sha256": "a" * 64 + "\n"}, schema["properties"]["report"], schema, "")
    assert "match" in fault


def test_deep_nesting_is_refused() -> None:
    entry: Any = {"shipped": None}
    for _ in range(100_000):
        entry = {"shipped": None, "patches": [{"payload": entry}]}
    proof = {"schema": "urn:source-binary-verifier:proof:v1", "files": [entry]}
    assert not _fits(proof, "proof-v1")
    while entry.get("patches"):  # freed one by one, so that freeing does not go deep either
        entry = entry.pop("patches")[0]["payload"]
