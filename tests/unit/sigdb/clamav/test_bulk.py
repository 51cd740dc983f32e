"""The comparison of large lists gives what the comparison of records gives, on anything."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sigdb.clamav.engine import MD5, changes, files, told
from verifier.errors import LimitError, ParseError, VerifierError
from verifier.sigdb.base import File
from verifier.sigdb.clamav import FAMILY, blocks, bulk, kinds, lines, pairs

LINES = st.lists(
    st.one_of(
        st.sampled_from([b"aa", b"ab", b"ba", b"abc", b"xaab", b"zz", b"q", b"aaa"]),
        st.sampled_from([b"a" * 15, b"a" * 16, b"a" * 17, b"b" + b"a" * 16, b"a" * 30 + b"b"]),
        st.builds(
            lambda size, place: b"a" * min(place, size) + b"b" + b"a" * max(0, size - place),
            st.sampled_from([63, 64, 65, 127, 128, 129, 200]),
            st.integers(0, 200),
        ),
    ),
    max_size=40,
)


def _text(found: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in found)


def _check_unequal(one: list[bytes], other: list[bytes]) -> None:
    """What the comparison says of two texts, against sets of their lines."""
    found = blocks.unequal(lines.Text(_text(one)), lines.Text(_text(other)))
    lost, come = set(one) - set(other), set(other) - set(one)
    told = blocks.split(found.lost), blocks.split(found.come)
    shared: set[bytes] = set()
    at = 0
    for start, end in [*found.rest, (len(found.mine.raw), 0)]:
        shared |= set(found.mine.raw[at:start].split(b"\n")) - {b""}
        at = end
    assert shared <= set(one) & set(other)
    assert (told[0] - shared, told[1] - shared) == (lost, come)
    assert all(text.endswith(b"\n") for text in (*found.lost, *found.come))


@settings(deadline=None)
@given(LINES, LINES, st.sampled_from([0, 5, 1 << 14]), st.sampled_from([0, 3, 4096]))
def test_blocks_find_what_sets_find(
    one: list[bytes], other: list[bytes], window: int, edits: int
) -> None:
    """Followed side by side, and as arrays where that gives up: both as sets of lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "LARGE", 1)
        patch.setattr(lines, "LARGE", 8)
        patch.setattr(lines, "_SHORT", 0)
        patch.setattr(blocks, "_WINDOW", window)
        patch.setattr(blocks, "_EDITS", edits)
        patch.setattr(lines, "_LINES", 3)
        patch.setattr(lines, "_STEP", 7)
        _check_unequal(one, other)


