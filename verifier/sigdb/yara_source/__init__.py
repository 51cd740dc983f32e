"""YARA rules as text: what each rule says, whatever its layout, file and place.

Neither the order of rules nor that of files changes what is detected: a rule
may only use earlier ones, and the compiler refuses a later rule that an earlier
set of rules would have taken in. With the option `namespace = ["file"]` each
file is a namespace of its own, in which its global rules hold; else all files
together are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import LimitError, UsageError
from verifier.limits import MIB
from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, File, Options, Record
from verifier.sigdb.yara_sample import TEXT_ENGINE, of_text
from verifier.sigdb.yara_source.rules import Rule, parse
from verifier.sigdb.yara_source.tokens import Tokens
from verifier.sigdb.yara_weakening import CLASSES, weakening

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 128 * MIB  # of one file


def records(file: File, options: Options) -> Iterator[Record]:
    """One record for each rule, import and include of a file."""
    if len(file.data) > SIZE:
        raise LimitError(f"Rules of {len(file.data)} bytes; {SIZE} are the most.")
    declared = options.get("namespace", ("one",))
    if declared not in (("one",), ("file",)) or options.keys() - {"namespace"}:
        raise UsageError("Rules of YARA have the option namespace alone: one or file.")
    scope = file.path if declared == ("file",) else ""
    whole = (file.path, 0, len(file.data))
    document = parse(Tokens(bytes(file.data).decode("latin-1")))
    for name in sorted(set(document.imports)):
        yield Record(scope, f"import {name}", (), Effect.SETTING, whole)
    for path in sorted(set(document.includes)):
        yield Record(scope, f"include {path}", (), Effect.SETTING, whole)
    for rule in document.rules:
        place = (file.path, rule.start, rule.end - rule.start)
        yield Record(scope, rule.name, tuple(_body(rule)), Effect.DETECT, place)


def _body(rule: Rule) -> Iterator[tuple[str, str]]:
    yield "flags", " ".join(sorted(rule.flags))
    yield "tags", " ".join(sorted(rule.tags))
    for name, value in sorted(rule.metas):
        yield f"meta {name}", value
    for label, value in sorted(rule.strings.items()):
        yield f"string {label}", value
    yield "condition", rule.condition


FAMILY = Family(
    name="yara",
    accepts=sniff.yara,
    records=records,
    weakening=weakening,
    classes=CLASSES,
    volatile=(
        "Comments, white space, and the order of rules, files, tags and strings.",
        "Ways to write the same number, text, hex string or modifier.",
    ),
    engine=TEXT_ENGINE,
    sample=of_text,
)
