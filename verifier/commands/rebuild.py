"""`verifier rebuild SPEC.toml -o DIR`: the build alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.options import CacheOption, QuietOption, SpecArgument, notify

EXAMPLES = """
Examples:

  verifier rebuild fixtures/specs/tree.toml -o rebuilt/
"""


def command(
    spec: SpecArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="An empty or new directory.")
    ],
    json: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write the record of the build.")
    ] = None,
    cache: CacheOption = None,
    quiet: QuietOption = False,
) -> None:
    """Get the audited source and build it in its sandbox, without comparing anything."""
    import json as encoder

    from verifier import source
    from verifier import spec as specs
    from verifier.rebuild import rebuild
    from verifier.rebuild.model import FailedBuildError

    loaded = specs.load(spec)
    store = source.Cache.open(cache)
    tell = notify(quiet)
    audited = source.obtain(loaded, store, tell)
    try:
        build = rebuild(loaded, audited, store, output, tell)
    except FailedBuildError as error:
        sys.stderr.write(f"{error.log_tail}\n")
        raise
    if json is not None:
        record = {"source": audited.to_json(), "build": build.to_json()}
        json.write_text(encoder.dumps(record, indent=1) + "\n", "utf-8")
    for item in build.outputs:
        sys.stdout.write(f"{item.sha256}  {output / item.name}\n")
    if not quiet:
        sys.stderr.write(f"Built in {build.seconds:.0f} s; the log is {build.log}\n")
