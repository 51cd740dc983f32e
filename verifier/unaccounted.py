"""What a policy makes of a rebuild's inputs: nothing, a reason to doubt, or a difference.

A recording that is missing or incomplete is never "nothing unaccounted": where the policy demands
accounting, each of its problems makes the run inconclusive. An artifact that the audited source
already holds, and that is no text, counts as an input that nothing accounts for: nobody built it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Difference, Member, Problem, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.account import Input, Inputs
    from verifier.copied import Copy
    from verifier.model import Policy

PLACE = "inputs of the build"


class Demands(NamedTuple):
    """What speaks against a yes: problems, and a member with differences or None."""

    problems: tuple[Problem, ...] = ()
    member: Member | None = None


def judge(inputs: Inputs | None, policy: Policy, copies: Sequence[Copy] = ()) -> Demands:
    """What the policy demands of a finished rebuild with these inputs, None for no recording."""
    if policy.unaccounted == "report":
        return Demands()
    read = _read(inputs, policy)
    held = [
        (each.artifact, f"Of {each.artifact}, {each.reason}.") for each in copies if not each.text
    ]
    if policy.unaccounted != "different" or not held:
        problems = [Problem("artifact-in-source", *each) for each in held]
        return read._replace(problems=(*read.problems, *problems))
    found = tuple(Difference("artifact-in-source", *each) for each in held)
    before = read.member.differences if read.member is not None else ()
    member = Member(PLACE, Verdict.DIFFERENT, differences=(*before, *found))
    return read._replace(member=member)


def _read(inputs: Inputs | None, policy: Policy) -> Demands:
    if inputs is None:
        text = "The inputs of the build were not recorded, as the policy demands."
        return Demands((Problem("inputs-not-recorded", PLACE, text),))
    problems = [Problem("inputs-not-recorded", PLACE, text) for text in inputs.problems]
    if policy.unaccounted == "different" and inputs.unaccounted:
        found = tuple(Difference("input-unaccounted", *_told(each)) for each in inputs.unaccounted)
        member = Member(PLACE, Verdict.DIFFERENT, differences=found)
        return Demands(tuple(problems), member)
    problems += [Problem("input-unaccounted", *_told(each)) for each in inputs.unaccounted]
    return Demands(tuple(problems))


def _told(each: Input) -> tuple[str, str]:
    by = f" (read by {each.chain[-1]})" if each.chain else ""
    return each.path, f"The build read {each.path}, which is unaccounted: {each.reason}{by}."
