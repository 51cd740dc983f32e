"""What the pipeline refuses on the way: runs that grow beyond all bounds."""

import gzip
import io
import tarfile

import pytest

from tests.support import compare_bytes
from verifier import limits
from verifier.model import Verdict


def _packed(text: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("a", "b", "c"):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return gzip.compress(out.getvalue(), mtime=0)


@pytest.mark.parametrize(("name", "value"), [("MEMBERS_TOTAL", 3), ("PAYLOAD_TOTAL", 1000)])
def test_a_run_that_grows_too_large_is_inconclusive(
    monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    shipped, rebuilt = _packed(b"one" * 99), _packed(b"two" * 99)
    assert compare_bytes(shipped, rebuilt).verdict is Verdict.DIFFERENT
    monkeypatch.setattr(limits, name, value)
    found = compare_bytes(shipped, rebuilt)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [item.kind for member in found.members for item in member.problems] == ["limit"]


def test_the_same_members_in_the_same_order_need_no_second_look() -> None:
    same = _packed(b"one")
    assert compare_bytes(same, same).verdict is Verdict.IDENTICAL
