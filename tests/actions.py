"""Runs the shell steps of a composite GitHub Action as a runner does, without the service.

Knows the expressions that our own files use and refuses any other.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_OUTPUT = re.compile(r"steps\.(\w+)\.outputs\.(\w+)")


@dataclasses.dataclass
class Ran:
    """What a run of the action left: its status, outputs, summary, and the actions it would use."""

    status: int
    outputs: dict[str, str]
    summary: str
    used: list[dict[str, Any]]
    log: str


@dataclasses.dataclass
class Runner:
    """A runner with `action` checked out; `skip` are steps whose work is done already."""

    action: Path
    workspace: Path
    temporary: Path
    skip: tuple[str, ...] = ()
    path: str = ""

    def run(self, inputs: dict[str, str]) -> Ran:
        """Run all steps: after one that failed, those alone that say `always()`."""
        described = yaml.safe_load((self.action / "action.yml").read_text("utf-8"))
        unknown = inputs.keys() - described["inputs"].keys()
        assert not unknown, f"the action has no input {unknown}"
        given = {name: each.get("default", "") for name, each in described["inputs"].items()}
        given |= inputs
        self.temporary.mkdir(parents=True, exist_ok=True)
        ran = Ran(0, {}, "", [], "")
        found: dict[str, dict[str, str]] = {}
        for step in described["runs"]["steps"]:
            if not self._wanted(step.get("if", ""), given, found, ran.status):
                continue
            if "uses" in step:
                told = {k: self._value(v, given, found) for k, v in step["with"].items()}
                ran.used.append({"uses": step["uses"], "with": told})
                continue
            if step["name"] in self.skip:
                continue
            status = self._step(step, given, found, ran)
            ran.status = ran.status or status
        for name, each in described["outputs"].items():
            ran.outputs[name] = self._value(each["value"], given, found)
        return ran

    def _step(
        self, step: dict[str, Any], given: dict[str, str], found: dict[str, Any], ran: Ran
    ) -> int:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input in a script is code"
        files = {name: self.temporary / name.lower() for name in ("OUTPUT", "STEP_SUMMARY", "PATH")}
        for file in files.values():
            file.write_text("", "utf-8")
        around = {**os.environ, "PATH": self.path + os.environ["PATH"]}
        around |= {name: self._value(v, given, found) for name, v in step["env"].items()}
        around |= {f"GITHUB_{name}": str(file) for name, file in files.items()}
        around["RUNNER_TEMP"] = str(self.temporary)
        script = self.temporary / "step.sh"
        script.write_text(step["run"], "utf-8")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(
            command, cwd=self.workspace, env=around, capture_output=True, text=True, check=False
        )
        lines = files["OUTPUT"].read_text("utf-8").splitlines()
        found[step.get("id", "")] = dict(line.split("=", 1) for line in lines)
        ran.summary += files["STEP_SUMMARY"].read_text("utf-8")
        ran.log += done.stdout + done.stderr
        self.path = "".join(f"{line}:" for line in files["PATH"].read_text().split()) + self.path
        return done.returncode

    def _wanted(
        self, condition: str, given: dict[str, str], found: dict[str, Any], status: int
    ) -> bool:
        text = _EXPRESSION.sub(r"\1", condition)
        parts = [part.strip() for part in text.split("&&")] if text else []
        if status and "always()" not in parts:
            return False
        for part in parts:
            if part == "always()":
                continue
            left, sign, right = part.rpartition("!=" if "!=" in part else "==")
            same = self._value("${{ " + left.strip() + " }}", given, found) == right.strip(" '")
            if same != (sign == "=="):
                return False
        return True

    def _value(self, text: str, given: dict[str, str], found: dict[str, Any]) -> str:
        def replaced(match: re.Match[str]) -> str:
            name = match[1]
            if name == "github.action_path":
                return str(self.action)
            if name.startswith("inputs."):
                return given[name.removeprefix("inputs.")]
            output = _OUTPUT.fullmatch(name)
            assert output, f"an expression that is not known here: {name}"
            return str(found.get(output[1], {}).get(output[2], ""))

        return _EXPRESSION.sub(replaced, str(text))
