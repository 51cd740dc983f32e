"""An sdist built into a wheel by its own backend, in an environment that was pinned before.

What the shipped wheel says of its making decides: the backend's version, the epoch, and the day
after which nothing may have been uploaded. The build has no network.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import tomllib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from verifier import aside, process
from verifier.errors import BuildError
from verifier.rebuild import requirements, wheels
from verifier.rebuild.recipes.base import Outcome, set_clock
from verifier.rebuild.recipes.command import Command
from verifier.rebuild.sandbox import Step
from verifier.rebuild.shipped import match
from verifier.source import pypi
from verifier.spec import PypiBuild
from verifier.spec.plans import SEARCH_PATH

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.root import Root
    from verifier.rebuild.sandbox.base import Room, Sandbox
    from verifier.spec import Locator

OUTPUTS = ("dist/*.whl",)
_PLAIN_UMASK = 0o022  # that of an extracted source
_MARK = "@requires "
_HOOKS = "hooks.py"
# What PEP 517 says of a project without a [build-system] table.
_LEGACY = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}
# setuptools packs wheels by itself since then; before, `wheel` did, and its name is the Generator.
_PACKS_ITSELF = "70.1"
_RUN_HOOK = f"""
import importlib, json, os, sys
name, places, hook = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
sys.path[:0] = [os.path.abspath(place) for place in places]
module, _, inner = name.partition(":")
backend = importlib.import_module(module)
for part in filter(None, inner.split(".")):
    backend = getattr(backend, part)
if hook == "requires":
    ask = getattr(backend, "get_requires_for_build_wheel", None)
    print("{_MARK}" + json.dumps(list(ask({{}})) if ask else []))
else:
    os.makedirs("dist", exist_ok=True)
    print("built", backend.build_wheel(os.path.abspath("dist"), {{}}))
