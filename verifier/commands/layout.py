"""`verifier layout FILE`: the span map of one file, to its last byte."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.errors import ParseError, UsageError, VerifierError

EXAMPLES = """
Examples:

  verifier layout /usr/bin/true

  verifier layout shimx64.efi.signed --json -
"""


def command(
    file: Annotated[Path, typer.Argument(help="Any file.")],
    json: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write it as JSON ('-': stdout).")
    ] = None,
) -> None:
    """Cut a file into named spans that cover each byte exactly once."""
    import json as encoder

    from verifier import content, wire
    from verifier.engine import Engine, Failure, Task
    from verifier.model import Settings
    from verifier.stages import LayoutAnswer, LayoutRequest

    if not file.is_file():
        raise UsageError(f"{file} is no file.")
    request = LayoutRequest(content.of_file(str(file)))
    with Engine(Settings(), 1) as engine:
        engine.submit(Task("layout", request, LayoutAnswer, 60.0, None))
        answer = next(answer for _, answer in engine.answers())
    if isinstance(answer, Failure):
        raise VerifierError(f"{file} was not laid out: {answer.summary}")
    assert isinstance(answer, LayoutAnswer)
    if answer.error:
        raise ParseError(f"{file} is no well-formed {answer.format} file: {answer.error}")
    if json is not None:
        document = encoder.dumps(wire.to_data(answer)) + "\n"
        if str(json) == "-":
            sys.stdout.write(document)
        else:
            json.write_text(document, "utf-8")
        return
    sys.stdout.write(f"{file}: {answer.format}, {answer.size} bytes, {len(answer.spans)} spans\n")
    for span in answer.spans:
        sys.stdout.write(f"{span.offset:#12x} {span.length:>10}  {span.name}{_rules(span.rules)}\n")


def _rules(rules: tuple[str, ...]) -> str:
    return f"  [{', '.join(rules)}]" if rules else ""
