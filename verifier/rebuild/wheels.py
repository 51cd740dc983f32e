"""What a shipped wheel says of how it was made: its backend, its times, the modes of its files.

The wheel is hostile: `read` is done aside (see `verifier.aside`).
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import ParseError

if TYPE_CHECKING:
    from pathlib import Path

_WHEEL_BYTES = 64 << 10
_GENERATOR = re.compile(
    r"^Generator:\s*([A-Za-z0-9][\w.-]*?)\s+\(?v?([0-9][\w.+!-]*)\)?\s*$", re.MULTILINE
)
# What the Generator calls a backend, and what the index calls it.
_PROJECTS = {"bdist_wheel": "wheel", "flit": "flit_core", "uv": "uv_build"}
# Times that a backend writes where it is told none: they tell nothing of the day of the build.
DEFAULT_TIMES = frozenset({315_532_800, 1_451_606_400, 1_580_601_600})


class Facts(NamedTuple):
    """What a wheel's own bytes tell. Times are seconds since 1970, read as UTC.

    `backend` and `version` are empty where no Generator tells them; `group_writable` is whether
    its files' modes are those of a umask of 002.
    """

    backend: str
    version: str
    generator: str
    first: int
    last: int
    repaired: bool
    group_writable: bool

    @property
    def epoch(self) -> int | None:
        """The SOURCE_DATE_EPOCH of its build; None where its entries have several times."""
        return self.last if self.first == self.last else None

    @property
    def told(self) -> str:
        """Backend and version in one text."""
        return f"{self.backend} {self.version}" if self.backend else self.generator or "unknown"


def read(path: Path) -> Facts:
    """Read WHEEL and the directory of the zip.

    Raises:
        ParseError: no wheel, or a broken one.
    """
    try:
        with zipfile.ZipFile(path) as wheel:
            entries = wheel.infolist()
            if len(entries) > limits.MEMBERS:
                raise ParseError(f"The wheel {path.name} has more than {limits.MEMBERS} members.")
            text = _wheel(wheel, entries)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, ValueError,
            NotImplementedError) as error:  # fmt: skip
        raise ParseError(f"The shipped wheel {path.name} cannot be read: {error}.") from error
    return facts(entries, text)


def facts(entries: list[zipfile.ZipInfo], text: str) -> Facts:
    """The same from a zip's directory and the text of WHEEL."""
    told = _GENERATOR.search(text)
    line = re.search(r"^Generator:[ \t]*(\S.*)$", text, re.MULTILINE)
    times = sorted(map(_seconds, entries)) or [0]
    # wheel and setuptools give RECORD the mode 664 whatever the umask.
    modes = [entry.external_attr >> 16 for entry in entries if entry.filename[-7:] != "/RECORD"]
    return Facts(
        backend=_PROJECTS.get(told[1], told[1]) if told else "",
        version=told[2] if told else "",
        generator=line[1].strip()[: limits.TEXT] if line else "",
        first=times[0],
        last=times[-1],
        # auditwheel adds a platform tag to that of the build, and directories to the zip
        repaired=bool(re.search(r"^Tag: .*-manylinux|^Tag: .*-musllinux", text, re.MULTILINE)),
        group_writable=bool(modes) and all(mode & 0o020 for mode in modes),
    )


def _wheel(wheel: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> str:
    names = [e for e in entries if re.fullmatch(r"[^/]+\.dist-info/WHEEL", e.filename)]
    if len(names) != 1 or names[0].file_size > _WHEEL_BYTES:
        raise ParseError("The shipped file is no wheel: it has no single .dist-info/WHEEL.")
    with wheel.open(names[0]) as member:
        return member.read(_WHEEL_BYTES).decode("utf-8", "replace")


def _seconds(entry: zipfile.ZipInfo) -> int:
    try:
        return int(dt.datetime(*entry.date_time, tzinfo=dt.UTC).timestamp())
    except ValueError:
        return 0
