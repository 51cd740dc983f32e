"""Markdown for the comment on a pull request: what decides first, detail folded away.

Forges take 65,536 characters of one comment. Whole blocks are left out beyond that, the least
telling ones first, and the end says how many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.report import pins
from verifier.report.context import STATES
from verifier.report.escape import code, fenced, prose, tag
from verifier.report.figures import Figures, figures, matters, ranked, weak
from verifier.report.plain import lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.model import Difference, Member, Report

LIMIT = 65_536  # characters of a comment on GitHub; GitLab takes more
MARK = "<!-- source-binary-verifier -->"  # by which a bot finds its earlier comment
_SHOWN = 100  # members of the table, differences of a member, items of a list
_DETAIL = 4_000  # characters of assembly of one difference
_RESERVE = 400  # characters for what is said of the blocks left out

Block = list[str]


def text(report: Report, limit: int = LIMIT) -> str:
    """The comment, at most `limit` characters."""
    head, blocks, foot = _head(report), list(_blocks(report)), _foot(report)
    room = limit - _RESERVE - _size(head) - _size(foot)
    kept: list[Block] = []
    left = 0
    for block in blocks:
        size = _size(block)
        if left or size > room:
            left += 1
            continue
        kept.append(block)
        room -= size
    if left:
        told = f"{left} section{'s' if left != 1 else ''} of detail"
        kept.append([f"**Left out: {told}, for the length of a comment.** See the whole report."])
    return "\n\n".join("\n".join(block) for block in (head, *kept, foot)) + "\n"


def _size(block: Block) -> int:
    return sum(len(each) + 1 for each in block) + 1


def _head(report: Report) -> Block:
    found = figures(report)
    verdict = report.verdict.upper()
    block = [MARK, f"## Source-binary equivalence: {verdict}", "", prose(report.summary), ""]
    if not report.complete:
        block += ["**The run was stopped before its end; this report is not complete.**", ""]
    gate = report.gate
    if gate is not None and gate.tolerated:
        listed = gate.tolerated[:_SHOWN]
        kinds = ", ".join(f"{each.differences} {code(each.kind)}" for each in listed)
        by = code(gate.tolerated[0].by)
        block += [f"**Tolerated by {by}, exit status {gate.status}:** {kinds}.", ""]
    if gate is not None and gate.status:
        reasons = "; ".join(prose(reason, 200) for reason in gate.failed[:10])
        block += [f"**The gate fails with exit status {gate.status}:** {reasons}.", ""]
    block += _counts(found)
    return block


def _counts(found: Figures) -> Block:
    counted = found.counts()
    del counted["verdict"]
    return [
        "| " + " | ".join(name.replace("_", " ") for name in counted) + " |",
        "|" + "---:|" * len(counted),
        "| " + " | ".join(str(value) for value in counted.values()) + " |",
    ]


def _blocks(report: Report) -> Iterator[Block]:
    """What may be left out, most telling first."""
    yield from _makers(report)
    yield from _problems(report)
    yield from _pins(report)
    yield from _unaccounted(report)
    yield from _members(report)
    yield from _causes(report)
    yield from _waivers(report)
    yield from _rules(report)
    yield from _inputs(report)
    for member in ranked(report):
        if member.differences or member.problems or member.signers or member.notes:
            yield list(_member(member))


def _pins(report: Report) -> Iterator[Block]:
    """What the source was pinned by; a pin that fails stands open."""
    found = pins.rows(report)
    if not found:
        return
    failed = sum(1 for each in found if not each.held)
    says = f"{failed} of {len(found)} do NOT hold" if failed else f"all {len(found)} held"
    head = f"<details{' open' if failed else ''}><summary>pins of the source: {says}</summary>"
    block = [head, "", "| pin | value | state | how it was checked |", "|---|---|---|---|"]
    for each in found[:_SHOWN]:
        state = each.state if each.held else f"**{each.state}**"
        cells = (code(each.kind, 40), code(each.value, 100), state, prose(each.detail, 300))
        block.append(f"| {' | '.join(cells)} |")
    yield [*block, *_more(len(found)), "", "</details>"]


def _members(report: Report) -> Iterator[Block]:
    told = [member for member in ranked(report) if matters(member)]
    if not told:
        return
    block = ["| verdict | member | what | patches | free bytes |", "|---|---|---|---:|---:|"]
    for member in told[:_SHOWN]:
        free = sum(patch.free_bytes for patch in member.patches)
        cells = (_verdict(member), code(member.path, 200), _what(member))
        block.append(f"| {' | '.join(cells)} | {len(member.patches)} | {free} |")
    if len(told) > _SHOWN:
        block += ["", f"… and {len(told) - _SHOWN} more members."]
    yield block


def _verdict(member: Member) -> str:
    shown = str(member.verdict)
    if any(map(weak, member.differences)):
        return f"**{shown}, weakens**"
    return shown if member.verdict.positive else f"**{shown}**"


def _what(member: Member) -> str:
    if member.summary:
        return prose(member.summary, 200)
    said = [item.summary for item in member.differences]
    said += [item.summary for item in member.problems]
    if said:
        return prose(said[0], 200)
    return "" if member.verdict.positive else "something inside it decides"


def _member(member: Member) -> Iterator[str]:
    """One folded section."""
    kind = f" ({member.shipped.format})" if member.shipped else ""
    yield f"<details><summary>{member.verdict}: {tag(member.path + kind, 300)}</summary>"
    yield ""
    for difference in sorted(member.differences, key=lambda item: not weak(item))[:_SHOWN]:
        yield from _difference(difference)
    if len(member.differences) > _SHOWN:
        yield f"- … and {len(member.differences) - _SHOWN} more"
    for problem in member.problems[:_SHOWN]:
        yield f"- **{problem.kind}**: {code(problem.where)}: {prose(problem.summary)}"
    for signer in member.signers[:_SHOWN]:
        checked = "verified" if signer.verified else "**not verified**"
        known = "expected" if signer.pinned else "not pinned"
        yield f"- signed by {code(signer.subject)} ({checked}, {known})"
    for note in member.notes[:_SHOWN]:
        yield f"- {prose(note)}"
    yield ""
    yield "</details>"


def _difference(difference: Difference) -> Iterator[str]:
    weaker = f"**weakens** ({code(difference.weakening)}): " if weak(difference) else ""
    yield f"- {weaker}{difference.kind}: {code(difference.where)}: {prose(difference.summary)}"
    if difference.detail:
        yield ""
        shown = lines(difference.detail, _DETAIL)
        yield from (f"  {each}" for each in fenced(shown))
        yield ""


def _makers(report: Report) -> Iterator[Block]:
    drifted = [each for each in report.makers if each.drifted]
    if not drifted:
        return
    block = ["**Tools that made shipped files, and are other ones here:**", ""]
    block += ["| tool | shipped | here | advice |", "|---|---|---|---|"]
    for each in drifted[:_SHOWN]:
        cells = (code(each.tool), code(each.shipped), code(each.here), prose(each.advice))
        block.append(f"| {' | '.join(cells)} |")
    yield [*block, *_more(len(drifted))]


def _problems(report: Report) -> Iterator[Block]:
    if report.problems:
        yield [
            *(
                f"- **{each.kind}**: {code(each.where)}: {prose(each.summary)}"
                for each in report.problems[:_SHOWN]
            ),
            *_more(len(report.problems)),
        ]


def _causes(report: Report) -> Iterator[Block]:
    if not report.causes:
        return
    block = ["**Causes:**", ""]
    for each in report.causes[:_SHOWN]:
        place = f"{code(each.member)}: {code(each.where)}"
        advice = f" {prose(each.advice)}" if each.advice else ""
        block.append(f"- {code(each.factor)}: {place}: {prose(each.summary)}{advice}")
    yield [*block, *_more(len(report.causes))]


def _waivers(report: Report) -> Iterator[Block]:
    if not report.waivers:
        return
    block = ["**Waivers:**", ""]
    for each in report.waivers[:_SHOWN]:
        place = f"{code(each.member)}: {code(each.field)}"
        who = f"{code(each.author or 'no author')}, until {code(each.expires)}"
        block.append(f"- {STATES[each.state]}: {place}: {prose(each.reason)} ({who})")
    yield [*block, *_more(len(report.waivers))]


def _rules(report: Report) -> Iterator[Block]:
    found = figures(report).rules
    if found:
        block = ["<details><summary>rules</summary>", ""]
        block += ["| rule | strength | patches | bytes | free |", "|---|---|---:|---:|---:|"]
        for each in found[:_SHOWN]:
            cells = (code(each.rule), str(each.strength), each.patches, each.size, each.free)
            block.append(f"| {' | '.join(map(str, cells))} |")
        yield [*block, *_more(len(found)), "", "</details>"]


def _unaccounted(report: Report) -> Iterator[Block]:
    found = report.inputs
    if found is None or not (found.unaccounted or found.events or found.problems):
        return
    block = ["**Inputs of the build that need a word:**", ""]
    for name, listed in (("unaccounted", found.unaccounted), ("event", found.events)):
        for item in listed[:_SHOWN]:
            chain = f", by {code(' → '.join(item.chain), 300)}" if item.chain else ""
            block.append(f"- **{name}**: {code(item.path)}: {prose(item.reason)}{chain}")
        block += _more(len(listed))
    block += [f"- not seen: {prose(problem)}" for problem in found.problems[:_SHOWN]]
    yield block


def _inputs(report: Report) -> Iterator[Block]:
    if report.inputs is None:
        return
    block = ["<details><summary>inputs of the build</summary>", ""]
    block += ["| class | files | bytes |", "|---|---:|---:|"]
    for each in report.inputs.classes[:_SHOWN]:
        block.append(f"| {code(each.name)} | {each.files} | {each.size} |")
    unread = len(report.inputs.unread)
    method = prose(report.inputs.method)
    yield [*block, "", f"{unread} audited files were not read. {method}", "", "</details>"]


def _more(count: int) -> Block:
    return ["", f"… and {count - _SHOWN} more."] if count > _SHOWN else []


def _foot(report: Report) -> Block:
    source = report.source or {}
    named = [f"policy {code(report.policy.name, 80)}", f"rules {code(report.rules_digest[:16])}"]
    if source.get("description"):
        named.append(f"source {code(str(source['description']), 200)}")
    named += [
        f"{code(item.path, 100)} {code(item.shipped.sha256)}"
        for item in report.artifacts[:3]
        if item.shipped is not None
    ]
    return [f"<sub>{'; '.join(named)}; {report.seconds:.2f} s</sub>"]
