"""dpkg-buildpackage, as Debian's own builders run it, at the path where they build."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from verifier.rebuild.recipes.base import Outcome, Recipe, epoch, set_clock
from verifier.rebuild.sandbox import Step
from verifier.source import record
from verifier.source.tree import scan
from verifier.spec import DebianBuild, DebianSource

if TYPE_CHECKING:
    from verifier.rebuild.root import Root
    from verifier.rebuild.sandbox.base import Room, Sandbox

OUTPUTS = ("*.deb", "*.udeb", "*.buildinfo", "*.changes")
_BINARIES = {"both": "-b", "any": "-B", "all": "-A"}
_DEPENDENCIES = {"both": (), "any": ("--arch-only",), "all": ("--indep-only",)}


class Debian(Recipe):
    """Build dependencies from the archive, then unpack and build offline."""

    build_path = "/build/reproducible-path"

    def root(self) -> Root | None:
        """The base root with the package's build dependencies."""
        plan = self._plan()
        dsc = self.job.source.path / self._dsc()
        wanted = ["build-dep", *_DEPENDENCIES[plan.binaries]]
        if plan.profiles:
            wanted.append(f"--build-profiles={','.join(plan.profiles)}")
        return self.debian_root(
            ((*wanted, str(dsc)), f"the build dependencies of {self.job.source.description}")
        )

    def lay(self, room: Room) -> None:
        """Copy the source package's files to where the sandbox shows them read-only."""
        for file in self.job.source.files:
            shutil.copyfile(self.job.source.path / file.name, room.sources / file.name)
            (room.sources / file.name).chmod(0o644)

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
        log = sandbox.room.log
        date = ("dpkg-parsechangelog", "-S", "Timestamp")
        steps.append(sandbox.run(Step("changelog", date, directory)))
        lines = log.since(log.size - 64).split()
        changelog = epoch(lines[-1] if lines else "", "The changelog's date")

        settings = self.job.spec.sandbox
        options = (f"parallel={settings.processors}", *plan.options)
        variables = {
            "DEB_BUILD_OPTIONS": " ".join(options),
            "SOURCE_DATE_EPOCH": str(changelog),
            **({"DEB_BUILD_PROFILES": " ".join(plan.profiles)} if plan.profiles else {}),
            "HOME": "/nonexistent",  # Debian's policy: a build must not need one
            **dict(plan.environment),
        }
        variables, clock = set_clock(settings, variables, changelog)
        build = ("dpkg-buildpackage", "-us", "-uc", _BINARIES[plan.binaries])
        steps.append(sandbox.run(Step("build", build, directory, variables)))
        return Outcome(tuple(steps), {**sandbox.variables(), **variables}, OUTPUTS, clock)

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
