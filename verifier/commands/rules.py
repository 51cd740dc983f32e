"""`verifier rules list | show ID | lint`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from verifier.commands.light import Command, Group
from verifier.errors import UsageError

app = typer.Typer(
    help="What may vary, and why: list, show and check the rules.",
    no_args_is_help=True,
    cls=Group,
)

RulesOption = Annotated[
    Path | None, typer.Option("--rules", metavar="DIR", help="Another folder of rules.")
]


@app.command("list", cls=Command)
def list_rules(rules: RulesOption = None) -> None:
    """One line a rule: id, strength, field."""
    from verifier import ruleset

    for rule in ruleset.load(rules).rules.values():
        sys.stdout.write(f"{rule.id:<36} {rule.strength:<9} {rule.field}\n")


@app.command("show", cls=Command)
def show(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a rule, as in 'list'.")],
    rules: RulesOption = None,
) -> None:
    """Everything a stranger needs in order to disagree with one rule."""
    from verifier import ruleset

    known = ruleset.load(rules).rules
    if rule_id not in known:
        import difflib

        near = difflib.get_close_matches(rule_id, known, 1)
        advice = f" Did you mean {near[0]}?" if near else " Run 'verifier rules list'."
        raise UsageError(f"There is no rule {rule_id}.{advice}")
    rule = known[rule_id]
    for name in ("id", "field", "strength", "check", "reason", "risk", "source"):
        sys.stdout.write(f"{name:<10} {getattr(rule, name)}\n")
    for name, value in rule.parameters.items():
        sys.stdout.write(f"{'parameter':<10} {name} = {value}\n")


@app.command("lint", cls=Command)
def lint(rules: RulesOption = None) -> None:
    """Check every rule file; status 2 and one line a fault if there are any."""
    from verifier import lint as linter

    faults = linter.lint(rules)
    for fault in faults:
        sys.stdout.write(f"{fault}\n")
    if faults:
        raise typer.Exit(2)
    sys.stdout.write("All rules are well-formed.\n")
