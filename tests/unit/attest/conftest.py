"""Runs that all tests here only read, and a journal for each test that wants one."""

from pathlib import Path

import pytest

from tests.unit.attest import logs, material
from verifier.attest import journal


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> material.Run:
    return material.equivalent(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> material.Run:
    return material.different(tmp_path_factory.mktemp("bad"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Ten entries in seven appends."""
    path = tmp_path / "audits.journal"
    journal.create(path, logs.SIGNER)
    for numbers in ((0,), (1, 2), (3,), (4, 5, 6), (7,), (8,), (9,)):
        logs.append(path, *numbers)
    return path
