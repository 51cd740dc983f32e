"""ClamAV's databases: real ones, what loaders let pass, flips, and damaged ones."""

from __future__ import annotations

import random
import subprocess
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from tests.cases import clamav_build as make
from tests.support import STRICT, compare_bytes
from verifier import formats
from verifier.errors import VerifierError
from verifier.formats.clamav import archive, cdiff, cvd, header, info, pack
from verifier.model import Policy, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UPDATES = tuple(f"test-{number}.cdiff" for number in range(2, 7))


@pytest.mark.parametrize("name", [*make.NAMES, *UPDATES])
def test_every_byte_lies_in_one_span(name: str) -> None:
    data = memoryview(make.file(name))
    kind = formats.sniff(data)
    assert kind.name == name.rpartition(".")[2]
    spans = kind.layout(data).spans
    assert [span.offset for span in spans[1:]] == [span.end for span in spans[:-1]]
    assert (spans[0].offset, spans[-1].end) == (0, len(data))


@pytest.mark.parametrize("name", make.NAMES)
def test_the_tar_is_what_other_readers_see(name: str) -> None:
    tar = make.payload(make.file(name))
    assert formats.recognise(memoryview(tar)) == "clamav-tar"
    with tarfile.open(fileobj=BytesIO(tar)) as other:
        seen = {each.name: other.extractfile(each).read() for each in other}  # type: ignore[union-attr]
    assert seen == make.members(make.file(name))


@pytest.mark.parametrize("name", make.NAMES)
def test_source_and_shipped_fields_make_the_shipped_file(name: str) -> None:
    """The vendor's signature then stands over bytes that the auditor made."""
    shipped = make.file(name)
    assert make.packed(shipped, make.fields(shipped)) == shipped


@pytest.mark.parametrize("name", make.NAMES)
def test_an_auditors_own_packing_is_equivalent(name: str) -> None:
    found = compare_bytes(make.file(name), make.rebuilt(name))
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    evidence = {patch.rule: patch.evidence for patch in found.patches}
    assert "ClamAV's database key (RSA-1024)" in evidence["cvd.dsig"]
    assert "covers no byte of the header" in evidence["cvd.dsig"]
    assert "ClamAV's .info key (RSA-2048)" in evidence["clamav-info.dsig"]
    assert {signer.verified for member in found.members for signer in member.signers} == {True}


@pytest.mark.parametrize("name", make.NAMES)
def test_the_signature_alone_passes_the_strict_policy(name: str) -> None:
    """Beside the vendor's own list nothing is left to choose but the time zone of the header."""
    shipped = make.file(name)
    rebuilt = make.packed(shipped, make.fields(shipped)._replace(dsig="X"))
    found = compare_bytes(shipped, rebuilt, STRICT)
    assert found.verdict is Verdict.EQUIVALENT, found.differences
    assert sum(patch.free_bytes for patch in found.patches) == 0
    assert "cvd.dsig" in found.rules


def test_one_signature_less_is_the_only_difference() -> None:
    found = compare_bytes(make.file("test-6.cvd"), make.rebuilt("test-5.cvd", version=6))
    assert found.verdict is Verdict.DIFFERENT
    assert [(item.kind, item.where) for item in found.differences] == [
        ("detection-added", "test.ndb: Win.Worm.Klez-1")
    ]


def test_an_unsigned_database_where_the_source_side_is_signed() -> None:
    found = compare_bytes(make.rebuilt("test-6.cvd"), make.file("test-6.cvd"))
    kinds = {item.kind for item in found.differences}
    assert found.verdict is Verdict.DIFFERENT
    assert "signature-missing" in kinds


@pytest.mark.parametrize("field", ["version", "level"])
def test_what_engines_act_on_must_be_equal(field: str) -> None:
    found = compare_bytes(make.rebuilt("test-6.cvd", **{field: 90}), make.rebuilt("test-6.cvd"))
    assert {f"file: header.{field}", f"file!/test.info: header.{field}"} <= set(found.where())


def _tar(change: Callable[[list[tuple[str, bytes]]], None]) -> tuple[bytes, bytes]:
    shipped, rebuilt = make.cld()
    parts = list(make.members(shipped).items())
    change(parts)
    return shipped[:512] + pack.tar(parts), rebuilt


GAPS = {
    "database-listed-missing": ("test.ndb", lambda parts: parts.pop(11)),
    "database-member-duplicate": ("test.ndb#2", lambda parts: parts.append(("test.ndb", b""))),
    "database-member-foreign": ("note.txt", lambda parts: parts.append(("note.txt", b"x"))),
    "database-member-foreign ": ("more.info", lambda parts: parts.append(("more.info", b"x"))),
    "database-member-unlisted": ("more.fp", lambda parts: parts.append(("more.fp", b"x"))),
}


