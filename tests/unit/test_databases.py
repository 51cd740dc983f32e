"""Databases in the pipeline: what waits, what is compared together, where findings are told."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cases.databases import ONE, TWO, declared
from tests.support import STRICT, compare_bytes
from verifier import check, content, pair, policy, run, unpack
from verifier.errors import UsageError
from verifier.formats.clamav import pack
from verifier.gate import judge
from verifier.model import Database, Policy, Report, Settings, Strength, Verdict
from verifier.sigdb.collect import Collector, Opened, Source
from verifier.spec.databases import load

PASS = b"pass tcp any any -> any 80 (sid:3;)\n"


def _tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _compare(
    tmp_path: Path, shipped: dict[str, bytes], rebuilt: dict[str, bytes], **settings: object
) -> run.Result:
    pairing = pair.pair_paths(_tree(tmp_path / "s", shipped), _tree(tmp_path / "r", rebuilt))
    chosen = Settings(today="2026-01-01")._replace(**settings)  # type: ignore[arg-type]
    return run.compare(pairing, chosen, 2)


def _told(report: Report) -> list[tuple[str, str, str]]:
    return [
        (member.path, item.kind, item.where)
        for member in report.members
        for item in member.differences
    ]


def _packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def test_rules_in_another_order_are_proven_equivalent(tmp_path: Path) -> None:
    result = _compare(tmp_path, {"a.rules": TWO + ONE}, {"a.rules": ONE + TWO})
    assert result.report.verdict is Verdict.EQUIVALENT, _told(result.report)
    (patch,) = result.report.members[0].patches
    assert (patch.rule, patch.free_bytes) == ("database.records", patch.length)
    proof = tmp_path / "proof.json"
    proof.write_text(json.dumps(result.proof))
    assert check.main([str(proof), str(tmp_path / "s"), str(tmp_path / "r")]) == 0


def test_a_rule_that_moved_to_another_file_changes_nothing(tmp_path: Path) -> None:
    result = _compare(
        tmp_path, {"a.rules": ONE, "b.rules": TWO}, {"a.rules": ONE + TWO, "b.rules": b"#\n"},
        databases=(Database("*.rules", "suricata"),),
    )  # fmt: skip
    assert result.report.verdict is Verdict.EQUIVALENT, _told(result.report)


CAUGHT = b"T.One:0:*:aabbccddeeff\n"
KEPT = b"T.Kept:0:*:112233445566\n"


def test_a_list_is_known_however_long_its_first_comment_is(tmp_path: Path) -> None:
    """One that both sides have, and that nobody read, hid what it switches off."""
    licence = b"#" + b"x" * 80 + b"\n"
    listed = {"a.ign2": licence * 99 + b"An Old Name\nT.Switched\n"}
    renamed = CAUGHT.replace(b"T.One", b"T.Switched")
    result = _compare(
        tmp_path, {"a.ndb": KEPT + renamed, **listed}, {"a.ndb": KEPT + CAUGHT, **listed}
    )
    assert [each[1:] for each in _told(result.report)] == [("detection-removed", "a.ndb: T.One")]


def test_switches_of_the_engine_are_compared_by_meaning(tmp_path: Path) -> None:
    result = _compare(tmp_path, {"daily.cfg": b"PE:0x0\n"}, {"daily.cfg": b"# all\nPE:0xffff\n"})
    (found,) = result.report.members[0].differences
    assert (found.kind, found.weakening) == ("setting-changed", "configuration-changed")


MOVED = {
    # a record that moves, and one that stays in each of two files
    "ndb": (CAUGHT, KEPT, KEPT.replace(b"Kept", b"Other")),
    "rules": (ONE, TWO, TWO.replace(b"sid:2", b"sid:3")),
    "yar": tuple(b"rule %s { condition: true }\n" % each for each in (b"a", b"b", b"c")),
}


@pytest.mark.parametrize("name", MOVED)
def test_what_moved_to_another_folder_is_gone_from_the_first(tmp_path: Path, name: str) -> None:
    """An engine is told to load a folder, and does not go into the folders below it."""
    moved, one, other = MOVED[name]
    for second, verdict in (("extra/b", Verdict.DIFFERENT), ("b", Verdict.EQUIVALENT)):
        result = _compare(
            tmp_path / verdict.value,
            {f"main/a.{name}": one, f"main/{second}.{name}": other + moved},
            {f"main/a.{name}": one + moved, f"main/{second}.{name}": other},
        )
        assert result.report.verdict is verdict, _told(result.report)
        kinds = {(path, kind) for path, kind, _ in _told(result.report)}
        assert ((f"main/a.{name}", "detection-removed") in kinds) is (second != "b")


def test_a_loose_database_in_an_archive_is_loaded_as_a_loose_one(tmp_path: Path) -> None:
    """Its last line counts without a newline too, unlike that of a database's member."""
    shipped, rebuilt = (_packed({"a.ndb": each}) for each in (KEPT, KEPT + CAUGHT[:-1]))
    result = _compare(tmp_path, {"a.tar.gz": shipped}, {"a.tar.gz": rebuilt})
    assert [each[1:] for each in _told(result.report)] == [("detection-removed", "a.ndb: T.One")]


