"""Directories and packages: the verifier beside hashing and plain unpacking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import inputs, measure
from bench.table import Section, megabytes, seconds

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 3


def run() -> Section:
    """One row a tree."""
    section = Section(
        ("trees", "wall", "processor", "memory", "beside", "its wall", "ratio", "aim")
    )
    one, other = inputs.mixed()
    _row(section, "1,000 files, 10 differ", measure.verifier("compare", one, other),
         "sha256sum", _hash(one, other), "")  # fmt: skip
    one, other, signer = inputs.modules()
    command = measure.verifier("compare", one, other, "--signer", signer)
    _row(section, "1,000 re-signed modules", command, "sha256sum", _hash(one, other), "< 1 s")
    one, other = inputs.kernels()
    unpack = (
        f"for d in '{one}' '{other}'; do dpkg-deb --fsys-tarfile \"$d\" | tar -xO | sha256sum; done"
    )
    _row(section, "linux-image, signed beside unsigned", measure.verifier("compare", one, other),
         "unpack + sha256sum", ["sh", "-c", unpack], "1.5x")  # fmt: skip
    section.notes.append(
        f"Medians of {RUNS} alternating runs, files in the page cache. Unpacking is "
        "`dpkg-deb --fsys-tarfile | tar -xO | sha256sum`, one package after the other."
    )
    return section


def _hash(*trees: Path) -> list[str]:
    found = " ".join(f"'{tree}'" for tree in trees)
    return ["sh", "-c", f"find {found} -type f -print0 | xargs -0 sha256sum"]


def _row(
    section: Section, name: str, command: list[str], beside: str, other: list[str], aim: str
) -> None:
    found = measure.alternating({"verifier": command, "beside": other}, RUNS)
    ours, peer = found["verifier"], found["beside"]
    section.add(
        *(name, seconds(ours.wall), seconds(ours.processor), megabytes(ours.memory), beside),
        *(seconds(peer.wall), f"{ours.wall / peer.wall:.2f}x", aim),
    )
