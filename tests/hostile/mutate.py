"""Mutants: what the brief calls truncations, splices and odd fields, chosen by a random number."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from typing import TYPE_CHECKING

from tests.hostile import Input
from tests.hostile.bases import Base, bases

if TYPE_CHECKING:
    from collections.abc import Callable

    from verifier.model import Span

SEED = "hostile-1"
FIELD = 16  # bytes; longer spans hold data rather than one number
WEIGHTS = {"pe-exe": 1, "pe-exe-32": 1, "efi": 1, "pe-microsoft": 1}  # slow and large: seldom


def mutant(number: int) -> Input:
    """The mutant of that number."""
    chance = random.Random(f"{SEED}/{number}")
    base = _pick(chance)
    change = chance.choice(CHANGES)
    shipped = change(base.shipped, base, chance)
    if chance.random() < 0.25:
        again = chance.choice(CHANGES)
        shipped = again(shipped, base, chance)
    name = f"{number}/{base.name}/{change.__name__.lstrip('_')}"
    if chance.random() < 0.3:
        return Input(f"{name}/both", shipped, chance.choice(CHANGES)(base.rebuilt, base, chance))
    if chance.random() < 0.1:
        wrap = chance.choice(WRAPPERS)
        return Input(f"{name}/in-{wrap.__name__.lstrip('_')}", wrap(shipped), wrap(base.rebuilt))
    return Input(name, shipped, base.rebuilt, base.shipped)


def _pick(chance: random.Random) -> Base:
    weights = [WEIGHTS.get(base.name, 4) for base in bases()]
    return chance.choices(bases(), weights)[0]


def _truncated(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Cut at the border of a span, or a byte beside it."""
    return data[: max(0, _border(base, chance) + chance.choice((-1, 0, 0, 1)))]


def _headless(data: bytes, base: Base, chance: random.Random) -> bytes:
    """The start cut away: later headers come first."""
    return data[_border(base, chance) :]


def _extended(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Something after the end."""
    other = _pick(chance).shipped
    tail = (b"\0", bytes(512), b"MARKER-ONLY", data[-64:], other[:4096], data)
    return data + chance.choice(tail)


def _spliced(data: bytes, base: Base, chance: random.Random) -> bytes:
    """The head of one file, the tail of another."""
    other = _pick(chance)
    source = chance.choice((other.shipped, base.rebuilt))
    return data[: _border(base, chance)] + source[_border(other, chance) :]


def _moved(data: bytes, base: Base, chance: random.Random) -> bytes:
    """One piece copied over, or into, another place."""
    start, place = _border(base, chance), _border(base, chance)
    piece = data[start : start + chance.choice((4, 16, 60, 512, 2048))]
    return data[:place] + piece + data[place + chance.choice((0, len(piece))) :]


def _noisy(data: bytes, base: Base, chance: random.Random) -> bytes:
    """A few bytes replaced."""
    result = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 64))):
        if result:
            result[chance.randrange(len(result))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(result)


def _odd_field(data: bytes, base: Base, chance: random.Random) -> bytes:
    """Odd numbers in one to three fields."""
    result = data
    for _ in range(chance.choice((1, 1, 2, 3))):
        span = _field(base, chance)
        if span is not None and span.end <= len(result):
            value = odd_value(result, span, chance)
            result = result[: span.offset] + value + result[span.end :]
    return _tar_sums(result) if base.name.startswith("tar") else result


def odd_value(data: bytes, span: Span, chance: random.Random) -> bytes:
    """A value of the field's length: 0, maximum, near the file's length, negative."""
    size, old = span.length, data[span.offset : span.end]
    if old.strip(b" \0").isdigit() and size > 4:
        numbers = (b"", b"0", b"7" * size, b"9" * size, b"-1", b"+1", b"1_0", b"0x10", b"%o")
        text = chance.choice(
            (*numbers, b"%o" % len(data), b"%d" % (len(data) + 1), b"\x80", b"\xff")
        )
        return text.replace(b"%o", b"%o" % (len(data) - 1)).ljust(
            size, b" \0"[chance.randrange(2) :][:1]
        )[:size]
    top = 1 << 8 * size
    number = int.from_bytes(old, "little")
    close = (len(data) - 1, len(data), len(data) + 1, len(data) // 2, span.offset, number + 1)
    value = chance.choice((0, 1, -1, -8, top >> 1, (top >> 1) - 1, *close, number - 1, number * 2))
    return (value % top).to_bytes(size, chance.choice(("little", "little", "big")))


def _tar_sums(data: bytes) -> bytes:
    """Make the sums of what looks like tar headers right, so that more than the sum is tested."""
    result = bytearray(data)
    for at in range(0, len(data) - 511, 512):
        if result[at + 257 : at + 262] == b"ustar":
            result[at + 148 : at + 156] = b" " * 8
            result[at + 148 : at + 156] = b"%06o\0 " % sum(result[at : at + 512])
    return bytes(result)


def _border(base: Base, chance: random.Random) -> int:
    if not base.spans or chance.random() < 0.2:
        return chance.randrange(len(base.shipped) + 1)
    return chance.choice(base.spans).offset


def _field(base: Base, chance: random.Random) -> Span | None:
    fields = [span for span in base.spans if 0 < span.length <= FIELD]
    return chance.choice(fields) if fields else None


def _in_gzip(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def _in_zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("inside"), data)
    return out.getvalue()


def _in_tar(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("inside")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


CHANGES: tuple[Callable[[bytes, Base, random.Random], bytes], ...] = (
    _truncated, _truncated, _headless, _extended, _spliced, _spliced, _moved, _noisy,
    _odd_field, _odd_field, _odd_field, _odd_field,
)  # fmt: skip
WRAPPERS: tuple[Callable[[bytes], bytes], ...] = (_in_gzip, _in_zip, _in_tar)
