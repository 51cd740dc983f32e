"""What a reader sees of a change in a long condition is the place that changed."""

from __future__ import annotations

from tests.unit.sigdb.yara import engines

LONG = " and ".join(f"filesize > {number}" for number in range(100, 120))
RULE = f"rule a {{ condition: {LONG} }}"


def test_long_values_are_shown_from_where_they_differ() -> None:
    (change,) = engines.yarc(RULE, RULE.replace("> 117", ">= 117"))
    source, _, shipped = change.summary.partition(", shipped ")
    assert source.startswith("condition: source …")
    assert "push 0x75; gt; and;" in source
    assert "push 0x75; ge; and;" in shipped


def test_short_values_are_shown_whole() -> None:
    (change,) = engines.yarc(
        "rule a { condition: filesize > 5 }", "rule a { condition: filesize > 6 }"
    )
    assert change.summary == (
        "condition: source filesize; push 0x5; gt, shipped filesize; push 0x6; gt"
    )
