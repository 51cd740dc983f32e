"""Differences that no factor explains, in files that name another toolchain: a probable cause.

Nothing was varied for it, so that such a difference stays without a cause: an attacker can write
any version into `.comment`. What is told is where to look first, and how to get that version.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from verifier.diagnose.buildid import FACTOR
from verifier.diagnose.model import NONE
from verifier.makers import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.account import Cause, Maker
    from verifier.model import Difference, Report

# What another compiler, assembler or linker changes by itself. Strings, imports, exports, new
# functions and resources are of the source, whoever compiled it.
COMPILED: Final = frozenset(
    {
        "bytes", "field", "function-changed", "identifier", "object-changed", "toolchain", "policy",
        "section-added", "section-missing", "section-order", "segment-added", "segment-missing",
        "segment-count", "segment-order", "relocation-count", "debug-added", "debug-missing",
        "debug-lines", "line-numbers", "gap-added", "gap-missing", "gap-order", "build-setting",
    }
)  # fmt: skip
# What packaging tools write into the very texts that name them.
WRITTEN: Final = frozenset({"line-added", "line-missing", "line-order", "text-changed", "bytes"})
_WRITERS: Final = ("debhelper", "wheel generator", "wheel format")
# Neither is a version, and both are told in the report as they are.
_NO_VERSION: Final = re.compile(
    r"Go setting |package |Build-(?:Path|Date|Architecture)|Built-Using"
)
_SHOWN: Final = 3  # tools of one sentence
_TEXT: Final = "The text "  # how a text in an object is told (semantic.layout.objects, unnamed)
_NOTHING: Final = "nothing"


def probable(
    causes: Iterable[Cause], fits: Sequence[Cause], makers: Iterable[Maker], report: Report
) -> tuple[Cause, ...]:
    """The causes, with what drifted in each unexplained one; what a fit explains has that cause.

    `makers` are told file by file, not merged. The factor of an unexplained difference stays
    `NONE`, so that it is counted as one.
    """
    drifted: dict[str, list[Maker]] = defaultdict(list)
    for each in makers:
        said = UNREADABLE not in f"{each.shipped}{each.here}" and each.shipped != _NOTHING
        if each.drifted and said and not _NO_VERSION.match(each.tool):
            drifted[each.member].append(each)
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    for member in report.members:
        for difference in member.differences:
            kinds[member.path, difference.where].add(_kind(difference))
    fitting = {each.member: each for each in fits if each.factor == FACTOR}
    found: list[Cause] = []
    for cause in causes:
        if cause.factor == NONE:
            fit = fitting.get(cause.member)
            if fit is not None and "build-id" in cause.where:
                cause = fit._replace(where=cause.where)  # noqa: PLW2901 - the same, explained
            else:
                told = kinds[cause.member, cause.where]
                cause = _with(cause, told, drifted[cause.member])  # noqa: PLW2901 - likewise
        found.append(cause)
    shown = {(each.member, each.factor) for each in found}
    return (*found, *(each for each in fits if (each.member, each.factor) not in shown))


def _kind(difference: Difference) -> str:
    """Its kind; a text that stands in an unnamed object is one of the source as any other."""
    text = difference.kind == "object-changed" and difference.summary.startswith(_TEXT)
    return "string-changed" if text else difference.kind


def _with(cause: Cause, kinds: set[str], drifted: Sequence[Maker]) -> Cause:
    """An unexplained difference, and the tools of its file that can make one of these kinds."""
    if not kinds:
        return cause
    able = [each for each in drifted if kinds <= (WRITTEN if each.tool in _WRITERS else COMPILED)]
    able.sort(key=lambda each: each.tool.startswith("flags of "))
    if not able:
        return cause
    words = "; ".join(_words(each) for each in able[:_SHOWN])
    summary = (
        f"{cause.summary} {words[0].upper()}{words[1:]}: the probable cause. A diagnosis, no "
        "verification: only a build with the shipped file's own tools shows whether it is."
    )
    advice = dict.fromkeys(each.advice for each in able[:_SHOWN] if each.advice)
    return cause._replace(summary=summary, advice=" ".join(advice) or cause.advice)


def _words(maker: Maker) -> str:
    tool = maker.tool
    if tool.startswith("flags of "):
        return f"compiled with {tool} {maker.shipped}, here {maker.here}"
    return f"made by {tool} {maker.shipped}, here {maker.here}"
