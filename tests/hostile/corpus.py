"""Input `n` of the corpus: what was built by hand first, then mutants without end."""

from __future__ import annotations

from tests.hostile import Input, bombs, meanings, monsters, mutate

_PAIRS = (*bombs.pairs(), *monsters.pairs(), *meanings.pairs())
BUILT = len(_PAIRS)


def make(number: int) -> Input:
    """The input of that number."""
    if number >= BUILT:
        return mutate.mutant(number - BUILT)
    name, pair = _PAIRS[number]
    return Input(name, *pair())


def for_the_command_line() -> list[int]:
    """Those that are shown to a whole process with its workers too."""
    wanted = ("bomb", "lying", "200 gz", "endless", "deep", "size 2^63", "a\\x1b", "nothing at all")
    found = [
        number
        for number, (name, _) in enumerate(_PAIRS)
        if any(each in name for each in wanted) and "two debs" not in name
    ]
    return found[::3]
