"""A corpus of hostile files, generated from a seed: input `n` is the same on every machine.

First the monsters, one by one: bombs and files that were built to hurt. Then
mutants without end: truncations, splices, and odd numbers in the fields of
real files. Real files are made once and kept in the cache.
"""

from __future__ import annotations

from typing import NamedTuple


class Input(NamedTuple):
    """One hostile pair.

    `intact` is the harmless shipped file that it was made from, None where a
    positive verdict can never be right unless the two files are equal.
    """

    name: str
    shipped: bytes
    rebuilt: bytes
    intact: bytes | None = None
