"""What changed around the members: signers, makers, inputs, policy, rules, waivers, source."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.account import Inputs
    from verifier.model import Policy, Report, Signer


class Change(NamedTuple):
    """One change. `old` or `new` is empty where there was, or is, nothing.

    `effect` is `worse`, `better` or `same`: it says less, more, or just something else.
    """

    what: str
    where: str
    old: str
    new: str
    effect: str


change = Change


def changes(old: Report, new: Report) -> Iterator[Change]:
    """All of it, in a fixed order."""
    yield from _signers(old, new)
    yield from _makers(old, new)
    yield from _inputs(old.inputs, new.inputs)
    yield from _problems(old, new)
    yield from _policy(old.policy, new.policy)
    if old.rules_digest != new.rules_digest:
        yield Change("rules-digest", "", old.rules_digest, new.rules_digest, "same")
    yield from _waivers(old, new)
    for name in ("digest", "description"):
        one, other = (str((each.source or {}).get(name, "")) for each in (old, new))
        if one != other:
            yield Change(f"source-{name}", "", one, other, "same" if other else "worse")
    for name in sorted(old.tool_versions.keys() | new.tool_versions.keys()):
        one, other = old.tool_versions.get(name, ""), new.tool_versions.get(name, "")
        if one != other:
            yield Change("verifier", name, one, other, "same")


def _signers(old: Report, new: Report) -> Iterator[Change]:
    before, after = _signatures(old), _signatures(new)
    there = {each.path for each in new.members if each.verdict is not Verdict.IDENTICAL}
    both = {member.path for member in old.members} & there
    for key in sorted(before.keys() | after.keys()):
        path, fingerprint = key
        one, other = before.get(key), after.get(key)
        if one is None and other is not None:
            effect = "same" if other.verified else "worse"
            yield Change("signer-new", path, "", _named(other), effect)
        elif one is not None and other is None:
            effect = "worse" if path in both else "same"  # gone with its file, or not asked for
            yield Change("signer-gone", path, _named(one), "", effect)
        elif one is not None and other is not None:
            rank = [(each.verified, each.pinned) for each in (one, other)]
            if rank[0] != rank[1]:
                effect = "worse" if rank[1] < rank[0] else "better"
                yield Change("signer", f"{path}: {fingerprint}", _named(one), _named(other), effect)


def _signatures(report: Report) -> dict[tuple[str, str], Signer]:
    return {
        (member.path, signer.fingerprint or signer.subject): signer
        for member in report.members
        for signer in member.signers
    }


def _named(signer: Signer) -> str:
    pinned = "expected" if signer.pinned else "not pinned"
    return f"{signer.subject} ({'verified' if signer.verified else 'not verified'}, {pinned})"


def _makers(old: Report, new: Report) -> Iterator[Change]:
    before = {(each.member, each.tool): each for each in old.makers}
    after = {(each.member, each.tool): each for each in new.makers}
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        shown = [f"{each.shipped} / {each.here}" if each else "" for each in (one, other)]
        if shown[0] == shown[1]:
            continue
        drift = [bool(each and each.drifted) for each in (one, other)]
        effect = "same" if drift[0] == drift[1] else "worse" if drift[1] else "better"
        yield Change("maker", f"{key[0]}: {key[1]}", shown[0], shown[1], effect)


def _inputs(old: Inputs | None, new: Inputs | None) -> Iterator[Change]:
    if (old is None) != (new is None):
        shown = [each.method if each else "" for each in (old, new)]
        yield Change("inputs", "", shown[0], shown[1], "worse" if new is None else "better")
    for what in ("unaccounted", "events"):
        before, after = ({each.path for each in getattr(one, what, ())} for one in (old, new))
        for path in sorted(after - before):
            yield Change(f"inputs-{what}", path, "", "there", "worse")
        for path in sorted(before - after):
            yield Change(f"inputs-{what}", path, "there", "", "better")
    before, after = (set(one.problems if one else ()) for one in (old, new))
    yield from (
        Change("inputs-problem", each, "", "there", "worse") for each in sorted(after - before)
    )
    yield from (
        Change("inputs-problem", each, "there", "", "better") for each in sorted(before - after)
    )
    if old is None or new is None:
        return
    sizes = [{each.name: (each.files, each.size) for each in one.classes} for one in (old, new)]
    for name in sorted(sizes[0].keys() | sizes[1].keys()):
        one, other = (each.get(name, (0, 0)) for each in sizes)
        if one != other:
            shown = [f"{files} files, {size} bytes" for files, size in (one, other)]
            yield Change("inputs-class", name, shown[0], shown[1], "same")


def _problems(old: Report, new: Report) -> Iterator[Change]:
    before, after = (
        {(each.kind, each.where): each.summary for each in report.problems} for report in (old, new)
    )
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key, ""), after.get(key, "")
        if (key in before) != (key in after):
            effect = "worse" if key in after else "better"
            yield Change("problem", f"{key[0]}: {key[1]}", one, other, effect)


def _policy(old: Policy, new: Policy) -> Iterator[Change]:
    if old.name != new.name:
        yield Change("policy", "name", old.name, new.name, "same")
    if old.accepts is not new.accepts:
        effect = "worse" if new.accepts.rank > old.accepts.rank else "better"
        yield Change("policy", "accepts", str(old.accepts), str(new.accepts), effect)
    for name, more in (("denied", "better"), ("tolerates", "worse")):
        before, after = set(getattr(old, name)), set(getattr(new, name))
        less = "worse" if more == "better" else "better"
        yield from (Change("policy", name, "", each, more) for each in sorted(after - before))
        yield from (Change("policy", name, each, "", less) for each in sorted(before - after))
    if old.waivers != new.waivers:
        effect = "worse" if new.waivers else "better"
        yield Change("policy", "waivers", str(old.waivers), str(new.waivers), effect)
    if old.unaccounted != new.unaccounted:
        strict = ("report", "inconclusive", "different").index
        effect = "worse" if strict(new.unaccounted) < strict(old.unaccounted) else "better"
        yield Change("policy", "unaccounted", old.unaccounted, new.unaccounted, effect)
    if (old.parameters, old.reencode) != (new.parameters, new.reencode):
        yield Change("policy", "parameters", _parameters(old), _parameters(new), "same")


def _parameters(policy: Policy) -> str:
    shown = [
        f"{rule}.{name}={value}"
        for rule, values in sorted(policy.parameters.items())
        for name, value in sorted(values.items())
    ]
    return ", ".join([*shown, f"reencode={policy.reencode}"])


def _waivers(old: Report, new: Report) -> Iterator[Change]:
    before, after = (
        {
            (each.member, each.field, each.offset or 0, each.length or 0, each.reason): each
            for each in report.waivers
        }
        for report in (old, new)
    )
    for key in sorted(before.keys() | after.keys()):
        one, other = (
            f"{each.state or 'not judged'}, until {each.expires}" if each else ""
            for each in (before.get(key), after.get(key))
        )
        if one == other:
            continue
        use = [bool(each and each.state == "used") for each in (before.get(key), after.get(key))]
        effect = "same" if use[0] == use[1] else "worse" if use[1] else "better"
        yield Change("waiver", f"{key[0]}: {key[1]}", one, other, effect)
