"""YARA rules compiled by one version of an engine, which says its version inside the sandbox."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.recipes.base import Outcome
from verifier.rebuild.recipes.command import Command
from verifier.rebuild.sandbox import Step
from verifier.source.extract import extract
from verifier.spec import YaraBuild

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.model import StepRecord
    from verifier.rebuild.sandbox.base import Room, Sandbox

_WHEEL = "wheel"  # below the read-only sources
_MARK = "@version "
# What each engine of PyPI is told: its version, and (namespace, path) pairs to compile.
_HEAD = """
import json, sys
sys.path.insert(0, sys.argv[1])
plan = json.loads(sys.argv[2])
"""
_VERSIONS = {
    "yara-python": f"import yara; print('{_MARK}' + yara.__version__)",
    "yara-x": f"from importlib.metadata import version; print('{_MARK}' + version('yara-x'))",
}
_COMPILE = {
    "yara-python": """
import yara
texts = {}
for namespace, path in plan["rules"]:
    texts[namespace] = texts.get(namespace, "") + 'include "./%s"\\n' % path
yara.compile(sources=texts, externals=plan["externals"]).save(plan["output"])
""",
    "yara-x": """
import yara_x
compiler = yara_x.Compiler()
for name, value in plan["externals"].items():
    compiler.define_global(name, value)
last = None
for namespace, path in plan["rules"]:
    if namespace != last:
        compiler.new_namespace(namespace)
        last = namespace
    with open(path, encoding="utf-8") as file:
        compiler.add_source(file.read(), origin=path)
with open(plan["output"], "wb") as file:
    compiler.build().serialize_into(file)
""",
}


class Yara(Command):
    """Rules of the audited tree, compiled into one file."""

    def lay(self, room: Room) -> None:
        """Copy the tree, find its rules, and unpack the engine if it comes as a wheel."""
        super().lay(room)
        plan = self._plan()
        self._rules = _found(room.tree, plan)
        (room.tree / plan.output).parent.mkdir(parents=True, exist_ok=True)
        if plan.wheel is not None:
            target = room.sources / _WHEEL
            target.mkdir(mode=0o755)
            _unpack(*plan.wheel, target)

    def build(self, sandbox: Sandbox) -> Outcome:
        """Ask the engine for its version, then compile."""
        plan = self._plan()
        asked = sandbox.run(Step("version of the engine", self._version(sandbox), sandbox.tree))
        _check(sandbox, plan, self._asked_from)
        compiled = self._compile(sandbox)
        steps: tuple[StepRecord, ...] = (asked, compiled)
        return Outcome(steps, sandbox.variables(), (plan.output,))

    def _plan(self) -> YaraBuild:
        plan = self.job.spec.build
        assert isinstance(plan, YaraBuild)
        return plan

    def _version(self, sandbox: Sandbox) -> tuple[str, ...]:
        plan = self._plan()
        self._asked_from = sandbox.room.log.size
        if plan.engine == "yara":
            return ("/bin/sh", "-euc", f'echo "{_MARK}$(yarac --version)"')
        return self._python(sandbox, _VERSIONS[plan.engine])

    def _compile(self, sandbox: Sandbox) -> StepRecord:
        plan = self._plan()
        if plan.engine == "yara":
            externals = [f"--define={name}={value}" for name, value in plan.externals]
            files = [f"{namespace}:{path}" for namespace, path in self._rules]
            argv: tuple[str, ...] = ("yarac", *externals, *files, plan.output)
        else:
            argv = self._python(sandbox, _COMPILE[plan.engine])
        return sandbox.run(Step(f"compile {plan.output}", argv, sandbox.tree))

    def _python(self, sandbox: Sandbox, script: str) -> tuple[str, ...]:
        plan = self._plan()
        told = {
            "rules": self._rules,
            "externals": {name: _value(text) for name, text in plan.externals},
            "output": plan.output,
        }
        where = f"{sandbox.sources}/{_WHEEL}"
        return ("python3", "-I", "-B", "-c", _HEAD + script, where, json.dumps(told))


def _check(sandbox: Sandbox, plan: YaraBuild, start: int) -> None:
    said = sandbox.room.log.since(start).splitlines()
    found = next((line[len(_MARK) :] for line in said if line.startswith(_MARK)), "unknown")
    if found != plan.version:
        raise BuildError(
            f"The specification pins {plan.engine} {plan.version}, "
            f"but the one in the sandbox is version {found}."
        )


def _found(tree: Path, plan: YaraBuild) -> list[tuple[str, str]]:
    """(namespace, path) of each file, in the order of the globs and within one by path."""
    found: dict[tuple[str, str], None] = {}
    for namespace, glob in plan.rules:
        paths = sorted(
            path.relative_to(tree).as_posix()
            for path in tree.glob(glob)
            if path.is_file() and not path.is_symlink()
        )
        if not paths:
            raise BuildError(f"The source has no rules that match {glob!r}.")
        found |= dict.fromkeys((namespace, path) for path in paths)
    return list(found)


def _unpack(wheel: Path, sha256: str, target: Path) -> None:
    try:
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BuildError(f"The wheel {wheel} cannot be read: {error.strerror}.") from error
    if digest != sha256:
        raise BuildError(f"{wheel} has SHA-256 {digest}, but build.wheel pins another.")
    extract(wheel, target)


def _value(text: str) -> bool | int | float | str:
    """A variable's value as yarac reads it: integer, float, boolean, else text."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?[0-9]+\.[0-9]+", text) else text
