"""Reports for the tests of renderers: real ones with differences, a large one, a hostile one."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests import realfiles
from tests.layouts import builds
from verifier import pair, run
from verifier.account import Cause, Input, InputClass, Inputs, Maker
from verifier.model import (
    Artifact,
    Difference,
    FileFacts,
    Member,
    Patch,
    Policy,
    Problem,
    Range,
    Report,
    Settings,
    Signer,
    Strength,
    Stretch,
    Verdict,
    Waiver,
    Within,
)

RULES = Path(__file__).parents[2] / "fixtures" / "rebuild" / "yara-rules"
SIGNATURES = Path(__file__).parents[2] / "fixtures" / "clamav-db" / "example.ndb"
_LINE = "if (state->whave < state->wsize) state->whave += dist;"
_TURNED = _LINE.replace("<", "<=")


def sides(work: Path) -> tuple[Path, Path]:
    """(shipped, rebuilt): a zlib with one line changed, YARA rules and a signature narrowed."""
    libraries = realfiles.made("pages", "zlib-1", _libraries)
    for side in ("shipped", "rebuilt"):
        folder = work / side
        (folder / "package").mkdir(parents=True)
        (folder / "rules").mkdir()
        shutil.copyfile(libraries / f"{side}.so", folder / "libz.so.1")
        shutil.copyfile(RULES / "linux.yar", folder / "rules/linux.yar")
        _text(RULES / "common.yar", folder, "rules/common.yar", ("< 7.9", "< 7.1"))
        _text(SIGNATURES, folder, "rules/example.ndb", ("2d6f6e65\n", "2d6f6e652d\n"))
        builds.run("tar", "--sort=name", "--mtime=@0", "-C", folder, "-cf",
                   folder / "package/rules.tar", "rules")  # fmt: skip
    return work / "shipped", work / "rebuilt"


@cache
def differing() -> Report:
    """The report on `sides`: every kind of view of a difference has something to show."""
    with tempfile.TemporaryDirectory() as work:
        shipped, rebuilt = sides(Path(work))
        return run.compare(pair.pair_paths(shipped, rebuilt), Settings(), 1).report


def _text(path: Path, folder: Path, name: str, change: tuple[str, str]) -> None:
    text = path.read_text("utf-8")
    assert change[0] in text
    (folder / name).write_text(text.replace(*change) if folder.name == "shipped" else text)


def _libraries(where: Path) -> None:
    for side in ("shipped", "rebuilt"):
        tree = where / "tree"
        shutil.copytree(builds.source("zlib"), tree)
        if side == "shipped":
            text = (tree / "inflate.c").read_text("utf-8")
            assert text.count(_LINE) == 1
            (tree / "inflate.c").write_text(text.replace(_LINE, _TURNED))
        files = [f"{name}.c" for name in builds.ZLIB]
        flags = ["-O2", "-fPIC", "-shared", "-D_LARGEFILE64_SOURCE=1", "-DHAVE_UNISTD_H"]
        builds.run("gcc", *flags, "-o", where / f"{side}.so", *files, where=tree)
        builds.run("strip", "--strip-unneeded", where / f"{side}.so")
        shutil.rmtree(tree)


def large(members: int, spans: int) -> Report:
    """A made report: so many members, and so many patches over all of them."""
    each = spans // members
    return report(
        tuple(_filled(number, each + (number < spans % members)) for number in range(members))
    )


def _filled(number: int, count: int) -> Member:
    strengths = tuple(Strength)[:5]
    patches = tuple(
        Patch(
            rule=f"pe.rule-{at % 30}",
            strength=strengths[at % len(strengths)],
            field=f"section[.text].field-{at % 500}",
            offset=at * 64,
            length=8,
            rebuilt_offset=at * 64,
            rebuilt_length=8,
            data=b"",
            evidence=f"{number * 31 + at} is what the shipped field of number {at} must be",
            free=(Range(0, 4, "any value of this size"),) if at % 7 == 0 else (),
        )
        for at in range(count)
    )
    path = f"folder-{number % 97}/sub-{number % 13}/file-{number:05}.dll"
    differs = number % 50 == 0
    found = Difference(
        "function-changed", f"f{number}", "3 of 80 instructions.", 8, 8, "", "- a\n+ b"
    )
    return Member(
        path,
        Verdict.DIFFERENT if differs else Verdict.EQUIVALENT,
        facts(path, count * 64 + 1000),
        facts(path + "'", count * 64 + 1000),
        patches,
        differences=(found,) if differs else (),
        unsettled=(Stretch(8, 8),) if differs else (),
    )


def facts(name: str, size: int, kind: str = "pe") -> FileFacts:
    """A file that has this size."""
    return FileFacts(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), size, kind)


def report(members: tuple[Member, ...], **fields: object) -> Report:
    """A report on these members, with the summary that a run would give them."""
    verdict = max((each.verdict for each in members), key=tuple(Verdict).index)
    base = Report(
        schema=run.SCHEMA,
        verdict=verdict,
        summary=run.summarise(verdict, members, 0),
        policy=Policy(),
        rules_digest="0" * 64,
        free_bytes=sum(patch.free_bytes for each in members for patch in each.patches),
        tool_versions={"verifier": "test"},
        members=members,
    )
    return base._replace(**fields)  # type: ignore[arg-type]


HOSTILE = (
    "</script><script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 2'>",
    "]]><!--<script>--><style>*{display:none}</style>",
    "\x1b[31mred\x1b]0;title\x07",
    "abc\u202egnp.exe\u2066\u200b",
    "line\u2028paragraph\u2029end\x00\x85",
    "lone\udc80\ud800surrogate",
    "{{ 7 * 7 }}{% raw %}${alert(1)}",
    "javascript:alert(1)",
    '" onmouseover="window.owned = 3" x="',
    "x" * 1_000_000,
)


def hostile() -> Report:
    """Every text of a report is one that wants to be something else."""
    return report(
        tuple(_bad(number, text) for number, text in enumerate(HOSTILE)),
        summary=HOSTILE[0],
        source={text: text for text in HOSTILE}
        | {"description": HOSTILE[1], "files": [{"name": HOSTILE[0]}]},
        build={
            "recipe": HOSTILE[0],
            "log_tail": "\n".join(HOSTILE),
            "environment": {
                "tools": {HOSTILE[1]: HOSTILE[4]},
                "packages": [{t: t for t in HOSTILE[:8]}] * 9,
            },
            "steps": [{"argv": list(HOSTILE)}],
            "nested": _deep(),
        },
        problems=tuple(Problem(text, text, text) for text in HOSTILE),
        waivers=tuple(Waiver(*[text] * 5, 1, 2) for text in HOSTILE),
        artifacts=tuple(Artifact(text, facts(text, 5, text), None) for text in HOSTILE),
        inputs=Inputs(
            HOSTILE[0],
            tuple(InputClass(text, 1, 2) for text in HOSTILE),
            tuple(Input(text, text, (text, text)) for text in HOSTILE),
            tuple(Input(text, text) for text in HOSTILE),
            HOSTILE,
            HOSTILE,
        ),
        makers=tuple(Maker(*[text] * 5) for text in HOSTILE),
        causes=tuple(Cause(*[text] * 5) for text in HOSTILE),
    )  # fmt: skip


def _deep() -> object:
    found: object = HOSTILE[0]
    for _ in range(200):
        found = {"in": found}
    return found


def _bad(number: int, text: str) -> Member:
    patch = Patch(
        *(text, Strength.BOUNDED, text, 10, 4, 10, 4, b"</script>", text),
        *((Range(0, 4, text),), text, text, text),
    )
    signer = Signer(*[text] * 6, text, True, False, (text,))
    detail = f"  {text}\n- {text}\n+ {text}{text}"
    return Member(
        text,
        Verdict.DIFFERENT,
        facts(text, 1000, text),
        facts(text + "'", 1000, text),
        (patch,),
        (Difference(text, text, text, 100, 50, text, detail),),
        (Problem(text, text, text),),
        (signer,),
        (text,),
        narration=text,
        summary=text,
        within=Within(HOSTILE[0], 1 << 60, 1 << 60, text) if number else None,
        unsettled=(Stretch(1 << 62, 5), Stretch(3, 0)),
    )


def each_kind() -> Report:
    """One member with every class of bytes, for the legend and the patterns."""
    patches = tuple(
        Patch(f"pe.{name.value}", name, "field", at * 100, 40, at * 100, 40, b"", "why")
        for at, name in enumerate(Strength, 1)
    )
    member = Member(
        "every.bin",
        Verdict.DIFFERENT,
        facts("a", 2000),
        facts("b", 2000),
        patches,
        (Difference("field", "header", "It differs.", 1200, 100),),
        unsettled=(Stretch(1250, 50), Stretch(1400, 100)),
    )
    unread = Member(
        "odd.bin", Verdict.INCONCLUSIVE, facts("c", 50), facts("d", 50),
        problems=(Problem("limit", "odd.bin", "It is too large."),),
    )  # fmt: skip
    return report((member, unread))


def accounted() -> Report:
    """A report of a rebuild that has everything beside members."""
    drift = Maker("gcc", "every.bin", "GCC 12.2.0-13", "GCC 12.2.0-14", "install 12.2.0-13")
    return each_kind()._replace(
        source={
            "kind": "git",
            "description": "it, at a tag",
            "files": [{"name": "a", "size": 3}],
            "pins": [
                {"kind": "git-tag", "value": "ab" * 20, "detail": "v1"},
                {"kind": "signature", "value": "CD" * 20, "detail": "OpenPGP, by alice"},
            ],
        },
        build={
            "recipe": "command",
            "sandbox": {"kind": "bubblewrap", "root": "debian:bookworm"},
            "environment": {
                "packages": [{"name": f"p{at}", "version": "1"} for at in range(9)],
                "variables": {"SOURCE_DATE_EPOCH": "1"},
            },
            "steps": [{"name": "build", "argv": ["make", "all"], "status": 0}],
        },
        waivers=(Waiver("every.bin", "field", "waived because", "2030-01-01", "auditor", 3, 4),),
        inputs=Inputs(
            "a recorder",
            (InputClass("source", 9, 900), InputClass("unaccounted", 1, 5)),
            (Input("/etc/secret", "no package has it", ("make", "cc"), "ab" * 32, 5),),
            (Input("a.c", "an audited file was changed"),),
            ("README",),
        ),
        makers=(Maker("ld", "every.bin", "2.40", "2.40"), drift),
        causes=(Cause("path", "every.bin", ".debug_str", "It holds the build path."),),
    )
