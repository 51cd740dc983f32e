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
        Case("pyc.mtime", "another checkout", partial(_pair, 1_600_000_000), "settled"),
        Case("pyc.mtime", "before any file", partial(_pair, 5), "caught", WHERE),
        Case("pyc.mtime", "no time", partial(_pair, 0xFFFF_FFF0), "caught", WHERE),
    ]


def _pair(mtime: int) -> tuple[bytes, bytes]:
    return _module(mtime), _module(1_700_000_000)


def _module(mtime: int) -> bytes:
    source = "def one():\n    return 1\n"
    code = marshal.dumps(compile(source, "one.py", "exec", dont_inherit=True))
    return importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, mtime, len(source)) + code
