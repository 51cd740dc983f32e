"""One archive in one form: other readers read it, and no other form is read here."""

import io
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.attest import storedzip
from verifier.errors import LimitError, ParseError, VerifierError

FILES = {"b/one.txt": b"one" * 50, "a": b"", "é": bytes(range(256))}


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    storedzip.write(out, files)
    return out.getvalue()


def _read(data: bytes) -> dict[str, bytes]:
    file = io.BytesIO(data)
    return {
        entry.name: b"".join(storedzip.content(file, entry)) for entry in storedzip.read(file, "it")
    }


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(st.dictionaries(NAMES, st.binary(max_size=100), max_size=8))
def test_what_is_written_is_read_and_always_the_same(files: dict[str, bytes]) -> None:
    data = _zip(files)
    assert _read(data) == files
    assert _zip(dict(reversed(files.items()))) == data


def test_other_readers_read_it() -> None:
    with zipfile.ZipFile(io.BytesIO(_zip(FILES))) as found:
        assert found.testzip() is None
        assert {name: found.read(name) for name in found.namelist()} == FILES
        assert found.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
        assert found.infolist()[0].external_attr >> 16 == 0o100644


def test_no_byte_may_change_go_or_come() -> None:
    good = _zip({"a": b"some", "b": b"bytes"})
    for at in range(len(good)):
        for bit in range(8):
            odd = bytearray(good)
            odd[at] ^= 1 << bit
            try:
                assert _read(bytes(odd)).keys() != {"a", "b"}  # another name is another archive
            except VerifierError:
                continue
        with pytest.raises(VerifierError):
            _read(good[:at])
        with pytest.raises(VerifierError):
            _read(good[:at] + b"\0" + good[at:])
    for odd in (good + b"\0", b"\0" + good, good + good):
        with pytest.raises(VerifierError):
            _read(odd)


def test_zips_of_other_makers_are_refused() -> None:
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", kind) as made:
            made.writestr("a", b"some bytes" * 20)
        with pytest.raises(ParseError):
            _read(out.getvalue())


def test_out_of_order_and_twice_is_refused() -> None:
    entries, body = [], b""
    for name in ("b", "a"):
        found = storedzip.Entry(name, 0, 0, 0, len(body))
        entries.append(found)
        body += found.local()
    with pytest.raises(ParseError, match="out of order"):
        _read(body + storedzip._directory(entries, len(body)))


def test_names_have_a_cap() -> None:
    with pytest.raises(LimitError):
        _read(_zip({"a" * 5000: b""}))


def test_more_than_65535_files() -> None:
    files = {f"{number:06}": b"" for number in range(70_000)}
    data = _zip(files)
    assert len(_read(data)) == 70_000
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert len(found.namelist()) == 70_000


def test_files_of_four_gib_and_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The wide form, forced by a low mark: what other readers make of it is the same."""
    monkeypatch.setattr(storedzip, "_BIG", 100)
    chance = random.Random(1)
    files = {name: chance.randbytes(size) for name, size in (("a", 10), ("b", 300), ("c", 20))}
    assert _read(_zip(files)) == files
    entry = storedzip.Entry("n", 0, 1 << 33, 7, 1 << 34)
    monkeypatch.undo()
    wide = storedzip.Entry("n", 0, 1 << 33, 7, 1 << 34)
    assert wide == entry
    record = wide.central()
    assert record[20:28] == b"\xff" * 8
    assert record[-24:] == b"".join(n.to_bytes(8, "little") for n in (1 << 33, 1 << 33, 1 << 34))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="cannot be read"):
        storedzip.write(io.BytesIO(), {"a": tmp_path / "none"})
