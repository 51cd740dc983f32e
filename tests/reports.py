"""Reports that tests of renderers share: one of everything, a hostile one, a large one."""

from __future__ import annotations

from verifier import kinds, run
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
    Signer,
    Strength,
    Verdict,
    Waiver,
    worst,
)

FACTS = FileFacts("ab" * 32, 4096, "elf")
OTHER = FileFacts("cd" * 32, 4096, "elf")
# What someone who controls names and contents would try on whoever reads the report.
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "--><b>out of a comment</b><!--",
    "]]><evil/><![CDATA[",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m",
    "\x9b31mC1\x90q",
    "abc\u202egpj.exe\u2066\u2069\u200e\u200f\u061c",
    "zero\u200bwidth\ufeff\u00ad",
    "lone \ud800 surrogate \udfff and \udcff",
    "not XML: \x00\x01\x08\x0b\x0c\x0e\x1f\ufffe\uffff",
    "line\nbreak\r\nand\u2028separator\u2029\x85\ttab",
    "\n::warning file=x,line=1::owned\n  ::set-output name=a::b",
    "::error::owned",
    "##[add-mask]x ##vso[task.setvariable variable=a]b ##teamcity[x] ###[group]",
    "`code` ``two`` ``` three\n```\nfence",
    "`un|balanced",
    "| cell | cell |\n|---|---|",
    "[link](javascript:alert(1)) ![image](https://evil.example/x.png) <https://evil.example>",
    "https://evil.example www.evil.example mail@evil.example",
    "@everyone @org/team #1 GH-1 org/repo#2 org/repo@deadbeefdeadbeef :tada:",
    "deadbeef deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    "# heading\n- list\n> quote\n1. one\n=====\n***",
    "*bold* _it_ __b__ ~~s~~ \\* \\| \\",
    "&lt;b&gt; &amp; &#64;everyone",
    "{0} {1} {{2}} %s %(x)s ${x} $(id) `id`",
    "../../etc/passwd",
    "//evil.example/x",
    "C:\\x:y?query#fragment",
    "'\";--\"><x y='z'>",
    "",
    " ",
    "x" * 1_000_000,
    "\u202e" * 50_000,
    "`" * 3_000,
)


def made(*members: Member, **changes: object) -> Report:
    """A report of these members, as a run sums them up."""
    problems = changes.pop("problems", ())
    faults = [Verdict.INCONCLUSIVE for _ in problems]  # type: ignore[attr-defined]
    verdict = worst([*(member.verdict for member in members), *faults])
    free = sum(patch.free_bytes for member in members for patch in member.patches)
    report = Report(
        schema=run.SCHEMA,
        verdict=verdict,
        summary=run.summarise(verdict, members, free, problems),  # type: ignore[arg-type]
        policy=Policy(),
        rules_digest="0f" * 32,
        free_bytes=free,
        tool_versions={"verifier": "0"},
        members=members,
        problems=problems,  # type: ignore[arg-type]
        artifacts=tuple(
            Artifact(each.path, each.shipped, each.rebuilt)
            for each in members
            if "!" not in each.path
        ),
        seconds=1.5,
    )
    return report._replace(**changes)


def patch(rule: str = "elf.build-id", length: int = 20, offset: int = 0, free: int = 20) -> Patch:
    return Patch(
        *(rule, Strength.BOUNDED, "note[.note.gnu.build-id].desc", offset, length, offset, length),
        *(b"", "A build-id of the same type and length.", (Range(0, free, "the identifier"),)),
    )


def member(path: str, verdict: Verdict, **found: object) -> Member:
    return Member(
        path, verdict, FACTS, OTHER if verdict is not Verdict.IDENTICAL else FACTS
    )._replace(**found)


