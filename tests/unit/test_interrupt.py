"""A request to stop is kept where Python drops it, and reaches whoever waits for work."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

_LOST = """
import os, signal, sys
from verifier import interrupt
from verifier.engine import Engine, Task
from verifier.model import Settings
from verifier.process import run

class Finalised:
    def __del__(self):
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        for _ in range(1000): pass

def engine():
    with Engine(Settings(), 1) as workers:
        workers.submit(Task("", None, object, 9.0, None))
        list(workers.answers())

def program():
    run(["sleep", "30"], seconds=60)

interrupt.install()
thing = Finalised()
del thing
print("lost", flush=True)
try:
    {wait}()
except KeyboardInterrupt:
    print("stopped")
interrupt.check()
print("once")
"""
_SPILT = """
from verifier import interrupt
class Finalised:
    def __del__(self):
        raise ValueError("spilt milk")
interrupt.install()
thing = Finalised()
del thing
interrupt.check()
"""


def ran(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("wait", ["interrupt.check", "program", "engine"])
def test_a_request_that_a_finaliser_swallowed_stops_the_next_wait(name: str, wait: str) -> None:
    begun = time.monotonic()
    found = ran(_LOST.format(wait=wait), name)
    assert found.stdout.split() == ["lost", "stopped", "once"], found.stderr
    assert found.stderr == ""
    assert time.monotonic() - begun < 25


def test_what_else_a_finaliser_raises_is_told_as_ever() -> None:
    found = ran(_SPILT)
    assert found.returncode == 0
    assert "spilt milk" in found.stderr
