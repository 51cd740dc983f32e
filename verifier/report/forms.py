"""The forms that a report is written in, by the name of their option. One line adds one."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.model import Report

# Each module has `text(report) -> str`.
FORMS = {
    "json": "verifier.report.document",
    "html": "verifier.report.page",
    "markdown": "verifier.report.markdown",
    "sarif": "verifier.report.sarif",
    "junit": "verifier.report.junit",
}
STDOUT = Path("-")


def text(report: Report, form: str) -> str:
    """The report in one form."""
    shown: str = importlib.import_module(FORMS[form]).text(report)
    return shown


def write(report: Report, wanted: Mapping[str, Path | None]) -> bool:
    """Write each form that is wanted; whether one went to stdout, which takes one alone."""
    chosen = {form: path for form, path in wanted.items() if path is not None}
    if list(chosen.values()).count(STDOUT) > 1:
        raise UsageError("Only one form can go to stdout; name files for the others.")
    if chosen.get("html") == STDOUT:  # CI runners obey lines of logs, and a page has any lines
        raise UsageError("A page is for a browser, not for a terminal; name a file for --html.")
    for form, path in chosen.items():
        put(text(report, form), path)
    return STDOUT in chosen.values()


def put(shown: str, path: Path) -> None:
    """Write a file that the user named, or stdout; UsageError if that fails."""
    if path == STDOUT:
        sys.stdout.buffer.write(shown.encode("utf-8"))
        sys.stdout.flush()
        return
    try:
        path.write_text(shown, "utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