@pytest.mark.parametrize("kind", GAPS)
def test_what_the_loader_lets_pass_is_told(kind: str) -> None:
    where, change = GAPS[kind]
    found = compare_bytes(*_tar(change))
    assert found.verdict is Verdict.DIFFERENT
    assert (kind.strip(), where) in {(item.kind, item.where) for item in found.differences}


@pytest.mark.parametrize("kind", GAPS)
def test_it_is_told_even_where_the_rebuild_has_it_too(kind: str) -> None:
    where, change = GAPS[kind]
    one, other = make.cld()
    both = []
    for data in (one, other):
        parts = list(make.members(data).items())
        change(parts)
        both.append(data[:512] + pack.tar(parts))
    found = compare_bytes(*both)
    assert (kind.strip(), where) in {(item.kind, item.where) for item in found.differences}


def _engine_accepts(data: bytes, name: str, place: Path) -> bool:
    """Whether the engine of this machine calls a database fine."""
    (place / name).write_bytes(data)
    said = subprocess.run(
        ["sigtool", "--info", name], cwd=place, capture_output=True, text=True, check=False
    )
    assert "Functionality level" in said.stdout, said
    return "Verification OK" in said.stdout


def _all_dropped(parts: list[tuple[str, bytes]]) -> None:
    del parts[2:]


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        (GAPS["database-listed-missing"][1], True),
        (_all_dropped, True),
        (GAPS["database-member-duplicate"][1], True),
        (GAPS["database-member-foreign"][1], True),
        (GAPS["database-member-unlisted"][1], False),
    ],
)
def test_what_clamav_itself_lets_pass(
    change: Callable[[list[tuple[str, bytes]]], None], accepted: bool, tmp_path: Path
) -> None:
    shipped, rebuilt = _tar(change)
    assert _engine_accepts(shipped, "test.cld", tmp_path) is accepted
    assert compare_bytes(shipped, rebuilt).verdict is Verdict.DIFFERENT


def test_entries_after_an_empty_block_are_seen(tmp_path: Path) -> None:
    """The loader stops there; tar, told to ignore zeros, unpacks them."""
    shipped, rebuilt = make.cld()
    longer = shipped + bytes(512) + pack.tar([("test.fp", b"x")])
    assert _engine_accepts(longer, "test.cld", tmp_path)
    found = compare_bytes(longer, rebuilt)
    assert found.verdict is Verdict.DIFFERENT
    assert any("tail" in where for where in found.where())


def test_a_payload_that_another_packer_wrote_is_told(tmp_path: Path) -> None:
    """Where two readers of tar may disagree, members are not taken from either."""
    shipped, rebuilt = make.cld()
    other = BytesIO()
    with tarfile.open(fileobj=other, mode="w") as archived:
        for name, data in make.members(shipped).items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archived.addfile(member, BytesIO(data))
    foreign = shipped[: header.SIZE] + other.getvalue()
    assert _engine_accepts(foreign, "test.cld", tmp_path)
    found = compare_bytes(foreign, rebuilt)
    assert found.verdict is Verdict.DIFFERENT
    told = {item.summary for item in found.differences if item.kind == "layout"}
    assert any("a field that ClamAV leaves empty" in summary for summary in told), told


EDITS = {
    "builder": (b"micasnyd", b"auditor1", True),
    "time": (b"21-34 -0400", b"11-34 -0400", True),
    "padding": (b" " * 20, b" " * 10 + b"hidden" + b" " * 4, True),
    "version": (b":6:14:", b":7:14:", False),
    "count": (b":6:14:", b":6:15:", False),
    "level": (b":81:", b":82:", False),
    "stime": (b"1624412045", b"1624412046", False),
}


@pytest.mark.parametrize("field", EDITS)
def test_an_edited_header_that_no_signature_covers(field: str, tmp_path: Path) -> None:
    """ClamAV takes some of these for the vendor's own; here each is a difference."""
    before, after, accepted = EDITS[field]
    shipped = make.file("test-6.cvd")
    edited = shipped[:512].replace(before, after, 1) + shipped[512:]
    assert edited != shipped
    assert _engine_accepts(edited, "test.cvd", tmp_path) is accepted
    found = compare_bytes(edited, make.rebuilt("test-6.cvd"))
    assert any(f"header.{field}" in where for where in found.where())
    beside = compare_bytes(edited, shipped)
    assert beside.verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("at", "value"),
    [(100, b"0000644\0"), (136, b"1"), (156, b"0"), (257, b"ustar"), (0, b"a/b"), (124, b"+1")],
)
def test_a_header_that_clamav_does_not_write_is_refused(at: int, value: bytes) -> None:
    tar = make.payload(make.file("test-1.cvd"))
    with pytest.raises(VerifierError):
        archive.layout(memoryview(tar[:at] + value + tar[at + len(value) :]))