"""


class Pypi(Command):
    """One sdist, one wheel."""

    def root(self) -> Root | None:
        """The host's Python, or the base root with Python and its headers; then fetch and pin."""
        plan = self._plan()
        name = f"python{plan.python or '3'}-dev"
        found = self.debian_root((("install", name), "Python"))
        self._python = _python(plan, found)
        self._system = _build_system(self.job.source.path)
        self._facts = self._read_shipped()
        self._pip = requirements.resolve(self.job, (f"pip=={version('pip')}",), self._python)[0]
        self._pin(())
        return found

    def lay(self, room: Room) -> None:
        """Copy the tree, with modes of the umask; lay the wheels and the caller of hooks."""
        super().lay(room)
        if room.settings.umask != _PLAIN_UMASK:
            _set_modes(room.tree, room.settings.umask)
        (room.sources / _HOOKS).write_text(_RUN_HOOK)
        (room.sources / _HOOKS).chmod(0o644)
        requirements.fetch(self.job, (*self._pins, self._pip), room.sources)

    def build(self, sandbox: Sandbox) -> Outcome:
        """Make the environment, ask the backend what else it needs, build the wheel."""
        plan, room = self._plan(), sandbox.room
        variables, clock = set_clock(room.settings, self._variables(sandbox))
        steps = [
            sandbox.run(Step(name, argv, sandbox.tree, variables))
            for name, argv in self._environment(sandbox, "env")
        ]
        start = room.log.size
        steps.append(self._hook(sandbox, "requires", variables))
        if asked := _asked(room.log.since(start, 1 << 16)):
            # Nothing is fetched while something builds: a second, whole environment follows.
            self._pin(asked)
            requirements.fetch(self.job, (*self._pins, self._pip), room.sources)
            sandbox.laid(self.own)
            variables["PATH"] = f"{sandbox.home}/env2/bin:{SEARCH_PATH}"
            steps += [
                sandbox.run(Step(name, argv, sandbox.tree, variables))
                for name, argv in self._environment(sandbox, "env2")
            ]
        steps.append(self._hook(sandbox, "build", variables))
        return Outcome(
            steps=tuple(steps),
            variables={**sandbox.variables(), **variables},
            outputs=OUTPUTS,
            clock=clock,
            packages=tuple(pin.package() for pin in self._pins),
            notes=tuple(self._notes(plan)),
        )

    def _plan(self) -> PypiBuild:
        plan = self.job.spec.build
        assert isinstance(plan, PypiBuild)
        return plan

    def _shipped(self) -> Locator | None:
        """The wheel to read: build.shipped, else the only artifact's where that is a wheel."""
        given = self._plan().shipped
        artifacts = self.job.spec.artifacts
        if given is not None or len(artifacts) != 1:
            return given
        only = artifacts[0].shipped
        named = only.wheel or (only.path or "").endswith(".whl")
        return only if named and not only.member else None

    def _read_shipped(self) -> wheels.Facts | None:
        locator, job = self._shipped(), self.job
        self._uploaded = self._sha256 = ""
        if locator is None:
            return None
        if locator.wheel is not None:
            index = job.spec.pypi
            self._uploaded = pypi.look_up(locator.wheel, index).uploaded
            path = pypi.fetch(locator.wheel, locator.sha256, index, job.cache, job.notify)
        else:
            found = match(str(locator.path), "shipped")
            if len(found) != 1:
                raise BuildError(f"{locator} matches {len(found)} wheels; name one: build.shipped.")
            path = found[0]
        with path.open("rb") as file:
            self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return aside.ask(wheels.Facts, wheels.read, path)

    def _before(self) -> str | None:
        """What is given; else the wheel's upload; else the newest of its times, if that tells."""
        plan, facts = self._plan(), self._facts
        if plan.before or self._uploaded:
            return plan.before or self._uploaded
        if facts is None or facts.last in wheels.DEFAULT_TIMES or facts.last <= 0:
            return None
        return dt.datetime.fromtimestamp(facts.last + 86_400, dt.UTC).isoformat()

    def _wanted(self) -> list[str]:
        """What the project asks for, what the shipped wheel says, and what the spec adds."""
        wanted = [*self._system["requires"], *self._plan().requirements]
        facts = self._facts
        given = {re.split(r"[^\w.-]", item)[0].lower() for item in self._plan().requirements}
        if facts and facts.backend and facts.backend.lower() not in given:
            wanted.append(f"{facts.backend}=={facts.version}")
        if facts and facts.backend == "wheel" and "setuptools" not in given:
            wanted.append(f"setuptools<{_PACKS_ITSELF}")
        return wanted

    def _pin(self, asked: tuple[str, ...]) -> None:
        wanted = [*self._wanted(), *asked]
        self._pins = requirements.resolve(self.job, wanted, self._python, self._before())
        for pin in self._pins:
            if pin.published.sha256 == self._sha256:
                raise BuildError(
                    f"The shipped wheel itself, {pin.published.file}, is among the requirements of "
                    "the build, which could hand out a copy of it; give another build.before."
                )
        files = (pin.published.file for pin in (*self._pins, self._pip))
        self.own = frozenset({_HOOKS, requirements.LIST, *files})

    def _environment(self, sandbox: Sandbox, name: str) -> list[tuple[str, tuple[str, ...]]]:
        """Steps that make a virtual environment of the pinned wheels, each checked again by pip."""
        where = f"{sandbox.home}/{name}"
        # Compiled modules of the system belong to no package: Python compiles its own here.
        unread = ("-X", f"pycache_prefix={sandbox.home}/compiled")
        pip = f"{sandbox.sources}/{self._pip.published.file}/pip"
        install = (
            *(f"{where}/bin/python", "-I", *unread, pip, "install", "--no-index", "--no-deps"),
            *("--require-hashes", "--disable-pip-version-check", "--no-cache-dir", "--quiet"),
            *("--find-links", sandbox.sources, "-r", f"{sandbox.sources}/{requirements.LIST}"),
        )
        made = (f"python{self._python}", "-I", *unread, "-m", "venv", "--without-pip", where)
        steps: list[tuple[str, tuple[str, ...]]] = [("environment", made)]
        return [*steps, ("install build requirements", install)] if self._pins else steps

    def _hook(self, sandbox: Sandbox, hook: str, variables: dict[str, str]) -> Any:
        """One call of the backend, as PEP 517 has it."""
        argv = (
            *("python", f"{sandbox.sources}/{_HOOKS}", self._system["build-backend"]),
            *(json.dumps(self._system.get("backend-path", [])), hook),
        )
        return sandbox.run(Step(f"backend: {hook}", argv, sandbox.tree, variables))

    def _variables(self, sandbox: Sandbox) -> dict[str, str]:
        plan, facts = self._plan(), self._facts
        variables = {
            "PATH": f"{sandbox.home}/env/bin:{SEARCH_PATH}",
            "PYTHONHASHSEED": "0",
            "PYTHONPYCACHEPREFIX": f"{sandbox.home}/compiled",
            **dict(plan.environment),
        }
        epoch = plan.source_date_epoch
        if epoch is None and facts is not None:
            epoch = facts.epoch
        if epoch is not None:
            variables["SOURCE_DATE_EPOCH"] = str(epoch)
        return variables

    def _notes(self, plan: PypiBuild) -> list[str]:
        facts = self._facts
        if facts is None:
            return ["No shipped wheel was named: the newest backend built, without an epoch."]
        notes = [f"The shipped wheel was made by {facts.told}."]
        if plan.source_date_epoch is None and facts.epoch is None:
            notes.append(
                "Its entries have several times, so that it was built without SOURCE_DATE_EPOCH; "
                "so it was here."
            )
        if facts.group_writable and self.job.spec.sandbox.umask & 0o020:
            notes.append("Its files are writable by their group: set sandbox.umask to 002.")
        if facts.repaired:
            notes.append(
                "It is tagged manylinux or musllinux: it was compiled in another distribution, "
                "and auditwheel rewrote tags and libraries."
            )
        return notes


