"""Cases of the rules of compiled Python modules."""

from __future__ import annotations

import importlib.util
import marshal
import struct
from functools import partial

from tests.cases import Case

WHERE = "pyc.mtime"


def cases() -> list[Case]:
    """All of them."""
    return [
        Case("pyc.mtime", "another checkout", partial(pair, 1_600_000_000), "settled"),
        Case("pyc.mtime", "before any file", partial(pair, 5), "caught", WHERE),
        Case("pyc.mtime", "no time", partial(pair, 0xFFFF_FFF0), "caught", WHERE),
    ]


def pair(mtime: int) -> tuple[bytes, bytes]:
    """One module, compiled from sources of two times; `mtime` is the shipped one."""
    return _module(mtime), _module(1_700_000_000)


def _module(mtime: int) -> bytes:
    source = "def one():\n    return 1\n"
    code = marshal.dumps(compile(source, "one.py", "exec", dont_inherit=True))
    return importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, mtime, len(source)) + code
