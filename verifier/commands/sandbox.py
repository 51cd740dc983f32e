"""`verifier sandbox test`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verifier.commands.light import Command, Group
from verifier.commands.options import CacheOption, QuietOption, VerboseOption, notify
from verifier.errors import EXIT_DIFFERENT, EXIT_INCONCLUSIVE, EXIT_OK, UsageError

if TYPE_CHECKING:
    from verifier.rebuild.probes import Finding

app = typer.Typer(
    help="The place where builds run: try to break out of it.",
    no_args_is_help=True,
    cls=Group,
)

EXAMPLES = """
Examples:

  verifier sandbox test

  verifier sandbox test --kind podman
"""


@app.callback()
def _group() -> None:
    pass


@app.command("test", cls=Command, epilog=EXAMPLES)
def try_out(
    kind: Annotated[
        str, typer.Option("--kind", metavar="bubblewrap|podman|host", help="Which sandbox.")
    ] = "bubblewrap",
    root: Annotated[
        str | None,
        typer.Option("--root", metavar="host-tools|debian:SUITE", help="What builds see as /."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--probe", metavar="NAME", help="One probe. Repeatable.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="PATH", help="Write every single attempt.")
    ] = None,
    cache: CacheOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Try to leave the sandbox in many ways; status 0 only when every single one is denied."""
    from verifier.rebuild.probes import PROBES, Result, session
    from verifier.rebuild.sandbox import SANDBOXES

    if kind not in SANDBOXES:
        raise UsageError(f"--kind is {kind}; it is one of {', '.join(SANDBOXES)}.")
    chosen = [each for each in PROBES if not only or each.name in only]
    if unknown := set(only or ()) - {each.name for each in PROBES}:
        known = ", ".join(each.name for each in PROBES)
        raise UsageError(f"There is no probe {min(unknown)}; there are {known}.")
    findings = []
    for finding in session.run(kind, root, cache, chosen, notify(quiet)):
        findings.append(finding)
        if not quiet:
            _show(finding, verbose)
    if json is not None:
        _write(json, kind, findings)
    results = [finding.result for finding in findings]
    through, missing = results.count(Result.OPEN), results.count(Result.NOT_RUN)
    denied = len(results) - through - missing
    sys.stdout.write(f"{kind}: {denied} denied, {through} open, {missing} not run\n")
    status = EXIT_DIFFERENT if through else EXIT_INCONCLUSIVE if missing else EXIT_OK
    raise typer.Exit(status)


def _show(finding: Finding, verbose: bool) -> None:
    probe = finding.probe
    by = probe.measure if finding.result == "denied" else ""
    head = f"{probe.name:<17} {finding.result:<8} {probe.tried}"
    sys.stdout.write(f"{head}\n{'':<26} {by + ': ' if by else ''}{finding.how[:300]}\n")
    if verbose:
        sys.stdout.writelines(f"{'':<28} {line[:300]}\n" for line in finding.attempts)
    sys.stdout.flush()


def _write(path: Path, kind: str, findings: list[Finding]) -> None:
    import json

    rows = [
        {
            "probe": each.probe.name,
            "tried": each.probe.tried,
            "result": each.result.value,
            "denied_by": each.probe.measure if each.result == "denied" else None,
            "how": each.how,
            "attempts": list(each.attempts),
        }
        for each in findings
    ]
    path.write_text(json.dumps({"sandbox": kind, "probes": rows}, indent=1) + "\n", "utf-8")
