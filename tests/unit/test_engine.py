"""Workers that die, hang, or break out cost their own task alone."""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from verifier import content, stages
from verifier.engine import Engine, Failure, Task
from verifier.errors import LimitError
from verifier.model import Ref, Settings
from verifier.stages import LayoutAnswer, LayoutRequest


def _die(_settings: Settings, request: LayoutRequest) -> LayoutAnswer:
    os._exit(request.file.length)


def _hang(_settings: Settings, _request: LayoutRequest) -> LayoutAnswer:
    time.sleep(60)
    raise AssertionError


def _eat(_settings: Settings, _request: LayoutRequest) -> LayoutAnswer:
    eaten = [bytearray(256 << 20) for _ in range(64)]
    return LayoutAnswer("ate", len(eaten), ())


def _socket(_settings: Settings, _request: LayoutRequest) -> LayoutAnswer:
    with socket.socket():
        return LayoutAnswer("open", 0, ())


def _program(_settings: Settings, _request: LayoutRequest) -> LayoutAnswer:
    subprocess.run(["/bin/true"], check=True)
    return LayoutAnswer("ran", 0, ())


def _refuse(_settings: Settings, _request: LayoutRequest) -> LayoutAnswer:
    raise LimitError("too much")


@pytest.fixture(autouse=True)
def _stages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, function in {
        "die": _die,
        "hang": _hang,
        "eat": _eat,
        "socket": _socket,
        "program": _program,
        "refuse": _refuse,
    }.items():
        monkeypatch.setitem(stages.STAGES, name, (LayoutRequest, function))


def _task(stage: str, path: str, length: int = 0, seconds: float = 20) -> Task:
    return Task(stage, LayoutRequest(Ref(path, 0, length)), LayoutAnswer, seconds, stage)


def _answers(*tasks: Task, jobs: int = 2, confined: bool = True) -> dict[str, object]:
    with Engine(Settings(), jobs, confined=confined) as engine:
        for task in tasks:
            engine.submit(task)
        return {task.ticket: answer for task, answer in engine.answers()}


@pytest.fixture
def real_file(tmp_path: Path) -> str:
    path = tmp_path / "file"
    path.write_bytes(b"some bytes")
    return str(path)


def test_a_dying_worker_costs_its_own_task(real_file: str) -> None:
    found = _answers(
        _task("die", real_file, 7), _task("layout", real_file, 10), _task("refuse", real_file)
    )
    assert isinstance(found["die"], Failure)
    assert found["die"].kind == "worker-died"
    assert "status 7" in found["die"].summary
    assert isinstance(found["layout"], LayoutAnswer)
    assert isinstance(found["refuse"], Failure)


def test_a_hanging_worker_is_stopped(real_file: str) -> None:
    started = time.monotonic()
    found = _answers(_task("hang", real_file, seconds=0.3), _task("layout", real_file, 10))
    assert isinstance(found["hang"], Failure)
    assert found["hang"].kind == "timeout"
    assert isinstance(found["layout"], LayoutAnswer)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("stage", ["eat", "socket", "program"])
def test_a_worker_cannot(stage: str, real_file: str) -> None:
    found = _answers(_task(stage, real_file))[stage]
    assert isinstance(found, Failure), found


def test_only_an_unconfined_worker_may_run_programs(real_file: str) -> None:
    answer = _answers(_task("program", real_file), confined=False)["program"]
    assert isinstance(answer, LayoutAnswer)


def test_more_tasks_than_workers_all_get_their_own_answer(tmp_path: Path) -> None:
    tasks = []
    for index in range(50):
        path = tmp_path / str(index)
        path.write_bytes(b"x" * index)
        request = LayoutRequest(content.of_file(str(path)))
        tasks.append(Task("layout", request, LayoutAnswer, 20, index))
    with Engine(Settings(), 3) as engine:
        for task in tasks:
            engine.submit(task)
        sizes = {task.ticket: answer.size for task, answer in engine.answers()}  # type: ignore[attr-defined]
    assert sizes == {index: index for index in range(50)}
