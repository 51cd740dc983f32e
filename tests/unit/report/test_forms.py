"""All forms of one report tell the same verdict and the same counts, in forms that others read."""

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import realfiles, reports
from tests.unit.report import validators
from verifier import gate
from verifier.model import Report, Verdict
from verifier.report import document, forms, junit, markdown, page, sarif, terminal
from verifier.report.figures import figures

REPORTS = {
    "everything": reports.everything(),
    "nothing": reports.made(),
    "identical": reports.made(reports.member("a", Verdict.IDENTICAL)),
    "equivalent": reports.made(
        reports.member("a", Verdict.EQUIVALENT, patches=(reports.patch(),)),
        reports.member("b", Verdict.IDENTICAL),
    ),
    "large": reports.large(60),
}
REPORTS = {name: each._replace(gate=gate.judge(each)) for name, each in REPORTS.items()}


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Report:
    return REPORTS[request.param]


def counts_of_terminal(report: Report) -> dict[str, Any]:
    said = terminal.text(report, verbose=True)
    listed = re.findall(r"^(IDENTICAL|EQUIVALENT|INCONCLUSIVE|DIFFERENT) ", said, re.MULTILINE)
    rules = re.findall(r"^[\w.-]+ +[a-z]+ +(\d+) +(\d+) +(\d+)$", said, re.MULTILINE)
    totals = [sum(int(row[column]) for row in rules) for column in range(3)]
    return {
        "verdict": said.partition(":")[0].lower(),
        "members": len(listed),
        **{str(each): listed.count(each.upper()) for each in Verdict},
        "weakenings": said.count("    WEAKENS ("),
        "patches": totals[0],
        "patched_bytes": totals[1],
        "free_bytes": totals[2],
    }


def counts_of_json(report: Report) -> dict[str, Any]:
    found = json.loads(document.text(report))
    members = found["members"]
    verdicts = [member["verdict"] for member in members]
    differences = [item for member in members for item in member["differences"]]
    patches = [item for member in members for item in member["patches"]]
    return {
        "verdict": found["verdict"],
        "members": len(members),
        **{str(each): verdicts.count(str(each)) for each in Verdict},
        "differences": len(differences),
        "weakenings": sum(1 for item in differences if item.get("weakening")),
        "problems": len(found["problems"]) + sum(len(member["problems"]) for member in members),
        "patches": len(patches),
        "patched_bytes": sum(patch["length"] for patch in patches),
        "free_bytes": found["free_bytes"],
    }


def counts_of_markdown(report: Report) -> dict[str, Any]:
    page = validators.markdown(markdown.text(report))
    table = page.findall(".//table")[0]
    names = ["".join(cell.itertext()).replace(" ", "_") for cell in table.findall(".//th")]
    cells = [int("".join(cell.itertext())) for cell in table.findall(".//td")]
    verdict = "".join(page.find(".//h2").itertext()).rpartition(" ")[2].lower()
    return {"verdict": verdict, **dict(zip(names, cells, strict=True))}


def counts_of_sarif(report: Report) -> dict[str, Any]:
    (run,) = validators.sarif(sarif.text(report))["runs"]
    told = run["properties"]
    findings = sum(result["properties"]["count"] for result in run["results"])
    weaker = sum(
        each["properties"]["count"] for each in run["results"] if "weakening" in each["properties"]
    )
    counted = figures(report)
    assert weaker == counted.weakenings
    if report.members:
        assert findings == counted.differences + counted.problems
    return {name: told[name] for name in counted.counts()}


def counts_of_junit(report: Report) -> dict[str, Any]:
    suite = validators.junit(junit.text(report))
    told = {each.get("name"): each.get("value") for each in suite.iter("property")}
    cases = [case for case in suite.iter("testcase") if case.get("classname") != "verifier"]
    (whole,) = [case for case in suite.iter("testcase") if case.get("classname") == "verifier"]
    assert whole.get("name") == junit.RUN
    assert len(cases) == len(report.members)
    red = sum(1 for case in cases if case.find("failure") is not None)
    grey = sum(1 for case in cases if case.find("error") is not None)
    assert (red, grey) == (int(told["different"]), int(told["inconclusive"]))
    assert (len(whole) == 0) == report.verdict.positive
    verdict = told.pop("verdict")
    counted = figures(report).counts()
    return {"verdict": verdict, **{name: int(told[name]) for name in counted if name in told}}


def counts_of_html(report: Report) -> dict[str, Any]:
    shown = page.text(report)
    told = dict(re.findall(r'data-count="(\w+)">(\d+)<', shown))
    (verdict,) = re.findall(r'id="verdict-word">(\w+)<', shown)
    (packed,) = re.findall(r'id="index">([^<]*)<', shown)
    index = json.loads(base64.b64decode(packed))
    verdicts = [index["verdicts"][each] for each in index["verdict"]]
    assert sum(index["differences"]) == int(told["differences"])
    assert sum(index["patches"]) == int(told["patches"])
    counted = {name: int(number) for name, number in told.items()}
    return {
        **dict.fromkeys(("weakenings", "problems"), 0),  # not told where there are none
        **counted,
        "verdict": verdict,
        "members": len(verdicts),
        **{str(each): verdicts.count(str(each)) for each in Verdict},
    }


COUNTERS = {
    "html": counts_of_html,
    "terminal": counts_of_terminal,
    "json": counts_of_json,
    "markdown": counts_of_markdown,
    "sarif": counts_of_sarif,
    "junit": counts_of_junit,
}


