"""A request to stop is kept where Python drops it, and reaches whoever waits for work."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

_BEFORE = """
import gc, os, signal, sys
from verifier import interrupt
from verifier.engine import Engine, Task
from verifier.model import Settings
from verifier.process import run

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        for _ in range(1000): pass

interrupt.install()
thing = Finalised()
del thing
print("lost", flush=True)
try:
    WAIT
except KeyboardInterrupt:
    print("stopped")
interrupt.check()
print("once")
"""
_ENGINE = """
    with Engine(Settings(), 1) as engine:
        engine.submit(Task("", None, object, 9.0, None))
        list(engine.answers())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    "wait", ["interrupt.check()", 'run(["sleep", "30"], seconds=60)', _ENGINE.strip()]
)
def test_a_request_that_a_finaliser_swallowed_stops_the_next_wait(name: str, wait: str) -> None:
    begun = time.monotonic()
    code = _BEFORE.replace("WAIT", wait)
    found = subprocess.run(
        [sys.executable, "-c", code, name], capture_output=True, text=True, check=False
    )
    assert found.stdout.split() == ["lost", "stopped", "once"], found.stderr
    assert found.stderr == ""
    assert time.monotonic() - begun < 25


def test_what_else_a_finaliser_raises_is_told_as_ever() -> None:
    code = """
from verifier import interrupt
class Finalised:
    def __del__(self):
        raise ValueError("spilt milk")
interrupt.install()
thing = Finalised()
del thing
interrupt.check()
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0
    assert "spilt milk" in found.stderr
