"""The factors, one function each: the baseline's specification with one condition changed.

Values of the same length are chosen where that is possible: then nothing else moves along. A new
factor is a function, a line in `FACTORS`, and a line of `verifier.rebuild.conditions.PROBE`.
"""

from __future__ import annotations

import codecs
import dataclasses
import datetime as dt
import os
from typing import TYPE_CHECKING, NamedTuple

from verifier.errors import BuildError
from verifier.rebuild import listing
from verifier.rebuild.recipes import RECIPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.diagnose.held import Held
    from verifier.spec import Spec


class Varied(NamedTuple):
    """A specification with one condition changed, and the change in words."""

    spec: Spec
    said: str


class Factor(NamedTuple):
    """`condition` is the line of the probe that must change, and no other one may.

    `free` factors let chance in: two builds of them need not agree. `longer` varies it by a value
    of another length, which moves more. BuildError from `vary` says why it cannot be varied here.
    """

    name: str
    condition: str
    vary: Callable[[Held], Varied]
    advice: str
    free: bool = False
    longer: Callable[[Held], Varied] | None = None


_STEP = dt.timedelta(days=400, hours=13, minutes=17, seconds=19)  # every field of a date changes
_MORE = "-of-another-length"


def _sandbox(held: Held, said: str, **changes: object) -> Varied:
    spec = held.spec
    sandbox = dataclasses.replace(spec.sandbox, **changes)  # type: ignore[arg-type]
    return Varied(dataclasses.replace(spec, sandbox=sandbox), said)


def _conditions(held: Held, said: str, **changes: object) -> Varied:
    conditions = dataclasses.replace(held.spec.sandbox.conditions, **changes)  # type: ignore[arg-type]
    return _sandbox(held, said, conditions=conditions)


def _path_before(held: Held) -> str:
    return held.spec.sandbox.build_path or RECIPES[held.spec.build.recipe].build_path


def _longer_path(held: Held) -> Varied:
    before = _path_before(held)
    return _sandbox(held, f"{before} → {before}{_MORE}", build_path=f"{before}{_MORE}")


def _longer_user(held: Held) -> Varied:
    before = held.spec.sandbox.user[: 31 - len(_MORE)]
    return _sandbox(held, f"{before} → {before}{_MORE}", user=f"{before}{_MORE}")


def _longer_host(held: Held) -> Varied:
    before = held.spec.sandbox.hostname[: 60 - len(_MORE)]
    return _sandbox(held, f"{before} → {before}{_MORE}", hostname=f"{before}{_MORE}")


def _path(held: Held) -> Varied:
    before = _path_before(held)
    folder, _, last = before.rpartition("/")
    other = codecs.encode(last, "rot13")
    after = f"{folder}/{other if other != last else f'{last}2'}"
    return _sandbox(held, f"{before} → {after}", build_path=after)


def _time(held: Held) -> Varied:
    if not held.clock:
        raise BuildError(held.unheld or "The clock cannot be set in this sandbox.")
    moment = held.moment + _STEP
    said = f"{held.moment:%Y-%m-%d %H:%M:%S} → {moment:%Y-%m-%d %H:%M:%S} UTC"
    start = moment if held.clock == "running" else None
    return _conditions(held, said, files=held.lay(moment), start=start)


def zone(held: Held) -> Varied:
    """A zone in which it is another day, by an odd number of hours and minutes."""
    after = "XST-13:45" if held.moment.hour >= 12 else "XST+12:15"
    return _sandbox(held, f"{held.spec.sandbox.timezone} → {after}", timezone=after)


def _locale(held: Held) -> Varied:
    before = held.spec.sandbox.locale
    after, files = held.other_locale()
    varied = _sandbox(held, f"{before} → {after}", locale=after)
    if files is None:
        return varied
    held = held._replace(spec=varied.spec)
    # glibc has C.UTF-8 built in; what LOCPATH leaves out is not needed.
    before_path = dict(varied.spec.sandbox.conditions.environment)
    path = {**before_path, "LOCPATH": f"{{sources}}/{files.name}"}
    return _conditions(held, varied.said, files=files, environment=tuple(sorted(path.items())))


def _umask(held: Held) -> Varied:
    before = held.spec.sandbox.umask
    after = 0o002 if before != 0o002 else 0o022
    return _sandbox(held, f"{before:04o} → {after:04o}", umask=after)


def _user(held: Held) -> Varied:
    before, uid = held.spec.sandbox.user, held.spec.sandbox.uid
    after = codecs.encode(before, "rot13")
    number = uid + 1 if uid < 60_000 else uid - 1
    return _sandbox(held, f"{before} ({uid}) → {after} ({number})", user=after, uid=number)


def _host(held: Held) -> Varied:
    before = held.spec.sandbox.hostname
    after = codecs.encode(before, "rot13")
    return _sandbox(held, f"{before} → {after}", hostname=after)


