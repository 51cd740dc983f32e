"""Rebuild Debian source packages and compare every binary package with the archive's.

    python -m bench.sources [NAME …] [--clock changelog] [--out bench/sources.md]

One row a source: verdict, time, and where it is not equivalent what differs.
Needs root, the network for fetching, and minutes a package.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# source: (version, its architecture-dependent binary packages)
SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "hostname": ("3.23+nmu1", ("hostname",)),
    "tree": ("2.1.0-1", ("tree",)),
    "sl": ("5.02-1", ("sl",)),
    "figlet": ("2.2.5-3", ("figlet",)),
    "hello": ("2.10-3", ("hello",)),
    "zlib": ("1:1.2.13.dfsg-1", ("zlib1g", "zlib1g-dev")),
    "bzip2": ("1.0.8-5", ("bzip2", "libbz2-1.0", "libbz2-dev")),
    "lua5.4": ("5.4.4-3+deb12u1", ("lua5.4", "liblua5.4-0", "liblua5.4-dev")),
    "libfcgi": ("2.4.2-2+deb12u1", ("libfcgi-bin", "libfcgi-dev", "libfcgi0ldbl")),
    "tinyxml2": ("9.0.0+dfsg-3.1", ("libtinyxml2-9", "libtinyxml2-dev")),
    "sed": ("4.9-1+deb12u1", ("sed",)),
    "dash": ("0.5.12-2", ("dash",)),
    "less": ("590-2.1~deb12u2", ("less",)),
    "gengetopt": ("2.23+dfsg1-1", ("gengetopt",)),
    "patch": ("2.7.6-7", ("patch",)),
    "popt": ("1.19+dfsg-1", ("libpopt0", "libpopt-dev")),
    "ed": ("1.19-1", ("ed",)),
    "re2": ("20220601+dfsg-1", ("libre2-9", "libre2-dev")),
}

# The archive rebuilt these without a new source: its binaries carry another version.
REBUILT_BY_THE_ARCHIVE = {"sl": "+b1", "figlet": "+b1", "bzip2": "+b1", "re2": "+b1"}

SPEC = """
[source]
kind = "debian"
package = "{name}"
version = "{version}"

[build]
recipe = "debian"
binaries = "any"

[sandbox]
{clock}
{artifacts}
[policy]
name = "standard"
"""

ARTIFACT = """
[[artifacts]]
name = "{package}.deb"
shipped = {{ package = "{package}", version = "{version}" }}
rebuilt = "{package}_*.deb"
"""


def specification(name: str, clock: str) -> str:
    """The specification of one source package, as TOML."""
    version, packages = SOURCES[name]
    shipped = version + REBUILT_BY_THE_ARCHIVE.get(name, "")
    artifacts = "".join(ARTIFACT.format(package=each, version=shipped) for each in packages)
    setting = f'clock = "{clock}"\n' if clock else ""
    return SPEC.format(name=name, version=version, clock=setting, artifacts=artifacts)


def verify(name: str, clock: str, folder: Path) -> tuple[dict[str, Any], float]:
    """The report of one source package, and the seconds it took."""
    spec, report = folder / f"{name}.toml", folder / f"{name}.json"
    spec.write_text(specification(name, clock), "utf-8")
    command = [sys.executable, "-m", "verifier", "verify", str(spec), "--quiet"]
    command += ["--json", str(report), "--output", str(folder / name)]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if not report.exists():
        return {"verdict": "inconclusive", "summary": done.stderr.strip(), "members": []}, seconds
    return json.loads(report.read_text("utf-8")), seconds


def cause(report: dict[str, Any]) -> str:
    """What decides the verdict, in a few words."""
    found = [
        f"`{member['path'].rpartition('!/')[2]}`: {difference['where']} ({difference['kind']})"
        for member in report["members"]
        for difference in member["differences"]
    ]
    if found:
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        return "; ".join(found[:4]) + more
    problems = [problem["summary"] for problem in report.get("problems", [])]
    if problems or not report["members"]:
        return (problems or [report["summary"]])[0]
    rules = {
        patch["rule"]
        for member in report["members"]
        for patch in member["patches"]
        if patch["strength"] != "derived"
    }
    return "settled: " + (", ".join(sorted(rules)) or "nothing, all bytes equal")


def row(name: str, clock: str, folder: Path) -> str:
    """One row of the table."""
    report, seconds = verify(name, clock, folder)
    debs = [member for member in report["members"] if "!" not in member["path"]]
    tops = [member for member in debs if member["path"].endswith(".deb")]
    verdicts = ", ".join(f"{m['path'].removesuffix('.deb')} {m['verdict']}" for m in tops)
    where = f"{name} (clock {clock})" if clock else name
    free = report.get("free_bytes", 0)
    return (
        f"| {where} {SOURCES[name][0]} | {report['verdict']} | {verdicts} | {free} "
        f"| {seconds:.0f} | {cause(report)} |"
    )


def main(arguments: list[str]) -> None:
    """Print the table, row by row as rows are ready."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SOURCES))
    parser.add_argument("--clock", default="")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    rows = [
        "| source | verdict | packages | free bytes | seconds | cause |",
        "|---|---|---|---:|---:|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="sources-") as folder:
        for name in options.names:
            rows.append(row(name, options.clock, Path(folder)))
            print(rows[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
