"""Samples made of a rule's own strings, shown to the real engine."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.sigdb.yara import engines
from tests.unit.sigdb.yara.test_yara_source import STRINGS, records
from verifier.errors import UsageError
from verifier.sigdb.base import Effect, Engine, File, Record
from verifier.sigdb.yara_sample import COMPILED_ENGINE, TEXT_ENGINE, detected, of_compiled, of_text

if TYPE_CHECKING:
    from pathlib import Path

RULES = [
    '"marker \\x01 text"', '"marker" wide', '"marker" wide ascii fullword', '"marker" nocase',
    '"marker" xor', '"marker" xor(5-9)', '"marker marker" base64', "{ 6D 61 ?? 6? [2-4] ?5 72 }",
    "{ 6D 61 ( 72 | 73 74 ( 75 | 76 ) ) 6B ( 01 | 02 ) }",
]  # fmt: skip


def asked(engine: Engine, rules: Path, sample: bytes, name: str) -> bool | None:
    place = rules.with_suffix(".sample")
    place.write_bytes(sample)
    places = {"{files}": str(rules), "{sample}": str(place)}
    command = [engine.program, *(places.get(item, item) for item in engine.arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return engine.detected(done.returncode, done.stdout, name)


def compiled(data: bytes) -> Record:
    from verifier.sigdb.yarc import FAMILY  # noqa: PLC0415 - beside the family of texts

    found = FAMILY.records(File("x", "x", memoryview(data)), engines.NO_OPTIONS)
    return next(record for record in found if record.effect is Effect.DETECT)


@pytest.mark.parametrize("value", RULES)
def test_the_engine_detects_a_sample_of_a_written_rule(value: str, tmp_path: Path) -> None:
    rules, other = tmp_path / "a.yar", tmp_path / "b.yar"
    rules.write_text(STRINGS % value)
    other.write_text(STRINGS % '"something else"')
    sample = of_text(records(STRINGS % value)[0])
    assert sample is not None
    assert asked(TEXT_ENGINE, rules, sample, "a") is True
    assert asked(TEXT_ENGINE, other, sample, "a") is False


@pytest.mark.parametrize("value", [*RULES[:5], RULES[7], "/mark[0-9]\\d\\w./"])
def test_the_engine_detects_a_sample_of_a_compiled_rule(value: str, tmp_path: Path) -> None:
    rules = tmp_path / "a.yarc"
    data = engines.yarac(tmp_path, {"default": STRINGS % value})
    rules.write_bytes(data)
    sample = of_compiled(compiled(data))
    assert sample is not None
    assert asked(COMPILED_ENGINE, rules, sample, "a") is True


@pytest.mark.parametrize("text", [STRINGS % "/a+b|c*/", "rule a { condition: true }"])
def test_where_none_can_be_made_there_is_none(text: str) -> None:
    assert of_text(records(text)[0]) is None
    assert of_compiled(compiled(engines.rules(text))) is None


def test_an_engine_that_fails_gives_no_answer() -> None:
    assert detected(1, "a file\n", "a") is None
    assert detected(0, "ab file\nb file\n", "a") is False


def test_options_that_are_none_are_a_mistake() -> None:
    with pytest.raises(UsageError):
        records("rule a { condition: true }", namespace=("files",))
    with pytest.raises(UsageError):
        records("rule a { condition: true }", name=("x",))
