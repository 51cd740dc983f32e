"""Which revision of the compiler a shipped build-id fits: a diagnosis, never a verification.

GNU ld's build-id is the SHA-1 of the linked file before anything is stripped: its header without
the offsets of tables, its program headers, and each section header without its offset, followed by
the contents (the note itself as zeros; symbols and names of sections left out). `.comment` is part
of it, so that another revision of one and the same compiler gives another build-id. Here only
that text is changed: what the compiler of that revision would have done is not known.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from verifier import aside, content, formats, limits
from verifier.account import Cause, Maker
from verifier.errors import ParseError, VerifierError
from verifier.formats.base import text
from verifier.formats.elf.header import SHT_NOBITS
from verifier.makers.advice import advice
from verifier.makers.comment import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.model import Report

FACTOR = "toolchain revision"
_NOTE, _COMMENT = ".note.gnu.build-id", ".comment"
_UNHASHED = frozenset({".symtab", ".strtab", ".shstrtab"})
_REVISED = re.compile(rb"(GCC: \((?:Debian|Ubuntu) (\d[\w.]*)-)([\w.+~]+)(\) .*)", re.DOTALL)
_REVISIONS = 40
_TEXTS = 2  # of a `.comment` whose revisions are varied independently
_HASHED = 8 * limits.GIB
_FILES, _BYTES = 400, 1 * limits.GIB  # linked files of a build that are kept
_SIZE = 20  # bytes of a SHA-1


class Fit(NamedTuple):
    """A build-id in hex, and the texts of `.comment` that give it."""

    wanted: str
    comment: tuple[str, ...]
    here: tuple[str, ...]


class Fits(NamedTuple):
    """The fits of one file."""

    found: tuple[Fit, ...] = ()


def keep(tree: Path, into: Path) -> None:
    """Copy linked ELF files out of a build tree, before it goes: each content once."""
    into.mkdir(parents=True, exist_ok=True)
    room, count = _BYTES, 0
    for parent, directories, names in os.walk(tree):
        directories.sort()
        for name in sorted(names):
            path = Path(parent) / name
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > room or count >= _FILES:
                continue
            with path.open("rb") as file:
                head = file.read(18)
                if head[:4] != b"\x7fELF" or head[16:18] not in (b"\2\0", b"\3\0"):
                    continue
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if not (target := into / digest).exists():
                shutil.copyfile(path, target)
                room, count = room - found.st_size, count + 1


def diagnose(report: Report, kept: Path) -> tuple[tuple[Cause, ...], tuple[Maker, ...]]:
    """A cause and a maker for each member whose shipped build-id fits another revision."""
    wanted = dict(_wanted(report))
    fits: dict[str, Fit] = {}
    for path in sorted(kept.iterdir()) if wanted and kept.is_dir() else ():
        try:
            answer = aside.ask(Fits, fit, str(path), tuple(wanted.values()))
        except VerifierError:
            continue  # no file of GNU ld's, or one that takes too long: nothing fits it
        fits |= {each.wanted: each for each in answer.found}
    causes, makers = [], []
    for member, hexed in wanted.items():
        found = fits.get(hexed)
        if found is not None:
            shipped, here = (_versions(texts) for texts in (found.comment, found.here))
            how = advice("GCC", shipped)
            makers.append(Maker("GCC (by its build-id)", member, shipped, here, how))
            causes.append(Cause(FACTOR, member, "build-id", _sentence(shipped, here), how))
    return tuple(causes), tuple(makers)


def _sentence(shipped: str, here: str) -> str:
    return (
        f"The shipped build-id fits GCC {shipped}: with that text in .comment, and no other byte "
        f"changed, the file that was linked here by {here} has it. A diagnosis, no verification: "
        "the text was edited."
    )


def _versions(texts: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys(named(each)[1] for each in texts))


def _wanted(report: Report) -> Iterator[tuple[str, str]]:
    """Shipped build-ids of 20 bytes that are not the rebuilt ones, by member."""
    for member in report.members:
        for patch in member.patches:
            if patch.field.endswith(f"[{_NOTE}].desc") and len(patch.data) == _SIZE:
                yield member.path, patch.data.hex()
        for difference in member.differences:
            hexed = re.search(r"\b[0-9a-f]{40}\b", difference.summary)
            if "build-id" in difference.where and hexed:
                yield member.path, hexed[0]


def fit(path: str, wanted: tuple[str, ...]) -> Fits:
    """Try revisions on one linked file; runs in a process of its own.

    Raises:
        ParseError: it is no ELF file, or its own build-id is not what GNU ld makes of it.
    """
    data = content.view(content.of_file(path))
    if formats.sniff(data).name != "elf":
        raise ParseError("It is no ELF image")
    image: Any = formats.named("elf").layout(data).info
    before, after, comment, header = _stretches(data, image)
    own = _build_id(data, image)
    texts = [each for each in comment.split(b"\0") if each]
    if _digest(before, after, header, comment, image) != own or not texts:
        raise ParseError("Its build-id is not the SHA-1 that GNU ld makes")
    left = _HASHED
    found: dict[str, Fit] = {}
    for candidate in _candidates(texts):
        left -= len(after)
        if left < 0 or len(found) == len(wanted):
            break
        raw = b"".join(each + b"\0" for each in candidate)
        hexed = _digest(before, after, header, raw, image)
        if hexed in wanted and hexed not in found:
            shown = tuple(text(each) for each in candidate)
            found[hexed] = Fit(hexed, shown, tuple(text(each) for each in texts))
    return Fits(tuple(found.values()))


def _stretches(data: Buffer, image: Any) -> tuple[Any, bytes, bytes, bytes]:
    """The state of the hash before `.comment`, what follows it, its contents, its header."""
    shape = image.header.shape
    wide = shape.bits == 64
    ends = (64, 0x20, 16) if wide else (52, 0x1C, 8)
    head = bytearray(data[: ends[0]])
    head[ends[1] : ends[1] + ends[2]] = bytes(ends[2])  # e_phoff, e_shoff
    word = 8 if wide else 4
    tables = [
        int.from_bytes(data[at : at + word], "little" if shape.order == "<" else "big")
        for at in (ends[1], ends[1] + word)
    ]
    sizes = (56, 64, 24) if wide else (32, 40, 16)  # program header, section header, sh_offset
    first = hashlib.sha1(bytes(head), usedforsecurity=False)
    first.update(data[tables[0] : tables[0] + sizes[0] * len(image.segments)])
    rest: list[bytes] | None = None
    comment = header = b""
    for section in sorted(image.sections, key=lambda each: each.number):
        at = tables[1] + sizes[1] * section.number
        entry = bytearray(data[at : at + sizes[1]])
        entry[sizes[2] : sizes[2] + word] = bytes(word)
        if section.label == _COMMENT and rest is None:
            comment, header, rest = _contents(data, section), bytes(entry), []
        elif rest is None:
            first.update(bytes(entry) + _contents(data, section))
        else:
            rest.append(bytes(entry) + _contents(data, section))
    if rest is None:
        raise ParseError("It has no .comment")
    return first, b"".join(rest), comment, header


def _contents(data: Buffer, section: Any) -> bytes:
    if section.type in (0, SHT_NOBITS) or section.label in _UNHASHED:
        return b""
    if section.label == _NOTE:
        return bytes(section.size)
    return bytes(data[section.offset : section.offset + section.size])


def _digest(before: Any, after: bytes, header: bytes, comment: bytes, image: Any) -> str:
    """The build-id with these contents of `.comment`, whose size stands in its header."""
    wide = image.header.shape.bits == 64
    at, word = (32, 8) if wide else (20, 4)
    order: Literal["little", "big"] = "little" if image.header.shape.order == "<" else "big"
    sized = header[:at] + len(comment).to_bytes(word, order) + header[at + word :]
    state = before.copy()
    state.update(sized + comment + after)
    return str(state.hexdigest())


def _build_id(data: Buffer, image: Any) -> str:
    section = image.section(_NOTE)
    if section is None or section.size < _SIZE:
        raise ParseError("It has no build-id")
    end = section.offset + section.size
    return bytes(data[end - _SIZE : end]).hex()


def _candidates(texts: list[bytes]) -> Iterator[tuple[bytes, ...]]:
    """Other revisions of the texts, each alone, then two in both orders: libraries bring theirs."""
    choices = [_revisions(each) for each in texts[:_TEXTS]]
    if len(choices) == 1:
        choices = choices * _TEXTS
    rest = tuple(texts[_TEXTS:])
    for one in choices[0]:
        yield (one, *rest)
    for pair in product(*choices):
        yield (*dict.fromkeys(pair), *rest)


def _revisions(line: bytes) -> list[bytes]:
    found = _REVISED.fullmatch(line)
    if found is None:
        return [line]
    head, _base, own, tail = found.groups()
    plain = [str(number).encode() for number in range(_REVISIONS, 0, -1)]
    suffix = own.lstrip(b"0123456789")
    revised = [number + suffix for number in plain] if suffix else []
    return [head + each + tail for each in dict.fromkeys([own, *plain, *revised])]
