"""What two programs may read differently is refused."""

import base64
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.attest import strict
from verifier.errors import LimitError, ParseError, UsageError


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        "NaN",
        "[Infinity]",
        '"\\ud800"',
        "{",
        "",
        "[1] 2",
        "[" * 100_000,
        "1" * 10_000,
    ],
)
def test_json_that_is_not_strict_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        strict.json_of(text.encode(), "it")


def test_json_in_another_encoding_is_refused() -> None:
    with pytest.raises(ParseError):
        strict.json_of('{"a": 1}'.encode("utf-16"), "it")
    with pytest.raises(ParseError):
        strict.object_of(b"[]", "it")


@given(st.binary(max_size=40))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert strict.base64_of(text, "it") == data
    assert strict.base64_of(base64.urlsafe_b64encode(data).decode(), "it", urlsafe=True) == data
    for odd in (text + "\n", " " + text, text.rstrip("="), text + "=", text + "===="):
        if odd != text:
            with pytest.raises(ParseError):
                strict.base64_of(odd, "it")


@pytest.mark.parametrize("odd", ["QQ", "QR==", "Q-_+", "\uff21===", 7, None, "QUJD\u2028"])
def test_odd_base64_is_refused(odd: object) -> None:
    with pytest.raises(ParseError):
        strict.base64_of(odd, "it", urlsafe=True)


@pytest.mark.parametrize(
    "odd", ["", "01", "1_0", " 12", "12\n", "\uff11\uff12", "-1", "+1", str(1 << 63)]
)
def test_odd_decimals_are_refused(odd: str) -> None:
    with pytest.raises(ParseError):
        strict.decimal(odd, "it")


def test_times_and_durations() -> None:
    time = dt.datetime(2026, 2, 28, 23, 59, 59, tzinfo=dt.UTC)
    assert strict.time_of(strict.show_time(time), "it") == time
    for odd in ("2026-02-30T00:00:00Z", "2026-02-28T00:00:00+00:00", "2026-02-28T00:00:00Z\n"):
        with pytest.raises(ParseError):
            strict.time_of(odd, "it")
    assert strict.duration("90d") == dt.timedelta(days=90)
    for odd in ("", "0d", "1", "d", "1y", "-1d", "1d\n"):
        with pytest.raises(UsageError):
            strict.duration(odd)


def test_a_file_is_read_up_to_its_cap(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert strict.read(path, 10) == b"x" * 10
    with pytest.raises(LimitError):
        strict.read(path, 9)
    with pytest.raises(UsageError):
        strict.read(path.with_name("none"))


def test_canonical_json_refuses_what_readers_would_change() -> None:
    assert strict.canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    for odd in (2**53, float("nan"), "\ud800"):
        with pytest.raises(ParseError):
            strict.canonical(odd)
