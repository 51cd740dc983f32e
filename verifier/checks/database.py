"""Records of databases: what they mean was compared by their family, and comes in here."""

from __future__ import annotations

from verifier.checks.base import Accepted, Answer, Question, Refused, free_all


def records(question: Question) -> Answer:
    """The family found no change of meaning: its count is the parameter `changes`, and is 0."""
    if question.parameters.get("changes") != "0":
        return Refused("What the records mean differs, or was not compared.", "database-record")
    return Accepted(
        "the same records, by their family's own comparison",
        free_all(question, "any order, comments and notation that mean the same"),
    )
