"""The comparison of large lists gives what the comparison of records gives, on anything."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sigdb.clamav.engine import MD5, changes, files, told
from verifier.errors import LimitError, ParseError, VerifierError
from verifier.sigdb.base import File
from verifier.sigdb.clamav import FAMILY, blocks, bulk, kinds, pairs

LINES = st.lists(
    st.sampled_from([b"aa", b"ab", b"ba", b"abc", b"xaab", b"zz", b"q", b"aaa"]), max_size=40
)


def _text(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


@settings(deadline=None)
@given(LINES, LINES, st.sampled_from([b"", b"\naa", b"aa\n", b"ab\n", b"\nba"]))
def test_blocks_find_what_sets_find(one: list[bytes], other: list[bytes], mark: bytes) -> None:
    def marked(_mine: list[bytes], _theirs: list[bytes]) -> bytes:
        return mark

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_mark", marked)
        found = blocks.unequal([_text(one)], [_text(other)])
    lost, come = set(one) - set(other), set(other) - set(one)
    shared = {line for block in found.shared for line in block.split(b"\n")[:-1]}
    assert found.lost - shared == lost - shared == lost
    assert found.come - shared == come
    assert shared <= set(one) & set(other)
    rest = {line for text in found.rest for line in text.split(b"\n")[:-1]}
    assert shared | rest == (set(one) if set(one) and one != other else set()) or one == other


HASHES = [MD5, b"0" * 32, b"A" * 32, b"a" * 32]
HASH_LINES = st.lists(
    st.builds(
        lambda digest, size, name: digest + b":" + size + b":" + name + b"\n",
        st.sampled_from(HASHES),
        st.sampled_from([b"1", b"2"]),
        st.sampled_from([b"T.A", b"T.B"]),
    ),
    min_size=1,
    max_size=6,
)
IGNORED = st.sampled_from([b"", b"T.A\n", b"T.B\n", b"T.A\nT.B\n"])


@settings(deadline=None, max_examples=150)
@given(HASH_LINES, HASH_LINES, IGNORED, IGNORED)
def test_lines_are_compared_as_records_are(
    one: list[bytes], other: list[bytes], off: bytes, silent: bytes
) -> None:
    rebuilt = {"a.hdb": b"".join(one), "b.ign2": off}
    shipped = {"a.hdb": b"".join(other), "b.ign2": silent}
    assert FAMILY.effective is not None
    sides = [
        [record for record in FAMILY.effective(files(side), {}) if record.scope == "hdb"]
        for side in (rebuilt, shipped)
    ]
    plain = told(list(pairs.changes(*sides, pairs.Causes())))
    quick = told([item for item in changes(rebuilt, shipped) if "ignore" not in item.kind])
    simple = sorted((kind, name, bool(weak)) for kind, name, weak in plain)
    assert sorted((kind, name, bool(weak)) for kind, name, weak in quick) == simple


def _database(count: int, seed: int = 1) -> list[bytes]:
    chance = random.Random(seed)
    return [
        b"%032x:%d:Win.Test-%d\n" % (chance.getrandbits(128), chance.randrange(1, 10**6), number)
        for number in range(count)
    ]


def test_a_large_list_in_another_order_and_case() -> None:
    lines = _database(30_000)
    other = [line[:32].upper() + line[32:] for line in reversed(lines)]
    assert changes({"a.hdb": b"".join(lines)}, {"a.hdb": b"".join(other)}) == []
    other[7] = b"%032x:5:New\n" % 5
    found = told(changes({"a.hdb": b"".join(lines)}, {"a.hdb": b"".join(other)}))
    assert sorted(found) == [
        ("detection-added", "New", ""),
        ("detection-removed", "Win.Test-29992", "signature-removed"),
    ]


def test_more_changes_than_are_told_are_counted() -> None:
    lines = _database(bulk.TOLD + 500)
    found = changes({"a.hdb": b"".join(lines)}, {"a.hdb": lines[0]})
    assert len(found) == bulk.TOLD + 1
    assert all(item.weakening == "signature-removed" for item in found)
    assert any("499 more" in item.summary for item in found)
    found = changes({"a.fp": lines[0]}, {"a.fp": b"".join(lines)})
    assert {item.weakening for item in found} == {"allowlist-added"}


@pytest.mark.parametrize("place", [0, 15_000, 29_999])
@pytest.mark.parametrize("bad", [b"x\n", b"\n", b"%032x:5: \n" % 9, b"%031x:5:A\n" % 9, b"\0\n"])
def test_no_bad_line_of_a_large_list_passes_unseen(place: int, bad: bytes) -> None:
    lines = _database(30_000)
    broken = [*lines[:place], bad, *lines[place:]]
    if bad.endswith(b": \n"):  # a name that is a space loads
        assert told(changes({"a.hdb": b"".join(lines)}, {"a.hdb": b"".join(broken)}))
        return
    for sides in ((lines, broken), (broken, lines), (broken, broken)):
        with pytest.raises(ParseError) as caught:
            changes({"a.hdb": b"".join(sides[0])}, {"a.hdb": b"".join(sides[1])})
        assert "a.hdb" in str(caught.value)


def test_a_line_longer_than_the_loader_s_buffer() -> None:
    for length, fits in ((8190, True), (8191, False), (20_000, False)):
        line = b"T:0:*:" + b"aa" * 4200
        line = (line[:length] if length < len(line) else line.ljust(length, b"a")) + b"\n"
        line = line if len(line) % 2 else line.replace(b"T:", b"TT:")[:length] + b"\n"
        if fits:
            assert changes({"a.ndb": line}, {"a.ndb": line}) == []
        else:
            with pytest.raises(ParseError):
                changes({"a.ndb": line}, {"a.ndb": line})


def test_a_quick_grammar_passes_nothing_that_the_parser_refuses() -> None:
    """Lines made of a good one by small edits: what the quick grammar takes, the parser takes."""
    seeds = {
        "hdb": MD5 + b":10:T.A:73:99", "mdb": b"10:" + MD5 + b":T", "hsb": MD5 + b":*:T:73",
        "ndb": b"T:1:EP+0,3:aabbcc{3-5}ddee??ff*1122:51", "ldb":
        b"T;Engine:51-255,Target:0;(0|1)&2;aabb*ccdd;0,5:aabb::iw;ee??ffaabb",
    }  # fmt: skip
    chance = random.Random(3)
    taken = 0
    for extension, seed in seeds.items():
        kind = kinds.LINES[extension]
        for _ in range(4000):
            line = bytearray(seed)
            for _ in range(chance.randrange(3)):
                at = chance.randrange(len(line))
                line[at : at + chance.randrange(2)] = bytes([chance.choice(b":;*{}?-,0aAgT=&|(<")])
            try:
                bulk.checked.whole(bytes(line) + b"\n", kind)
            except VerifierError:
                continue
            kind.parse(bytes(line), kind.scope)
            taken += 1
    assert taken > 4000


@pytest.mark.parametrize("extension", sorted(kinds.LOADED))
def test_hostile_files_give_clear_errors(extension: str) -> None:
    chance = random.Random(extension)
    seeds = [b"", b"\n", b":" * 5000, b";" * 5000, b"(" * 8000,
             b"T;Target:0;" + b"(" * 3000 + b"0;aa", b"9" * 5000, b"\xff" * 100,
             b"T:0:*:" + b"{5}" * 2000, b"T:0:*:aa" + b"(aa|" * 1000, b"X:" + b"(a" * 3000,
             b"ClamBC" + b"p" * 4000, b"ClamBC" + b"|" * 4000]  # fmt: skip
    for _ in range(60):
        data = bytearray(chance.choice(seeds) + chance.choice([b"", b"\n"]))
        for _ in range(chance.randrange(4)):
            data.insert(chance.randrange(len(data) + 1), chance.randrange(256))
        for container in ("", "cvd"):
            file = File(f"a.{extension}", f"a.{extension}", memoryview(bytes(data)), container)
            try:
                list(FAMILY.records(file, {}))
                changed = FAMILY.changes
                assert changed is not None
                assert not list(changed([file], [file], {}))
            except (ParseError, LimitError) as error:
                told_at_length = len(str(error)) > 500
                assert not told_at_length


def test_names_decide_only_where_contents_agree() -> None:
    good = {
        "a.hdb": MD5 + b":5:T\n", "a.ndb": b"#c\nT:0:*:aabbcc\n", "a.ldb": b"T;Target:0;0;aabb\r\n",
        "a.MSB": b"*:" + MD5 + b":T:73\n", "a.ign2": b"T.A\n", "a.pdb": b"H:a.com\n",
        "a.wdb": b"X:a:b:17-\n", "a.crb": b"n;1;" + b"a" * 40 + b";;aa;;1;1;1;;\n",
        "a.ftm": b"0:0:aa:n:CL_TYPE_ANY:CL_TYPE_ZIP\n", "a.pwdb": b"N;Target:0;0;a\n",
        "a.idb": b"T:a:b:" + b"0" * 124 + b"\n", "a.cdb": b"T:*:*:*:*:*:*:*:*:*\n",
        "a.zmd": b"T:0:*:*:*:*:*:*:*\n", "a.gdb": b"S:P:aabbccdd\n",
        "a.cfg": b"PE:0x1\n",
    }  # fmt: skip
    for name, data in good.items():
        assert FAMILY.accepts(name, memoryview(data)), name
        assert not FAMILY.accepts(name, memoryview(b"MZ\0\0" + data))
        assert not FAMILY.accepts("a.txt", memoryview(data))
        assert not FAMILY.accepts(name, memoryview(b"#only a comment\n"))
        assert not FAMILY.accepts(name, memoryview(b""))
    wrong = {
        "a.pdb": b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0", "b.pdb": b"HEADER    HYDROLASE\n",
        "a.mdb": b"\0\1\0\0Standard Jet DB\0", "a.db": b"T=aabbcc\n", "a.cfg": b"PE:1\n",
        "a.info": b"ClamAV-VDB:\n", "a.cat": b"0\x82", "a.yar": b"rule a{}", "a.ioc": b"<ioc/>",
        "a.fp": b"int main;\n", "a.ndb": b"<xml>\n", "a.imp": b"import x\n", "hdb": MD5 + b":5:T\n",
    }  # fmt: skip
    for name, data in wrong.items():
        assert not FAMILY.accepts(name, memoryview(data)), name
