"""The published list of kinds is the schema's, and every kind that the code names is in it."""

import ast
import json
from pathlib import Path

from verifier import kinds

ROOT = Path(kinds.__file__).parent
CALLS = {"Difference": 0, "Problem": 0, "Refused": 1}
MADE_OF_NOUNS = {"added", "missing", "order"}


def _kinds_in_code() -> set[str]:
    found: set[str] = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = CALLS.get(node.func.id)
            if place is None or len(node.args) <= place:
                continue
            argument = node.args[place]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
    return found


def test_the_schema_has_exactly_the_published_kinds() -> None:
    schema = json.loads((ROOT / "schemas" / "report-v1.json").read_text("utf-8"))
    shown = schema["$defs"]
    assert shown["difference"]["properties"]["kind"]["enum"] == sorted(kinds.DIFFERENCES)
    assert shown["problem"]["properties"]["kind"]["enum"] == sorted(kinds.PROBLEMS)


def test_every_kind_in_the_code_is_published() -> None:
    assert _kinds_in_code() <= kinds.DIFFERENCES.keys() | kinds.PROBLEMS.keys()


def test_kinds_are_kebab_case_and_explained() -> None:
    for name, sentence in {**kinds.DIFFERENCES, **kinds.PROBLEMS}.items():
        assert name == name.lower().replace("_", "-")
        assert sentence.endswith(".")
