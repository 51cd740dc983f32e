"""Every byte of small files of every kind flipped; what peers notice of the same flips.

Restartable: chunks that are done are kept in the cache, for the very same code, rules and files.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import noticed
from bench.table import Section
from tests import flips, realfiles

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 256  # bytes flipped by one task
BOTH_MASKS_BELOW = 6_000  # bytes; larger files have their lowest bit flipped alone
PROCESSES = 2
NOTE = (
    f"Every byte with mask 0x01, and with 0xFF too in files below {BOTH_MASKS_BELOW:,} bytes. A "
    "flip is undetected if the verdict stays identical or equivalent although the byte lies in no "
    "declared free range."
)


class Chunk(NamedTuple):
    """A range of offsets in one file, and the masks."""

    subject: str
    start: int
    stop: int
    masks: tuple[int, ...]


def run() -> Section:
    """Flip everything; a flip that stays unseen breaks the promise."""
    made = {item.name: _made(item) for item in flips.SUBJECTS}
    answers = _answers([chunk for item in flips.SUBJECTS for chunk in _chunks(item, made)], made)
    section = Section(("file", "bytes", "flips", "in free bytes", "undetected", "peers miss"))
    total = missed = 0
    for subject in flips.SUBJECTS:
        found = [count for chunk, count in answers if chunk.subject == subject.name]
        tried, free = sum(each.tried for each in found), sum(each.free for each in found)
        unseen = [place for each in found for place in each.undetected]
        shipped = made[subject.name].shipped
        section.add(
            subject.kind,
            len(shipped),
            tried,
            free,
            len(unseen),
            noticed.missed(subject.name, shipped),
        )
        total, missed = total + tried, missed + len(unseen)
        if unseen:
            section.notes.append(f"{subject.kind}: unseen at (offset, mask) {unseen[:20]}.")
    section.add("all", sum(len(each.shipped) for each in made.values()), total, "", missed, "")
    section.notes += [NOTE, noticed.NOTE]
    section.kept = missed == 0
    return section


def _directory() -> Path:
    where = realfiles.cache_directory() / "bench/flips"
    where.mkdir(parents=True, exist_ok=True)
    return where


def _made(subject: flips.Subject) -> flips.Made:
    """The pair, made once: keys, clocks and build-ids differ in each making."""
    path = _directory() / f"{subject.name}.pair"
    if not path.exists():
        path.write_bytes(pickle.dumps(tuple(subject.make())))
    return flips.Made(*pickle.loads(path.read_bytes()))


def _chunks(subject: flips.Subject, made: dict[str, flips.Made]) -> Iterator[Chunk]:
    size = len(made[subject.name].shipped)
    masks = flips.MASKS if size < BOTH_MASKS_BELOW else flips.MASKS[:1]
    for start in range(0, size, CHUNK):
        yield Chunk(subject.name, start, min(size, start + CHUNK), masks)


def _answers(chunks: list[Chunk], made: dict[str, flips.Made]) -> list[tuple[Chunk, flips.Count]]:
    """All counts; those already in the journal are not made again."""
    journal = _directory() / f"{_digest()}.jsonl"
    known = dict(_read(journal)) if journal.exists() else {}
    sizes = {name: len(item.shipped) for name, item in made.items()}
    waiting = [chunk for chunk in chunks if chunk not in known]
    waiting.sort(key=lambda chunk: sizes[chunk.subject])  # small files are done first
    started = time.monotonic()
    with multiprocessing.Pool(PROCESSES, _start, (made,)) as pool, journal.open("a") as file:
        for done, (chunk, count) in enumerate(pool.imap_unordered(_work, waiting), 1):
            known[chunk] = count
            file.write(json.dumps([chunk, count]) + "\n")
            file.flush()
            if done % 20 == 0 or done == len(waiting):
                spent = time.monotonic() - started
                said = f"flips: {done} of {len(waiting)} chunks, {spent:.0f} s, {chunk.subject}"
                print(said, file=sys.stderr, flush=True)
    return [(chunk, known[chunk]) for chunk in chunks]


def _read(journal: Path) -> Iterator[tuple[Chunk, flips.Count]]:
    for line in journal.read_text().splitlines():
        (subject, start, stop, masks), (tried, free, unseen) = json.loads(line)
        places = tuple((place, mask) for place, mask in unseen)
        yield Chunk(subject, start, stop, tuple(masks)), flips.Count(tried, free, places)


def _digest() -> str:
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted([*root.glob("verifier/**/*.py"), *root.glob("rules/**/*.toml")]):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


_MADE: dict[str, flips.Made] = {}
_POLICY = {item.name: item.policy for item in flips.SUBJECTS}


def _start(made: dict[str, flips.Made]) -> None:
    flips.fast_directory()
    _MADE.update(made)


def _work(chunk: Chunk) -> tuple[Chunk, flips.Count]:
    places = range(chunk.start, chunk.stop)
    return chunk, flips.flip(_MADE[chunk.subject], _POLICY[chunk.subject], places, chunk.masks)
