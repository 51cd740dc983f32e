"""What a build meets beside its source: whether its clock is set, and what it would see.

`PROBE` prints one line a condition. A build of `diagnose` runs it first, so that a factor counts
as varied only where the sandbox shows the other value, and shows no other change.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from verifier.errors import BuildError
from verifier.rebuild.recipes.base import clock_variables
from verifier.rebuild.sandbox import Step

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.rebuild.model import StepRecord
    from verifier.rebuild.sandbox.base import Sandbox

FOLDER = "conditions"  # beside the sources: the clock, and a locale
_MARK = "@condition"
_MOMENT = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
# Names enough that two orders of a directory are the same by chance once in millions.
PROBE = f"""
say() {{ name=$1; shift; echo "{_MARK} $name $*"; }}
say path "$(pwd -P)"
say time "$(($(date +%s) / 3600))"
say zone "$(date +%z)"
say locale "$(printf 't\\nz\\n' | sort | head -n 1)" "$LC_ALL"
say umask "$(umask)"
say user "$(id -un) $(id -u) $HOME"
say host "$(uname -n)"
say processors "$(nproc)"
mkdir .probe && (cd .probe && touch a b c d e f g h i j k l)
say order $(ls -f .probe | grep -v '[.]')
rm -r .probe
say environment "$TERM $CI $EDITOR"
say kernel "$(uname -r)"
say addresses "$((0x0$(cat /proc/self/personality 2>/dev/null) & 0x40000))"
"""


def check_clock(sandbox: Sandbox) -> StepRecord:
    """Ask a program inside for the time under a clock that is set.

    Raises:
        BuildError: it reads another: libfaketime is not where the programs run.
    """
    start = sandbox.room.log.size
    variables = clock_variables(_MOMENT)
    # Run by `env`: the shell around a step may be linked statically where date is not.
    ask_date = ("env", "date", "-u", "+%F")
    record = sandbox.run(Step("clock", ask_date, sandbox.tree, variables, recorded=False))
    if f"{_MOMENT:%F}\n" not in sandbox.room.log.since(start):
        raise BuildError(
            "The sandbox's clock cannot be set: programs in it do not load libfaketime; install "
            "libfaketime where they run (on this machine: apt install libfaketime)."
        )
    return record


def lay_clock(sources: Path, start: dt.datetime) -> None:
    """Let the clock begin at `start`, now: as an offset, which no time zone shifts."""
    folder = sources / FOLDER
    folder.mkdir(mode=0o755, exist_ok=True)
    offset = (start - dt.datetime.now(dt.UTC)).total_seconds()
    (folder / "clock").write_text(f"{offset:+.3f}s\n")
    (folder / "clock").chmod(0o644)


def ask(sandbox: Sandbox) -> tuple[StepRecord, dict[str, str]]:
    """What a step in the tree meets, by the names of `PROBE`."""
    start = sandbox.room.log.size
    argv = ("/bin/sh", "-c", PROBE)
    record = sandbox.run(Step("conditions", argv, sandbox.tree, recorded=False))
    said = sandbox.room.log.since(start, 1 << 16)
    found = re.findall(rf"^{_MARK} (\S+) (.*)$", said, re.MULTILINE)
    return record, {name: text.strip() for name, text in found}