def _python(plan: PypiBuild, root: Root | None) -> str:
    """MAJOR.MINOR of the Python that builds."""
    if plan.python is not None:
        return plan.python
    if root is not None:
        (found,) = [deb.version for deb in root.packages if deb.name == "python3"]
        return ".".join(re.split(r"[.-]", found)[:2])
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    said = process.run(["python3", "-I", "-c", code]).stdout.decode().strip()
    if not re.fullmatch(r"3\.\d+", said):
        raise BuildError(f"python3 of this machine tells no version ({said!r}); set build.python.")
    return said


def _build_system(tree: Path) -> dict[str, Any]:
    """The table [build-system] of the source, or what stands for a missing one."""
    file = tree / "pyproject.toml"
    if not file.is_file() or file.is_symlink():
        if not (tree / "setup.py").is_file():
            raise BuildError("The source has neither pyproject.toml nor setup.py: it is no sdist.")
        return dict(_LEGACY)
    try:
        found = tomllib.loads(file.read_text("utf-8")).get("build-system", _LEGACY)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BuildError(f"The source's pyproject.toml cannot be read: {error}.") from error
    system = {**found} if isinstance(found, dict) else {}
    system.setdefault("build-backend", _LEGACY["build-backend"])
    wanted = system.get("requires")
    if not isinstance(wanted, list) or not all(_plain(item) for item in wanted):
        raise BuildError("build-system.requires of the source is no list of requirements by name.")
    places = system.get("backend-path", [])
    if not isinstance(places, list) or not all(isinstance(item, str) for item in places):
        raise BuildError("build-system.backend-path of the source is no list of paths.")
    return system


def _plain(item: object) -> bool:
    """Whether it is a requirement by name: no option of pip, no path, no address."""
    return isinstance(item, str) and bool(re.fullmatch(r"[A-Za-z0-9][^@\n]*", item.strip()))


def _asked(said: str) -> tuple[str, ...]:
    """What the backend asked for, from the mark in the log."""
    lines = [line for line in said.splitlines() if line.startswith(_MARK)]
    try:
        asked = json.loads(lines[-1].removeprefix(_MARK)) if lines else None
    except ValueError:
        asked = None
    if not isinstance(asked, list) or not all(_plain(item) for item in asked):
        raise BuildError("The backend did not say in plain words what it needs to build a wheel.")
    return tuple(asked)


def _set_modes(tree: Path, umask: int) -> None:
    """The modes that tar gives under this umask; they end up in the wheel."""
    for path in tree.rglob("*"):
        if not path.is_symlink():
            bits = 0o777 if path.is_dir() or path.stat().st_mode & 0o100 else 0o666
            path.chmod(bits & ~umask)
