"""A ClamAV database from a directory of audited signature files, packed as sigtool does.

Either by the real sigtool, in a sandbox, or here, where the header's fields can
be chosen, or taken from the shipped database: then equal members make the
shipped file itself, and the vendor's signature stands over the auditor's bytes.
"""

from __future__ import annotations

import datetime as dt
import shutil
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from verifier import aside
from verifier.errors import BuildError, VerifierError
from verifier.formats.clamav import faults, pack, shipped
from verifier.rebuild.recipes.base import Outcome, Recipe, clock_variables
from verifier.rebuild.sandbox import Step
from verifier.source.copy import check_copies
from verifier.spec import ClamavBuild

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.root import Root
    from verifier.rebuild.sandbox.base import Room, Sandbox

_COPYING = "COPYING"


class ClamavDatabase(Recipe):
    """One database, of the files of one directory."""

    build_path = "/build/database"

    def root(self) -> Root | None:
        """The host's tools, or a root with the packages that the specification adds."""
        return self.debian_root()

    def lay(self, room: Room) -> None:
        """Copy the members alone: sigtool counts whatever lies beside them."""
        plan = self._plan()
        folder = self.job.source.path / plan.directory
        copies = {}
        for name in self._members(folder):
            shutil.copyfile(folder / name, room.tree / name)
            copies[(PurePosixPath(plan.directory) / name).as_posix()] = room.tree / name
        check_copies(self.job.source, copies)

    def build(self, sandbox: Sandbox) -> Outcome:
        """Pack; one step where sigtool does it, none where it is done here."""
        plan, tree = self._plan(), sandbox.room.tree
        if plan.packer == "sigtool":
            return self._sigtool(sandbox)
        source = {path.name: path.read_bytes() for path in tree.iterdir()}
        sandbox.room.log.begin("pack")
        try:
            data = pack.pack(plan.database, source, self._fields(source))
        except (VerifierError, OSError) as error:
            raise BuildError(f"The database {plan.database} cannot be packed: {error}.") from error
        (tree / plan.output).write_bytes(data)
        return Outcome((), sandbox.variables(), (plan.output,), self._clock())

    def _sigtool(self, sandbox: Sandbox) -> Outcome:
        plan = self._plan()
        argv = (
            *("sigtool", f"--build={plan.output}", "--unsigned", "--datadir=/nonexistent"),
            *(f"--cvd-version={plan.version}", f"--flevel={plan.level}"),
        )
        variables = {"SIGNDUSER": plan.builder}
        clock = self.job.spec.sandbox.clock
        if isinstance(clock, dt.datetime):
            variables |= clock_variables(clock)
        step = sandbox.run(Step("sigtool", argv, sandbox.tree, variables))
        moment = clock.isoformat() if isinstance(clock, dt.datetime) else None
        return Outcome((step,), {**sandbox.variables(), **variables}, (plan.output,), moment)

    def _members(self, folder: Path) -> list[str]:
        """What sigtool would pack; BuildError for a database that it would silently leave out."""
        plan = self._plan()
        try:
            names = sorted(path.name for path in folder.iterdir() if path.is_file())
        except OSError as error:
            raise BuildError(f"{folder} cannot be listed: {error.strerror}.") from error
        if _COPYING not in names:
            raise BuildError(f"{folder} holds no file COPYING, which each database starts with.")
        kept = pack.order_of(plan.database, names)
        for name in names:
            lost = name not in kept and faults.is_database(name.encode())
            if lost and not any(fnmatchcase(name, each) for each in plan.leave_out):
                raise BuildError(
                    f"{name} is a signature file that the packer leaves out without a word; "
                    "rename it, or name it in build.leave_out."
                )
        return [_COPYING, *kept]

    def _fields(self, source: dict[str, bytes]) -> pack.Fields:
        plan = self._plan()
        if plan.shipped is not None:
            return aside.ask(pack.Fields, _chosen, plan.shipped, source)
        moment = plan.time
        assert moment is not None
        return pack.Fields(
            time=f"{moment:%d} {pack.MONTHS[moment.month - 1]} {moment:%Y %H-%M %z}",
            version=plan.version,
            signatures=plan.signatures,
            level=plan.level,
            builder=plan.builder,
            stime=int(moment.timestamp()),
            stored=plan.stored,
            md5="X" if plan.stored else None,
        )

    def _clock(self) -> str | None:
        moment = self._plan().time
        return None if moment is None else moment.isoformat()

    def _plan(self) -> ClamavBuild:
        assert isinstance(self.job.spec.build, ClamavBuild)
        return self.job.spec.build


def _chosen(path: Path, source: dict[str, bytes]) -> pack.Fields:
    """What the packer of a shipped database chose; done aside, since the file may be hostile."""
    return shipped.fields(memoryview(path.read_bytes()), source)
