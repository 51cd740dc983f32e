"""CSV, TSV, JSON and MessagePack as a specification declares them."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import msgpack
import pytest

from tests.unit.sigdb import asking
from verifier.errors import LimitError, ParseError, UsageError
from verifier.sigdb import family_of, named
from verifier.sigdb.base import Effect

CSV = "name,hash,seen\nAgent,aa,1\nBot,bb,2\nCrypt,cc,3\n"
KEYS = {"keys": ("name",), "volatile": ("seen",)}
RULES = {
    "version": 7,
    "made": "2024-01-01",
    "signatures": [
        {"id": "A", "pattern": "6a40", "where": {"os": ["win", "mac"], "size": 1.50}},
        {"id": "B", "pattern": "6a41", "where": {"os": ["win"], "size": None}},
        {"id": "C", "pattern": "6a42", "where": {"os": [], "size": True}},
    ],
    "allowed": {"x": "1", "y": "2"},
}
TREE = {
    "keys": ("id",),
    "tables": ("signatures", "allowed"),
    "volatile": ("made",),
    "effect": ("allowed=allowlist",),
}
# `allowed` is a map: its rows are named by their own keys.
TREE["keys"] = ("signatures.id", "allowed.@key")


def changes(
    name: str, rebuilt: asking.Side, shipped: asking.Side, options: dict[str, tuple[str, ...]]
) -> list[tuple[str, str, str]]:
    found = asking.changes(named(name), rebuilt, shipped, "db", options)
    return [(item.kind, item.where, item.weakening) for item in found]


def encoded(name: str, document: Any) -> bytes:
    return json.dumps(document).encode() if name == "json" else msgpack.packb(document)


@pytest.mark.parametrize("name", ["csv", "tsv", "json", "msgpack", "sqlite", "lmdb"])
def test_what_only_a_specification_can_tell_is_never_claimed(name: str) -> None:
    assert family_of(f"signatures.{name}", memoryview(CSV.encode())) == ""
    with pytest.raises(UsageError, match="no option"):
        asking.records(named(name), b"", "db", {"colour": ("red",)})
    with pytest.raises(UsageError, match="no effect"):
        asking.records(named(name), b"", "db", {"effect": ("red",)})


@pytest.mark.parametrize(
    "shipped",
    [
        "name,hash,seen\nCrypt,cc,9\nBot,bb,8\nAgent,aa,7\n",
        CSV.replace("\n", "\r\n"),
        CSV.replace("aa", '"aa"'),
        CSV.rstrip("\n"),
    ],
)
def test_csv_equality(shipped: str) -> None:
    assert not changes("csv", CSV, shipped, KEYS)
    assert not changes(
        "tsv", CSV.replace(",", "\t"), shipped.replace(",", "\t").replace('"', ""), KEYS
    )


@pytest.mark.parametrize(
    ("shipped", "expected"),
    [
        (CSV.replace("Bot,bb,2\n", ""), [("detection-removed", '"Bot"', "signature-removed")]),
        (CSV.replace("bb", "bc"), [("detection-changed", '"Bot"', "changed")]),
        (CSV + "Drop,dd,4\n", [("detection-added", '"Drop"', "")]),
        (CSV + "Bot,bb,2\n", [("detection-changed", '"Bot"', "changed")]),
        (CSV.replace("bb", '"b""b"'), [("detection-changed", '"Bot"', "changed")]),
        (CSV.replace("bb", " bb"), [("detection-changed", '"Bot"', "changed")]),
    ],
)
def test_csv_changes(shipped: str, expected: list[tuple[str, str, str]]) -> None:
    assert changes("csv", CSV, shipped, KEYS) == expected


def test_csv_without_keys_has_whole_rows() -> None:
    found = changes("csv", CSV, CSV.replace("bb", "bc"), {"volatile": ("seen",)})
    assert found == [
        ("detection-removed", 'name "Bot", hash "bb"', "signature-removed"),
        ("detection-added", 'name "Bot", hash "bc"', ""),
    ]
    assert changes("csv", CSV, CSV.replace("seen", "saw"), {})


@pytest.mark.parametrize(
    ("effect", "kind", "weakening"),
    [
        ("allowlist", "allowlist-added", "allowlist-added"),
        ("ignore", "ignore-added", "ignore-added"),
        ("setting", "setting-added", "setting-changed"),
        ("detection", "detection-added", ""),
    ],
)
def test_effects_are_declared(effect: str, kind: str, weakening: str) -> None:
    options = {**KEYS, "effect": (effect,)}
    found = changes("csv", CSV, CSV + "Drop,dd,4\n", options)
    assert found == [(kind, '"Drop"', weakening)]
    assert Effect(effect)


def test_csv_options() -> None:
    text = "# made today\nAgent;aa\nBot;bb\n"
    options = {"delimiter": (";",), "header": ("no",), "comment": ("#",), "keys": ("1",)}
    assert not changes("csv", text, text.replace("today", "now"), options)
    assert changes("csv", text, text.replace("bb", "bc"), options) == [
        ("detection-changed", '"Bot"', "changed")
    ]
    raw = 'a\t"b\n'
    assert asking.records(named("tsv"), raw, "db", {"header": ("no",), "quotes": ("none",)})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("csv", CSV + "Drop,dd\n", "2 fields instead of 3"),
        ("csv", CSV + '"Drop"x,dd,4\n', "RFC 4180"),
        ("csv", CSV + 'Dr"op,dd,4\n', "RFC 4180"),
        ("csv", CSV + '"Drop,dd,4\n', "RFC 4180"),
        ("csv", CSV + "Dr\rop,dd,4\n", "RFC 4180"),
        ("csv", CSV + "\n", "empty line"),
        ("csv", CSV + "Dr\0op,dd,4\n", "NUL"),
        ("csv", b"a\n\xff\n", "UTF-8"),
        ("csv", "a,a\n1,2\n", "twice"),
        ("tsv", 'a\tb\n"1"\t2\n', "RFC 4180"),
        ("json", '{"a": 1, "a": 1}', "twice"),
        ("json", '{"a": NaN}', "no JSON number"),
        ("json", '{"a": 1} x', "Extra data"),
        ("json", '"\\ud800"', "Unicode"),
        ("json", b'"\xff"', "Unicode"),
        ("json", '"a\nb"', "control character"),
        ("json", "", "No JSON"),
        ("msgpack", b"\x82\xa1a\x01\xd9\x01a\x02", "twice"),
        ("msgpack", b"\x82\x01\x01\xcd\x00\x01\x02", "twice"),
        ("msgpack", b"\x81\x90\x01", "as key"),
        ("msgpack", b"\xc1", "never uses"),
        ("msgpack", b"\xa5abc", "ends inside"),
        ("msgpack", b"\x92\x01", "longer than its file"),
        ("msgpack", b"\xcd\x01", "ends inside"),
    ],
)
def test_what_readers_take_differently_is_refused(name: str, text: bytes | str, said: str) -> None:
    with pytest.raises((ParseError, LimitError), match=said):
        asking.records(named(name), text, "db")


def test_a_declared_key_or_table_must_be_there() -> None:
    with pytest.raises(ParseError, match="without 'id'"):
        asking.records(named("csv"), CSV, "db", {"keys": ("id",)})
    with pytest.raises(ParseError, match="no table 'rules'"):
        asking.records(named("json"), json.dumps(RULES), "db", {"tables": ("rules",)})


@pytest.mark.parametrize("name", ["json", "msgpack"])
def test_trees_are_equal_whatever_their_order(name: str) -> None:
    other = dict(reversed(copy.deepcopy(RULES).items()))
    other["signatures"].reverse()
    other["signatures"][0] = dict(reversed(other["signatures"][0].items()))
    other["made"] = "2025-05-05"
    assert not changes(name, encoded(name, RULES), encoded(name, other), TREE)
    spaced = json.dumps(RULES, indent=2) if name == "json" else encoded(name, RULES)
    assert not changes(name, encoded(name, RULES), spaced, TREE)


@pytest.mark.parametrize("name", ["json", "msgpack"])
def test_every_changed_leaf_is_reported_as_that_record(name: str) -> None:
    base = {
        "signatures": [
            {"id": f"S{number}", "pattern": f"{number:04x}", "at": [number, {"x": -number}]}
            for number in range(50)
        ]
    }
    options = {"keys": ("id",), "tables": ("signatures",)}
    chance = random.Random(5)
    for _ in range(200):
        other = copy.deepcopy(base)
        chosen = chance.choice(other["signatures"])
        kind = chance.randrange(4)
        if kind == 0:
            chosen["pattern"] += "0"
        elif kind == 1:
            chosen["at"][0] = str(chosen["at"][0])  # a text instead of a number
        elif kind == 2:
            chosen["at"][1]["x"] -= 1
        else:
            chosen["at"].append(None)
        chance.shuffle(other["signatures"])
        assert changes(name, encoded(name, base), encoded(name, other), options) == [
            ("detection-changed", f'signatures: "{chosen["id"]}"', "changed")
        ]


@pytest.mark.parametrize("name", ["json", "msgpack"])
def test_members_of_a_map_are_records_and_the_rest_is_seen(name: str) -> None:
    other = {**RULES, "allowed": {**RULES["allowed"], "z": "3"}, "version": 8}
    assert changes(name, encoded(name, RULES), encoded(name, other), TREE) == [
        ("allowlist-added", "allowed: z", "allowlist-added"),
        ("detection-changed", "document: outside of tables", "changed"),
    ]
    assert changes(name, encoded(name, RULES), encoded(name, {**RULES, "version": 8}), {}) == [
        ("detection-changed", "version", "changed")
    ]


def test_order_within_a_record_counts() -> None:
    other = copy.deepcopy(RULES)
    other["signatures"][0]["where"]["os"].reverse()
    assert changes("json", json.dumps(RULES), json.dumps(other), TREE) == [
        ("detection-changed", 'signatures: "A"', "changed")
    ]


def test_json_numbers_are_kept_as_written() -> None:
    assert changes("json", "[1.0]", "[1.00]", {})
    assert changes(
        "json", "[123456789012345678901234567890]", "[123456789012345678901234567891]", {}
    )
    assert changes("json", '["1"]', "[1]", {})
    assert changes("json", '{"a.b": 1}', '{"a": {"b": 1}}', {})
    assert not changes("json", '["\\u00e9"]', '["é"]', {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"\x01", b"\xcf\0\0\0\0\0\0\0\1"),
        (b"\xff", b"\xd1\xff\xff"),
        (b"\xca\x3f\x80\0\0", b"\xcb\x3f\xf0\0\0\0\0\0\0"),
        (b"\xa1a", b"\xdb\0\0\0\1a"),
        (b"\x91\x01", b"\xdd\0\0\0\1\x01"),
        (b"\x81\x01\x02", b"\xdf\0\0\0\1\x01\x02"),
        (b"\xd4\x05a", b"\xc7\x01\x05a"),
    ],
)
def test_msgpack_widths_mean_nothing(one: bytes, other: bytes) -> None:
    assert not changes("msgpack", one, other, {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"\xa1a", b"\xc4\1a"),
        (b"\x01", b"\xa11"),
        (b"\x01", b"\xcb\x3f\xf0\0\0\0\0\0\0"),
        (b"\x81\x01\x02", b"\x81\xa11\x02"),
        (b"\x81\xc0\x02", b"\x81\xa4null\x02"),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", b"\xcb\x7f\xf8\0\0\0\0\0\1"),
        (b"\xd4\x05a", b"\xd4\x06a"),
        (b"\x01\x02", b"\x01\x03"),
        (b"\x01", b"\x01\x01"),
    ],
)
def test_msgpack_types_mean_something(one: bytes, other: bytes) -> None:
    assert changes("msgpack", one, other, {})


def test_msgpack_reads_what_the_library_writes() -> None:
    chance = random.Random(2)

    def value(depth: int) -> Any:
        kinds = [
            lambda: chance.randrange(-(2**63), 2**64),
            lambda: chance.randrange(-40, 300),
            chance.random,
            lambda: "x" * chance.choice((0, 5, 31, 32, 255, 256, 70_000)),
            lambda: b"y" * chance.choice((0, 255, 256)),
            lambda: chance.choice((None, True, False)),
            lambda: msgpack.ExtType(5, b"z" * chance.choice((1, 3, 16, 300))),
            lambda: [value(depth + 1) for _ in range(chance.choice((0, 3, 20)) >> depth)],
            lambda: {f"k{i}": value(depth + 1) for i in range(chance.choice((0, 3, 20)) >> depth)},
        ]
        return chance.choice(kinds)()

    for _ in range(200):
        document = [value(0)]
        one = msgpack.packb(document)
        assert asking.records(named("msgpack"), one, "db")
        assert not changes(
            "msgpack", one, msgpack.packb(msgpack.unpackb(one, strict_map_key=False)), {}
        )


def test_hostile_tables_and_trees() -> None:
    seeds = {
        "csv": [CSV.encode(), b'a,b\n"1,""2",3\n'],
        "tsv": [CSV.replace(",", "\t").encode()],
        "json": [json.dumps(RULES).encode()],
        "msgpack": [msgpack.packb(RULES)],
    }
    for name, data in seeds.items():
        parsed = [asking.survives(named(name), item, "db") for item in asking.mutants(data, 300)]
        assert any(parsed), name
        assert not all(parsed), name
    bombs = {
        "json": [
            b"[" * 1_000_000,
            b"[" * 500 + b"]" * 500,
            b'{"a":' * 100_000,
            b"1" * 1_000_000,
            b'"' + b"\\u0041" * 300_000 + b'"',
            b"[" + b"[]," * 300_000 + b"[]]",
        ],
        "msgpack": [
            b"\x91" * 1_000_000,
            b"\xdf\xff\xff\xff\xff",
            b"\xdd\x00\x10\x00\x00" * 1000,
            b"\xdb\xff\xff\xff\xff",
            b"\x90" * 300_000,
        ],
        "csv": [
            b"," * 1_000_000,
            b'"' * 1_000_000,
            b"a\n" * 300_000,
            b'a\n"' + b'""' * 300_000,
            b"a" * 5_000_000,
        ],
    }
    for name, items in bombs.items():
        for item in items:
            asking.survives(named(name), item, "db")