def test_strict_does_not_take_the_family_s_word(tmp_path: Path) -> None:
    result = _compare(tmp_path, {"a.rules": TWO + ONE}, {"a.rules": ONE + TWO}, policy=STRICT)
    assert [kind for _, kind, _ in _told(result.report)] == ["policy"]


def test_an_added_file_is_told_by_what_it_means(tmp_path: Path) -> None:
    result = _compare(tmp_path, {"a.rules": ONE, "b.rules": PASS}, {"a.rules": ONE})
    told = _told(result.report)
    assert ("b.rules", "member-added", "b.rules") in told
    assert any(path == "b.rules" and kind == "allowlist-added" for path, kind, _ in told), told


def test_members_of_packs_are_compared_where_they_lie(tmp_path: Path) -> None:
    shipped = _packed({"x/a.rules": ONE, "x/b.rules": TWO.replace(b"second", b"2nd")})
    rebuilt = _packed({"x/a.rules": ONE, "x/b.rules": TWO})
    result = _compare(tmp_path, {"p.tar.gz": shipped}, {"p.tar.gz": rebuilt})
    (told,) = [item for item in _told(result.report) if item[1].startswith("detection")]
    assert told[:2] == ("p.tar.gz!/x/b.rules", "detection-changed")
    assert "1:2" in told[2]


def test_a_pack_of_reordered_rules_is_equivalent(tmp_path: Path) -> None:
    shipped, rebuilt = _packed({"a.rules": TWO + ONE}), _packed({"a.rules": ONE + TWO})
    result = _compare(tmp_path, {"p.tar.gz": shipped}, {"p.tar.gz": rebuilt})
    assert result.report.verdict is Verdict.EQUIVALENT, _told(result.report)


def test_what_a_file_lost_to_a_pack_is_not_lost(tmp_path: Path) -> None:
    """An identical pack beside a changed file is not opened: the answer errs to different."""
    pack = _packed({"a.rules": TWO})
    result = _compare(
        tmp_path, {"l.rules": ONE, "p.tar.gz": pack}, {"l.rules": ONE + TWO, "p.tar.gz": pack}
    )
    assert result.report.verdict is Verdict.DIFFERENT


def test_a_member_that_only_one_pack_has(tmp_path: Path) -> None:
    shipped, rebuilt = _packed({"a.rules": ONE, "b.rules": PASS}), _packed({"a.rules": ONE})
    result = _compare(tmp_path, {"p.tar.gz": shipped}, {"p.tar.gz": rebuilt})
    told = _told(result.report)
    assert any(kind == "allowlist-added" for _, kind, _ in told), told


