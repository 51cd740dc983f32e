"""Projects of PyPI rebuilt: each sdist built by its own backend, and held against the wheel.

    python -m bench.pypi [NAME …] [--again]

Reads bench/pypi.txt, writes docs/rebuilds-pypi.md. Results lie in the cache, one JSON a project, so
that a run goes on where the last one ended; `--again` starts over. Needs root for the build root,
and the network for fetching. Each project is stopped after ten minutes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from bench import machine
from bench.table import Section
from verifier.source import Cache

LIST = Path(__file__).with_suffix(".txt")
TABLE = Path(__file__).parents[1] / "docs" / "rebuilds-pypi.md"
SECONDS = 600
COLUMNS = ("wheel", "backend", "verdict", "files the same", "free bytes", "seconds",
           "unaccounted", "why it is not identical")  # fmt: skip
SPEC = """
[source]
kind = "pypi"
file = "{sdist}"
sha256 = "{sdist_sha256}"

[build]
recipe = "pypi"
packages = {packages}

[sandbox]
root = "debian:bookworm"

[[artifacts]]
shipped = {{ wheel = "{wheel}", sha256 = "{wheel_sha256}" }}
rebuilt = "dist/*.whl"
"""
HEAD = """# PyPI projects, rebuilt from their sdists

`python -m bench.pypi` builds each sdist of `bench/pypi.txt` by the recipe `pypi`, in the sandbox
`bubblewrap`, in a root of Debian 12 with its Python 3.11, and compares the wheel with the published
one under the policy `standard`. The backend's version is the one that the published wheel names;
other build requirements are the newest of the day when it was uploaded. "files the same" counts
members of the published wheel that have the same bytes in the rebuilt one; "unaccounted" counts
files that the build read and that belong neither to the source, nor to a pinned wheel, nor to the
root ("-": not recorded); "seconds" are those of the whole run.

"""


class Target(NamedTuple):
    """One sdist and one wheel, with their digests; `packages` are Debian's, for headers."""

    sdist: str
    sdist_sha256: str
    wheel: str
    wheel_sha256: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.sdist.rsplit("-", 1)[0]


def targets(text: str) -> list[Target]:
    """Two lines a project."""
    words = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    return [
        Target(one[0], one[1], other[0], other[1], tuple(other[2:]))
        for one, other in zip(words[::2], words[1::2], strict=True)
    ]


def run(names: list[str] | None = None, *, again: bool = False) -> Section:
    """Rebuild what has no result yet, and draw the table anew after each."""
    cache = Cache.open()
    for target in targets(LIST.read_text("utf-8")):
        kept = _kept(cache, target)
        if (not names or target.name in names) and (again or not kept.exists()):
            print(f"{target.sdist} …", file=sys.stderr, flush=True)
            kept.write_text(json.dumps(rebuild(target), indent=1))
    section = table(cache)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(HEAD + section.markdown(), "utf-8")
    return section


