"""All probes against one kind of sandbox, as a specification without settings would open it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from typing import TYPE_CHECKING

from verifier.errors import UsageError
from verifier.rebuild.log import Log
from verifier.rebuild.probes.attempt import LIMITS, attempt
from verifier.rebuild.room import open_room
from verifier.rebuild.root import Root, base_root, check
from verifier.rebuild.sandbox import SANDBOXES
from verifier.source.apt import Apt
from verifier.source.cache import Cache
from verifier.spec import DebianArchive
from verifier.spec import Sandbox as Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from verifier.rebuild.probes.base import Finding, Probe
    from verifier.rebuild.sandbox.base import Sandbox

BUILD_PATH = "/build/source"
_NO_NOTE: Callable[[str], None] = lambda _text: None  # noqa: E731 - a default, named once


def run(
    kind: str,
    name: str | None,
    directory: Path | None,
    probes: Sequence[Probe],
    notify: Callable[[str], None] = _NO_NOTE,
) -> Iterator[Finding]:
    """Run probes in a sandbox of this kind; `name` is the root, None for the kind's usual one.

    Raises:
        UsageError: the kind cannot have that root.
        BuildError, SourceError, ToolError: there is no root, no podman, no bubblewrap.
    """
    cache = Cache.open(directory)
    name = name or ("debian:bookworm" if kind == "podman" else "host-tools")
    settings = dataclasses.replace(Settings(), kind=kind, root=name, limits=LIMITS, processors=1)
    root = root_of(kind, name, cache, notify)
    return attempt(lambda: opened(settings, root, cache), probes, notify)


@contextlib.contextmanager
def opened(settings: Settings, root: Root | None, cache: Cache) -> Iterator[Sandbox]:
    """A sandbox in a room of its own; its log lies where the build cannot go."""
    with cache.scratch() as beside:
        log = Log(beside / "probe.log", _NO_NOTE)
        with open_room(settings, root, cache, BUILD_PATH, log) as room:
            yield SANDBOXES[settings.kind](room)


def root_of(kind: str, name: str, cache: Cache, notify: Callable[[str], None]) -> Root | None:
    """The base root of a suite; a user who cannot make one takes any that the cache has."""
    sort, _, suite = name.partition(":")
    if kind == "host" or name == "host-tools":
        if kind == "podman" or name != "host-tools":
            raise UsageError(f"{kind} cannot have the root {name}; podman needs debian:SUITE.")
        return None
    if sort != "debian" or not suite:
        raise UsageError(f"--root is {name}; it is host-tools or debian:SUITE.")
    if os.geteuid() != 0 and (made := cached_root(cache)):
        return made
    root = base_root(Apt(cache, DebianArchive(suite=suite), notify))
    check(root)
    return root


def cached_root(cache: Cache) -> Root | None:
    """The smallest root of a cache: its fewest packages are a base."""
    found = []
    for record in cache.under("roots").glob("*/root.json"):
        data = json.loads(record.read_text())
        root = Root(record.parent / "root", record.parent.name, data["digest"], ())
        found.append((len(data["packages"]), root.key, root))
    return min(found)[2] if found else None
