"""The strict DER reader: round trips, every rule of DER, and hostile input."""

from __future__ import annotations

import time

import pytest
from asn1crypto import core
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.signatures.build import tlv
from verifier import limits
from verifier.errors import ParseError
from verifier.signatures import der, fields


def encode(node: der.Node) -> bytes:
    """Write a node again from its tag and content alone."""
    return (
        tlv(node.tag, *map(encode, node.children)) if node.children else tlv(node.tag, node.value)
    )


def _sorted_set(parts: list[bytes]) -> bytes:
    return tlv(0x31, *sorted(set(parts)))


primitives = st.one_of(
    st.integers().map(lambda value: core.Integer(value).dump()),
    st.binary(max_size=300).map(lambda value: tlv(4, value)),
    st.booleans().map(lambda value: tlv(1, b"\xff" if value else b"\0")),
    st.just(tlv(5)),
    st.text(max_size=40).map(lambda value: tlv(12, value.encode())),
    st.lists(st.integers(0, 2**70), max_size=4).map(
        lambda rest: core.ObjectIdentifier(".".join(map(str, (1, 3, *rest)))).dump()
    ),
    st.binary(max_size=40).map(lambda value: tlv(0x80, value)),
)
trees = st.recursive(
    primitives,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5).map(lambda parts: tlv(0x30, *parts)),
        st.lists(inner, max_size=5).map(_sorted_set),
        inner.map(lambda part: tlv(0xA3, part)),
    ),
    max_leaves=30,
)


@given(trees)
def test_what_parses_re_encodes_identically(blob):
    assert encode(der.parse(blob)) == blob


@given(trees, st.data())
def test_a_changed_tree_is_refused_or_re_encodes_identically(blob, data):
    changed = bytearray(blob)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    try:
        node = der.parse(bytes(changed))
    except ParseError:
        return
    assert encode(node) == changed


@given(st.binary(max_size=2000))
@settings(max_examples=300)
def test_hostile_bytes_raise_parse_error_alone(blob):
    try:
        assert encode(der.parse(blob)) == blob
    except ParseError as error:
        offset = error.offset
    else:
        return
    assert offset is not None
    assert 0 <= offset <= len(blob)


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        ("", "cut short"),
        ("30", "cut short"),
        ("3082", "length is cut short"),
        ("3080" + "0000", "indefinite"),
        ("308100", "shortest"),
        ("30820003020100", "shortest"),
        ("3085000000000100", "four octets"),
        ("3003020100ff", "follow"),
        ("3003020200", "reaches past"),
        ("1f8101", "above 30"),
        ("020200ff"[:4] + "0001", "shortest"),
        ("0202ff80", "shortest"),
        ("0200", "empty"),
        ("010101", "neither 00 nor FF"),
        ("01020000", "neither 00 nor FF"),
        ("0300", "unused bits"),
        ("030101", "unused bits"),
        ("03020801", "unused bits"),
        ("03020101", "not zero"),
        ("050100", "NULL"),
        ("0600", "cut short"),
        ("060181", "cut short"),
        ("0603808001", "shortest"),
        ("0603 2a8001", "shortest"),
        ("0641" + "01" * 65, "more than 64"),
        ("0c02c328", "UTF-8"),
        ("170d32343035303131323030303021", "UTCTime"),
        ("170f" + b"20240501120000Z".hex(), "UTCTime"),
        ("1811" + b"20240501120000.0Z".hex(), "GeneralizedTime"),
        ("1e0141", "odd"),
        ("2403040100", "may not be constructed"),
        ("1000", "not a DER type"),
        ("0900", "not a DER type"),
        ("3106020102020101", "order"),
        ("3106020101020101", "repeat"),
    ],
)
def test_each_rule(blob, words):
    with pytest.raises(ParseError, match=words):
        der.parse(bytes.fromhex(blob))


def test_offsets_are_absolute():
    blob = b"junk" + tlv(0x30, tlv(2, b"\5"), tlv(0xA0, tlv(4, b"abc"))) + b"tail"
    node = der.parse(blob, 4, len(blob) - 4)
    assert (node.offset, node.header, node.length) == (4, 2, 10)
    inner = node.children[1].children[0]
    assert (inner.offset, inner.start, inner.value, inner.raw) == (11, 13, b"abc", b"\x04\x03abc")
    assert der.element_end(blob, 4, len(blob)) == len(blob) - 4


def test_depth_and_count_are_limited():
    blob = b""
    for _ in range(limits.DER_DEPTH + 1):
        blob = tlv(0x30, blob)
    with pytest.raises(ParseError, match="nested deeper"):
        der.parse(blob)
    der.parse(blob[2:] if blob[1] < 0x80 else blob[3:])
    started = time.monotonic()
    with pytest.raises(ParseError, match="holds more than"):
        der.parse(tlv(0x30, tlv(5) * (limits.DER_NODES + 10)))
    assert time.monotonic() - started < 10


@given(st.integers(0, 2), st.lists(st.integers(0, 2**64), max_size=4), st.integers(0, 39))
def test_object_identifiers_agree_with_asn1crypto(first, rest, second):
    text = ".".join(map(str, (first, second, *rest)))
    assert fields.oid(der.parse(core.ObjectIdentifier(text).dump())) == text


@given(st.datetimes())
def test_times(moment):
    blob = tlv(0x18, f"{moment:%Y%m%d%H%M%S}".rjust(14, "0").encode() + b"Z")
    read = fields.time(der.parse(blob), "A time")
    assert read.replace(tzinfo=None) == moment.replace(microsecond=0)


def test_times_that_do_not_exist_are_refused():
    for text in (b"20240230000000Z", b"00000101000000Z", b"20240101250000Z"):
        with pytest.raises(ParseError, match="not a date"):
            fields.time(der.parse(tlv(0x18, text)), "A time")
    for text in (b"20240501120000.Z", b"20240501120000.10Z", b"20240501120000,1Z", b"2024Z"):
        with pytest.raises(ParseError, match="GeneralizedTime"):
            der.parse(tlv(0x18, text))
    fraction = fields.time(der.parse(tlv(0x18, b"20240501120000.25Z")), "A time")
    assert fraction.microsecond == 250_000
    assert fields.time(der.parse(tlv(0x17, b"500101000000Z")), "A time").year == 1950


@given(primitives)
def test_what_is_no_time_is_refused(blob):
    with pytest.raises(ParseError, match="not a time"):
        fields.time(der.parse(blob), "A time")


def test_fields_refuse_what_the_schema_lacks():
    node = der.parse(tlv(0x30, tlv(2, b"\1"), tlv(5)))
    reader = fields.Fields(node, "Thing")
    assert fields.integer(reader.take(2, "number")) == 1
    with pytest.raises(ParseError, match="schema"):
        reader.end()
    with pytest.raises(ParseError, match="has tag 0x05 instead of 0x04"):
        reader.take(4, "text")
    with pytest.raises(ParseError, match="more is missing"):
        reader.any("more")
