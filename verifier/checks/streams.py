"""Compressed streams whose payload is settled, while their own bytes differ.

The bytes of a stream follow from its payload and from what encoded it. The
encoder is found by trying (`unpack.encoders`); the result comes in here as the
parameter `encoder` of the question: absent where nobody has settled the
payload, empty where no known encoder gives the shipped bytes.
"""

from __future__ import annotations

from verifier.checks.base import Accepted, Answer, Question, Refused, free_all
from verifier.model import Range

_SLACK = 1024


def stream_reencoded(question: Question) -> Answer:
    """A known encoder gives exactly these bytes from the shipped payload."""
    encoder = question.parameters.get("encoder", "")
    if not encoder:
        return Refused("No known encoder gives this stream.", "stream")
    return Accepted(f"{encoder} gives exactly these bytes from the payload", _level(question))


def _level(question: Question) -> tuple[Range, ...]:
    """The block size digit of bzip2, the one byte by which its levels differ on short payloads."""
    value, rebuilt = question.value, question.rebuilt_value
    if not value.startswith(b"BZh") or value[3:4] == rebuilt[3:4]:
        return ()
    return (Range(3, 1, "any level whose blocks hold the payload"),)


def stream_payload(question: Question) -> Answer:
    """Only the payload speaks for the stream: every byte of it is free, and it may not be long."""
    if "encoder" not in question.parameters or question.rebuilt_span is None:
        return Refused("The payload of this stream was not compared.", "stream")
    length, rebuilt = len(question.value), len(question.rebuilt_value)
    largest = float(question.parameter("largest"))
    if length > largest * rebuilt + _SLACK:
        return Refused(
            f"The stream takes {length} bytes for what {rebuilt} bytes hold in the rebuilt file: "
            f"more than {largest} times as much.",
            "stream",
        )
    return Accepted(
        "the payload is settled; no known encoder gives these bytes",
        free_all(question, "stream not reproduced: one of many encodings of its payload"),
    )
