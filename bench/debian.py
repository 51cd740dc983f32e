"""Debian source packages rebuilt, and every binary package held against the archive's.

    python -m bench.debian [NAME …] [--again]

Reads bench/debian.txt, writes docs/rebuilds-debian.md. Results lie in the cache, one JSON a
source, so that a run goes on where the last one ended; `--again` starts over. A row of the page
that the cache has no result for stays as it is. Needs root, the network for fetching, and minutes
a package; a build is stopped after fifteen.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import machine
from bench.table import Section
from verifier import source
from verifier.errors import BuildError, SourceError
from verifier.rebuild.dpkg import extract_member
from verifier.rebuild.shipped import fetch_package
from verifier.source import Cache
from verifier.source.apt import Apt
from verifier.spec import DebianArchive, DebianSource, Locator

if TYPE_CHECKING:
    from collections.abc import Sequence

LIST = Path(__file__).with_suffix(".txt")
TABLE = Path(__file__).parents[1] / "docs" / "rebuilds-debian.md"
SECONDS = 900  # of one build step
WHOLE = 1800  # of everything for one source: fetching, the root, the build, the comparison
CHANGELOG = "/usr/share/doc/{}/changelog.Debian.amd64.gz"  # the entry of a rebuild there, alone
COLUMNS = (
    "source",
    "version",
    "verdict",
    "packages",
    "programs",
    "seconds",
    "unaccounted",
    "cause",
)
SPEC = """
[source]
kind = "debian"
package = "{name}"
version = "{version}"

[build]
recipe = "debian"
binaries = "{binaries}"
{entry}
[sandbox]
{clock_line}
[sandbox.limits]
seconds = {seconds}
"""
ARTIFACT = """
[[artifacts]]
name = "{package}.deb"
shipped = {{ package = "{package}", version = "{version}" }}
rebuilt = "{package}_*.deb"
"""
HEAD = """# Debian packages, rebuilt from their sources

`python -m bench.debian` builds each source package of `bench/debian.txt` by the recipe `debian`,
in the sandbox `bubblewrap`, in today's root of Debian 12, and compares every binary package with
the archive's, under the policy `standard`. One build at a time, each stopped after a quarter of
an hour; a source that the mirror lacks is named. "packages" counts the binary packages whose
verdict is identical or equivalent, of all; "seconds" are those of the whole run of one source,
its root included where no earlier source had made it; "unaccounted" counts files that the build
read and that belong neither to the source nor to a package of the root ("-": not recorded).

"""


class Target(NamedTuple):
    """One line of the list."""

    name: str
    version: str
    binaries: str
    clock: str = ""


def targets(text: str) -> list[Target]:
    """The lines of the list, without comments."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [Target(*line) for line in lines if line]


class Shipped(NamedTuple):
    """A binary package of the archive."""

    package: str
    version: str


def run(names: Sequence[str] = (), *, again: bool = False) -> Section:
    """Rebuild what has no result yet, and draw the table anew after each."""
    cache = Cache.open()
    chosen = [each for each in targets(LIST.read_text()) if not names or each.name in names]
    for target in chosen:
        kept = _kept(cache, target)
        if again or not kept.exists():
            print(f"{target.name} {target.version} …", file=sys.stderr, flush=True)
            kept.write_text(json.dumps(rebuild(target, cache), indent=1))
            TABLE.write_text(document(cache), "utf-8")
    TABLE.write_text(document(cache), "utf-8")
    return table(cache)