def _processors(held: Held) -> Varied:
    here = sorted(os.sched_getaffinity(0))
    if len(here) < 2:
        raise BuildError("This machine has one processor.")
    spec = held.spec
    wrap = ("taskset", "-c", str(here[0]), *spec.sandbox.conditions.wrap)
    conditions = dataclasses.replace(spec.sandbox.conditions, wrap=wrap)
    return _sandbox(held, f"{len(here)} → 1", processors=1, conditions=conditions)


def _order(held: Held) -> Varied:
    said = f"as the file system lists → the other way round, {listing.way()}"
    return _conditions(held, said, reversed_listing=True)


def _environment(held: Held) -> Varied:
    extra = {"CI": "true", "EDITOR": "ed", "TERM": "vt100", "VARIED": "yes"}
    known = dict(held.spec.sandbox.conditions.environment)
    said = "adds " + ", ".join(f"{name}={value}" for name, value in extra.items())
    return _conditions(held, said, environment=tuple(sorted({**known, **extra}.items())))


def _kernel(held: Held) -> Varied:
    if not held.personality:
        raise BuildError("This sandbox lets nobody change the personality of a process.")
    wrap = ("setarch", os.uname().machine, "-R", "--uname-2.6")
    return _conditions(held, f"{os.uname().release} → as Linux 2.6", wrap=wrap)


def _addresses(held: Held) -> Varied:
    if not held.personality:
        raise BuildError("This sandbox lets nobody change the personality of a process.")
    return _conditions(held, "the same in each run → random", wrap=())


FACTORS: tuple[Factor, ...] = (
    Factor(
        "build path", "path", _path,
        "Compile with -ffile-prefix-map=$PWD=. (Rust: --remap-path-prefix, Go: -trimpath), print "
        "no __FILE__ of absolute paths, or set sandbox.build_path to the vendor's.",
        longer=_longer_path,
    ),
    Factor(
        "time", "time", _time,
        "Let the build honour SOURCE_DATE_EPOCH instead of the clock (__DATE__, date, PE linkers: "
        "-Wl,--no-insert-timestamp, tar --mtime, gzip -n), or set sandbox.clock to the vendor's.",
    ),
    Factor(
        "time zone", "zone", zone,
        "Write times in UTC (date -u, gmtime, TZ=UTC in the build), or set sandbox.timezone.",
    ),
    Factor(
        "locale", "locale", _locale,
        "Set LC_ALL=C in the build where it sorts, formats dates or changes case, or set "
        "sandbox.locale.",
    ),
    Factor(
        "umask", "umask", _umask,
        "Set modes where files are installed or packed (install -m, tar --mode=go=rX,u+rw,a-s), "
        "or set sandbox.umask.",
    ),
    Factor(
        "user", "user", _user,
        "Do not store who builds (tar --owner=0 --group=0 --numeric-owner, no $USER, $HOME or "
        "whoami), or set sandbox.user and sandbox.uid.",
        longer=_longer_user,
    ),
    Factor(
        "host name", "host", _host,
        "Do not store where it is built (hostname, uname -n), or set sandbox.hostname.",
        longer=_longer_host,
    ),
    Factor(
        "processor count", "processors", _processors,
        "Do not derive content from nproc, and do not let parallel jobs append to one file; or "
        "set sandbox.processors.",
    ),
    Factor(
        "directory order", "order", _order,
        "Sort what readdir gives: $(sort $(wildcard …)), sorted(os.listdir()), tar --sort=name, "
        "find … | LC_ALL=C sort.",
    ),
    Factor(
        "environment", "environment", _environment,
        "Let the build read no variables but those it documents (env -i), or set "
        "build.environment.",
    ),
    Factor(
        "kernel name", "kernel", _kernel,
        "Do not store uname -r, -v or -a of the building machine.",
    ),
    Factor(
        "address randomisation", "addresses", _addresses,
        "Do not store or sort by addresses: seed hashes (PYTHONHASHSEED=0, PERL_HASH_SEED=0), "
        "sort by names; setarch -R around the step hides it.",
        free=True,
    ),
)  # fmt: skip
CHANCE_ADVICE = (
    "Take chance out of the build: -frandom-seed=NAME for GCC, fixed seeds and UUIDs, no temporary "
    "names in outputs, sorted output of parallel jobs; static programs read the real clock."
)
TOOLCHAIN = "toolchain"
TOOLCHAIN_ADVICE = "Build with the vendor's versions of the tools; see what the files say of them."


_ALONE = frozenset({"time", "locale", "kernel name", "address randomisation"})
_SANDBOXED = frozenset({"build path", "user", "host name"})  # of no effect without a sandbox


def all_varied(held: Held) -> Varied:
    """The specification under other conditions in all that `--rebuilds` varies at once.

    Not varied: what may be missing in a root (locales, a clock), and the kernel's name.
    """
    names = []
    skipped = _ALONE | (_SANDBOXED if held.spec.sandbox.kind == "host" else frozenset())
    for factor in FACTORS:
        if factor.name not in skipped:
            try:
                held = held._replace(spec=factor.vary(held).spec)
            except BuildError:
                continue  # a machine of one processor, or without a tmpfs: the others are varied
            names.append(factor.name)
    return Varied(held.spec, ", ".join(names))
