"""Go, offline, with the modules that the source vendors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.recipes.tool import Places, Tool, Work, need

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room

_MOD = 1 << 20  # bytes of go.mod that are looked at


class Go(Tool):
    """One module; `targets` are packages, all of it by default."""

    def prepare(self, room: Room, here: Path) -> None:
        """Want go.mod, and the modules that it requires."""
        del room
        need(here, "go.mod", tool="go")
        with (here / "go.mod").open("rb") as file:
            requires = re.search(rb"^\s*require\b", file.read(_MOD), re.MULTILINE)
        if requires and not (here / "vendor/modules.txt").is_file():
            raise BuildError(
                "go.mod requires modules and the source has no vendor/modules.txt: run go mod "
                "vendor, and audit what it adds; a build has no network."
            )

    def variables(self, places: Places) -> dict[str, str]:
        """No proxy, no other toolchain than the one that is here, no caches of others."""
        vendored = (places.here / "vendor/modules.txt").is_file()
        flags = ["-mod=vendor" if vendored else "-mod=readonly", "-buildvcs=false"]
        if self.plan().trimpath:
            flags.append("-trimpath")
        return {
            "GOFLAGS": " ".join(flags),
            "GOPROXY": "off",
            "GOTOOLCHAIN": "local",
            "GOPATH": f"{places.home}/go",
            "GOCACHE": f"{places.home}/.cache/go-build",
        }

    def commands(self, places: Places) -> list[Work]:
        """Build each program into the output; test where that is asked for."""
        plan = self.plan()
        targets = plan.targets or ("./...",)
        options = ("-p", str(places.processors))
        into = f"{places.destination}/"
        work = [Work("build", ("go", "build", *options, "-o", into, *plan.arguments, *targets))]
        if plan.tests:
            work.append(Work("test", ("go", "test", *options, *plan.arguments, *targets)))
        return work
