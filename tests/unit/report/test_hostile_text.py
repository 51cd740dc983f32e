"""Names and contents that attack whoever reads a report: inert in every form."""

import io
import json
import re
import time
from pathlib import Path

import pytest

from tests import reports
from tests.unit.report import validators
from verifier import gate
from verifier.model import Report
from verifier.report import document, forms, junit, markdown, plain, sarif, saved, terminal

TEXTS = dict(enumerate(reports.HOSTILE))
RUNNERS = re.compile(r"^\s*::|##\[|##vso\[|##teamcity\[", re.MULTILINE)
OURS = {"html", "body", "p", "h2", "table", "thead", "tbody", "tr", "th", "td", "code", "pre"}
OURS |= {"details", "summary", "ul", "ol", "li", "strong", "sub"}


@pytest.fixture(params=TEXTS, scope="module")
def text(request: pytest.FixtureRequest) -> str:
    return TEXTS[request.param]


@pytest.fixture(scope="module")
def report(text: str) -> Report:
    report = reports.hostile(text)
    return report._replace(gate=gate.judge(report))


@pytest.fixture(scope="module")
def shown(report: Report) -> dict[str, str]:
    started = time.process_time()
    found = {form: forms.text(report, form) for form in forms.FORMS}
    found["terminal"] = terminal.text(report, verbose=True)
    found["short"] = terminal.text(report)
    assert time.process_time() - started < 10
    return found


def test_no_form_holds_what_a_terminal_or_a_runner_obeys(shown: dict[str, str]) -> None:
    for form, said in shown.items():
        lines = said.split("\n")
        assert all(line.isprintable() for line in lines) or form == "json", form
        assert not RUNNERS.search(said) or form == "html", form
        said.encode("utf-8")
        if form != "json":  # which keeps all that was found
            assert len(said) < 3_000_000, form


def test_json_is_read_as_it_was(report: Report) -> None:
    said = document.text(report)
    assert "\x1b" not in said
    again = json.loads(said)
    assert again["members"][0]["verdict"] == "different"
    saved.read(said.encode("utf-8"), "it")  # of a kind that our own strict reader takes


def test_the_page_of_a_comment_has_our_elements_alone(shown: dict[str, str], text: str) -> None:
    page = validators.markdown(shown["markdown"])
    for element in page.iter():
        if not isinstance(element.tag, str):  # our mark, by which a bot finds its comment
            assert element.text == markdown.MARK.removeprefix("<!--").removesuffix("-->")
            continue
        assert element.tag in OURS, (element.tag, text)
        assert set(element.keys()) <= {"class", "align"}
    assert len(page.findall(".//h2")) == 1
    assert len(page.findall(".//details")) == len(page.findall(".//summary"))
    for row in page.iter("tr"):
        around = row.getparent().getparent()
        assert len(row) == len(around.find("thead/tr"))
    outside = _outside_of_code(page)
    assert not re.search(r"@[A-Za-z]|#\d|GH-\d|https?:|www\.|:[a-z]+:|[0-9a-f]{7}", outside)


def _outside_of_code(page: object) -> str:
    """The text in which forges look for mentions, issues, commits and addresses."""
    found = []
    for element in page.iter():  # type: ignore[attr-defined]
        inside = any(each.tag in {"code", "pre"} for each in (element, *element.iterancestors()))
        if not inside and isinstance(element.tag, str):
            found.append(element.text or "")
        if not any(each.tag in {"code", "pre"} for each in element.iterancestors()):
            found.append(element.tail or "")
    return " ".join(found)


def test_sarif_is_valid_and_links_to_nothing(shown: dict[str, str]) -> None:
    (run,) = validators.sarif(shown["sarif"])["runs"]
    for result in run["results"]:
        said = result["message"]["text"]
        assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]]", said)
        assert not re.search(r"(?<!\{)\{\d+\}", said)
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[\w.~%/-]+", uri, re.ASCII)
        assert not set(uri.split("/")) & {"..", "."}


def test_junit_is_valid_and_has_our_elements_alone(shown: dict[str, str]) -> None:
    suite = validators.junit(shown["junit"])
    tags = {element.tag for element in suite.iter()}
    assert tags <= {"testsuite", "properties", "property", "testcase", "failure", "error"}
    assert int(suite.get("tests")) == 3


def test_terminals_of_other_encodings_get_escapes(report: Report) -> None:
    for encoding in ("ascii", "latin-1", "cp1252"):
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding, write_through=True)
        terminal.show(report, out, verbose=True)
        assert raw.getvalue().decode(encoding)


def test_a_colour_terminal_gets_our_escapes_alone(report: Report) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    terminal.show(report, out, verbose=True)
    rest = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert "\x1b" not in rest
    assert not RUNNERS.search(rest)


def test_what_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(forms.UsageError, match="cannot be written"):
        forms.write(reports.everything(), {"junit": tmp_path})
    with pytest.raises(forms.UsageError, match="browser"):  # the one form that a runner may obey
        forms.write(reports.everything(), {"html": forms.STDOUT})
    with pytest.raises(forms.UsageError, match="Only one"):
        forms.write(reports.everything(), {"junit": forms.STDOUT, "sarif": forms.STDOUT})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", "plain text"),
        ("\x1b[0m", r"\x1b[0m"),
        ("a\u202eb", r"a\u202eb"),
        ("\ud800", r"\ud800"),
        ("::warning::x", r"\x3a:warning::x"),
        ("  ::warning::x", r"  \x3a:warning::x"),
        ("std::string", "std::string"),
        ("##[x]", r"#\x23[x]"),
        ("## heading", "## heading"),
        ("x" * 3_000, "x" * 2_000 + "… (1000 characters more)"),
    ],
)
def test_one_line_of_text(text: str, expected: str) -> None:
    assert plain.line(text) == expected


def test_each_form_looks_away_from_nothing() -> None:
    """A difference that names itself in every form, so that no escaping drops it."""
    name = "evil|na`me<b>@x"
    report = reports.hostile(name)
    page = "".join(validators.markdown(markdown.text(report)).itertext())
    suite = validators.junit(junit.text(report))
    (run,) = validators.sarif(sarif.text(report))["runs"]
    assert name in page
    assert any(name == case.get("name") for case in suite.iter("testcase"))
    assert any(name in result["message"]["text"] for result in run["results"])
    assert name in terminal.text(report)
