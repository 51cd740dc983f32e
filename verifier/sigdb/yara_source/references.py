"""Strings that a condition names: a rule for which the compiler refuses its file is an error.

With one such rule the compiler refuses all rules of the file, so that an addition would
switch everything off. Source: libyara, parser.c and grammar.y of 4.2.3 and 4.5.4.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb.yara_source.tokens import NAME, WORD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from verifier.sigdb.yara_source.tokens import Token

MOST = 10_000  # strings of one rule, by default
_AFTER = "\x7f"  # comes after all characters of names


def check(labels: Iterable[str], condition: Sequence[Token], start: int) -> None:
    """ParseError where a condition names a string that is none, or leaves one out.

    Args:
        labels: the strings of the rule; those without a name start with `$#`.
        condition: its tokens.
        start: where the rule stands, for the error.
    """
    known = sorted(labels)
    steps = [0] * (len(known) + 1)  # where what is named begins (1) and ends (-1)
    for token in condition:
        if token.kind == WORD and token.text == "them":
            first, last = 0, len(known)
        elif token.kind == NAME and len(token.text) > 1:  # else the mark of a loop's own string
            wanted = "$" + token.text[1:].removesuffix("*")
            first = bisect_left(known, wanted)
            end = wanted + (_AFTER if token.text.endswith("*") else "\0")
            last = bisect_left(known, end)
        else:
            continue
        if first == last:
            raise ParseError("A condition names a string that the rule has not", token.start)
        steps[first] += 1
        steps[last] -= 1
    for label, count in zip(known, accumulate(steps), strict=False):
        if not count and not label.startswith("$_"):
            raise ParseError("A rule has a string that its condition does not name", start)
