"""Times that no calendar holds are refused, not raised."""

import pytest

from tests.cases import archive_build as build
from tests.support import compare_bytes
from verifier.model import Verdict


@pytest.mark.parametrize("seconds", [10**12 - 1, 10**11, 2**33])
def test_a_time_beyond_the_calendar_is_a_difference(seconds: int) -> None:
    shipped, rebuilt = (build.ar({"a": b"text"}, mtime) for mtime in (seconds, 0))
    found = compare_bytes(shipped, rebuilt)
    assert found.verdict is Verdict.DIFFERENT
    assert found.where() == ["file: member[a].mtime"]