@pytest.mark.parametrize("collide", ["all", "some"])
def test_lines_of_one_number_are_told_apart_by_their_bytes(
    collide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers only choose what is compared: were they all alike, nothing would change."""
    real = lines._numbers

    def numbers(text: lines.Text, key: int) -> lines.Words:
        found = real(text, key)
        return found % 1 if collide == "all" else found % 3

    monkeypatch.setattr(lines, "_numbers", numbers)
    monkeypatch.setattr(blocks, "LARGE", 1)
    monkeypatch.setattr(lines, "LARGE", 1)
    monkeypatch.setattr(blocks, "_EDITS", 0)
    one = [b"%0*d" % (32 + 5 * number, number) for number in range(50)]
    one += [line + b"x" for line in one]
    _check_unequal(one, one[::-1])
    _check_unequal(one, [*one[30:], b"new", *one[:29]])


def test_lines_of_one_number_in_one_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is told from one of the same number that the other text has, or has beside it."""

    def by_length(text: lines.Text, _key: int) -> lines.Words:
        return (text.ends - text.starts).astype("uint64")

    monkeypatch.setattr(lines, "_numbers", by_length)
    monkeypatch.setattr(blocks, "LARGE", 1)
    monkeypatch.setattr(lines, "LARGE", 1)
    monkeypatch.setattr(blocks, "_EDITS", 0)
    one = [b"a" * size for size in range(9, 150)]
    for place in (0, 1, 70, 140):
        for at in (0, 8, place + 8):
            changed = one[place][:at] + b"b" + one[place][at + 1 :]
            _check_unequal(one, [*one[place + 1 :], changed, *one[:place]])
            _check_unequal(one, [*one[place:], changed, *one[:place]])
            _check_unequal([*one[place:], changed, *one[:place]], one)


def test_each_byte_of_a_line_is_compared() -> None:
    for size in (*range(1, 20), 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 192, 193, 300):
        line = bytes(b"a" * size)
        others = [line[:at] + b"b" + line[at + 1 :] for at in range(size)]
        mine, theirs = lines.Text(_text([line] * 80)), lines.Text(_text([*others, line] * 80))
        here = lines.Text(_text([line] * 80)).ends[:1] * 0
        for at in range(size):
            assert not lines._same(mine, here, theirs, here + at)
        assert lines._same(mine, here, theirs, here + size)


@settings(deadline=None)
@given(LINES, LINES, st.sets(st.sampled_from([b"aa", b"aaaa", b"aaaaaaaa"]), min_size=1))
def test_lines_with_a_key_are_found_in_any_way(
    one: list[bytes], other: list[bytes], keys: set[bytes]
) -> None:
    """Arrays find the same lines as the plain walk, whatever the case of the key."""
    wrapped = [b"%s:1:%s" % (line.upper(), line) for line in one]
    whole = _text([*wrapped, *wrapped[:3]])
    found = blocks.Unequal([], [], lines.Text(whole), [(len(_text(wrapped)), len(whole))])
    plain = blocks.with_keys(found, "hdb", keys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "LARGE", 8)
        patch.setattr(lines, "_SHORT", 0)
        patch.setattr(blocks, "_TELLING", 2)
        patch.setattr(lines, "_LINES", 3)
        again = found._replace(mine=lines.Text(whole))
        assert blocks.with_keys(again, "hdb", keys) == plain
    assert plain.shared == {line for line in wrapped if kinds.key_of(line, "hdb") in keys}
    assert plain.rest == {line for line in wrapped[:3] if kinds.key_of(line, "hdb") in keys}


FIELDS = {
    "hdb": b"%s:10:T.%d", "mdb": b"10:%s:T.%d", "ndb": b"T:1:*:%s:%d",
    "ldb": b"T;Engine:51-255,Target:0;%s;%d", "db": b"T=%s%d",
}  # fmt: skip


@pytest.mark.parametrize("scope", list(FIELDS))
def test_a_key_is_looked_for_where_its_field_is(
    scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_lines = [FIELDS[scope] % (b"%08x" % (number % 40), number) for number in range(200)]
    text = lines.Text(_text(all_lines))
    keys = {kinds.key_of(line, scope) for line in all_lines[:5]}
    found = blocks.Unequal([], [], text, [])
    plain = blocks.with_keys(found, scope, keys)
    assert plain.shared >= set(all_lines[:5])
    monkeypatch.setattr(lines, "LARGE", 1)
    again = found._replace(mine=lines.Text(text.raw))
    assert again.mine.large
    assert blocks.with_keys(again, scope, keys) == plain


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([32, 40, 64]), st.binary(min_size=32, max_size=32),
                       st.booleans(), st.sampled_from([b"T", b"AB:99"])), min_size=1)
)  # fmt: skip
def test_digests_are_folded_and_nothing_else_is(
    made: list[tuple[int, bytes, bool, bytes]],
) -> None:
    shown = [
        (digest.hex().upper() if upper else digest.hex()).encode()[:size] + b":7:" + name
        for size, digest, upper, name in made
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_LINES", 3)
        folded = lines.fold_digests(lines.Text(_text(shown)), kinds.DIGESTS)
    heads = [line.partition(b":") for line in shown]
    assert folded.raw == _text([head.lower() + mark + rest for head, mark, rest in heads])
    assert folded.ends.tolist() == lines.Text(folded.raw).ends.tolist()


def test_a_text_of_many_short_lines_makes_no_arrays() -> None:
    """An array of the places of a million blank lines would take eight times their text."""
    text = lines.Text(b"a\n" * lines.LARGE)
    assert not text.large
    other = lines.Text(b"b\n" * lines.LARGE)
    assert blocks.unequal(text, other).lost == [b"a\n"]
    assert not {"ends", "starts"} & (vars(text).keys() | vars(other).keys())
    with pytest.raises(ParseError, match="blank line"):
        changes({"a.hdb": b"\n" * lines.LARGE}, {"a.hdb": b"\n" * lines.LARGE})


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (b"aaaa\nbbbbb\n", True), (b"aaaa\nbbbbbb\n", False), (b"aaaa\n\nbbbb\n", False),
        (b"\naaaaaaa\n", False), (b"aaaa\n#bbb\n", False), (b"#aaa\nbbb\n", False),
        (b"aa\r\nbbbb\n", False), (b"aaaa\nb\0b\n", False), (b"aaaa\nbbbb", False),
        (b"aa#a\nb##\n", True),
    ],
)  # fmt: skip
def test_a_text_is_plain_without_what_needs_a_second_look(raw: bytes, plain: bool) -> None:
    assert lines.Text(raw).plain(5) is plain


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


def test_a_large_list_in_capitals_and_in_its_order() -> None:
    found = _database(30_000)
    other = [line[:32].upper() + line[32:] for line in found]
    assert changes({"a.hdb": b"".join(found)}, {"a.hdb": b"".join(other)}) == []
    for place in (0, 15_000, 29_999):
        changed = [*other[:place], b"%032X:5:New\n" % 5, *other[place + 1 :]]
        seen = told(changes({"a.hdb": b"".join(found)}, {"a.hdb": b"".join(changed)}))
        assert [(kind, weak) for kind, _, weak in seen] == [
            ("detection-removed", "signature-removed"),
            ("detection-added", ""),
        ]


@pytest.mark.parametrize("place", [0, 15_000, 29_999])
@pytest.mark.parametrize("bad", [b"\x10", b"G", b"@", b"\x1a"])
def test_folding_takes_no_other_byte_for_a_digit(place: int, bad: bytes) -> None:
    """The bit that makes letters small makes digits of control characters: they are refused."""
    found = _database(30_000)
    digit = (bad[0] | 0x20).to_bytes(1, "big")
    found[place] = digit + found[place][1:] if digit in b"0123456789abcdef" else found[place]
    other = [line[:32].upper() + line[32:] for line in found]
    other[place] = bad + other[place][1:]
    with pytest.raises(ParseError):
        changes({"a.hdb": b"".join(found)}, {"a.hdb": b"".join(other)})
    with pytest.raises(ParseError):
        changes({"a.hdb": b"".join(found)}, {"a.hdb": b"".join(reversed(other))})


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
