"""debhelper's version, which it leaves in triggers and maintainer scripts; sources built in."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from verifier.formats.base import text
from verifier.limits import MIB

if TYPE_CHECKING:
    from verifier.formats.base import Side

_HELPER: Final = re.compile(rb"^# .{0,40} by (dh_\w{1,60})/([\w.~+-]{1,60})$", re.MULTILINE)
_BUILT: Final = re.compile(rb"^((?:Static-)?Built-Using): (.{1,1000})$", re.MULTILINE)


def said(side: Side, _name: str) -> dict[str, str]:
    """The versions that lines `# Triggers added by dh_makeshlibs/13.11.4` name."""
    raw = bytes(side.data[:MIB])
    versions = {text(match[2]) for match in islice(_HELPER.finditer(raw), 1_000)}
    found = {"debhelper": ", ".join(sorted(versions))} if versions else {}
    return found | {text(match[1]): text(match[2]) for match in islice(_BUILT.finditer(raw), 4)}
