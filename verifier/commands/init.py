"""`verifier init DIR --shipped PATH`: a first specification, to read and to run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from verifier.errors import UsageError

EXAMPLES = """
Examples:

  verifier init src/ --shipped dist/tool.exe

  verifier init hello-2.10.tar.gz --shipped hello -o hello.toml && verifier verify hello.toml
"""


def command(
    tree: Annotated[
        Path, typer.Argument(metavar="DIR", help="The audited tree, or an archive of it.")
    ],
    shipped: Annotated[
        list[Path] | None,
        typer.Option("--shipped", metavar="PATH", help="A shipped file. Repeatable."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="Where it goes.")
    ] = Path("audit.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Propose a specification from a look at the audited tree and at what was shipped."""
    from verifier import spec as specs
    from verifier.attest import strict
    from verifier.init import propose
    from verifier.source.archive import top
    from verifier.source.extract import extract

    if output.exists() and not force:
        raise UsageError(f"{output} is there already; name another with --output, or --force.")
    if tree.is_dir():
        text = propose(tree, shipped or [], output)
    elif tree.is_file():
        with tempfile.TemporaryDirectory(prefix="verifier-init-") as scratch:
            extract(tree, Path(scratch))
            text = propose(top(Path(scratch)), shipped or [], output, tree)
    else:
        raise UsageError(f"{tree} is no directory and no archive.")
    strict.write(output, text.encode())
    loaded = specs.load(output)
    sys.stdout.write(f"{output}\n")
    for line in text.splitlines():
        if line.startswith("# CAUTION"):
            sys.stderr.write(f"{line.removeprefix('# ')}\n")
    sys.stderr.write(
        f"A source of kind {loaded.source.kind}, built by the recipe {loaded.build.recipe}; read "
        f"it, then: verifier verify {output}\n"
    )
