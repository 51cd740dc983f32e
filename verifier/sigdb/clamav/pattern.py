"""Body signatures and offsets, as strictly as the engine's pattern matchers take them.

Source: ClamAV's manual (Body Signature Format), libclamav 1.4 (`matcher-ac.c`,
`matcher-bm.c`, `matcher.c: cli_caloff`). What passes here loads there; a
pattern that does not load makes the engine refuse the whole database.
"""

from __future__ import annotations

import re

from verifier.errors import ParseError

EXECUTABLE = frozenset({1, 6, 9})  # PE, ELF, Mach-O: targets whose headers are parsed
_PLAIN = re.compile(r"(?:[0-9a-fA-F]{2})+")
_GAP = re.compile(r"\*|\{(?:[0-9]{1,9}(?:-[0-9]{0,9})?|-[0-9]{1,9})\}")
_SMALL_GAP = re.compile(r"\{0{0,6}([0-9]{1,3})\}")
_CHOICE = re.compile(
    r"!?\((?:[BLW]|(?:[0-9a-fA-F?]{2})++(?:\|(?:[0-9a-fA-F?]{2})++)*+)\)",
)
_EARLY = re.compile(
    r"(?:!?\([BLW]\))?+(?:[0-9a-fA-F?]{2}|!?\([^()]*+\))"
    r"!?\((?:[BLW]|[^()]*[^()|]{3}[^()]*)\)"
)  # after one byte, a choice that is not of one byte: the matcher's tree has no place for it
_ANCHOR_LEFT = re.compile(r"([0-9a-fA-F]{2})\[([0-9]{1,4})(?:-([0-9]{1,4}))?\]")
_ANCHOR_RIGHT = re.compile(r"\[([0-9]{1,4})(?:-([0-9]{1,4}))?\]([0-9a-fA-F]{2})")
_PART = re.compile(r"(?:[0-9a-fA-F?]{2}|\(\))+")
_STATIC = re.compile(r"(?:[0-9a-fA-F]{2}){2}")
_OFFSET = re.compile(
    r"\*|(?:[0-9]{1,9}|EOF-[0-9]{1,9}|EP[+-][0-9]{1,9}|S[0-9]{1,4}\+[0-9]{1,9}|SE[0-9]{1,4}"
    r"|SL\+[0-9]{1,9}|\$(?:[0-2]?[0-9]|3[01])\$)(?:,[0-9]{1,9})?|VI"
)
_MAX_ANCHOR = 32
_MAX_WILDCARDS = 127  # a `{n}` up to here is written out as `??`
_MAX_LENGTH = 64


def offset(text: str, target: int) -> str:
    """An offset, as written; `target` is the file type whose headers it may speak of."""
    if len(text) > _MAX_LENGTH or not _OFFSET.fullmatch(text):
        raise ParseError("The offset fits no grammar")
    if (text[0] in "SV" or text.startswith("EP")) and target not in EXECUTABLE:
        raise ParseError(f"An offset of executables in a signature of target {target}")
    return text


def body(text: str, *, short: bool = False) -> None:
    """Check a body signature; `short` is for places where only Aho-Corasick matches (ldb, ftm)."""
    if _PLAIN.fullmatch(text):
        if len(text) < (4 if short else 6):
            raise ParseError("The body is shorter than the matcher's minimum")
        return
    written = _write_out(text)
    for part in _GAP.split(written):
        _part(part)


def _write_out(text: str) -> str:
    """Leading small gaps `{n}` as `??`, which is how the loader reads them."""
    while True:
        place = text.find("{")
        found = _SMALL_GAP.match(text, place) if place >= 0 else None
        size = int(found.group(1)) if found else 0
        if found is None or not 0 < size <= _MAX_WILDCARDS:
            return text
        text = f"{text[:place]}{'??' * size}{text[found.end() :]}"


def _part(text: str) -> None:
    """One stretch between gaps: it needs two fixed bytes side by side."""
    text = _without_anchors(text)
    if "()" in text:
        raise ParseError("A choice is empty")
    if "(" in text and _EARLY.match(text):
        raise ParseError("A choice of several bytes, or a class, follows one byte alone")
    text = _CHOICE.sub(_choice, text)
    if not _PART.fullmatch(text):
        raise ParseError("The body signature fits no grammar")
    if len(text) < 4 or not _static(text):
        raise ParseError("A part of the body has no two fixed bytes side by side")


def _choice(found: re.Match[str]) -> str:
    written = found.group()
    if written[0] == "!":
        lengths = {len(item) for item in written[2:-1].split("|")}
        if len(lengths) > 1 or "?" in written:
            raise ParseError("A negated choice has alternatives of several lengths, or wildcards")
    return "()"


def _static(text: str) -> bool:
    return any(
        _STATIC.match(text, place) is not None for place in range(0, max(len(text) - 3, 1), 2)
    )


def _without_anchors(text: str) -> str:
    """Take `hh[n-m]` off the start and `[n-m]hh` off the end."""
    if "[" not in text:
        return text
    left = _ANCHOR_LEFT.match(text)
    if left:
        _anchor(left.group(2), left.group(3))
        text = text[left.end() :]
    place = text.find("[")
    right = _ANCHOR_RIGHT.fullmatch(text, place) if place >= 0 else None
    if right:
        _anchor(right.group(1), right.group(2))
        text = text[:place]
    return text


def _anchor(low: str, high: str | None) -> None:
    if not int(low) <= int(high or low) <= _MAX_ANCHOR:
        raise ParseError("The range in square brackets is out of bounds")
