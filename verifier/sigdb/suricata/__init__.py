"""Rules of Suricata and Snort, by generator and signature id.

A rule behind a comment sign is a rule that is switched off, as rule managers
keep them; it counts where no loaded rule has its id. Of two loaded rules of one
id both engines keep the higher revision, and of equal ones the first; files are
loaded in an order that only the engine's configuration knows, so rules of equal
revision in several files are kept with their files' names.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import ParseError
from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, Record
from verifier.sigdb.suricata import lines, rule
from verifier.sigdb.suricata.settings import setting
from verifier.sigdb.suricata.weakening import CLASSES, OFF, ON, SKIPPED, changes, weakening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.sigdb.base import File, Files, Options
    from verifier.sigdb.suricata.lines import Line

_EFFECTS = {"pass": Effect.ALLOW, "accept": Effect.ALLOW, "config": Effect.SETTING}


class _Loaded(NamedTuple):
    """A record, and what decides between two of one name."""

    record: Record
    revision: int


def records(file: File, _options: Options) -> Iterator[Record]:
    """Every rule and setting of one file, also those that are switched off.

    Raises:
        ParseError: a line that is neither comment, rule nor setting.
    """
    return (item.record for item in _parsed(file))


def effective(files: Files, _options: Options) -> list[Record]:
    """What an engine has loaded after all files, and what is switched off beside it."""
    by_name: defaultdict[tuple[str, str], list[_Loaded]] = defaultdict(list)
    found: list[Record] = []
    for file in files:
        for item in _parsed(file):
            if item.record.scope == "rule":
                by_name[item.record.scope, item.record.name].append(item)
            else:
                found.append(item.record)
    for same in by_name.values():
        found += _winners(same)
    return found


def _winners(same: list[_Loaded]) -> list[Record]:
    if len(same) == 1:
        return [same[0].record]
    loaded = [item for item in same if item.record.value("state") != OFF] or same
    latest = max(item.revision for item in loaded)
    first: dict[str, Record] = {}
    for item in loaded:
        if item.revision == latest:
            first.setdefault(item.record.place[0], item.record)
    if len({record.body for record in first.values()}) == 1:
        return [next(iter(first.values()))]
    return [
        record._replace(body=(*record.body, ("rival in", path))) for path, record in first.items()
    ]


def _parsed(file: File) -> Iterator[_Loaded]:
    for line in lines.logical(file.data):
        if line.text.startswith("#"):
            yield from _switched_off(file, line)
        elif (item := setting(line, file.path)) is not None:
            yield _Loaded(item, 0)
        else:
            # Suricata passes over a rule with a blank before it, Snort loads it.
            state = SKIPPED if line.indented else ON
            yield _loaded(file, line, rule.parse(line.text, line.offset), state)


def _switched_off(file: File, line: Line) -> Iterator[_Loaded]:
    text = line.text.lstrip("# \t")
    if text.split(" ", 1)[0] not in rule.ACTIONS:
        return
    try:
        found = rule.parse(text, line.offset)
    except ParseError:
        return  # prose: no engine reads it
    yield _loaded(file, line, found, OFF)


def _loaded(file: File, line: Line, found: rule.Rule, state: str) -> _Loaded:
    body = (("state", state), ("action", found.action), *found.fields)
    effect = _EFFECTS.get(found.action.partition(":")[0], Effect.DETECT)
    place = (file.path, line.offset, line.length)
    return _Loaded(Record("rule", f"{found.gid}:{found.sid}", body, effect, place), found.rev)


FAMILY = Family(
    name="suricata",
    accepts=sniff.suricata,
    records=records,
    effective=effective,
    weakening=weakening,
    classes=CLASSES,
    volatile=(
        "comments, empty lines, line ends, continuation of lines, order of rules and files",
        "blanks between the parts of a rule",
        "msg, reference, rev (but for choosing between rules of one id), rem",
        "metadata, but for engine, soid, service, policy, rule-flushing and impact_flag",
        "rules switched off by a comment sign whose id a loaded rule has",
    ),
    together="folder",
    changes=lambda rebuilt, shipped, options: changes(
        effective(rebuilt, options), effective(shipped, options)
    ),
)
