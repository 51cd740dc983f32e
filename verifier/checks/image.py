"""Two images that are one program: the map was judged elsewhere, and what it rests on comes in."""

from __future__ import annotations

from verifier.checks.base import Accepted, Answer, Question, Refused
from verifier.model import Range

_ORDER = "the order and places of functions and data"


def image_map(question: Question) -> Answer:
    """A total map that rests on nothing but the standing assumption of all such maps."""
    return _judged(question, assumed=False)


def image_map_assumed(question: Question) -> Answer:
    """A total map that rests on the assumptions that the evidence counts."""
    return _judged(question, assumed=True)


def _judged(question: Question, *, assumed: bool) -> Answer:
    found = question.parameters
    if found.get("faults") != "0":
        return Refused("No map makes the two images one program.", "bytes")
    if not assumed and found.get("assumptions") != "0":
        return Refused(f"The map rests on {found.get('assumptions')} assumptions.", "bytes")
    size = min(int(found["choices"]), question.shipped.layout.size)
    evidence = f"{found['extents']} stretches moved, everything else is the same"
    if assumed:
        evidence += f", under {found['assumptions']} assumptions"
    return Accepted(evidence, (Range(0, size, _ORDER),))
