"""Asks a family for the changes between two sides given as bytes, as the pipeline does."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from tests.support import HANG
from verifier.errors import VerifierError
from verifier.sigdb import difference
from verifier.sigdb.base import File

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.sigdb.base import Change, Family, Files, Options, Record

Side = bytes | str | dict[str, bytes | str]


def files(side: Side, name: str) -> Files:
    """The files of one side: one called `name`, or those of a mapping."""
    named = side if isinstance(side, dict) else {name: side}
    return [
        File(
            path,
            path.rsplit("/", 1)[-1],
            memoryview(data if isinstance(data, bytes) else data.encode()),
        )
        for path, data in named.items()
    ]


def records(family: Family, side: Side, name: str, options: Options | None = None) -> list[Record]:
    """What is loaded after all files of one side."""
    given = files(side, name)
    if family.effective is not None:
        return list(family.effective(given, options or {}))
    return [record for file in given for record in family.records(file, options or {})]


def changes(
    family: Family, rebuilt: Side, shipped: Side, name: str, options: Options | None = None
) -> list[Change]:
    """The changes from the source's side to the customers' side."""
    if family.changes is not None:
        found = family.changes(files(rebuilt, name), files(shipped, name), options or {})
        result = list(found)
    else:
        one, other = (records(family, side, name, options) for side in (rebuilt, shipped))
        result = difference.compare(family, one, other)
    for change in result:
        assert not change.weakening or change.weakening in family.classes, change
    return result


def weakenings(
    family: Family, rebuilt: Side, shipped: Side, name: str, options: Options | None = None
) -> list[str]:
    """Their classes, without the changes that weaken nothing."""
    found = changes(family, rebuilt, shipped, name, options)
    return [change.weakening for change in found if change.weakening]


def survives(family: Family, data: bytes, name: str, options: Options | None = None) -> bool:
    """Whether hostile bytes parse; anything but a VerifierError, or slowness, fails the test."""
    family.accepts(name, memoryview(data))
    start = time.process_time()
    try:
        records(family, data, name, options)
    except VerifierError:
        return False
    finally:
        assert time.process_time() - start < HANG, f"{len(data)} bytes took too long"
    return True


def mutants(seeds: Sequence[bytes], count: int, seed: int = 7) -> list[bytes]:
    """Bytes that are nearly right: flips, cuts, repeated and swapped stretches."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data) + 1) if data else 0
            end = min(len(data), at + chance.choice((1, 1, 2, 8, 64)))
            kind = chance.randrange(6)
            if kind == 0 and end > at:
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del data[at:end]
            elif kind == 2:
                data[at:at] = bytes(data[at:end]) * chance.choice((1, 2, 50))
            elif kind == 3:
                data[at:at] = chance.randbytes(chance.choice((1, 4)))
            elif kind == 4:
                data[at:end] = chance.choice((b"\xff" * 4, b"\0" * 4, b'"', b"\\", b"\n", b"[" * 9))
            else:
                del data[at:]
        made.append(bytes(data))
    return made
