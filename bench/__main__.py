"""`python -m bench [NAME …] [--out FILE]`: run benches, print their tables as markdown."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import sys
from pathlib import Path

from bench import machine

BENCHES = {
    "startup": "start-up beside a bare Typer program",
    "pairs": "single pairs beside sha256sum, a bare Typer program and diffoscope",
    "trees": "directories and packages beside hashing and unpacking",
    "flips": "every byte of small files flipped, beside peers",
    "hostile": "a generated corpus of broken and malicious files",
    "layouts": "programs in two layouts beside objdump",
    "sandboxes": "one build in each sandbox beside the same without",
    "reports": "every form of a report of 10,000 members",
    "recording": "builds with their inputs recorded, without, and without a sandbox",
    "peers": "what tools say of one changed line, beside diffoscope and objdump",
    "databases": "a million hash signatures beside unpacking and hashing",
    "pages": "the HTML report of 10,000 members, made and opened in Chromium",
}


def main(arguments: list[str]) -> int:
    """Run the named benches (all by default); the exit status says whether all promises held."""
    listed = "\n".join(f"  {name:10}{what}" for name, what in BENCHES.items())
    parser = argparse.ArgumentParser(
        "bench", None, __doc__, f"benches:\n{listed}", formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benches (default: all)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append the tables to this file")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in BENCHES]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}")
    kept = True
    for name in chosen.names or BENCHES:
        section = importlib.import_module(f"bench.{name}").run()
        today = dt.datetime.now(dt.UTC).date().isoformat()
        head = f"{today}, {machine.described()}, `python -m bench {name}`"
        text = f"## {name}: {BENCHES[name]}\n\n{head}\n\n{section.markdown()}\n"
        print(text, flush=True)
        kept = kept and section.kept
        if chosen.out:
            with chosen.out.open("a") as file:
                file.write(text + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
