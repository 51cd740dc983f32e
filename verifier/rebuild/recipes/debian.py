"""dpkg-buildpackage, as Debian's own builders run it, at the path where they build."""

from __future__ import annotations

import dataclasses
import re
import shutil
from typing import TYPE_CHECKING

from verifier import aside
from verifier.errors import BuildError
from verifier.rebuild import binnmu, buildinfo
from verifier.rebuild.buildinfo import BuildInfo
from verifier.rebuild.recipes.base import Outcome, Recipe, epoch, set_clock
from verifier.rebuild.sandbox import Step
from verifier.source import record
from verifier.source.apt import Apt
from verifier.source.tree import scan
from verifier.spec import DebianBuild, DebianSource

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.root import Root
    from verifier.rebuild.sandbox.base import Room, Sandbox

OUTPUTS = ("*.deb", "*.udeb", "*.buildinfo", "*.changes")
_NOCHECK = "nocheck"
_OPTION = re.compile(r"(?!parallel)[a-z][a-z0-9+-]*(=[a-zA-Z0-9,+-]*)?")  # the processors are ours
_BUILD_PATH = re.compile(r"/build(/[A-Za-z0-9._+~-]+)+")
_BINARIES = {"both": "-b", "any": "-B", "all": "-A"}
_DEPENDENCIES = {"both": (), "any": ("--arch-only",), "all": ("--indep-only",)}