def test_one_unreadable_database_leaves_no_other_equivalent(tmp_path: Path) -> None:
    result = _compare(
        tmp_path,
        {
            "a.rules": TWO + ONE,
            "b.rules": ONE + b'alert tcp any any -> any 1 (content:"; sid:9;)\n',
        },
        {"a.rules": ONE + TWO, "b.rules": ONE},
    )
    by_path = {member.path: member for member in result.report.members}
    assert by_path["b.rules"].differences[0].kind == "database-record"
    assert by_path["a.rules"].verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("fault", ["lost", "died"])
def test_a_comparison_that_fails_leaves_the_files_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def broken(*_arguments: object, **_side: bool) -> list[object]:
        if fault == "died":
            raise MemoryError
        return []

    monkeypatch.setattr("verifier.sigdb.collect.Collector.files", broken)
    result = _compare(tmp_path, {"a.rules": TWO + ONE}, {"a.rules": ONE + TWO})
    (member,) = result.report.members
    assert member.verdict is Verdict.INCONCLUSIVE
    assert [item.kind for item in member.problems] == [
        "unreadable" if fault == "lost" else "internal-error"
    ]


def test_a_format_nobody_knows_is_never_more_than_inconclusive() -> None:
    opaque = {"databases": (Database("file", "opaque"),)}
    found = compare_bytes(b"vendor database 1", b"vendor database 2", **opaque)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.members[0].problems[0].kind == "database-unknown"
    assert compare_bytes(b"same", b"same", **opaque).verdict is Verdict.IDENTICAL


def test_every_flip_of_a_database_is_told_or_free() -> None:
    shipped, rebuilt = b"# one\n" + TWO + ONE, ONE + TWO
    for at in range(len(shipped)):
        for mask in (1, 0x20):
            flipped = shipped[:at] + bytes([shipped[at] ^ mask]) + shipped[at + 1 :]
            found = compare_bytes(flipped, rebuilt, **declared())
            assert not found.verdict.positive or at in found.free(), (at, mask)


def test_weakening_is_said_first_and_decides(tmp_path: Path) -> None:
    tolerant = Policy("gate", Strength.BOUNDED, tolerates=("detection-added", "detection-removed"))
    added = _compare(tmp_path / "1", {"a.rules": ONE + TWO}, {"a.rules": ONE}, policy=tolerant)
    assert added.report.verdict is Verdict.DIFFERENT
    assert judge(added.report).status == 0
    gone = _compare(tmp_path / "2", {"a.rules": ONE}, {"a.rules": ONE + TWO}, policy=tolerant)
    assert not judge(gone.report).tolerated
    assert gone.report.members[0].differences[0].weakening
    assert "weakens detection" in gone.report.summary


def test_nothing_is_tolerated_beside_a_doubt(tmp_path: Path) -> None:
    tolerant = Policy("gate", Strength.BOUNDED, tolerates=("detection-added",))
    result = _compare(
        tmp_path,
        {"a.rules": ONE + TWO, "v.db": b"1"},
        {"a.rules": ONE, "v.db": b"2"},
        policy=tolerant,
        databases=(Database("*.db", "opaque"),),
    )
    assert not judge(result.report).tolerated


def test_a_policy_tolerates_changes_of_databases_alone(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text('tolerates = ["detection-added"]')
    assert policy.load(str(path)).tolerates == ("detection-added",)
    path.write_text('tolerates = ["bytes"]')
    with pytest.raises(UsageError, match="tolerates is a list of"):
        policy.load(str(path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "declares no databases"),
        ("=", "not TOML"),
        ('[[databases]]\npath = "a"', "family is missing"),
        ('[[databases]]\npath = "a"\nfamily = "sqlight"', "there is no database family"),
        ('[[databases]]\npath = "a"\nfamily = "opaque"\nkey = 1', "did you mean|not a known key"),
        ('[[databases]]\npath = "a"\nfamily = "opaque"\noptions = {a = 1}', "a string or a list"),
    ],
)
def test_faulty_declarations_are_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "databases.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"(?i){fault}"):
        load(path)


