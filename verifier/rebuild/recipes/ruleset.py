"""An archive of audited rule files: every file once, in sorted order, without owner or clock."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.recipes.base import Outcome, Recipe
from verifier.rebuild.sandbox import Step
from verifier.source.copy import check_copies
from verifier.source.tree import SKIPPED
from verifier.spec import RulesetBuild
from verifier.spec.plans import SEARCH_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.rebuild.root import Root
    from verifier.rebuild.sandbox.base import Room, Sandbox

_CONTENT = "content"  # below the tree: what is packed
_LIST = "members"  # beside it: what to pack, in order


class Ruleset(Recipe):
    """Pack the files that the globs choose with tar and gzip, or with zip."""

    build_path = "/build/ruleset"

    def root(self) -> Root | None:
        """The host's tools, or the base root with the packages that the specification adds."""
        return self.debian_root()

    own = frozenset({_LIST})

    def lay(self, room: Room) -> None:
        """Copy the chosen files with one time and mode, and list them for the packer."""
        plan = self._plan()
        top = Path(self.job.source.path)
        target = room.tree / _CONTENT / plan.folder
        chosen = sorted(_chosen(top, plan))
        if not chosen:
            raise BuildError("No file of the source matches build.include.")
        for name in chosen:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(top / name, target / name)
        check_copies(self.job.source, {name: target / name for name in chosen})
        listed = sorted(_members(room.tree / _CONTENT))
        if any("\n" in name for name in listed):
            raise BuildError(
                "The name of a rule file has a line break, which the packer's list ends at."
            )
        # Deepest first: to touch a file in a directory changes the directory's time.
        for name in reversed(listed):
            path = room.tree / _CONTENT / name
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.utime(path, (plan.source_date_epoch, plan.source_date_epoch))
        wanted = [name for name in listed if plan.directories or not name.endswith("/")]
        text = "".join(f"{name}\n" for name in wanted)
        (room.sources / _LIST).write_text(text, "utf-8", "surrogateescape")
        (room.sources / _LIST).chmod(0o644)

    def build(self, sandbox: Sandbox) -> Outcome:
        """Pack, and compress where the archive's name says so."""
        plan = self._plan()
        variables = {
            "PATH": SEARCH_PATH,
            "SOURCE_DATE_EPOCH": str(plan.source_date_epoch),
            "TZ": "UTC",  # zip writes local time
        }
        listed = f"{sandbox.sources}/{_LIST}"
        commands = _zip(plan, listed) if plan.archive.endswith(".zip") else _tar(plan, listed)
        where = f"{sandbox.tree}/{_CONTENT}"
        steps = tuple(
            sandbox.run(Step(command[0], command, where, variables)) for command in commands
        )
        return Outcome(steps, {**sandbox.variables(), **variables}, (plan.archive,))

    def _plan(self) -> RulesetBuild:
        assert isinstance(self.job.spec.build, RulesetBuild)
        return self.job.spec.build


def _zip(plan: RulesetBuild, listed: str) -> list[tuple[str, ...]]:
    """Without extra fields, which would hold times and owners again."""
    quiet = f"zip -q -X -{plan.level}" + ("" if plan.directories else " -D")
    return [("/bin/sh", "-euc", f"{quiet} '../{plan.archive}' -@ <'{listed}'")]


def _tar(plan: RulesetBuild, listed: str) -> list[tuple[str, ...]]:
    plain = plan.archive if plan.archive.endswith(".tar") else "archive.tar"
    pack = (
        *("tar", "--create", "--file", f"../{plain}", "--format=ustar", "--no-recursion"),
        *("--owner=0", "--group=0", "--numeric-owner"),
        *(f"--mtime=@{plan.source_date_epoch}", "--verbatim-files-from", f"--files-from={listed}"),
    )
    if plain == plan.archive:
        return [pack]
    squeeze = f"gzip -n -{plan.level} <'../{plain}' >'../{plan.archive}'"
    return [pack, ("/bin/sh", "-euc", squeeze)]


def _chosen(top: Path, plan: RulesetBuild) -> Iterator[str]:
    """Paths of the regular files that are included and not excluded."""
    skipped = {name.decode() for name in SKIPPED}
    found = {path for glob in plan.include for path in top.glob(glob)}
    left_out = {path for glob in plan.exclude for path in top.glob(glob)}
    for path in found:
        name = path.relative_to(top)
        if path.is_symlink():
            raise BuildError(f"{name} is a link; a ruleset holds regular files alone.")
        parents = {top / part for part in name.parents}
        if not path.is_file() or name.parts[0] in skipped or left_out & {path, *parents}:
            continue
        yield str(name)


def _members(top: Path) -> Iterator[str]:
    """Paths below `top`, those of directories with a slash, as archives hold them."""
    for path in top.rglob("*"):
        name = PurePath(path.relative_to(top)).as_posix()
        yield f"{name}/" if path.is_dir() else name
