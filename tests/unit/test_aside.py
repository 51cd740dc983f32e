"""A look at a hostile file ends in an answer of its type, or in an error that says why."""

import os
import signal
import socket
import time
from typing import NamedTuple

import pytest

from verifier import aside
from verifier.errors import LimitError, ParseError, ToolError


class Found(NamedTuple):
    number: int
    data: bytes


def _work(number: int) -> Found:
    return Found(number, b"\xff")


def _refuse(message: str) -> Found:
    raise LimitError(message)


def _sleep() -> Found:
    time.sleep(60)
    return Found(0, b"")


def _die() -> Found:
    os.kill(os.getpid(), signal.SIGKILL)
    return Found(0, b"")


def _connect() -> Found:
    socket.socket(socket.AF_INET)
    return Found(0, b"")


def _grow() -> Found:
    return Found(len(bytearray(1 << 40)), b"")


def _lie() -> Found:
    return ("text",)  # type: ignore[return-value]


def test_the_answer_has_its_type_and_another_process() -> None:
    assert aside.ask(Found, _work, 7) == Found(7, b"\xff")
    assert aside.ask(int, os.getpid) != os.getpid()


@pytest.mark.parametrize(
    ("work", "error", "says"),
    [
        (_sleep, ToolError, "stopped after 1 s"),
        (_die, ToolError, "died"),
        (_connect, ToolError, "PermissionError"),
        (_grow, ToolError, "more memory"),
        (_lie, ParseError, "not a Found"),
    ],
)
def test_no_answer_is_an_error(work: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        aside.ask(Found, work, seconds=1.0)  # type: ignore[arg-type]


def test_what_the_reader_refuses_is_told_in_its_words() -> None:
    with pytest.raises(ParseError, match=r"^Too much\.$"):
        aside.ask(Found, _refuse, "Too much.")
