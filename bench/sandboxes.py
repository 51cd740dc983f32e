"""One build in each sandbox beside the same build without: the ratio of wall clocks."""

from __future__ import annotations

import shutil
import statistics
import tarfile
import tempfile
from pathlib import Path

from bench.table import Section, seconds
from verifier import rebuild, source
from verifier.source import Cache
from verifier.spec import DebianArchive, DebianSource, load

RUNS = 3
PACKAGE = DebianSource("zlib", "1:1.2.13.dfsg-1")
SPEC = """
[source]
kind = "directory"
path = "source"
[build]
recipe = "command"
steps = ["./configure >log", "make -j2 libz.a libz.so.1.2.13 minigzip >>log"]
outputs = ["libz.a"]
[sandbox]
"""
KINDS = {
    "no sandbox (host)": 'kind = "host"',
    "bubblewrap, host's tools": 'kind = "bubblewrap"',
    "bubblewrap, Debian root": 'kind = "bubblewrap"\nroot = "debian:bookworm"',
    "podman, Debian image": 'kind = "podman"\nroot = "debian:bookworm"',
}


def run() -> Section:
    """Medians of alternating runs; roots and images are made before."""
    cache = Cache.open()
    steps: dict[str, list[float]] = {name: [] for name in KINDS}
    whole: dict[str, list[float]] = {name: [] for name in KINDS}
    with tempfile.TemporaryDirectory(dir=cache.under("scratch")) as work:
        place = Path(work)
        place.chmod(0o755)
        _unpack(cache, place / "source")
        for number in range(RUNS + 1):
            for name, sandbox in KINDS.items():
                spec = place / "audit.toml"
                spec.write_text(SPEC + sandbox + "\n")
                loaded = load(spec)
                output = place / f"out-{number}-{list(KINDS).index(name)}"
                made = rebuild.rebuild(loaded, source.obtain(loaded, cache), cache, output)
                if number:  # the first run made what later ones find
                    steps[name].append(sum(step.seconds for step in made.steps[1:]))
                    whole[name].append(made.seconds)
    section = Section(("sandbox", "steps", "ratio of steps", "whole rebuild", "ratio of the whole"))
    plain = next(iter(KINDS))
    base, all_of_it = statistics.median(steps[plain]), statistics.median(whole[plain])
    for name in KINDS:
        own, total = statistics.median(steps[name]), statistics.median(whole[name])
        section.add(
            name, seconds(own), f"{own / base:.2f}x", seconds(total), f"{total / all_of_it:.2f}x"
        )
    section.notes.append(
        f"zlib's configure and make; medians of {RUNS} alternating runs in one. The whole "
        "includes copying the tree, the digests of root and image, and asking tools' versions."
    )
    return section


def _unpack(cache: Cache, into: Path) -> None:
    found = source.debian.obtain(PACKAGE, DebianArchive(), cache, lambda _text: None)
    (name,) = (each.name for each in found.files if ".orig.tar." in each.name)
    with tarfile.open(found.path / name) as archive, tempfile.TemporaryDirectory() as work:
        archive.extractall(work, filter="data")
        (tree,) = Path(work).iterdir()
        shutil.copytree(tree, into, symlinks=True)
