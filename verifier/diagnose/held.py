"""The baseline: what a build meets is held still, as far as this machine and its sandbox allow."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from typing import TYPE_CHECKING, NamedTuple

from verifier import process
from verifier.errors import BuildError, ToolError
from verifier.rebuild.conditions import FOLDER
from verifier.rebuild.recipes.base import FAKETIME_LIBRARY, FAKETIME_PACKAGE

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.spec import Spec

LOCALE = "et_EE.UTF-8"  # z sorts before t; other names of months; a decimal comma
_SIMPLE = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8"})


class Held(NamedTuple):
    """The baseline's specification, and what of it could be held.

    `clock` is "still", "running", or empty for the real one; `unheld` says why. `personality` is
    whether processes may change theirs. `place` is a directory for files that builds are shown.
    """

    spec: Spec
    moment: dt.datetime
    place: Path
    clock: str = "still"
    personality: bool = True
    unheld: str = ""

    def words(self) -> str:
        """What is held, in words."""
        clock = {"still": "the clock stands still", "running": "the clock starts at one moment"}
        said = [clock.get(self.clock, "the clock is the real one")]
        if self.personality:
            said.append("addresses are not random")
        return ", ".join(said)

    def of(self, other: Spec) -> Spec:
        """Another specification under these conditions."""
        return _hold(self._replace(spec=_with_clock_library(other))).spec

    def running(self) -> Held:
        """The same, its clock no longer still: one that is held at a moment follows TZ."""
        return _hold(self._replace(clock="running")) if self.clock == "still" else self

    def lay(self, moment: dt.datetime, locale: str = "") -> Path:
        """A directory that the sandbox shows: the clock at `moment`, and a locale if one is named.

        In a file, since a variable would show in what a build stores of its environment.
        """
        folder = self.place / f"{self.clock}-{moment:%Y%m%dT%H%M%S}-{locale}" / FOLDER
        if not folder.is_dir():
            folder.mkdir(parents=True)
            if self.clock == "still":
                (folder / "clock").write_text(f"{int(moment.timestamp())}\n")
            if locale:
                _compile(locale, folder / locale)
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
        return folder

    def other_locale(self) -> tuple[str, Path | None]:
        """Another locale, and the directory that holds it; None where programs have it built in."""
        if self.spec.sandbox.locale not in _SIMPLE:
            return "C.UTF-8", None
        return LOCALE, self.lay(self.moment, LOCALE)


def _compile(locale: str, target: Path) -> None:
    name, _, charset = locale.partition(".")
    try:
        done = process.run(["localedef", "-i", name, "-f", charset, str(target)])
    except ToolError as error:
        raise BuildError(f"The locale {locale} cannot be made: {error}") from error
    if done.status != 0 or not (target / "LC_COLLATE").is_file():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BuildError(
            f"The locale {locale} cannot be made ({said[0] if said else 'no reason given'}); "
            "install the package locales."
        )


def plain(spec: Spec) -> Held:
    """Nothing held: for a build in which only the specification's own settings are varied."""
    return Held(spec, dt.datetime.now(dt.UTC), spec.path.parent, "", personality=False)


def baselines(spec: Spec, place: Path, moment: dt.datetime | None) -> list[Held]:
    """Baselines from the stillest to the one that holds least; the first that builds is used."""
    moment = moment or dt.datetime.now(dt.UTC)
    moment = moment.replace(minute=0, second=0, microsecond=0)  # a clock that runs has an hour
    spec = _with_clock_library(spec)
    return [
        _hold(Held(spec, moment, place, clock, personality))
        for clock, personality in (("still", True), ("running", True), ("", True), ("", False))
    ]


def _hold(held: Held) -> Held:
    wrap = ("setarch", os.uname().machine, "-R") if held.personality else ()
    environment = {
        "LD_PRELOAD": FAKETIME_LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": f"{{sources}}/{FOLDER}/clock",
        "FAKETIME_FMT": "%s",
        # What waits for time to pass must not wait for ever, and files keep their real times.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    conditions = dataclasses.replace(
        held.spec.sandbox.conditions,
        wrap=wrap,
        environment=tuple(sorted(environment.items())) if held.clock else (),
        files=held.lay(held.moment) if held.clock else None,
        start=held.moment if held.clock == "running" else None,
        probe=True,
    )
    sandbox = dataclasses.replace(held.spec.sandbox, clock=None, conditions=conditions)
    return held._replace(spec=dataclasses.replace(held.spec, sandbox=sandbox))


def _with_clock_library(spec: Spec) -> Spec:
    """The specification with libfaketime in its root, where it has one of packages."""
    if not spec.sandbox.root.startswith("debian:") or FAKETIME_PACKAGE in spec.build.packages:
        return spec
    build = dataclasses.replace(spec.build, packages=(*spec.build.packages, FAKETIME_PACKAGE))
    return dataclasses.replace(spec, build=build)