class Debian(Recipe):
    """Build dependencies from the archive, then unpack and build offline."""

    build_path = "/build/reproducible-path"
    _info: BuildInfo | None = None
    _entry = ""  # of a binary-only rebuild
    _notes: tuple[str, ...] = ()

    def root(self) -> Root | None:
        """The base root with the package's build dependencies."""
        plan = self._plan()
        dsc = self.job.source.path / self._dsc()
        wanted = ["build-dep", *_DEPENDENCIES[plan.binaries]]
        if profiles := self._profiles():
            wanted.append(f"--build-profiles={','.join(profiles)}")
        depends = ((*wanted, str(dsc)), f"the build dependencies of {self.job.source.description}")
        if (given := plan.binary_only_changes) is not None:
            self._take(binnmu.read(given), given.name)
        if plan.buildinfo is None:
            return self.debian_root(depends)
        self._info = self._read(plan.buildinfo)
        root = self.debian_root(self._exact(self._info), depends)
        here = {} if root is None else {deb.name: deb.version for deb in root.packages}
        self._drift = buildinfo.drift(self._info, plan.buildinfo.name, here)
        return root

    def _read(self, path: Path) -> BuildInfo:
        """The .buildinfo, which must be of this source; its path is where the tree will lie."""
        info = aside.ask(BuildInfo, buildinfo.read, path)
        pinned = self.job.spec.source
        assert isinstance(pinned, DebianSource)
        if (info.source, info.version) != (pinned.package, pinned.version):
            raise BuildError(
                f"{path.name} is of {info.source} {info.version}, but the source is "
                f"{pinned.package} {pinned.version}."
            )
        if info.entry:
            self._take(info.entry, path.name)
        top, _, directory = info.path.rpartition("/")
        if directory == self._directory() and _BUILD_PATH.fullmatch(top):
            self.build_path = top
        return info

    def _take(self, entry: str, file: str) -> None:
        """Build with this changelog entry of a binary-only rebuild, if it is one."""
        pinned = self.job.spec.source
        assert isinstance(pinned, DebianSource)
        self._entry = binnmu.checked(entry, pinned.package, pinned.version, file)
        self._notes = (binnmu.note(entry, file),)
        self.own = frozenset({binnmu.NAME})

    def _exact(self, info: BuildInfo) -> tuple[tuple[str, ...], str]:
        """A request for the listed versions; for any version of those that the archive lost."""
        names = [name for name, _ in info.packages]
        job = self.job
        offered = Apt(job.cache, job.spec.debian, job.notify).versions(names)
        found = buildinfo.look_for(info, offered)
        exact = [f"{name}={version}" for name, version in found.exact]
        return ("install", "--allow-downgrades", *exact, *found.newer), "what .buildinfo lists"

    def lay(self, room: Room) -> None:
        """Copy the source package's files to where the sandbox shows them read-only."""
        for file in self.job.source.files:
            shutil.copyfile(self.job.source.path / file.name, room.sources / file.name)
            (room.sources / file.name).chmod(0o644)
        if self._entry:
            (room.sources / binnmu.NAME).write_text(self._entry, "utf-8")
            (room.sources / binnmu.NAME).chmod(0o644)

    def build(self, sandbox: Sandbox) -> Outcome:
        """Unpack by the real clock, read the changelog's date, build."""
        plan = self._plan()
        directory = f"{sandbox.tree}/{self._directory()}"
        # The signed index vouches for the .dsc; its uploader's key need not be here.
        unpack = ("dpkg-source", "--no-check", "-x", f"{sandbox.sources}/{self._dsc()}", directory)
        steps = [sandbox.run(Step("unpack", unpack, sandbox.tree, held=False))]
        sandbox.audited(directory)
        if (seen := self.job.source.record) is not None:
            tree = scan(sandbox.room.tree / self._directory())
            record.hold(seen, tree.entries, tree.swhid, self.job.source)
        if self._entry:
            steps.append(binnmu.prepend(sandbox, directory))
        log = sandbox.room.log
        date = ("dpkg-parsechangelog", "-S", "Timestamp")
        steps.append(sandbox.run(Step("changelog", date, directory)))
        lines = log.since(log.size - 64).split()
        changelog = epoch(lines[-1] if lines else "", "The changelog's date")

        settings = self.job.spec.sandbox
        options = (f"parallel={settings.processors}", *plan.options, *self._options())
        profiles = self._profiles()
        variables = {
            "DEB_BUILD_OPTIONS": " ".join(options),
            "SOURCE_DATE_EPOCH": str(changelog),
            **({"DEB_BUILD_PROFILES": " ".join(profiles)} if profiles else {}),
            "HOME": "/nonexistent",  # Debian's policy: a build must not need one
            **dict(plan.environment),
        }
        variables, clock = set_clock(settings, variables, changelog)
        build = ("dpkg-buildpackage", "-us", "-uc", _BINARIES[plan.binaries])
        steps.append(sandbox.run(Step("build", build, directory, variables)))
        variables = {**sandbox.variables(), **variables}
        outcome = Outcome(tuple(steps), variables, OUTPUTS, clock, notes=self._notes)
        if self._info is None or plan.buildinfo is None:
            return outcome
        total, name = len(self._info.packages), plan.buildinfo.name
        told = (*self._notes, *buildinfo.notes(self._drift, total, name))
        return dataclasses.replace(outcome, makers=self._drift, notes=told)

    def _profiles(self) -> tuple[str, ...]:
        """Those of the specification; without tests, nocheck drops what only they need."""
        plan = self._plan()
        leave_out = plan.tests is False and _NOCHECK not in plan.profiles
        return (*plan.profiles, _NOCHECK) if leave_out else plan.profiles

    def _options(self) -> tuple[str, ...]:
        """Options beside the plan's: nocheck without tests; those that .buildinfo names."""
        plan = self._plan()
        said = dict(self._info.variables).get("DEB_BUILD_OPTIONS", "") if self._info else ""
        found = [word for word in said.split() if _OPTION.fullmatch(word)]
        if plan.tests:
            found = [word for word in found if word != _NOCHECK]
        elif plan.tests is False:
            found.append(_NOCHECK)
        return tuple(word for word in dict.fromkeys(found) if word not in plan.options)

    def _plan(self) -> DebianBuild:
        assert isinstance(self.job.spec.build, DebianBuild)
        return self.job.spec.build

    def _dsc(self) -> str:
        (name,) = (file.name for file in self.job.source.files if file.name.endswith(".dsc"))
        return name

    def _directory(self) -> str:
        """NAME-UPSTREAM: what dpkg-source itself calls the tree, and Debian's builders keep."""
        pinned = self.job.spec.source
        assert isinstance(pinned, DebianSource)
        upstream = pinned.version.split(":", 1)[-1]
        upstream = upstream.rsplit("-", 1)[0]
        return f"{pinned.package}-{upstream}"