def everything() -> Report:
    """One of each thing that a report can hold."""
    signer = Signer("CN=Vendor", "CN=CA", "1", "aa", "sha256", "bb", "2026-01-01", True, True)
    weaker = Difference("detection-removed", "Eicar", "Gone.", weakening="signature-removed")
    changed = Difference(
        *("function-changed", "main", "comparison or branch: `jne` became `je` (1 of 9)."),
        *(0x1139, 2, "", "  push rbp\n- jne .9\n+ je .9"),
    )
    return made(
        member("pkg.deb", Verdict.DIFFERENT, notes=("A note.",)),
        member("pkg.deb!/usr/bin/tool", Verdict.DIFFERENT, differences=(changed, changed)),
        member("pkg.deb!/daily.ndb", Verdict.DIFFERENT, differences=(weaker,)),
        member("pkg.deb!/same", Verdict.IDENTICAL),
        member(
            "tool.efi", Verdict.EQUIVALENT, patches=(patch(), patch(offset=40)), signers=(signer,)
        ),
        member("odd", Verdict.INCONCLUSIVE, problems=(Problem("timeout", "odd", "Too slow."),)),
        problems=(Problem("unmatched", "artifacts", "extra.deb matched no file."),),
        waivers=tuple(
            Waiver(
                "tool.efi", "section[.rodata]", "A date.", "2026-06-01", "A. Auditor", *place, state
            )
            for state, place in (
                ("used", (8, 11)),
                ("unused", (None, None)),
                ("expired", (None, None)),
                ("refused", (None, None)),
                ("", (None, None)),
            )
        ),
        inputs=Inputs(
            "ptrace outside the sandbox",
            (InputClass("source", 12, 3400), InputClass("unaccounted", 1, 7)),
            (Input("/opt/blob.o", "no package has it", ("make", "cc hello.c"), "ab" * 32, 7),),
            (Input("/etc/passwd", "asked for the network", ("curl",)),),
            ("README",),
            ("12 events were lost",),
        ),
        makers=(
            Maker("gcc", "tool.efi", "12.2.0", "12.2.0"),
            Maker("rustc", "pkg.deb!/usr/bin/tool", "1.70", "1.63", "Pin rustc 1.70."),
        ),
        causes=(
            Cause(
                "build path", "tool.efi", ".rodata", "It holds the path.", "Use -ffile-prefix-map."
            ),
        ),
        source={"kind": "git", "digest": "abc", "description": "commit abc of tool"},
    )


def hostile(text: str) -> Report:
    """`text` wherever a report holds text that others may have chosen."""
    found = Difference("field", text, text, 1, 2, text, text)
    signer = Signer(text, text, text, text, text, text, text, False, False, (text,))
    one = Patch(text, Strength.BOUNDED, text, 0, 1, 0, 1, b"", text, (Range(0, 1, text),), text)
    facts = FACTS._replace(format=text)
    whole = Member(
        *(
            text,
            Verdict.DIFFERENT,
            facts,
            facts,
            (one,),
            (found,),
            (Problem("timeout", text, text),),
        ),
        *((signer,), (text,), text, text),
    )
    inner = Member(
        f"{text}!/{text}",
        Verdict.DIFFERENT,
        facts,
        None,
        differences=(found._replace(weakening=""),),
    )
    report = made(
        whole,
        inner,
        problems=(Problem("build-failed", text, text),),
        waivers=(Waiver(text, text, text, text, text, 1, 1, "unused"),),
        inputs=Inputs(
            text,
            (InputClass(text, 1, 1),),
            (Input(text, text, (text,)),),
            (Input(text, text),),
            (text,),
            (text,),
        ),
        makers=(Maker(text, text, text, "here", text), Maker(text, text, text, text)),
        causes=(Cause(text, text, text, text, text),),
        source={"kind": text, "digest": text, "description": text, "swhid": text},
        build={"log_tail": text, text[:50]: text},
    )
    return report._replace(
        policy=Policy(text, tolerates=(text[:50],)), summary=f"Different: {text}"
    )


def large(count: int = 10_000, patches: int = 20) -> Report:
    """Many members with many patches; a tenth differ."""
    names = sorted(kinds.DIFFERENCES)
    members = []
    for number in range(count):
        path = f"pkg{number // 100:03}.deb!/data.tar.xz!/usr/lib/module/{number:05}.so"
        held = tuple(patch(f"elf.rule-{each % 9}", 20, each * 64) for each in range(patches))
        if number % 10:
            members.append(member(path, Verdict.EQUIVALENT, patches=held))
            continue
        found = tuple(
            Difference(
                names[(number + each) % len(names)],
                f"function_{each}",
                "It has another value than the rebuild.",
                each * 64,
                8,
            )
            for each in range(5)
        )
        members.append(
            member(
                path, Verdict.DIFFERENT, patches=held, differences=found, summary="5 differences."
            )
        )
    return made(*members)
