"""Planted causes, one a factor: each is named for its own file, and for no other one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.end_to_end.sandboxes import open_place
from verifier import diagnose, rebuild, source, spec, verify
from verifier.diagnose.model import CHANCE, NONE
from verifier.errors import BuildError, UsageError
from verifier.model import Verdict
from verifier.rebuild.recipes import base
from verifier.report import diagnosis as shown

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "fixtures" / "diagnose"
PLANTED = {
    "path.elf": "build path",
    "time.elf": "time",
    "zone.txt": "time zone",
    "locale.txt": "locale",
    "umask.tar": "umask",
    "user.txt": "user",
    "host.txt": "host name",
    "processors.txt": "processor count",
    "order.txt": "directory order",
    "environment.txt": "environment",
    "kernel.txt": "kernel name",
    "addresses.txt": "address randomisation",
    "chance.txt": CHANCE,
    "none.txt": NONE,
}
AUDIT = """
[source]
kind = "directory"
path = "{project}"
[build]
recipe = "command"
steps = ["sh build.sh"]
outputs = ["out/*"]
{more}
[[artifacts]]
shipped = "shipped/*"
rebuilt = "out/*"
"""
# The vendor's machine: what of it can be had here is had, the rest is written by hand.
VENDOR = """
[build.environment]
TERM = "vendor"
[sandbox]
build_path = "/opt/vendor/tree"
clock = 2022-03-04T05:06:07Z
timezone = "XST-13:45"
umask = "027"
user = "vendor"
hostname = "vendorhost"
"""
BY_HAND = {
    "locale.txt": "Apple\nzebra\ntea\n",
    "processors.txt": "built with make -j64\n",
    "order.txt": "alpha\nbeta\ndelta\nepsilon\neta\ngamma\ntheta\nzeta\n",
    "kernel.txt": "kernel 5.10.0-vendor\n",
    "addresses.txt": "a key at 0x5612deadbeef\n",
    "none.txt": "built from other source\n",
}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


def _quiet(_text: str) -> None:
    pass


def _audit(place: Path, project: Path, more: str = "") -> spec.Spec:
    path = place / "audit.toml"
    path.write_text(AUDIT.format(project=project, more=more))
    return spec.load(path)


def _verify(loaded: spec.Spec, place: Path, **more: Any) -> Any:
    options = verify.Options(place, 1, cache=place.parent / "cache", **more)
    place.mkdir()
    settings = verify.settings_of(loaded, options)
    return verify.verify(loaded, settings, options, _quiet, lambda _d, _k: None).report


@pytest.fixture(scope="module")
def found(place: Path) -> diagnose.Diagnosis:
    vendor = _audit(place, PROJECT, VENDOR)
    cache = source.Cache.open(place / "cache")
    rebuild.rebuild(vendor, source.obtain(vendor, cache), cache, place / "vendor")
    shutil.copytree(place / "vendor/out", place / "shipped")
    for name, text in BY_HAND.items():
        (place / "shipped" / name).write_text(text)
    loaded = _audit(place, PROJECT)
    options = verify.Options(place / "rebuild", 2, cache=place / "cache")
    options.output.mkdir()
    folders = place / "diagnosis", place / "rebuild/shipped", place / "rebuild/linked"
    wanted = diagnose.Options(*folders, 2)
    settings = verify.settings_of(loaded, options)
    result = verify.diagnosed(loaded, settings, options, wanted, _quiet)
    assert isinstance(result, diagnose.Diagnosis), result
    return result


def test_each_planted_cause_is_named_and_no_other(found: diagnose.Diagnosis) -> None:
    named = defaultdict(set)
    for cause in found.causes:
        named[cause.member].add(cause.factor)
    assert {path: sorted(factors) for path, factors in named.items()} == {
        path: [factor] for path, factor in PLANTED.items()
    }


def test_a_factor_moves_its_own_file_alone(found: diagnose.Diagnosis) -> None:
    moved = {
        tried.factor: {each.member for each in tried.moved if not each.settled}
        for tried in found.factors
    }
    assert moved == {factor: {path} for path, factor in PLANTED.items() if factor != NONE}
    assert not [tried for tried in found.factors if tried.problem]


def test_each_difference_has_a_cause_with_advice(found: diagnose.Diagnosis) -> None:
    causes = {(cause.member, cause.where) for cause in found.causes}
    assert causes == {(member, each.where) for member, each in found.differences}
    assert all(cause.advice.endswith(".") for cause in found.causes)
    assert found.unexplained == sum(1 for member, _ in found.differences if member == "none.txt")
    by_factor = {cause.factor: cause.advice for cause in found.causes}
    assert "-ffile-prefix-map" in by_factor["build path"]
    assert "SOURCE_DATE_EPOCH" in by_factor["time"]
    assert "-frandom-seed" in by_factor[CHANCE]


def test_text_and_json_say_the_same(found: diagnose.Diagnosis) -> None:
    document = json.loads(json.dumps(shown.document(found)))
    schema = json.loads((ROOT / "verifier/schemas/diagnosis-v1.json").read_text())
    jsonschema.validate(document, schema)
    assert document["unexplained"] == found.unexplained
    text = "\n".join(shown.lines(found, verbose=True))
    assert text.startswith(document["summary"])
    for factor in set(PLANTED.values()):
        assert f"{factor.upper()}: " in text


def test_chance_is_not_reproducible_here_and_never_blamed_on_the_vendor(place: Path) -> None:
    project = place / "random"
    project.mkdir()
    (project / "build.sh").write_text("mkdir out; od -An -tx1 -N16 /dev/urandom >out/chance.txt\n")
    work = place / "chance"
    shutil.copytree(place / "shipped", work / "shipped")
    for path in (work / "shipped").iterdir():
        if path.name != "chance.txt":
            path.unlink()
    loaded = _audit(work, project)
    report = _verify(loaded, work / "run")
    assert report.verdict is Verdict.DIFFERENT
    assert report.summary.startswith("Not reproducible here: two builds of the same source")
    assert [problem.kind for problem in report.problems] == ["not-reproducible"]
    assert {cause.factor for cause in report.causes} == {"not reproducible here"}
    (record,) = report.build["rebuilds"]
    assert "host name" in record["varied"]
    assert record["disagreements"] >= 1
    # Without a second build it reads as any other difference.
    report = _verify(loaded, work / "once", rebuilds=1)
    assert report.summary.startswith("Different: ")
    assert not report.problems
    assert not report.causes


def test_a_vendors_change_stays_a_difference(place: Path) -> None:
    project = place / "stable"
    project.mkdir()
    (project / "build.sh").write_text("mkdir out; echo 'built from source' >out/none.txt\n")
    work = place / "other"
    (work / "shipped").mkdir(parents=True)
    (work / "shipped/none.txt").write_text("built from other source\n")
    report = _verify(_audit(work, project), work / "run")
    assert report.summary == "Different: 2 differences in 1 file."
    assert not report.problems
    assert [record["disagreements"] for record in report.build["rebuilds"]] == [0]
    # The same bytes need no second build, unless one is asked for: on the line, or in the file.
    (work / "shipped/none.txt").write_text("built from source\n")
    assert "rebuilds" not in _verify(_audit(work, project), work / "same").build
    wanted = _audit(work, project)
    (work / "audit.toml").write_text("rebuilds = 3\n" + (work / "audit.toml").read_text())
    report = _verify(spec.load(work / "audit.toml"), work / "thrice")
    assert report.verdict is Verdict.IDENTICAL
    assert [record["number"] for record in report.build["rebuilds"]] == [2, 3]
    assert wanted.rebuilds is None


def test_what_cannot_be_held_or_named_is_refused(place: Path) -> None:
    for more, only, said in (
        ('[sandbox]\nkind = "host"', (), "kind is host"),
        ("", ("weather",), "'weather' is no factor; they are build path, time, "),
    ):
        loaded = _audit(place, PROJECT, more)
        wanted = diagnose.Options(place, place, place, 1, only)
        arguments = loaded, None, None, None, wanted, None
        with pytest.raises(UsageError, match=said):
            diagnose.diagnose(*arguments)  # type: ignore[arg-type]


EPOCH = 'environment = { SOURCE_DATE_EPOCH = "1700000000" }\n[sandbox]\nclock = "epoch"'


def test_the_clock_follows_source_date_epoch(place: Path) -> None:
    project = place / "timed"
    project.mkdir()
    (project / "build.sh").write_text("mkdir out; date -u +%F >out/date\n")
    work = place / "clock"
    work.mkdir()
    loaded = _audit(work, project, EPOCH)
    cache = source.Cache.open(place / "cache")
    got = source.obtain(loaded, cache)
    made = rebuild.rebuild(loaded, got, cache, work / "out")
    assert made.clock == "2023-11-14T22:13:20+00:00"
    assert (work / "out/out/date").read_text() == "2023-11-14\n"
    loaded = _audit(work, project, '[sandbox]\nclock = "epoch"')
    with pytest.raises(BuildError, match="sets no SOURCE_DATE_EPOCH"):
        rebuild.rebuild(loaded, got, cache, work / "none")


def test_a_clock_that_does_not_act_fails_the_build(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "FAKETIME_LIBRARY", "/usr/lib/no-such-library.so")
    work = place / "no-clock"
    work.mkdir()
    loaded = _audit(work, place / "timed", EPOCH)
    cache = source.Cache.open(place / "cache")
    with pytest.raises(BuildError, match="install libfaketime where they run"):
        rebuild.rebuild(loaded, source.obtain(loaded, cache), cache, work / "out")


def _cli(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier", "diagnose", *arguments, "--cache"]
    return subprocess.run(
        [*command, str(place / "cache")], capture_output=True, text=True, check=False, cwd=ROOT
    )


def test_exit_statuses_and_another_toolchain(place: Path) -> None:
    project = place / "levels"
    project.mkdir()
    (project / "p.c").write_text("int main(int n, char **v) { return n * 3 + (v != 0); }\n")
    (project / "build.sh").write_text(
        'mkdir out; gcc "-O$LEVEL" -s -Wl,--build-id=none -o out/p p.c; uname -n >out/host\n'
    )
    work = place / "cli"
    (work / "shipped").mkdir(parents=True)
    cache = source.Cache.open(place / "cache")
    for level in ("2", "0"):  # the last one stays in audit.toml
        loaded = _audit(work, project, f'environment = {{ LEVEL = "{level}" }}')
        (work / "audit.toml").rename(work / f"level-{level}.toml")
        got = source.obtain(loaded, cache)
        rebuild.rebuild(loaded, got, cache, work / f"made-{level}")
    shutil.copyfile(work / "made-2/out/p", work / "shipped/p")
    (work / "shipped/host").write_text("vendors\n")

    audit, other = str(work / "level-0.toml"), str(work / "level-2.toml")
    done = _cli(place, audit, "--factor", "host name", "--toolchain", other, "--json", "-")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    named = {(cause["member"], cause["factor"]) for cause in document["causes"]}
    assert named == {("p", "toolchain"), ("host", "host name")}

    done = _cli(place, audit, "--factor", "host name", "-q")
    assert done.returncode == 1
    assert "explained by host name; " in done.stdout
    assert _cli(place, audit, "--factor", "weather").returncode == 2
    (project / "build.sh").write_text("exit 7\n")
    done = _cli(place, audit, "-q")
    assert done.returncode == 3
    assert "failed with exit status 7" in done.stderr


def test_verify_names_causes_where_it_is_asked_to(place: Path) -> None:
    project = place / "hosts"
    project.mkdir()
    (project / "build.sh").write_text("mkdir out; uname -n >out/host\n")
    work = place / "asked"
    (work / "shipped").mkdir(parents=True)
    (work / "shipped/host").write_text("vendors\n")
    report = _verify(_audit(work, project), work / "run", diagnose=True)
    assert report.verdict is Verdict.DIFFERENT
    assert {cause.factor for cause in report.causes} == {"host name"}
    assert "rebuilds" not in report.build


def test_a_further_build_that_fails_is_told_and_changes_nothing_else(place: Path) -> None:
    project = place / "picky"
    project.mkdir()
    (project / "build.sh").write_text(
        'mkdir out; test "$(uname -n)" = sandbox || exit 1; echo a >out/a\n'
    )
    work = place / "failing"
    (work / "shipped").mkdir(parents=True)
    (work / "shipped/a").write_text("b\n")
    report = _verify(_audit(work, project), work / "run")
    assert report.summary == "Different: 2 differences in 1 file."
    (cause,) = report.causes
    assert cause.factor == "other conditions"
    assert "exit status 1" in cause.summary
    assert "exit status 1" in report.build["rebuilds"][0]["problem"]


DRIFTED = """
mkdir out
gcc $LEVEL -S p.c
sed -i "s/\\(GCC: ([^ ]* [0-9.]*\\)[^)]*)/\\1-$REVISION)/" p.s
gcc -s -Wl,--build-id=none -o out/p p.s
"""


def test_another_compiler_in_the_shipped_file_is_told_and_explains_nothing_away(
    place: Path,
) -> None:
    """Its own functions probably differ for it; a text of the source never does."""
    project = place / "drifted"
    project.mkdir()
    code = "#include <stdio.h>\nint main(int n, char **v) { return puts(TEXT) * n + (v != 0); }\n"
    (project / "p.c").write_text(code)
    (project / "build.sh").write_text(DRIFTED)
    work = place / "drift"
    work.mkdir()
    cache = source.Cache.open(place / "cache")
    for text, revision in (("evil", "99"), ("good", "77")):
        level = "-O2" if text == "evil" else "-O0"
        level += f' -DTEXT="{text}-text-of-the-source"'
        variables = f"LEVEL = '{level}', REVISION = '{revision}'"
        loaded = _audit(work, project, f"environment = {{ {variables} }}")
        got = source.obtain(loaded, cache)
        rebuild.rebuild(loaded, got, cache, work / text)
    shutil.copytree(work / "evil/out", work / "shipped")

    done = _cli(place, str(work / "audit.toml"), "--factor", "host name", "--json", "-")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert {cause["factor"] for cause in document["causes"]} == {NONE}
    assert document["unexplained"] == len(document["causes"])
    told = {cause["where"]: cause for cause in document["causes"]}
    drifted = [each for each in document["causes"] if "probable cause" in each["summary"]]
    assert any(each["where"].startswith("main") or ".text" in each["where"] for each in drifted)
    for cause in drifted:
        assert re.search(r"Made by GCC .*-99 .*, here .*-77 .*: the probable", cause["summary"])
        assert "A diagnosis, no verification" in cause["summary"]
        assert cause["advice"] != "Look at the difference itself."
    texts = [where for where in told if not where.startswith((".text", "data used by"))]
    strings = [told[where] for where in texts if "evil" in where or "good" in where]
    assert strings
    strings += [cause for cause in told.values() if cause["summary"].startswith("The text")]
    assert not [each for each in strings if "probable" in each["summary"]]


@pytest.mark.exhaustive  # minutes: Debian's hello is built five times
@pytest.mark.skipif(os.geteuid() != 0, reason="mmdebstrap needs root here")
def test_the_compiler_of_debians_hello_is_named(place: Path) -> None:
    """Under strict, which accepts neither build-id nor debug link as they are."""
    text = (ROOT / "fixtures/specs/hello.toml").read_text()
    path = place / "hello.toml"
    path.write_text(text.replace('name = "standard"', 'name = "strict"'))
    command = [sys.executable, "-m", "verifier", "diagnose", str(path), "--json", "-"]
    command += ["--factor", "build path"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    document = json.loads(done.stdout)
    assert document["verdict"] == Verdict.DIFFERENT
    by = {(each["member"].rpartition("/")[2], each["where"]): each for each in document["causes"]}
    found = by["hello", "section[.note.gnu.build-id].desc"]
    assert found["factor"] == "toolchain revision"
    assert "The shipped build-id fits GCC 12.2.0-10 (Debian)" in found["summary"]
    assert "https://snapshot.debian.org/package/gcc-12/12.2.0-10/" in found["advice"]
    link = next(each for (name, where), each in by.items() if name == "hello" and "link" in where)
    assert link["factor"] == NONE
    assert "12.2.0-10 (Debian), here 12.2.0-14" in link["summary"]
    assert "the probable cause. A diagnosis, no verification" in link["summary"]