def rebuild(target: Target) -> dict[str, Any]:
    """One project through `verifier verify`; the row's facts."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pypi-") as work:
        folder = Path(work)
        spec, saved = folder / f"{target.name}.toml", folder / "report.json"
        data = {**target._asdict(), "packages": json.dumps(target.packages)}
        spec.write_text(SPEC.format(**data), "utf-8")
        command = [sys.executable, "-m", "verifier", "verify", str(spec), "--quiet"]
        command += ["--json", str(saved), "--output", str(folder / "output")]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=SECONDS
            )
            said = done.stderr.strip()
        except subprocess.TimeoutExpired:
            said = f"stopped after {SECONDS} s"
        seconds = round(time.monotonic() - started)
        if not saved.exists():
            return {"verdict": "inconclusive", "cause": said, "seconds": seconds}
        report = json.loads(saved.read_text("utf-8"))
        return {**facts(report, folder / "output"), "seconds": seconds}


def facts(report: dict[str, Any], output: Path) -> dict[str, Any]:
    """What the table says of a report and of the two wheels beside it."""
    inputs = report.get("inputs")
    build = report.get("build") or {}
    made = re.search(r"made by (.*)\.$", " ".join(build.get("notes", ())[:1]))
    sides = [next((output / side).glob("*.whl"), None) for side in ("shipped", "rebuilt")]
    shipped, rebuilt = (_members(path) if path else {} for path in sides)
    same = sum(rebuilt.get(name) == data for name, data in shipped.items())
    return {
        "verdict": report["verdict"],
        "backend": made[1] if made else "?",
        "same": f"{same} of {len(shipped)}" if shipped else "-",
        "free": report["free_bytes"],
        "unaccounted": "-" if inputs is None else len(inputs.get("unaccounted", ())),
        "cause": cause(report, shipped, rebuilt),
    }


def cause(report: dict[str, Any], shipped: dict[str, bytes], rebuilt: dict[str, bytes]) -> str:
    """Why the wheels are not identical, from what was measured; empty for identical ones."""
    if report["verdict"] == "identical":
        return ""
    if not shipped:
        return "; ".join(problem["summary"] for problem in report["problems"])
    found = []
    if report["verdict"] == "equivalent":
        rules = {patch["rule"] for member in report["members"] for patch in member["patches"]}
        return f"settled by {', '.join(f'`{rule}`' for rule in sorted(rules))}"
    for name in sorted(shipped.keys() & rebuilt.keys()):
        if shipped[name] != rebuilt[name] and name.endswith(".so"):
            found.append(f"`{name}`: compiled by {_compiler(shipped[name])}, "
                         f"here {_compiler(rebuilt[name])}")  # fmt: skip
        elif shipped[name] != rebuilt[name] and not name.endswith("/RECORD"):
            found.append(f"`{name.rsplit('/', 1)[-1]}` differs{_tags(name, shipped, rebuilt)}")
    for verb, names in (
        ("is added", shipped.keys() - rebuilt.keys()),
        ("is missing", rebuilt.keys() - shipped.keys()),
    ):
        files = sorted(name for name in names if not name.endswith("/"))
        found += [f"`{name}` {verb}" for name in files[:3]]
    if list(shipped) != list(rebuilt) and any(name.endswith("/") for name in shipped):
        found.append("repacked by auditwheel, in another order and with directories")
    return "; ".join(found) or "; ".join(item["summary"] for item in report["problems"])


def _tags(name: str, shipped: dict[str, bytes], rebuilt: dict[str, bytes]) -> str:
    if not name.endswith("/WHEEL"):
        return ""
    ours, theirs = set(rebuilt[name].split(b"\n")), set(shipped[name].split(b"\n"))
    lines = sorted(line.decode(errors="replace") for line in theirs - ours)
    return f" ({', '.join(lines)})" if lines else ""


def _compiler(data: bytes) -> str:
    """What .comment says, without asking another program."""
    found = sorted(
        set(re.findall(rb"GCC: \([^)\0]{0,60}\)[^\0]{0,60}|clang version [^\0]{0,60}", data))
    )
    return ", ".join(item.decode(errors="replace") for item in found) or "an unnamed compiler"


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def _kept(cache: Cache, target: Target) -> Path:
    return cache.under("bench", "pypi") / f"{target.wheel_sha256}.json"


def table(cache: Cache) -> Section:
    """All results so far, in the order of the list."""
    section = Section(COLUMNS)
    verdicts: dict[str, int] = {}
    for target in targets(LIST.read_text("utf-8")):
        if not (kept := _kept(cache, target)).exists():
            continue
        row = json.loads(kept.read_text())
        verdicts[row["verdict"]] = verdicts.get(row["verdict"], 0) + 1
        section.add(
            f"{target.wheel.split('-')[0]} {target.wheel.split('-')[1]}",
            *(row.get("backend", "?"), row["verdict"], row.get("same", "-"), row.get("free", "-")),
            *(row["seconds"], row.get("unaccounted", "-"), row.get("cause", "")),
        )
    counted = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    section.notes.append(f"{sum(verdicts.values())} projects: {counted}. {machine.described()}.")
    return section


def main() -> int:
    """Rebuild, and print the table."""
    parser = argparse.ArgumentParser("bench.pypi", description=__doc__)
    parser.add_argument("names", nargs="*", help="projects of the list (default: all)")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    chosen = parser.parse_args()
    print(run(chosen.names, again=chosen.again).markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