def test_rows_may_not_change_places_with_another_file(tmp_path: Path) -> None:
    """What a scanner lets pass and what it stops are two files, not one set."""
    one, other = b'[{"id": 1}]', b'[{"id": 2}]'
    result = _compare(
        tmp_path,
        {"allow.json": one, "block.json": other},
        {"allow.json": other, "block.json": one},
        databases=(Database("*.json", "json", {"keys": ("id",)}),),
    )
    assert result.report.verdict is Verdict.DIFFERENT


def test_each_file_has_its_own_declaration(tmp_path: Path) -> None:
    """The volatile column of one table is none of the next."""
    declared = (
        Database("a.csv", "csv", {"volatile": ("seen",)}),
        Database("b.csv", "csv", {"keys": ("id",)}),
    )
    one, other = b"id,seen\n1,2\n", b"id,seen\n1,3\n"
    same = {"a.csv": one, "b.csv": one}
    result = _compare(tmp_path / "1", {"a.csv": other, "b.csv": one}, same, databases=declared)
    assert result.report.verdict is Verdict.EQUIVALENT, _told(result.report)
    result = _compare(tmp_path / "2", {"a.csv": other, "b.csv": other}, same, databases=declared)
    assert {path for path, *_ in _told(result.report)} == {"b.csv"}


def test_files_of_one_engine_may_not_have_two_profiles(tmp_path: Path) -> None:
    declared = (Database("a.yar", "yara", {"namespace": ("file",)}), Database("*", "yara"))
    one, other = b"rule a { condition: true }\n", b"rule b { condition: true }\n"
    result = _compare(
        tmp_path,
        {"a.yar": other + one, "b.yar": b"//\n"},
        {"a.yar": one + other, "b.yar": b"// \n"},
        databases=declared,
    )
    assert result.report.verdict is Verdict.INCONCLUSIVE
    assert "declared" in result.report.summary


def test_a_payload_that_was_compared_is_not_unpacked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector finds the same files, under the same paths, as by laying all out anew."""
    members = {"main.hdb": b"aa" * 16 + b":1:T.A\n", "main.ndb": b"N:0:*:aabbccdd\n"}
    fields = pack.Fields("01 Jan 2024 00-00 +0000", 1, 2, 90, "b", 1_704_067_200)
    (tmp_path / "main.cud").write_bytes(pack.pack("main", {**members, "COPYING": b"x"}, fields))
    ref = content.of_file(str(tmp_path / "main.cud"))
    source = Source("main.cud", ref, ref)
    anew = Collector("clamav", (), (), str(tmp_path)).files([source], shipped=True)
    assert {file.name: bytes(file.data) for file in anew} == members
    payload = unpack.decode_child("deflate", ref._replace(offset=522, length=ref.length - 530),
                                  str(tmp_path))  # fmt: skip
    opened = [Opened("main.cud", ref, ref), Opened("main.cud!", payload, payload)]

    def again(*_arguments: object) -> int:
        pytest.fail("the payload was unpacked again")

    monkeypatch.setattr("verifier.unpack.codecs.end_of", again)
    found = Collector("clamav", (), opened, str(tmp_path)).files([source], shipped=True)
    assert [(*file[:2], bytes(file.data), file.container) for file in found] == [
        (*file[:2], bytes(file.data), file.container) for file in anew
    ]


def test_a_patch_of_records_holds_the_shipped_bytes(tmp_path: Path) -> None:
    """They do not travel: whoever asked has them."""
    result = _compare(tmp_path, {"a.rules": TWO + ONE}, {"a.rules": ONE + TWO})
    (patch,) = result.report.members[0].patches
    assert patch.data == (TWO + ONE)[patch.offset : patch.offset + patch.length] != b""
