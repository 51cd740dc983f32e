"""The hostile corpus at full length: at least 20,000 files, judged in confined children."""

from __future__ import annotations

import multiprocessing.pool
import sys
import time
from collections import Counter, defaultdict

from bench.table import Section
from tests.hostile import corpus, judge

INPUTS = 21_000
PART = 500
PROCESSES = 2


def run() -> Section:
    """Judge everything; one fault breaks the promise."""
    judge.warm()
    parts = [range(at, min(INPUTS, at + PART)) for at in range(0, INPUTS, PART)]
    rows: dict[str, list[judge.Judgement]] = defaultdict(list)
    started, done = time.monotonic(), 0
    # Threads suffice: each waits for its own confined child.
    with multiprocessing.pool.ThreadPool(PROCESSES) as pool:
        for found in pool.imap_unordered(_part, parts):
            for each in found:
                rows[_family(each.name)].append(each)
            done += len(found)
            spent = time.monotonic() - started
            print(f"hostile: {done} of {INPUTS}, {spent:.0f} s", file=sys.stderr, flush=True)
    return _section(rows)


def _part(numbers: range) -> list[judge.Judgement]:
    return list(judge.judged(corpus.make, numbers))


def _family(name: str) -> str:
    return name.split("/")[2].replace("_", " ") if name[0].isdigit() and "/" in name else "built"


def _section(rows: dict[str, list[judge.Judgement]]) -> Section:
    verdicts = ("different", "inconclusive", "equivalent", "identical")
    section = Section(("kind", "inputs", *verdicts, "slowest", "largest", "faults"))
    faults = []
    for family, found in sorted(rows.items()):
        counts = Counter(each.verdict for each in found)
        slowest = max(each.seconds for each in found)
        largest = max(each.held for each in found) >> 20
        wrong = [each for each in found if each.fault]
        faults += wrong
        section.add(
            *(family, len(found), *(counts[verdict] for verdict in verdicts)),
            *(f"{slowest:.1f} s", f"{largest} MiB", len(wrong)),
        )
    section.notes.append(judge.PROMISE)
    section.notes += [f"Fault: {each.name}: {each.fault}." for each in faults]
    section.kept = not faults
    return section
