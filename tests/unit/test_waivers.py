"""Waivers: for one field of one member, for these bytes, until a date; and never under strict."""

import datetime as dt
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.cases import elf_build
from tests.support import STRICT, compare_bytes
from verifier import run
from verifier.attest import evidence, make, statement, strict
from verifier.attest.refusal import MismatchError, NotAttestedError
from verifier.errors import ParseError
from verifier.model import Settings, Strength, Verdict, Waiver
from verifier.pair import pair_paths
from verifier.report import document, saved

SOURCE = '#include <stdio.h>\nint main(void) {{ puts("built {}"); puts("plain"); return 0; }}\n'
FIELD = "section[.rodata]"


@cache
def dated(date: str) -> bytes:
    return elf_build.compiled(SOURCE.format(date), ("-O2", "-Wl,--build-id=none"))


def waiver(**changes: Any) -> Waiver:
    shipped = dated("Nov 21 2026")
    values: dict[str, Any] = {
        "member": "file",
        "field": FIELD,
        "reason": "__DATE__ of the release build.",
        "expires": "2026-06-01",
        "author": "A. Auditor",
        "offset": shipped.index(b"Nov 21 2026"),
        "length": 11,
    }
    return Waiver(**{**values, **changes})


def compared(*waivers: Waiver, **settings: Any) -> Any:
    return compare_bytes(dated("Nov 21 2026"), dated("Jan  1 2020"), waivers=waivers, **settings)


def test_without_a_waiver_the_date_is_a_difference() -> None:
    found = compared()
    assert found.verdict is Verdict.DIFFERENT
    assert any(".rodata" in item.where for item in found.differences)


@pytest.mark.parametrize("whole", [True, False])
def test_a_waiver_settles_its_bytes_and_they_are_free(whole: bool) -> None:
    found = compared(waiver(offset=None, length=None) if whole else waiver())
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    (patch,) = found.patches
    assert patch.strength is Strength.WAIVED
    assert "A. Auditor" in patch.evidence
    assert patch.free_bytes == patch.length
    assert whole or patch.length == 11


@pytest.mark.parametrize(
    "changes",
    [
        {"member": "other"},
        {"field": "section[.data]"},
        {"length": 2},
        {"offset": 0},
    ],
)
def test_a_waiver_for_something_else_settles_nothing(changes: dict[str, Any]) -> None:
    found = compared(waiver(**changes))
    assert found.verdict is Verdict.DIFFERENT
    assert not found.patches


def test_an_expired_waiver_is_a_difference_that_says_so() -> None:
    found = compared(waiver(expires="2025-12-31"))
    assert found.verdict is Verdict.DIFFERENT
    (told,) = [item for item in found.differences if item.kind == "waiver-expired"]
    assert "2025-12-31" in told.summary


def test_strict_takes_no_waivers() -> None:
    policy = STRICT._replace(waivers=False)
    assert compared(waiver(), policy=policy).verdict is Verdict.DIFFERENT


def _run(tmp_path: Path, *waivers: Waiver, **settings: Any) -> run.Result:
    """A whole run over the two programs, with the report that it leaves."""
    for side, date in (("shipped", "Nov 21 2026"), ("rebuilt", "Jan  1 2020")):
        (tmp_path / side).mkdir(exist_ok=True)
        (tmp_path / side / "file").write_bytes(dated(date))
    chosen = Settings(**{"waivers": waivers, "today": "2026-01-01", **settings})
    return run.compare(pair_paths(tmp_path / "shipped", tmp_path / "rebuilt"), chosen, 1)


EXPIRED = {"expires": "2025-12-31"}


def test_a_report_tells_what_became_of_each_waiver(tmp_path: Path) -> None:
    shipped = dated("Nov 21 2026")
    given = {
        "used": waiver(),
        "unused": waiver(field="section[.data]"),
        "expired": waiver(**EXPIRED),
        "again": waiver(offset=shipped.index(b"Nov 21 2026")),
    }
    report = _run(tmp_path, *given.values()).report
    assert report.verdict is Verdict.EQUIVALENT
    assert [each.state for each in report.waivers] == ["used", "unused", "expired", "unused"]
    strict = _run(tmp_path, *given.values(), policy=STRICT._replace(waivers=False)).report
    assert strict.verdict is Verdict.DIFFERENT
    assert [each.state for each in strict.waivers] == ["refused", "refused", "expired", "refused"]
    for name, found in (("lenient", report), ("strict", strict)):
        path = tmp_path / f"{name}.json"
        document.write(found, path)
        assert [each.state for each in saved.load(path).waivers] == [
            each.state for each in found.waivers
        ]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("today", ["2026-06-01", "2026-06-02", ""])
