"""`verifier cache list | prune`: what is kept between runs, and making room."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verifier.commands.light import Command, Group
from verifier.commands.options import CacheOption
from verifier.errors import UsageError

if TYPE_CHECKING:
    from verifier.source.prune import Entry

app = typer.Typer(
    help="What is kept between runs, and making room: list and prune it.",
    no_args_is_help=True,
    cls=Group,
)

EXAMPLES = """
Examples:

  verifier cache list

  verifier cache prune --older-than 30

  verifier cache prune --max-size 20G
"""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@app.command("list", cls=Command, epilog=EXAMPLES)
def list_entries(
    cache: CacheOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, sizes in bytes.")] = False,
) -> None:
    """One line an entry, least lately used first: kind, size, last use, place."""
    from verifier.source.cache import Cache
    from verifier.source.prune import listed

    store = Cache.open(cache)
    entries = listed(store)
    if as_json:
        rows = [{**entry._asdict(), "path": str(entry.path)} for entry in entries]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    for entry in entries:
        sys.stdout.write(f"{_row(entry, store.directory)}\n")
    total = sum(entry.size for entry in entries)
    sys.stdout.write(f"{len(entries)} entries, {_shown(total)}, in {store.directory}\n")


@app.command("prune", cls=Command, epilog=EXAMPLES)
def prune_entries(
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", min=0.0, metavar="DAYS", help="Not used for so long."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="SIZE", help="The oldest, until it is no larger: 20G."),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Results of runs too.")] = False,
    cache: CacheOption = None,
) -> None:
    """Remove what was not used lately, and what killed runs left; never what a run uses now."""
    from verifier.source.cache import Cache
    from verifier.source.prune import prune

    store = Cache.open(cache)
    limit = None if max_size is None else _bytes(max_size)
    done = prune(store, older_than, limit, runs=runs)
    for entry in done.removed:
        sys.stdout.write(f"removed {_row(entry, store.directory)}\n")
    for entry in done.busy:
        sys.stdout.write(f"in use  {_row(entry, store.directory)}\n")
    freed = sum(entry.size for entry in done.removed)
    sys.stdout.write(f"{len(done.removed)} entries removed, {_shown(freed)}.\n")


def _row(entry: Entry, directory: Path) -> str:
    used = dt.datetime.fromtimestamp(entry.used, dt.UTC).strftime("%Y-%m-%d %H:%M")
    mark = " (in use)" if entry.busy else ""
    place = entry.path.relative_to(directory)
    return f"{entry.kind:<13} {_shown(entry.size):>10} {used} {place}{mark}"


def _shown(size: int) -> str:
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", text)
    if found is None:
        raise UsageError(f"--max-size is {text!r}; write it as 500M or 20G.")
    return int(found[1]) * _UNITS[found[2]]
