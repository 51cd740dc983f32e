"""The HTML report as text: its map, its tree, its data, and that nothing in it is markup."""

import base64
import json
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.pages import samples
from verifier.model import (
    Difference,
    Member,
    Patch,
    Problem,
    Report,
    Strength,
    Stretch,
    Verdict,
    Within,
)
from verifier.report import page
from verifier.report.page import bytemap, islands, render, tree
from verifier.report.page.bytemap import CLASSES, DIFFERENCE, EQUAL, UNKNOWN, UNSETTLED, What

ROOT = Path(__file__).parents[3]


def _patch(offset: int, length: int, strength: Strength = Strength.DERIVED) -> Patch:
    return Patch("r", strength, "f", offset, length, offset, length, b"", "why")


def _member(**fields: Any) -> Member:
    base = Member("a", Verdict.DIFFERENT, samples.facts("a", 100), samples.facts("b", 100))
    return base._replace(**fields)


def _painted(member: Member, *children: tuple[int, Member], kinds: tuple[int, ...] = ()) -> str:
    """One letter a byte: what the map says of each."""
    letters = "=dsrmbaw~?u!"
    drawn = bytemap.of(member, children, kinds)
    assert member.shipped is not None
    found = [letters[drawn.base]] * member.shipped.size
    end = 0
    for piece in drawn.pieces:
        assert piece.length == 0 or piece.offset >= end, "pieces overlap or are out of order"
        end = max(end, piece.offset + piece.length)
        found[piece.offset : piece.offset + piece.length] = letters[piece.kind] * piece.length
    assert len(found) == member.shipped.size, "a piece ends after the file"
    return "".join(found)


def test_each_byte_has_one_class_and_patches_stand_above_all() -> None:
    member = _member(
        patches=(_patch(10, 5), _patch(50, 10, Strength.BOUNDED)),
        differences=(Difference("field", "x", "y", 12, 10), Difference("bytes", "z", "y", 70, 500)),
        unsettled=(Stretch(20, 10), Stretch(45, 20)),
    )
    said = _painted(member)
    assert said == (
        "=" * 10 + "d" * 5 + "~" * 5 + "!" * 2 + "u" * 8 + "=" * 15 + "u" * 5 + "b" * 10 + "u" * 5
        + "=" * 5 + "!" * 30
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "base"),
    [
        ({"verdict": Verdict.EQUIVALENT, "patches": (_patch(0, 4),)}, EQUAL),
        ({"rebuilt": samples.facts("a", 100)}, EQUAL),
        ({"rebuilt": None}, DIFFERENCE),
        ({"problems": (Problem("limit", "a", "too large"),)}, UNKNOWN),
        ({"differences": (Difference("function-changed", "f", "x"),)}, UNKNOWN),
        (
            {
                "differences": (Difference("function-changed", "f", "x"),),
                "unsettled": (Stretch(7, 2),),
            },
            EQUAL,
        ),
        ({}, UNKNOWN),
    ],
)
def test_only_what_is_known_to_be_equal_is_called_equal(change: dict[str, Any], base: int) -> None:
    assert bytemap.of(_member(**change), (), ()).base == base


def test_a_stored_member_is_painted_as_what_is_worst_in_it() -> None:
    inner = _member(path="b", within=Within("a", 30, 20))
    assert _painted(_member(), (0, inner), kinds=(UNSETTLED,)) == "=" * 30 + "u" * 20 + "=" * 50
    members = (
        _member(verdict=Verdict.EQUIVALENT),
        _member(verdict=Verdict.EQUIVALENT, patches=(_patch(0, 1, Strength.BOUNDED),)),
        _member(verdict=Verdict.DIFFERENT),
        _member(verdict=Verdict.IDENTICAL),
    )
    kinds = bytemap.notable(members, (-1, 0, -1, 2))
    assert [CLASSES[kind] for kind in kinds] == ["bounded", "bounded", "difference", "equal"]


def test_places_without_bytes_are_kept_and_places_past_the_end_are_not() -> None:
    member = _member(unsettled=(Stretch(40, 0), Stretch(1 << 60, 9), Stretch(99, 9)))
    drawn = bytemap.of(member, (), ())
    assert [piece[:2] for piece in drawn.pieces] == [(40, 0), (99, 1)]
    assert all(piece.what is What.UNSETTLED for piece in drawn.pieces)


def _rows(*members: Member) -> list[tuple[int, str, int]]:
    containers = tree.parents(members)
    return [(row.depth, row.label, row.member) for row in tree.rows(members, containers)]


def test_members_stand_in_their_containers_and_folders() -> None:
    def at(path: str, container: str = "") -> Member:
        return _member(path=path, within=Within(container, 0, 1) if container else None)

    assert _rows(
        at("tree.deb"),
        at("debian-binary", "tree.deb"),
        at("data.tar.xz", "tree.deb"),
        at("data.tar.xz!", "data.tar.xz"),
        at("data.tar.xz!/usr/bin/tree", "data.tar.xz!"),
        at("data.tar.xz!/usr/bin/b", "data.tar.xz!"),
    ) == [
        (0, "tree.deb", 0),
        (1, "data.tar.xz", 2),
        (2, "(payload)", 3),
        (3, "usr/bin", -1),
        (4, "b", 5),
        (4, "tree", 4),
        (1, "debian-binary", 1),
    ]


def test_an_older_report_has_its_tree_by_the_paths() -> None:
    members = [_member(path=path) for path in ("a.zip", "a.zip!/x/y.txt", "a.zipped/z")]
    assert tree.parents(members) == [-1, 0, -1]


