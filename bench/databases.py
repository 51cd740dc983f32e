"""A million hash signatures and 300,000 others, compared beside unpacking and hashing them."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from bench import measure
from bench.table import Section, megabytes, seconds
from tests import realfiles
from verifier.formats.clamav.pack import Fields, pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNS = 3
HASHES, BODIES, LOGICAL = 1_000_000, 200_000, 100_000
AIM = "3x"
_HASH = re.compile(rb"[0-9a-f]{32}:")


def run() -> Section:
    """One row for each way in which the shipped side differs."""
    made = realfiles.made("bench", "clamav-databases-3", _fill)
    section = Section(("shipped side", "wall", "processor", "memory", "beside", "its wall",
                       "ratio", "aim"))  # fmt: skip
    for name, what in SIDES.items():
        ours = measure.verifier("compare", made / f"{name}.cud", made / "source.cud")
        peers = {"unpack": _unpack(made, name)}
        if name == "edited":  # sigtool compares in order: of a moved line it makes two changes
            peers["sigtool"] = _sigtool(made, name)
        found = measure.alternating({"ours": ours, **peers}, RUNS)
        mine = found["ours"]
        for beside in peers:
            peer = found[beside]
            label = "unpack + hash both" if beside == "unpack" else "sigtool --compare"
            section.add(
                *(what, seconds(mine.wall), seconds(mine.processor), megabytes(mine.memory)),
                *(label, seconds(peer.wall), f"{mine.wall / peer.wall:.2f}x"),
                AIM if beside == "unpack" else "",
            )
        section.kept = section.kept and mine.status == (0 if name == "capitals" else 1)
    section.notes.append(
        f"{HASHES:,} hdb, {BODIES:,} ndb and {LOGICAL:,} ldb lines a side, in unsigned containers; "
        f"medians of {RUNS} alternating runs of whole processes. Memory: private pages of all "
        "processes at the peak. Unpacking is gzip -dc | sha256sum of one container after the other."
    )
    return section


def _unpack(made: Path, name: str) -> list[str]:
    parts = [
        f"tail -c +513 '{made / side}.cud' | gzip -dc | sha256sum" for side in ("source", name)
    ]
    return ["sh", "-c", "; ".join(parts)]


def _sigtool(made: Path, name: str) -> list[str]:
    parts = [
        f"sigtool --compare '{made}/source/{file}' '{made}/{name}/{file}'" for file in _lines(0)
    ]
    return ["sh", "-c", "; ".join(parts)]


def _lines(scale: int) -> dict[str, list[bytes]]:
    """The source side, as lines without newlines; `scale` 0 for the names alone."""
    chance = random.Random(7)

    def digits(count: int) -> bytes:
        return b"%0*x" % (2 * count, chance.getrandbits(8 * count))

    def body() -> bytes:
        return chance.choice((
            digits(40),
            digits(20) + b"*" + digits(20),
            digits(10) + b"{5-20}" + digits(20) + b"??" + digits(8),
        ))  # fmt: skip

    places, logics = (b"*", b"0", b"EOF-100"), (b"0&1&2", b"(0|1)&2", b"0&(1|2)>1")
    return {
        "main.hdb": [
            b"%s:%d:Win.Trojan.Agent-%d-0" % (digits(16), chance.randrange(1, 9_000_000), number)
            for number in range(HASHES * scale)
        ],
        "main.ldb": [
            b"Win.Logic-%d;Engine:51-255,Target:%d;%s;%s;%s::i;0:%s"
            % (
                number,
                chance.randrange(2),
                chance.choice(logics),
                digits(24),
                digits(8),
                digits(10),
            )
            for number in range(LOGICAL * scale)
        ],
        "main.ndb": [
            b"Win.Worm-%d:%d:%s:%s" % (number, chance.randrange(5), chance.choice(places), body())
            for number in range(BODIES * scale)
        ],
    }


def _edited(lines: list[bytes], chance: random.Random) -> list[bytes]:
    edited = list(lines)
    for _ in range(20):
        del edited[chance.randrange(len(edited))]
    edited.insert(chance.randrange(len(edited)), lines[0].replace(b"Win.", b"Win.New."))
    return edited


def _shuffled(lines: list[bytes], chance: random.Random) -> list[bytes]:
    edited = _edited(lines, chance)
    chance.shuffle(edited)
    return edited


def _capitals(lines: list[bytes], _chance: random.Random) -> list[bytes]:
    return [line[:32].upper() + line[32:] if _HASH.match(line) else line for line in lines]


SIDES = {
    "edited": "60 lines gone, 3 renamed",
    "shuffled": "the same, in another order",
    "capitals": "every hash in capitals",
}
MAKERS: dict[str, Callable[[list[bytes], random.Random], list[bytes]]] = {
    "edited": _edited,
    "shuffled": _shuffled,
    "capitals": _capitals,
}


def _fill(where: Path) -> None:
    source = _lines(1)
    _write(where, "source", source)
    for name, maker in MAKERS.items():
        chance = random.Random(11)
        _write(where, name, {file: maker(lines, chance) for file, lines in source.items()})


def _write(where: Path, side: str, database: dict[str, list[bytes]]) -> None:
    (where / side).mkdir()
    members = {file: b"".join(line + b"\n" for line in lines) for file, lines in database.items()}
    for file, data in members.items():
        (where / side / file).write_bytes(data)
    members["COPYING"] = b"none\n"
    fields = Fields("01 Jan 2024 00-00 +0000", 1, HASHES, 90, "bench", 1_704_067_200)
    (where / f"{side}.cud").write_bytes(pack("main", members, fields))
