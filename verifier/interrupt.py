"""A request to stop (Ctrl-C, SIGTERM) that cannot get lost.

Python drops what a signal handler raises while a finaliser, a callback of the garbage collector or
a handler of `fork` runs, and tells `sys.unraisablehook` alone. That is remembered here, and asked
for wherever work is waited for.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


class _State:
    lost = False


def install() -> None:
    """Let SIGTERM stop a run as SIGINT does, by KeyboardInterrupt; let neither get lost."""
    signal.signal(signal.SIGTERM, _stop)
    sys.unraisablehook = _dropped


def leave_to_parent() -> None:
    """In a forked worker: Ctrl-C, which all of a terminal's processes get, is for the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler is no worker's
    _State.lost = False


def check() -> None:
    """Raise the KeyboardInterrupt that got lost, if one did, once."""
    if _State.lost:
        _State.lost = False
        raise KeyboardInterrupt


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _dropped(what: UnraisableHookArgs) -> None:
    if issubclass(what.exc_type, KeyboardInterrupt):
        _State.lost = True
    else:
        sys.__unraisablehook__(what)
