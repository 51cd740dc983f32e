"""Broken and hostile images raise nothing but `VerifierError`, and take no time."""

import random
import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cases import pe_files as files
from tests.cases.pe import cases
from tests.support import compare_bytes
from verifier.checks import pdb
from verifier.errors import ParseError, VerifierError
from verifier.formats.base import Side
from verifier.formats.pe.layout import layout
from verifier.formats.pe.meaning import explain
from verifier.model import Verdict

HUGE = (0xFFFFFFFF, 0x80000000, 0xFFFF, 1)
SAMPLES = 60


def _survives(data: bytes, whole: Side) -> None:
    try:
        cut = layout(memoryview(data))
    except VerifierError:
        return
    assert sum(span.length for span in cut.spans) == len(data)
    side = Side(memoryview(data), cut)
    explain(side, whole)


def _whole(data: bytes) -> Side:
    return Side(memoryview(data), files.cut(data))


def test_truncations() -> None:
    data = files.microsoft_signed()
    whole = _whole(data)
    for length in [*range(0, 1200, 13), *range(1200, len(data), 397)]:
        _survives(data[:length], whole)


@pytest.mark.parametrize("name", ["microsoft", "mingw", "delay"])
def test_odd_numbers_in_every_word_of_headers_and_directories(name: str) -> None:
    data = {
        "microsoft": files.microsoft,
        "mingw": lambda: files.mingw()["i686-dll-s"][0],
        "delay": lambda: files.from_wheel("pywin32", "306", "win32/win32api.pyd"),
    }[name]()
    image, whole = files.cut(data).info, _whole(data)
    places = list(range(0x3C, image.table_end, 4))
    for directory in ("export", "import", "resource", "debug", "tls", "relocation", "delay-import"):
        address, size = image.directory(directory)
        start = image.offset_of(address) if size else None
        if start is not None:
            places += range(start, min(start + min(size, 160), len(data) - 4), 4)
    started = time.monotonic()
    for place in random.Random(name).sample(places, SAMPLES):
        for value in HUGE:
            _survives(data[:place] + struct.pack("<I", value) + data[place + 4 :], whole)
    assert time.monotonic() - started < 60


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_splices(data: st.DataObject) -> None:
    base = files.mingw()["x86_64-dll-tiny"][0]
    at = data.draw(st.integers(0, len(base) - 1))
    result = (
        base[:at] + data.draw(st.binary(max_size=64)) + base[at + data.draw(st.integers(0, 64)) :]
    )
    _survives(result, _whole(base))


def test_a_resource_tree_that_is_a_loop_ends() -> None:
    data = files.from_wheel("markupsafe", "2.1.5", "markupsafe/_speedups.cp311-win_amd64.pyd")
    image = files.cut(data).info
    root = image.offset_of(image.directory("resource")[0])
    looped = data[: root + 20] + struct.pack("<I", 0x80000000) + data[root + 24 :]
    names = [span.name for span in layout(memoryview(looped)).spans]
    assert sum(name.startswith("resource[") for name in names) == 1


def test_sections_that_overlap_are_no_layout() -> None:
    data = files.microsoft()
    first = files.value(data, "section[.text].PointerToRawData")
    broken = files.put(data, {"section[.rdata].PointerToRawData": first})
    with pytest.raises(ParseError, match="overlaps"):
        layout(memoryview(broken))
    found = compare_bytes(broken, data)
    assert found.verdict is Verdict.DIFFERENT
    assert "layout" in {item.kind for item in found.differences}


def test_gaps_between_sections_forbid_the_flat_hash() -> None:
    data = files.microsoft_signed()
    size = struct.unpack("<I", files.value(data, "section[.reloc].SizeOfRawData"))[0]
    shorter = {"section[.reloc].SizeOfRawData": struct.pack("<I", size - 512)}
    assert files.cut(files.put(data, shorter)).info.tiled == ""
    rdata = struct.unpack("<I", files.value(data, "section[.rdata].SizeOfRawData"))[0]
    shorter = {"section[.rdata].SizeOfRawData": struct.pack("<I", rdata - 512)}
    shipped, rebuilt = files.put(data, shorter), files.put(files.microsoft(), shorter)
    assert files.cut(shipped).info.tiled
    found = compare_bytes(shipped, rebuilt)
    assert [item.where for item in found.differences] == ["certificate.table"]
    assert "non-canonical" in found.differences[0].summary


def test_a_pdb_that_is_none_is_refused() -> None:
    whole = files.microsoft_pdb()
    made = random.Random(1)
    for _ in range(200):
        place = made.randrange(60)
        broken = whole[:place] + made.randbytes(4) + whole[place + 4 :]
        try:
            pdb.identity(memoryview(broken))
        except ParseError:
            continue
    for length in (0, 31, 40, 60, 5000):
        with pytest.raises(ParseError):
            pdb.identity(memoryview(whole[:length]))


def test_cases_are_many() -> None:
    assert len(cases()) > 40
