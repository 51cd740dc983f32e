"""YARA rules as text: what each rule says, whatever its layout, file and place.

Neither the order of rules nor that of files changes what is detected: a rule
may only use earlier ones, and the compiler refuses a later rule that an earlier
set of rules would have taken in. With the option `namespace = "file"` each file
is a namespace of its own, in which its global rules hold; with "one", all files
together are. Without it those of one folder are, unless it could matter: where a
rule is global, or two have one name, files are told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import LimitError, UsageError
from verifier.limits import MIB
from verifier.sigdb import difference, sniff
from verifier.sigdb.base import Change, Effect, Family, File, Files, Options, Record
from verifier.sigdb.yara_sample import TEXT_ENGINE, of_text
from verifier.sigdb.yara_source.rules import Rule, parse
from verifier.sigdb.yara_source.tokens import Tokens
from verifier.sigdb.yara_weakening import CLASSES, weakening

if TYPE_CHECKING:
    from collections.abc import Iterator

_ONE, _FILE = ("one",), ("file",)
SIZE = 128 * MIB  # of one file


def records(file: File, options: Options) -> Iterator[Record]:
    """One record for each rule, import and include of a file."""
    if len(file.data) > SIZE:
        raise LimitError(f"Rules of {len(file.data)} bytes; {SIZE} are the most.")
    declared = options.get("namespace", _ONE)
    if declared not in (_ONE, _FILE) or options.keys() - {"namespace"}:
        raise UsageError("Rules of YARA have the option namespace alone: one or file.")
    scope = file.path if declared == _FILE else ""
    whole = (file.path, 0, len(file.data))
    document = parse(Tokens(bytes(file.data).decode("latin-1")))
    for name in sorted(set(document.imports)):
        yield Record(scope, f"import {name}", (), Effect.SETTING, whole)
    for path in sorted(set(document.includes)):
        yield Record(scope, f"include {path}", (), Effect.SETTING, whole)
    for rule in document.rules:
        place = (file.path, rule.start, rule.end - rule.start)
        yield Record(scope, rule.name, tuple(_body(rule)), Effect.DETECT, place)


def changes(rebuilt: Files, shipped: Files, options: Options) -> list[Change]:
    """What differs; by folder, or by file where namespaces matter, if none are declared."""
    if "namespace" in options:
        return difference.changes(_all(rebuilt, options), _all(shipped, options), weakening)
    found: list[Change] = []
    before, after = _by_folder(rebuilt), _by_folder(shipped)
    for folder in sorted({*before, *after}):
        both = before.get(folder, []), after.get(folder, [])
        sides = [_all(files, options) for files in both]
        if any(_matters(side) for side in sides):
            sides = [_all(files, {"namespace": _FILE}) for files in both]
        found += difference.changes(sides[0], sides[1], weakening)
    return sorted(found, key=lambda change: not change.weakening)


def _by_folder(files: Files) -> dict[str, list[File]]:
    found: dict[str, list[File]] = {}
    for file in files:
        found.setdefault(file.path.rpartition("/")[0], []).append(file)
    return found


def _all(files: Files, options: Options) -> list[Record]:
    return [record for file in files for record in records(file, options)]


def _matters(side: list[Record]) -> bool:
    """Whether it makes a difference which files make a namespace together."""
    rules = [record for record in side if record.effect is Effect.DETECT]
    names = {record.name for record in rules}
    return len(names) < len(rules) or any("global" in record.value("flags") for record in rules)


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
    changes=changes,
    engine=TEXT_ENGINE,
    sample=of_text,
)