@pytest.mark.parametrize("form", COUNTERS)
def test_every_form_tells_the_same(report: Report, form: str) -> None:
    expected = figures(report).counts()
    found = COUNTERS[form](report)
    assert found == {name: expected[name] for name in found}
    assert {"verdict", "members", "different", "free_bytes"} <= found.keys()


def test_every_form_that_is_written_is_counted_here() -> None:
    assert forms.FORMS.keys() <= COUNTERS.keys()


def test_nothing_negative_reads_as_a_success_anywhere(report: Report) -> None:
    (run,) = json.loads(sarif.text(report))["runs"]
    suite = validators.junit(junit.text(report))
    red = int(suite.get("failures")) + int(suite.get("errors"))
    levels = {result["level"] for result in run["results"]}
    invocation = run["invocations"][0]
    if report.verdict.positive:
        assert (red, levels, invocation["exitCode"]) == (0, set(), 0)
        assert invocation["executionSuccessful"] is True
    else:
        assert red
        assert "error" in levels
        assert invocation["exitCode"] in {1, 3}
    if report.verdict is Verdict.INCONCLUSIVE or report.problems:
        assert invocation["executionSuccessful"] is False
        assert invocation["toolExecutionNotifications"]


def test_an_incomplete_run_says_so_in_every_form() -> None:
    stopped = REPORTS["large"]._replace(complete=False)
    assert "stopped before its end" in terminal.text(stopped)
    assert "stopped before its end" in markdown.text(stopped)
    assert "stopped before its end" in page.text(stopped)
    assert "stopped before its end" in junit.text(stopped)
    (run,) = validators.sarif(sarif.text(stopped))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False
    positive = REPORTS["identical"]._replace(complete=False, gate=None)  # no run makes such a one
    assert validators.junit(junit.text(positive)).get("errors") == "1"


def test_what_stands_around_the_members_is_in_every_text() -> None:
    report = REPORTS["everything"]
    told = {
        "terminal": terminal.text(report),
        "markdown": "".join(validators.markdown(markdown.text(report)).itertext()),
    }
    for said in told.values():
        for word in (
            *("/opt/blob.o", "make → cc hello.c", "12 events were lost", "rustc", "1.63"),
            *("Pin rustc 1.70.", "build path", "UNUSED", "EXPIRED", "REFUSED", "A. Auditor"),
            *("unmatched", "source", "3400", "Vendor"),
        ):
            assert word in said, word
    assert told["terminal"].index("rustc") < told["terminal"].index("pkg.deb!")
    assert told["markdown"].index("rustc") < told["markdown"].index("pkg.deb!")


def test_a_comment_is_cut_where_a_forge_would_refuse_it() -> None:
    report = reports.large(2_000)
    shown = markdown.text(report)
    assert len(shown) <= markdown.LIMIT
    left = re.search(r"Left out: (\d+) sections of detail", shown)
    assert left
    sections = len(re.findall("<details>", shown)) - 1  # one of them holds the rules
    assert int(left[1]) + sections == 200
    assert "Left out" not in markdown.text(reports.large(20))
    assert figures(report).counts()["different"] == 200
    validators.markdown(shown)


def test_code_scanning_takes_no_more_results_than_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "RESULTS", 2)
    monkeypatch.setattr(sarif, "NOTIFICATIONS", 5)
    report = reports.everything()
    problem = report.problems[0]
    (run,) = validators.sarif(sarif.text(report._replace(problems=(problem,) * 9)))["runs"]
    assert len(run["results"]) == 2
    assert "weakening" in run["results"][0]["properties"]
    said = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert any("results are left out" in each for each in said)
    assert any("more are left out" in each for each in said)
    assert run["invocations"][0]["executionSuccessful"] is False


def test_a_fingerprint_stays_where_a_finding_moves() -> None:
    def printed(offset: int, path: str = "a") -> set[str]:
        found = reports.everything().members[1].differences[0]._replace(offset=offset)
        member = reports.member(path, Verdict.DIFFERENT, differences=(found,))
        (run,) = validators.sarif(sarif.text(reports.made(member)))["runs"]
        return {result["partialFingerprints"][sarif.FINGERPRINT] for result in run["results"]}

    assert printed(1) == printed(2)
    assert printed(1) != printed(1, "b")


@pytest.mark.exhaustive  # needs npm, and fetches 42 MB
def test_microsofts_validator_finds_no_error(tmp_path: Path) -> None:
    """It exits 0 even with errors, so that its words count."""
    tool = realfiles.made("npm", "sarif-multitool-5.7.0", _multitool) / "package/Sarif.Multitool"
    listed = [*REPORTS.values(), *map(reports.hostile, reports.HOSTILE)]
    for number, each in enumerate(listed):
        (tmp_path / f"{number}.sarif").write_text(sarif.text(each), "utf-8")
    done = subprocess.run(
        [tool, "validate", *sorted(tmp_path.glob("*.sarif"))],
        env={"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"Done. {len(listed)} files scanned." in done.stdout
    faults = set(re.findall(r"(?:error|warning) \w+: \S+ .{0,200}", done.stdout))
    assert not {fault for fault in faults if "SARIF2005" not in fault}, faults


def _multitool(where: Path) -> None:
    packed = "@microsoft/sarif-multitool-linux@5.7.0"
    subprocess.run(["npm", "pack", packed], cwd=where, check=True, capture_output=True)
    (archive,) = where.glob("*.tgz")
    subprocess.run(["tar", "-xf", archive.name], cwd=where, check=True)
    archive.unlink()
    (where / "package/Sarif.Multitool").chmod(0o755)
