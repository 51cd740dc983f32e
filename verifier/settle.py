"""Ask the rules about one differing span: patch, or difference with the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier import checks, content, waivers
from verifier.checks.base import Accepted, Answer, Context, Question, Refused
from verifier.errors import VerifierError
from verifier.model import Patch, Range, Strength

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.align import Aligned
    from verifier.formats.base import Format, Side
    from verifier.model import Policy, Settings, Signer, Waiver
    from verifier.ruleset import Rule, Ruleset


class Judge:
    """The rules and the policy of a run, applied to the spans of one pair."""

    def __init__(self, ruleset: Ruleset, settings: Settings, context: Context) -> None:
        self._ruleset = ruleset
        self._policy: Policy = settings.policy
        self._context = context
        self.signers: list[Signer] = []

    def settle(
        self, kind: Format, shipped: Side, rebuilt: Side, aligned: Aligned
    ) -> tuple[Patch | None, list[Refused]]:
        """A patch from the strongest rule that accepts and that the policy allows.

        Without one, the refusals of every rule that the field has (none: no rule).
        """
        span = aligned.shipped or aligned.rebuilt
        refusals: list[Refused] = []
        if span is None:
            return None, refusals
        for rule in self._ruleset.for_field(kind.rules, span.field):
            answer = self._ask(rule, shipped, rebuilt, aligned)
            if isinstance(answer, Accepted):
                if self._allowed(rule):
                    self.signers.extend(answer.signers)
                    return _patch(rule, answer, shipped, aligned), []
                refusals.append(
                    Refused(
                        f"Rule {rule.id} ({rule.strength}) would settle it ({answer.evidence}), "
                        f"but policy {self._policy.name} does not accept that rule.",
                        "policy",
                    )
                )
            else:
                refusals.append(answer)
        return None, refusals

    def _ask(self, rule: Rule, shipped: Side, rebuilt: Side, aligned: Aligned) -> Answer:
        question = Question(
            shipped,
            rebuilt,
            aligned.shipped,
            aligned.rebuilt,
            {**rule.parameters, **self._policy.parameters.get(rule.id, {})},
            self._context,
        )
        try:
            return checks.find(rule.check)(question)
        except VerifierError as error:
            return Refused(str(error), getattr(error, "kind", "field"))

    def _allowed(self, rule: Rule) -> bool:
        policy = self._policy
        return rule.id not in policy.denied and rule.strength.rank <= policy.accepts.rank


def _patch(rule: Rule, answer: Accepted, shipped: Side, aligned: Aligned) -> Patch:
    one, other = aligned.shipped, aligned.rebuilt
    return Patch(
        rule=rule.id,
        strength=rule.strength,
        field=(one or other).name,  # type: ignore[union-attr]  # one of the two is there
        offset=aligned.at,
        length=one.length if one else 0,
        rebuilt_offset=aligned.rebuilt_at,
        rebuilt_length=other.length if other else 0,
        data=shipped.bytes_of(one),
        evidence=answer.evidence,
        free=answer.free,
        group=answer.group,
    )


def count_groups_once(patches: Iterable[Patch]) -> tuple[Patch, ...]:
    """Related fields hold one value: its free bytes count in the first of them alone."""
    seen: set[str] = set()
    result: list[Patch] = []
    for patch in patches:
        again = patch.group and patch.group in seen
        seen.add(patch.group)
        result.append(_without_free(patch) if again else patch)
    return tuple(result)


def _without_free(patch: Patch) -> Patch:
    return patch._replace(free=())


def waive(
    aligned: Aligned, member: str, shipped: Side, rebuilt: Side, settings: Settings
) -> tuple[tuple[Patch, ...], str]:
    """The patches that the auditor's waivers allow in one span, and the date of an expired one.

    Waivers with an offset cover just those bytes (offsets in the shipped file); whatever differs
    outside of them leaves the span a difference, and then no patch is returned.
    """
    found = [item for item in settings.waivers if _covers(item, member, aligned)]
    if not settings.policy.waivers or not found:
        return (), ""
    valid = [item for item in found if not waivers.expired(item, settings.today)]
    expired = next((item.expires for item in found if item not in valid), "")
    one, other = aligned.shipped, aligned.rebuilt
    for waiver in valid:
        if waiver.offset is None:
            return (_waived(waiver, aligned, shipped, 0, one.length if one else 0),), ""
    if one is None or other is None or one.length != other.length:
        return (), expired
    ranges = [
        (item, item.offset - one.offset, item.length or 0)
        for item in valid
        if item.offset is not None
    ]
    data = shipped.data[one.offset : one.end], rebuilt.data[other.offset : other.end]
    used: dict[int, Patch] = {}
    for run in content.runs(*data):
        fitting = next(
            (each for each in ranges if _within(run.offset, run.length, each[1], each[2])), None
        )
        if fitting is None:
            return (), expired
        used[fitting[1]] = _waived(fitting[0], aligned, shipped, fitting[1], fitting[2])
    return tuple(used[start] for start in sorted(used)), ""


def _within(offset: int, length: int, start: int, size: int) -> bool:
    return start <= offset and offset + length <= start + size


def _waived(waiver: Waiver, aligned: Aligned, shipped: Side, start: int, length: int) -> Patch:
    """The patch of `length` bytes from `start` of the span (all of it: whatever its two sizes)."""
    span, other = aligned.shipped or aligned.rebuilt, aligned.rebuilt
    assert span is not None
    whole = waiver.offset is None
    data = bytes(shipped.data[aligned.at + start : aligned.at + start + length])
    return Patch(
        rule=waivers.RULE,
        strength=Strength.WAIVED,
        field=span.name,
        offset=aligned.at + start,
        length=length,
        rebuilt_offset=aligned.rebuilt_at + start,
        rebuilt_length=(other.length if other else 0) if whole else length,
        data=data,
        evidence=waivers.evidence(waiver),
        free=(Range(0, length, "waived"),),
    )


def _covers(waiver: Waiver, member: str, aligned: Aligned) -> bool:
    span = aligned.shipped or aligned.rebuilt
    return span is not None and waiver.member == member and waiver.field == span.name
