"""What became of each waiver of a run: used, unused, expired, or refused by the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from verifier.model import Member, Patch, Settings, Waiver

RULE = "waiver"  # the rule that patches name which a waiver settled
STATES = ("used", "unused", "expired", "refused")


def evidence(waiver: Waiver) -> str:
    """What a patch says that a waiver settled: reason, author and last day."""
    return f"{waiver.reason} ({waiver.author or 'no author'}, until {waiver.expires})"


def expired(waiver: Waiver, today: str) -> bool:
    """Whether its last day is over; a run that knows no date takes no waiver."""
    return not today or waiver.expires < today


def judged(settings: Settings, members: Iterable[Member]) -> tuple[Waiver, ...]:
    """The waivers of a run with their states, from the patches that they settled."""
    places: dict[tuple[str, str], list[Patch]] = {}
    for member in members:
        for patch in member.patches:
            if patch.rule == RULE:
                places.setdefault((member.path, patch.field), []).append(patch)
    found: list[Waiver] = []
    for waiver in settings.waivers:
        patches = places.get((waiver.member, waiver.field), [])
        used = next((each for each in patches if _of(waiver, each)), None)
        if expired(waiver, settings.today):
            state = "expired"
        elif not settings.policy.waivers:
            state = "refused"
        elif used is not None:
            state = "used"
            patches.remove(used)  # a second waiver of the same bytes is not used, too
        else:
            state = "unused"
        found.append(waiver._replace(state=state))
    return tuple(found)


def _of(waiver: Waiver, patch: Patch) -> bool:
    fits = waiver.offset is None or (patch.offset, patch.length) == (waiver.offset, waiver.length)
    return fits and patch.evidence == evidence(waiver)