def rebuild(target: Target, cache: Cache) -> dict[str, Any]:
    """One source, fetched, built and compared by `verifier verify`; the row's facts."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="debian-") as work:
        folder = Path(work)
        try:
            shipped = _shipped_packages(target, cache)
        except SourceError as error:
            return {"verdict": "no source", "cause": str(error), "seconds": 0, "packages": ""}
        spec, saved = folder / f"{target.name}.toml", folder / "report.json"
        entry = _entry(target, shipped, folder)
        clock = f'clock = "{target.clock}"' if target.clock else ""
        head = SPEC.format(**target._asdict(), entry=entry, clock_line=clock, seconds=SECONDS)
        spec.write_text(
            head + "".join(ARTIFACT.format(**each._asdict()) for each in shipped), "utf-8"
        )
        command = [
            sys.executable,
            "-m",
            "verifier",
            "verify",
            str(spec),
            "--quiet",
            "--rebuilds",
            "1",
        ]
        command += ["--json", str(saved), "--output", str(folder / "output")]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=WHOLE
            )
            said = done.stderr.strip()
        except subprocess.TimeoutExpired:
            said = f"stopped after {WHOLE} s"
        seconds = round(time.monotonic() - started)
        if not saved.exists():
            return {"verdict": "inconclusive", "cause": said, "seconds": seconds, "packages": ""}
        return {**facts(json.loads(saved.read_text("utf-8"))), "seconds": seconds}


def facts(report: dict[str, Any]) -> dict[str, Any]:
    """What the table says of a report."""
    debs = [member for member in report["members"] if member["path"].endswith(".deb")]
    programs = [member for member in report["members"] if _is_program(member)]
    inputs = report.get("inputs")
    return {
        "verdict": report["verdict"],
        "packages": _settled(debs),
        "programs": _settled(programs) if programs else "-",
        "unaccounted": "-" if inputs is None else len(inputs.get("unaccounted", ())),
        "cause": cause(report),
    }


def _is_program(member: dict[str, Any]) -> bool:
    sides = (member.get(side) or {} for side in ("shipped", "rebuilt"))
    return any(side.get("format") in ("elf", "pe") for side in sides)


def _settled(members: Sequence[dict[str, Any]]) -> str:
    """How many are identical or equivalent, of all."""
    good = [member for member in members if member["verdict"] in ("identical", "equivalent")]
    return f"{len(good)} of {len(members)}"


def cause(report: dict[str, Any]) -> str:
    """What decides the verdict, in a few words."""
    named = drift(report)
    found = [
        f"`{member['path'].rpartition('!/')[2]}`: {difference['where']} ({difference['kind']})"
        for member in report["members"]
        for difference in member["differences"]
    ]
    if named or found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return ". ".join([*named[:2], "; ".join(found[:3]) + more])
    problems = [problem["summary"] for problem in report.get("problems", [])]
    if problems or not report["members"]:
        return str((problems or [report["summary"]])[0])
    rules = {
        patch["rule"]
        for member in report["members"]
        for patch in member["patches"]
        if patch["strength"] != "derived"
    }
    return "settled: " + (", ".join(sorted(rules)) or "nothing, all bytes equal")


def drift(report: dict[str, Any]) -> list[str]:
    """Tools that made the shipped files in another version than the one here."""
    told = {
        f"{each['tool']} {each['shipped']}, here {each['here'] or 'none'}"
        for each in report.get("makers", ())
        if each["shipped"] != each["here"]
    }
    return [f"made by {'; '.join(sorted(told)[:2])}"] if told else []


def table(cache: Cache, page: str = "") -> Section:
    """One row for each source that has a result in the cache, or a row in the page before it."""
    section, before = Section(COLUMNS), _rows(page)
    for target in targets(LIST.read_text()):
        name = f"{target.name}, its clock set" if target.clock else target.name
        kept = _kept(cache, target)
        if kept.exists():
            row = json.loads(kept.read_text())
            cells = (row.get(column, "") for column in COLUMNS[2:])
            section.add(name, target.version, *(_plain(cell) for cell in cells))
        elif (name, target.version) in before:
            section.add(name, target.version, *before[name, target.version])
    return section


def _rows(page: str) -> dict[tuple[str, str], list[str]]:
    """The cells of each row of the page, by source and version; ValueError if one is no row."""
    found = {}
    for line in page.splitlines():
        if line.startswith("| ") and not line.startswith(("| source |", "| --- |")):
            name, version, *cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
            if len(cells) != len(COLUMNS) - 2:
                raise ValueError(f"{TABLE}: the row of {name} has not {len(COLUMNS)} cells: {line}")
            found[name, version] = [cell.replace("\\|", "|") for cell in cells]
    return found


def document(cache: Cache) -> str:
    """The whole page of documentation."""
    rows = table(cache, TABLE.read_text("utf-8") if TABLE.exists() else "")
    verdicts = [str(row[2]) for row in rows.rows]
    counts = ", ".join(f"{verdicts.count(each)} {each}" for each in sorted(set(verdicts)))
    last = f"The newest rows: {machine.described()}"
    return f"{HEAD}{last}. {len(verdicts)} sources: {counts}.\n\n{rows.markdown()}"


def _plain(cell: object) -> str:
    return re.sub(r"\s+", " ", str(cell))[:400]


def _kept(cache: Cache, target: Target) -> Path:
    version = target.version.replace(":", "%3a")
    clock = f"@{target.clock}" if target.clock else ""
    return cache.under("bench", "debian") / f"{target.name}_{version}{clock}.json"


def _shipped_packages(target: Target, cache: Cache) -> list[Shipped]:
    """Each binary package that the archive has of this source version."""
    archive = DebianArchive()
    audited = source.debian.obtain(
        DebianSource(target.name, target.version), archive, cache, lambda _text: None
    )
    dsc = next(each for each in audited.files if each.name.endswith(".dsc"))
    text = (audited.path / dsc.name).read_text()
    listed = re.findall(r"^ (\S+) deb \S+ \S+ arch=(\S+)", text, re.MULTILINE)
    apt = Apt(cache, archive, lambda _text: None)
    return [
        Shipped(name, version)
        for name, architecture in listed
        if _wanted(target.binaries, architecture)
        for version in _shipped(apt, name, target)
    ]


def _wanted(binaries: str, architecture: str) -> bool:
    return binaries == "both" or (architecture == "all") == (binaries == "all")


def _entry(target: Target, shipped: Sequence[Shipped], folder: Path) -> str:
    """The key for a rebuild that the archive made: its changelog entry is in the package."""
    for name, version in shipped:
        if version == target.version:
            continue
        locator = Locator(package=name, version=version)
        deb = fetch_package(locator, DebianArchive(), Cache.open(), lambda _text: None)
        try:
            found = extract_member(deb, CHANGELOG.format(name), folder)
        except BuildError:  # its documents are a link to another package's
            continue
        (folder / "entry").write_bytes(gzip.decompress(found.read_bytes()))
        return 'binary_only_changes = "entry"\n'
    return ""


def _shipped(apt: Apt, name: str, target: Target) -> list[str]:
    """The archive's version of a binary package of this source: another after a rebuild there."""
    done = subprocess.run(
        ["apt-cache", "show", name],
        env={"APT_CONFIG": str(apt.directory / "apt.conf"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    for stanza in done.stdout.split("\n\n"):
        fields = dict(re.findall(r"^(Version|Source): (.*)$", stanza, re.MULTILINE))
        version = fields.get("Version", "")
        origin = re.search(r"\((\S+)\)", fields.get("Source", ""))
        if version and (origin[1] if origin else version) == target.version:
            return [version]
    return []


def main(arguments: list[str]) -> None:
    """Run, and say where the page lies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--again", action="store_true", help="forget earlier results")
    options = parser.parse_args(arguments)
    run(options.names, again=options.again)
    print(TABLE)


if __name__ == "__main__":
    main(sys.argv[1:])