def test_bytes_after_the_gzip_or_the_list_are_refused() -> None:
    shipped = make.file("test-1.cvd")
    with pytest.raises(VerifierError, match="follow the compressed database"):
        cvd.layout(memoryview(shipped + b"\0"))
    listing = make.members(shipped)["test.info"]
    with pytest.raises(VerifierError, match="neither a member's"):
        info.layout(memoryview(listing + b"test.fp:1:" + b"0" * 64 + b"\n"))
    with pytest.raises(VerifierError, match="signature of an update is too long"):
        cdiff.layout(memoryview(make.file("test-2.cdiff") + b"a" * 10))


def _variants(data: bytes, chance: random.Random, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        at, other = chance.randrange(len(data)), chance.randrange(len(data))
        found += [
            data[:at],
            data[:at] + data[other:],
            data[:at] + chance.randbytes(8) + data[at + 8 :],
            data[:at] + data[other : other + 40] + data[at:],
        ]
    return found


@pytest.mark.parametrize("name", ["test-3.cvd", "test-3.cdiff", "tar", "info"])
def test_damaged_files_raise_nothing_unexpected(name: str) -> None:
    layouts = {"tar": archive.layout, "info": info.layout, "test-3.cdiff": cdiff.layout}
    layout = layouts.get(name, cvd.layout)
    data = make.file(name if "." in name else "test-3.cvd")
    if name in layouts and "." not in name:
        data = make.payload(data) if name == "tar" else make.members(data)["test.info"]
    for bad in _variants(data, random.Random(name), 150):
        try:
            cut = layout(memoryview(bad))
        except VerifierError:
            continue
        assert sum(span.length for span in cut.spans) == len(bad)


def test_damaged_pairs_are_never_equivalent() -> None:
    rebuilt = make.rebuilt("test-1.cvd")
    for bad in _variants(make.file("test-1.cvd"), random.Random(7), 12):
        found = compare_bytes(bad, rebuilt)
        if bad != make.file("test-1.cvd"):
            assert not found.verdict.positive


def test_a_header_is_split_as_the_loader_splits_it() -> None:
    line = b"ClamAV-VDB:a:1:2:3:m:d:b:17  :x"
    fields, end = header.read(line)
    assert [each.value for each in fields][-1] == b"17"
    assert line[end:] == b"  :x"
    for bad in (b"ClamAV-VDB:a:1", line.replace(b":1:", b":1 :"), line.replace(b":b:", b":\n:")):
        with pytest.raises(VerifierError):
            header.read(bad)


def test_a_packer_refuses_what_no_header_can_hold() -> None:
    files = {"COPYING": b"x", "a.ndb": b"y"}
    for fields in (
        make.OURS._replace(builder="a:b"),
        make.OURS._replace(builder="é"),
        make.OURS._replace(builder="b" * 600),
        make.OURS._replace(order=("b.ndb",)),
    ):
        with pytest.raises(VerifierError):
            pack.pack("a", files, fields)
    with pytest.raises(VerifierError):
        pack.pack("a", {"a.ndb": b""}, make.OURS)


def test_a_denied_rule_leaves_a_difference() -> None:
    found = compare_bytes(
        make.file("test-1.cvd"), make.rebuilt("test-1.cvd"), Policy(denied=("cvd.dsig",))
    )
    assert ("policy", "header.dsig") in {(item.kind, item.where) for item in found.differences}


def test_a_signer_that_the_auditor_did_not_name_is_told() -> None:
    found = compare_bytes(make.file("test-1.cvd"), make.rebuilt("test-1.cvd"), pins=("00" * 32,))
    assert "signature-unexpected" in {item.kind for item in found.differences}


def test_a_member_at_another_place_is_told_once() -> None:
    """The place of an ignore list decides what it ignores."""

    def swap(parts: list[tuple[str, bytes]]) -> None:
        parts[3], parts[9] = parts[9], parts[3]

    found = compare_bytes(*_tar(swap))
    assert {(item.kind, item.where) for item in found.differences} == {
        ("member-order", "test.hdb"),
        ("member-order", "test.msb"),
    }
