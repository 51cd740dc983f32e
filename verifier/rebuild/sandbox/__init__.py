"""Where build steps run. One file per kind; a new kind is a file and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.rebuild.sandbox.base import Room, Step
from verifier.rebuild.sandbox.bubblewrap import Bubblewrap
from verifier.rebuild.sandbox.host import Host
from verifier.rebuild.sandbox.podman import Podman

if TYPE_CHECKING:
    from verifier.rebuild.sandbox.base import Sandbox

SANDBOXES: dict[str, type[Sandbox]] = {
    "bubblewrap": Bubblewrap,
    "podman": Podman,
    "host": Host,
}

__all__ = ["SANDBOXES", "Room", "Step"]
