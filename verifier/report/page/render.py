"""A `Report` as one HTML file that is complete in itself and asks for nothing.

A strict policy in the page allows the one script and the one style by their hashes, no network,
and no text as markup; what came from files is text, or base64 that the script decodes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from verifier import limits
from verifier.model import Strength
from verifier.report import pins
from verifier.report.figures import figures
from verifier.report.page import bytemap, facts
from verifier.report.page.islands import islands
from verifier.report.plain import line, lines

if TYPE_CHECKING:
    from pathlib import Path

    import jinja2

    from verifier.model import Report
    from verifier.ruleset import Rule

SCRIPTS = ("dom.js", "pieces.js", "bytemap.js", "member.js", "tree.js", "start.js")
STYLES = ("page.css", "print.css")

MEANINGS = {
    "equal": "the same as the rebuild's bytes",
    Strength.DERIVED: "recomputed here, and equal to the result",
    Strength.SIGNED: "a signature that verifies over the rebuilt bytes",
    Strength.RELATED: "agrees with another field",
    Strength.MAPPED: "the same program, laid out otherwise",
    Strength.BOUNDED: "within a declared grammar or window",
    Strength.ASSUMED: "taken for granted, as the policy allows",
    Strength.WAIVED: "an auditor's own exception",
    "around": "the same bytes, in a thing that differs",
    "unknown": "not compared, or nothing is known of these bytes",
    "unsettled": "differs, and no rule speaks of it",
    "difference": "a difference that is named",
}


def text(report: Report) -> str:
    """The whole page."""
    return _template().render(_context(report))


@cache
def _template() -> jinja2.Template:
    import jinja2  # noqa: PLC0415 - only where a page is asked for

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_file),
    )
    environment.filters["lines"] = lambda value: _Shown("\n".join(lines(value, limits.PAGE_DETAIL)))
    environment.filters["bytes"] = size
    environment.tests["scalar"] = facts.scalar
    environment.globals["columns"] = facts.columns
    return environment.get_template("page.html")


def write(report: Report, path: Path) -> None:
    """Write the page to a file."""
    path.write_text(text(report), "utf-8")


def size(number: int) -> str:
    """Bytes for people."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if number >= 1 << power:
            return f"{number / (1 << power):,.1f} {unit}"
    return f"{number:,} byte{'' if number == 1 else 's'}"


class _Shown(str):
    """Text that is harmless already, and whose ends of lines stay."""

    __slots__ = ()


def _harmless(value: object) -> object:
    """Every text that the template prints; what is markup is ours."""
    return line(value) if type(value) is str else value


def _file(name: str) -> str:
    return (resources.files(__package__) / "files" / name).read_text("utf-8")


def _context(report: Report) -> dict[str, Any]:
    import markupsafe  # noqa: PLC0415 - as above

    script = "(() => {\n'use strict';\n" + "".join(map(_file, SCRIPTS)) + "})();\n"
    style = "".join(map(_file, STYLES))
    first, more = facts.first(report)
    listed, unlisted = facts.listed(report)
    return {
        "report": report,
        "script": markupsafe.Markup(script),  # noqa: S704 - our own file
        "style": markupsafe.Markup(style),  # noqa: S704 - our own file
        "script_hash": _hash(script),
        "style_hash": _hash(style),
        "islands": [(name, markupsafe.Markup(data)) for name, data in islands(report)],  # noqa: S704 - base64
        "counts": figures(report).counts(),
        "strengths": facts.strengths(report),
        "first": first,
        "more": more,
        "listed": listed,
        "unlisted": unlisted,
        "uses": facts.uses(report, _rules(report)),
        "free_reasons": facts.free_reasons(report),
        "signers": facts.signers(report),
        "pins": pins.rows(report),
        "classes": [(name, MEANINGS[name]) for name in bytemap.CLASSES],
        "versions": _versions(report),
    }


def _hash(inline: str) -> str:
    return base64.b64encode(hashlib.sha256(inline.encode("utf-8")).digest()).decode("ascii")


def _rules(report: Report) -> dict[str, Rule]:
    """What the rules say of themselves, if those of the report are the ones installed here."""
    from verifier import ruleset  # noqa: PLC0415 - read only for a page

    return ruleset.load().rules if ruleset.digest() == report.rules_digest else {}


def _versions(report: Report) -> dict[str, str]:
    from verifier.report.document import tool_versions  # noqa: PLC0415 - as above

    return report.tool_versions or tool_versions()
