"""Cargo, offline, with the crates that the source vendors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.recipes.tool import Places, Tool, Work, need

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.sandbox.base import Room

_CONFIG = "cargo.toml"  # among the read-only sources
_LOCK = 16 << 20  # bytes of Cargo.lock that are looked at
_FETCHED = re.compile(rb'^source = "(registry|git|sparse)\+', re.MULTILINE)
_VENDORED = """[source.crates-io]
replace-with = "vendored-sources"
[source.vendored-sources]
directory = "{directory}"
"""


class Cargo(Tool):
    """One package or workspace, in the profile release."""

    own = frozenset({_CONFIG})

    def prepare(self, room: Room, here: Path) -> None:
        """Want Cargo.lock, and the crates that it names; point cargo to them."""
        need(here, "Cargo.toml", tool="cargo")
        lock = _upwards(here, room.tree, "Cargo.lock")
        if lock is None:
            raise BuildError(
                "The source has no Cargo.lock, which pins its crates; an audit needs the one that "
                "the vendor built with."
            )
        vendor = _upwards(here, room.tree, "vendor")
        with lock.open("rb") as file:
            fetched = re.search(
                rb'^source = "(registry|git|sparse)\+', file.read(_LOCK), re.MULTILINE
            )
        configured = any(
            _upwards(here, room.tree, f".cargo/{name}") for name in ("config.toml", "config")
        )
        if fetched and vendor is None and not configured:
            raise BuildError(
                "Cargo.lock names crates of a registry and the source vendors none: run cargo "
                "vendor, and audit what it adds; a build has no network."
            )
        self._pointed = vendor is not None and not configured
        if vendor is not None and self._pointed:
            self._vendored(room, vendor)

    def _vendored(self, room: Room, vendor: Path) -> None:
        """Say that crates of the registry are those of `vendor`, as cargo vendor advises."""
        inside = str(vendor)
        if room.settings.kind != "host":
            inside = f"{room.build_path}/{vendor.relative_to(room.tree).as_posix()}"
        (room.sources / _CONFIG).write_text(_VENDORED.format(directory=inside))
        (room.sources / _CONFIG).chmod(0o644)

    def variables(self, places: Places) -> dict[str, str]:
        """Cargo keeps to its own home, and to what is there."""
        return {
            "CARGO_HOME": f"{places.home}/.cargo",
            "CARGO_NET_OFFLINE": "true",
            "CARGO_INCREMENTAL": "0",
            "CARGO_TARGET_DIR": f"{places.tree}/target",
        }

    def commands(self, places: Places) -> list[Work]:
        """Build, and test where that is asked for."""
        plan = self.plan()
        options = ["--release", "--offline", "--locked", f"--jobs={places.processors}"]
        if self._pointed:
            options.append(f"--config={places.extra}/{_CONFIG}")
        work = [Work("build", ("cargo", "build", *options, *plan.arguments))]
        if plan.tests:
            work.append(Work("test", ("cargo", "test", *options, *plan.arguments)))
        return work


def _upwards(here: Path, top: Path, name: str) -> Path | None:
    """The nearest `name` in `here` or above it, within the tree."""
    for place in (here, *here.parents):
        if (place / name).exists():
            return place / name
        if place == top:
            break
    return None
