"""Which rule speaks for bytes whose meaning was settled elsewhere: a stream's, a database's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from verifier import checks
from verifier.checks.base import Accepted, Context, Question, Refused
from verifier.formats.base import Layout, Side
from verifier.model import Span

if TYPE_CHECKING:
    from verifier.content import Buffer
    from verifier.model import Policy
    from verifier.ruleset import Rule, Ruleset


class Settled(NamedTuple):
    """The rule that speaks for the bytes, and its evidence and free bytes."""

    rule: Rule
    answer: Accepted


def settle_stream(
    ruleset: Ruleset,
    policy: Policy,
    container: tuple[str, ...],
    field: str,
    shipped: Buffer,
    rebuilt: Buffer,
    encoder: str | None,
) -> Settled | Refused:
    """Which rule speaks for a stream whose payload is identical or equivalent.

    Args:
        ruleset: all rules.
        policy: what may count as equivalent.
        container: `Format.rules` of the format that holds the stream.
        field: the field of the stream's span (`body`, `stream`, `data`).
        shipped: the compressed bytes as shipped.
        rebuilt: the compressed bytes as rebuilt.
        encoder: what `encoders.reproduce` found; None for nothing.
    """
    found = {"encoder": encoder or ""}
    answer = settle_alone(ruleset, policy, container, field, shipped, rebuilt, found)
    if isinstance(answer, Refused) and not answer.reason:
        return Refused("No rule lets the stream vary.", "stream")
    return answer


def settle_alone(
    ruleset: Ruleset,
    policy: Policy,
    container: tuple[str, ...],
    field: str,
    shipped: Buffer,
    rebuilt: Buffer,
    found: dict[str, str],
) -> Settled | Refused:
    """The strongest rule that accepts the shipped bytes of `field`, knowing what was found out.

    `found` joins the rule's parameters. Without a rule the reason is empty.
    """
    refusals: list[Refused] = []
    for rule in ruleset.for_field(container, field):
        parameters = {**rule.parameters, **policy.parameters.get(rule.id, {}), **found}
        one, other = _alone(container[0], field, shipped), _alone(container[0], field, rebuilt)
        spans = one.layout.spans[0], other.layout.spans[0]
        answer = checks.find(rule.check)(Question(one, other, *spans, parameters, Context()))
        if isinstance(answer, Refused):
            refusals.append(answer)
        elif rule.id in policy.denied or rule.strength.rank > policy.accepts.rank:
            summary = f"Rule {rule.id} ({rule.strength}) would settle it ({answer.evidence}), "
            summary += f"but policy {policy.name} does not accept that rule."
            refusals.append(Refused(summary, "policy"))
        else:
            return Settled(rule, answer)
    kind = next((item.kind for item in reversed(refusals)), "field")
    return Refused(" ".join(item.reason for item in refusals), kind)


def _alone(format_name: str, field: str, data: Buffer) -> Side:
    span = Span(field, 0, len(data), field)
    return Side(data, Layout(format_name, len(data), (span,)))
