"""Build-ids of another revision, as the real linker makes them, and files that fit none."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from verifier import content
from verifier.diagnose import buildid
from verifier.errors import ParseError
from verifier.formats import named
from verifier.model import FileFacts, Member, Patch, Policy, Report, Strength, Verdict

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n'


def _linked(where: Path, revision: str | None, *flags: str) -> Path:
    """A program, its compiler's name edited in the assembler text: the linker sees another one."""
    where.mkdir()
    (where / "p.c").write_text(PROGRAM)
    prefix = f"-ffile-prefix-map={where}=."
    subprocess.run(["gcc", "-g", "-O2", prefix, *flags, "-S", "p.c"], cwd=where, check=True)
    text = (where / "p.s").read_text()
    if revision is not None:
        text, count = re.subn(r'(\.ident\s+"GCC: \(Debian [\d.]+-)[^)]+', rf"\g<1>{revision}", text)
        assert count == 1
    (where / "p.s").write_text(text)
    command = ["gcc", "-Wl,--build-id", "-o", "p", "p.s"]
    subprocess.run(command, cwd=where, check=True)
    return where / "p"


def _id(path: Path) -> str:
    data = memoryview(path.read_bytes())
    return buildid._build_id(data, named("elf").layout(data).info)


@pytest.mark.parametrize("revision", ["10", "9", "14+deb12u7", "3"])
def test_the_revision_is_found_by_the_linkers_own_build_id(tmp_path: Path, revision: str) -> None:
    vendor, here = _linked(tmp_path / "v", revision), _linked(tmp_path / "h", None)
    if revision == "14+deb12u7":  # no revision that is tried: nothing is named
        assert buildid.fit(str(here), (_id(vendor),)) == buildid.Fits()
        return
    (found,) = buildid.fit(str(here), (_id(vendor), "00" * 20)).found
    assert found.wanted == _id(vendor)
    assert any(f"-{revision})" in text for text in found.comment)


def test_another_program_fits_nothing(tmp_path: Path) -> None:
    vendor, here = _linked(tmp_path / "v", "10", "-DX"), _linked(tmp_path / "h", None, "-O0")
    assert buildid.fit(str(here), (_id(vendor),)) == buildid.Fits()


def test_what_is_no_file_of_gnu_ld_is_refused(tmp_path: Path) -> None:
    here = _linked(tmp_path / "h", None)
    data = bytearray(here.read_bytes())
    data[data.index(b"hello")] ^= 1  # its own build-id no longer fits
    other = tmp_path / "other"
    other.write_bytes(data)
    for path, said in ((other, "not the SHA-1"), (tmp_path / "h/p.c", "no ELF image")):
        with pytest.raises(ParseError, match=said):
            buildid.fit(str(path), ("00" * 20,))
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-R", ".comment", "-o", stripped, here], check=True)
    with pytest.raises(ParseError, match=r"no \.comment"):
        buildid.fit(str(stripped), ("00" * 20,))
    content.forget()


def test_it_is_named_as_a_diagnosis_and_the_verdict_stays(tmp_path: Path) -> None:
    vendor, here = _linked(tmp_path / "v", "10"), _linked(tmp_path / "h", None)
    (tmp_path / "h/p.s").unlink()
    buildid.keep(tmp_path / "h", tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 1
    wanted = bytes.fromhex(_id(vendor))
    patch = Patch(
        *("elf.build-id", Strength.BOUNDED, "section[.note.gnu.build-id].desc"),
        *(0, 20, 0, 20, wanted, "a build-id"),
    )
    facts = FileFacts("", here.stat().st_size, "elf")
    member = Member("p", Verdict.EQUIVALENT, facts, facts, (patch,))
    report = Report("", Verdict.EQUIVALENT, "", Policy(), "", 0, {}, (member,))
    (cause,), (maker,) = buildid.diagnose(report, tmp_path / "kept")
    assert cause.factor == "toolchain revision"
    assert "A diagnosis, no verification" in cause.summary
    assert "snapshot.debian.org/package/gcc-" in cause.advice
    assert re.search(r"-10 \(Debian\)", maker.shipped)
    assert maker.drifted
    assert buildid.diagnose(report._replace(members=()), tmp_path / "kept") == ((), ())
    assert buildid.diagnose(report, tmp_path / "none") == ((), ())
