"""Sequences of pairs: what of them can be kept in order on both sides."""

from __future__ import annotations

from bisect import bisect_left


def increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence of `pairs` (sorted by first) whose second parts increase."""
    tails: list[int] = []
    owners: list[int] = []
    before: list[int] = []
    for index, (_first, second) in enumerate(pairs):
        slot = bisect_left(tails, second)
        before.append(owners[slot - 1] if slot else -1)
        if slot == len(tails):
            tails.append(second)
            owners.append(index)
        else:
            tails[slot] = second
            owners[slot] = index
    result: list[tuple[int, int]] = []
    index = owners[-1] if owners else -1
    while index >= 0:
        result.append(pairs[index])
        index = before[index]
    return result[::-1]