def test_a_circle_of_containers_is_broken() -> None:
    members = [
        _member(path="a", within=Within("b", 0, 1)),
        _member(path="b", within=Within("a", 0, 1)),
        _member(path="b", within=Within("b", 0, 1)),
    ]
    assert tree.parents(members) == [-1, 0, 1]
    assert len(_rows(*members)) == 3


def test_folders_are_as_bad_as_the_worst_file_in_them() -> None:
    members = [
        _member(path="x/a", verdict=Verdict.IDENTICAL),
        _member(path="x/y/b", verdict=Verdict.INCONCLUSIVE),
        _member(path="z/c", verdict=Verdict.IDENTICAL),
    ]
    rows = tree.rows(members, tree.parents(members))
    verdicts = {row.label: row.verdict for row in rows if row.member < 0}
    assert verdicts == {
        "x": Verdict.INCONCLUSIVE,
        "y": Verdict.INCONCLUSIVE,
        "z": Verdict.IDENTICAL,
    }


def test_a_path_of_many_names_is_one_row() -> None:
    assert len(_rows(_member(path="a/" * 30_000 + "b"), _member(path="/" * 5_000))) == 2


class _Reader(HTMLParser):
    """The elements, attributes and scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.scripts: dict[str, str] = {}
        self._id: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self._id = dict(attrs).get("id") or ""
            self.scripts[self._id] = ""

    def handle_data(self, data: str) -> None:
        if self._id is not None:
            self.scripts[self._id] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._id = None


def _data(text: str) -> dict[str, Any]:
    scripts = _Reader(text).scripts
    return {name: json.loads(base64.b64decode(data)) for name, data in scripts.items() if name}


def test_hostile_text_makes_no_element_no_attribute_and_no_character_that_acts() -> None:
    text = page.text(samples.hostile())
    harmless = page.text(_named(samples.hostile()))
    found, wanted = _Reader(text), _Reader(harmless)
    assert set(found.tags) == set(wanted.tags)
    assert found.attributes == wanted.attributes
    assert found.tags.count("script") == wanted.tags.count("script")
    assert "style" not in found.attributes
    assert not [name for name in found.attributes if name.startswith("on")]
    assert all(line.isprintable() for line in text.split("\n"))
    text.encode("utf-8")
    for name, data in _data(text).items():
        strings = data["texts"] if name != "index" else [*data["path"], *data["mark"]]
        for each in strings:
            assert all(line.isprintable() for line in each.split("\n"))
            assert len(each) < 210_000
    assert len(text) < 8_000_000


def _named(report: Report) -> Report:
    """The same report with plain text in the place of all that is hostile."""
    texts = {text: f"t{number}" for number, text in enumerate(samples.HOSTILE)}

    def plain(value: Any) -> Any:
        if type(value) is str:
            return texts.get(value, value)
        if isinstance(value, dict):
            return {plain(key): plain(item) for key, item in value.items()}
        if hasattr(value, "_fields"):
            return type(value)(*map(plain, value))
        if isinstance(value, tuple | list):
            return type(value)(map(plain, value))
        return value

    found = plain(report)
    assert isinstance(found, Report)
    return found


def test_the_policy_of_the_page_allows_its_own_script_and_style_and_nothing_else() -> None:
    text = page.text(samples.each_kind())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    for name in ("script-src", "style-src"):
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", parts[name])
    assert "unsafe" not in policy
    assert "http:" not in text.replace("http://deb.debian.org", "")
    assert not re.search(r"https:|//[a-z]+\.[a-z]+", text)


def test_the_data_says_what_the_report_says() -> None:
    report = samples.differing()
    data = _data(page.text(report))
    index = data["index"]
    assert [index["verdicts"][each] for each in index["verdict"]] == [
        member.verdict for member in report.members
    ]
    assert index["differences"] == [len(member.differences) for member in report.members]
    assert index["patches"] == [len(member.patches) for member in report.members]
    assert sum(index["free"]) == report.free_bytes
    assert {row[2] for row in index["rows"]} >= set(range(len(report.members)))
    count = sum(len(block["members"]) for name, block in data.items() if name != "index")
    assert count == len(report.members)


def test_many_members_stand_in_blocks() -> None:
    report = samples.large(islands.BLOCK * 2 + 1, 600)
    data = _data(page.text(report))
    assert set(data) == {"index", "block-0", "block-1", "block-2"}
    assert len(data["block-2"]["members"]) == 1
    told = data["block-1"]["members"][0]
    assert told["patches"][0][4:8] == [0, 8, 0, 0]
    assert [each if isinstance(each, int) else each[3:] for each in told["map"]] == [0, 1, 2, 3, 4]


def test_bytes_of_patches_are_shown_where_the_report_has_them() -> None:
    given = _patch(3, 4)._replace(data=b"\x01\xff<>", free=())
    report = samples.report((_member(patches=(given,)),))
    (row,) = _data(page.text(report))["block-0"]["members"][0]["patches"]
    assert row[-1] == "01ff3c3e"


def test_the_same_report_makes_the_same_page() -> None:
    assert page.text(samples.each_kind()) == page.text(samples.each_kind())


def test_an_installation_has_the_files_of_the_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    folder = "verifier/report/page/files"
    wanted = {f"{folder}/{path.name}" for path in (ROOT / folder).iterdir()}
    assert wanted <= names
    assert {f"{folder}/{name}" for name in (*render.SCRIPTS, *render.STYLES)} <= wanted
