"""One equivalent and one different run for all tests here; they only read them."""

import pytest

from tests.unit.attest import material


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> material.Run:
    return material.equivalent(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> material.Run:
    return material.different(tmp_path_factory.mktemp("bad"))