def test_an_expired_waiver_never_settles_anything(tmp_path: Path, whole: bool, today: str) -> None:
    given = waiver(offset=None, length=None) if whole else waiver()
    result = _run(tmp_path, given, today=today)
    if today == given.expires:  # the whole of its last day counts
        assert result.report.waivers[0].state == "used"
        return
    assert (result.report.verdict, result.proof) == (Verdict.DIFFERENT, None)
    assert result.report.waivers[0].state == "expired"
    assert not [patch for member in result.report.members for patch in member.patches]


def test_two_waivers_of_one_field_are_told_apart(tmp_path: Path) -> None:
    at = dated("Nov 21 2026").index(b"Nov 21 2026")
    two = waiver(length=4), waiver(offset=at + 4, length=7, reason="The rest of it.")
    report = _run(tmp_path, *two, waiver(reason="Another one.", length=12)).report
    assert report.verdict is Verdict.EQUIVALENT
    assert [each.state for each in report.waivers] == ["used", "used", "unused"]


def _attested(report: run.Result, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    path, proof = tmp_path / "report.json", tmp_path / "proof.json"
    document.write(report.report, path)
    proof.write_text(json.dumps(report.proof), "utf-8")
    basis = make.Basis(
        report=path.read_bytes(),
        proof=proof.read_bytes() if report.proof else None,
        auditor=make.Auditor("alice"),
        issued=changes.get("issued", dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)),
    )
    return make.statement(basis)


def test_an_attestation_tells_of_each_waiver_and_runs_out_with_it(tmp_path: Path) -> None:
    result = _run(tmp_path, waiver(), waiver(member="x"), waiver(**EXPIRED))
    said = _attested(result, tmp_path)
    told = [(each["state"], each["used"]) for each in said["predicate"]["waivers"]]
    assert told == [("used", True), ("unused", False), ("expired", False)]
    found = statement.read(strict.canonical(said), "it")
    given = evidence.Evidence("it", found, ("alice",))
    lines = evidence.judge(given, evidence.Demands(dt.datetime(2026, 6, 1, 23, tzinfo=dt.UTC)))
    assert any(line.startswith("used waiver: file: section[.rodata]") for line in lines)
    assert any(line.startswith("expired waiver: ") for line in lines)
    with pytest.raises(NotAttestedError, match="expired on 2026-06-01"):
        evidence.judge(given, evidence.Demands(dt.datetime(2026, 6, 2, tzinfo=dt.UTC)))


def test_nobody_attests_with_a_waiver_that_has_run_out(tmp_path: Path) -> None:
    result = _run(tmp_path, waiver())
    late = _attested(result, tmp_path, issued=dt.datetime(2026, 6, 2, tzinfo=dt.UTC))
    with pytest.raises(ParseError, match="had expired"):
        statement.read(strict.canonical(late), "it")
    said = _attested(result, tmp_path)
    said["predicate"]["waivers"][0]["used"] = False
    with pytest.raises(ParseError, match="contradicts itself"):
        statement.read(strict.canonical(said), "it")


def test_a_negative_statement_stands_whatever_its_waivers_say(tmp_path: Path) -> None:
    """Refusing to read a negative would help whoever ships something else."""
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "more").write_text("x")
    result = _run(tmp_path, waiver())
    assert result.report.verdict is Verdict.DIFFERENT
    assert result.report.waivers[0].state == "used"
    late = _attested(result, tmp_path, issued=dt.datetime(2026, 6, 2, tzinfo=dt.UTC))
    found = statement.read(strict.canonical(late), "it")
    with pytest.raises(MismatchError, match="attests a mismatch"):
        evidence.judge(
            evidence.Evidence("it", found, ("alice",)),
            evidence.Demands(dt.datetime(2026, 6, 3, tzinfo=dt.UTC)),
        )
