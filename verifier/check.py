"""Re-check a saved proof: `python check.py PROOF SHIPPED REBUILT`.

Stands alone: nothing of the verifier is imported, and this file can be copied
and read by whoever does not trust the rest. It applies the patches to the
rebuilt bytes and demands the shipped SHA-256, decoding compressed members
itself; it counts which rule settled how many bytes, and how many were free.
What a rule claims about a value is for the reader to judge: the proof holds the
rule's name, its evidence and the value's place.

One thing it cannot do alone: judge a map between two program layouts, which takes
a disassembler. Without a `judge` such a proof is unreadable; `verifier check` has one.

Exit status: 0 the proof holds, 1 it does not, 2 wrong usage, 3 unreadable.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import lzma
import mmap
import os
import sys
import tempfile
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCHEMA = "urn:source-binary-verifier:proof:v1"
STRENGTHS = ("derived", "signed", "related", "mapped", "bounded", "assumed", "waived")
CHUNK = 1 << 20
RATIO, RATIO_FREE = 1_000, 64 << 20
_UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RecursionError),
    *(zlib.error, lzma.LZMAError, MemoryError, ImportError),
)


class Broken(Exception):  # noqa: N818 - it is the proof that is broken
    """The proof does not hold, as one sentence."""


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON objects without repeated keys."""
    if len({key for key, _ in items}) != len(items):
        raise Broken("The proof repeats a key.")
    return dict(items)


def _open(path: Path) -> memoryview:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _decode(codec: str, data: memoryview) -> memoryview:
    """The payload of one whole stream, in a temporary file; no bytes may follow it."""
    if codec == "zstd":
        import zstandard  # noqa: PLC0415 - needed for zstd members alone

        decoder: Any = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    elif codec == "deflate":
        decoder = zlib.decompressobj(-15)
    elif codec == "xz":
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=256 << 20)
    elif codec == "bzip2":
        decoder = bz2.BZ2Decompressor()
    else:
        raise Broken(f"The proof names the codec {codec!r}, which is not known here.")
    with tempfile.TemporaryFile() as out:
        for at in range(0, len(data), CHUNK):
            if decoder.eof:
                raise Broken("Bytes follow the end of a compressed member.")
            out.write(decoder.decompress(bytes(data[at : at + CHUNK])))
            if out.tell() > RATIO_FREE and out.tell() > RATIO * len(data):
                raise Broken("A compressed member grows beyond all reason.")
        if not decoder.eof or decoder.unused_data:
            raise Broken("A compressed member does not end where its bytes end.")
        out.flush()
        if not out.tell():
            return memoryview(b"")
        return memoryview(mmap.mmap(out.fileno(), 0, access=mmap.ACCESS_READ))


Judge = Callable[[dict[str, Any], memoryview, memoryview, Any], tuple[str, int]]


def check_file(
    entry: dict[str, Any], shipped: memoryview, rebuilt: memoryview, judge: Judge | None = None
) -> Counter[str]:
    """Apply one entry's patches; returns bytes by rule, strength and kind. Raises Broken."""
    for name, data in (("shipped", shipped), ("rebuilt", rebuilt)):
        if hashlib.sha256(data).hexdigest() != entry[name]["sha256"]:
            raise Broken(f"The {name} file is not the one that the proof speaks of.")
    for item in (*entry["patches"], *entry.get("layouts", ())):
        _inside(item, len(shipped), len(rebuilt))
    counts: Counter[str] = Counter()
    total = hashlib.sha256()
    at = other = 0
    for patch in entry["patches"]:
        same = patch["offset"] - at
        if same < 0 or patch["rebuilt_offset"] - other != same:
            raise Broken(f"The patch of {patch['field']} overlaps the one before it.")
        total.update(rebuilt[other : other + same])
        data = _patched(patch, shipped, rebuilt, counts, judge)
        total.update(data)
        at, other = patch["offset"] + len(data), patch["rebuilt_offset"] + patch["rebuilt_length"]
        if patch["strength"] not in STRENGTHS:
            raise Broken(f"The patch of {patch['field']} has an unknown strength.")
        counts[f"{patch['strength']}: {patch['rule']}"] += len(data)
        counts["free"] += patch["free_bytes"]
        counts["equal"] += same
    total.update(rebuilt[other:])
    counts["equal"] += len(rebuilt) - other
    if total.hexdigest() != entry["shipped"]["sha256"]:
        raise Broken("The patches do not turn the rebuilt bytes into the shipped ones.")
    _mapped(entry, shipped, rebuilt, judge)
    return counts


def _inside(item: dict[str, Any], size: int, rebuilt_size: int) -> None:
    """The place of a patch or of an image is one that both files have."""
    names = ("offset", "length", "rebuilt_offset", "rebuilt_length", "free_bytes")
    at, length, other, stop, free = numbers = [item.get(name, 0) for name in names]
    if any(type(number) is not int or number < 0 for number in numbers):
        raise Broken("A number of the proof is none that a place can have.")
    if at + length > size or other + stop > rebuilt_size or free > length:
        raise Broken("A place of the proof reaches beyond a file, or beyond itself.")


def _mapped(
    entry: dict[str, Any], shipped: memoryview, rebuilt: memoryview, judge: Judge | None
) -> None:
    """Each patch of a program's layout stands in an image whose map is judged here."""
    patches = entry["patches"]
    layouts = entry.get("layouts", ())
    for layout in layouts:
        if judge is None:
            raise ValueError("it maps two program layouts, which `verifier check` can judge")
        at, end = layout["offset"], layout["offset"] + layout["length"]
        other, stop = layout["rebuilt_offset"], layout["rebuilt_offset"] + layout["rebuilt_length"]
        inside = [patch for patch in patches if _within(layout, patch)]
        if not _placed(layout, patches) or any(_meet(layout, each) for each in layouts):
            raise Broken("A map of layouts speaks of images that are not in one place.")
        settled = [
            (
                item["offset"] - at,
                item["length"],
                item["rebuilt_offset"] - other,
                item["rebuilt_length"],
            )
            for item in inside
            if item.get("codec") != "layout"
        ]
        fault, assumptions = judge(layout, shipped[at:end], rebuilt[other:stop], settled)
        if fault:
            raise Broken(f"The map of the layouts does not hold: {fault}")
        mine = [item for item in inside if item.get("codec") == "layout"]
        if assumptions and any(item["strength"] != "assumed" for item in mine):
            raise Broken(
                "The map of the layouts rests on assumptions that the proof does not name."
            )
    for patch in patches:
        if patch.get("codec") == "layout" and not any(_within(each, patch) for each in layouts):
            raise Broken(f"No map of layouts speaks for the patch of {patch['field']}.")


def _placed(layout: dict[str, Any], patches: list[dict[str, Any]]) -> bool:
    """Whether the patches turn the one image into the other, and into nothing else."""
    at, end, shift, grown = layout["offset"], layout["offset"] + layout["length"], 0, 0
    for patch in patches:
        size = patch["length"] - patch["rebuilt_length"]
        if _within(layout, patch):
            grown += size
        elif patch["offset"] + patch["length"] <= at:
            shift += size
        elif patch["offset"] < end:
            return False
    moved = layout["offset"] - layout["rebuilt_offset"]
    return bool((moved, layout["length"] - layout["rebuilt_length"]) == (shift, grown))


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two different images share bytes."""
    return one is not other and any(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("offset", "length"), ("rebuilt_offset", "rebuilt_length"))
    )


def _within(layout: dict[str, Any], patch: dict[str, Any]) -> bool:
    """Whether a patch lies in the image of a map, on both sides."""
    return all(
        layout[start] <= patch[start] and patch[start] + patch[size] <= layout[start] + layout[size]
        for start, size in (("offset", "length"), ("rebuilt_offset", "rebuilt_length"))
    )


def _patched(
    patch: dict[str, Any],
    shipped: memoryview,
    rebuilt: memoryview,
    counts: Counter[str],
    judge: Judge | None,
) -> memoryview:
    """The bytes that a patch puts in: given, mapped, or a member whose payload is proven."""
    if patch.get("codec") == "layout":
        return shipped[patch["offset"] : patch["offset"] + patch["length"]]
    if "payload" not in patch:
        data = memoryview(b64decode(patch["data"], validate=True))
        if len(data) != patch["length"]:
            raise Broken(f"The patch of {patch['field']} has not the length it claims.")
        return data
    stream = shipped[patch["offset"] : patch["offset"] + patch["length"]]
    start = patch["rebuilt_offset"]
    other = rebuilt[start : start + patch["rebuilt_length"]]
    inside = check_file(
        patch["payload"], _decode(patch["codec"], stream), _decode(patch["codec"], other), judge
    )
    if not patch.get("encoder") and patch["free_bytes"] != len(stream):
        raise Broken(f"The stream {patch['field']} is not reproduced, so all of it is free.")
    counts.update({f"inside {key}": value for key, value in inside.items() if key != "free"})
    counts["free"] += inside["free"]
    return stream


def check(
    proof: dict[str, Any],
    shipped: Path,
    rebuilt: Path,
    judge: Judge | None = None,
    vouch: Callable[[dict[str, Any]], None] = lambda _proof: None,
) -> Counter[str]:
    """Check a whole proof document against two files or two directories. Raises Broken.

    `vouch` knows the rules, and raises for a proof that says something else of them.
    """
    if proof.get("schema") != SCHEMA:
        raise Broken("This is no proof of a version that is known here.")
    vouch(proof)
    if proof["verdict"] not in {"identical", "equivalent"} or not proof["files"]:
        raise Broken("The proof claims nothing.")
    if proof["verdict"] == "identical" and any(entry["patches"] for entry in proof["files"]):
        raise Broken("The proof claims that files are identical, and patches them.")
    counts: Counter[str] = Counter()
    if shipped.is_dir():
        _check_tree({item["path"]: item for item in proof["files"]}, shipped, rebuilt)
    for entry in proof["files"]:
        one, other = (
            (shipped / entry["path"], rebuilt / entry["path"])
            if shipped.is_dir()
            else (shipped, rebuilt)
        )
        counts.update(check_file(entry, _open(one), _open(other), judge))
    if counts["free"] != proof["free_bytes"]:
        raise Broken("The proof miscounts its free bytes.")
    return counts


def _check_tree(files: dict[str, Any], shipped: Path, rebuilt: Path) -> None:
    """Every file of both trees must be named, and no other; links, types and modes must agree."""
    seen: set[str] = set()
    for root in (shipped, rebuilt):
        for folder, folders, names in os.walk(root):
            for name in (*folders, *names):
                path = Path(folder, name)
                relative = path.relative_to(root)
                if len({_mode(base / relative) for base in (shipped, rebuilt)}) > 1:
                    raise Broken(f"{relative} is not of one type and mode on both sides.")
                if path.is_symlink():
                    if (shipped / relative).readlink() != (rebuilt / relative).readlink():
                        raise Broken(f"The links {relative} point to different places.")
                elif path.is_file():
                    seen.add(relative.as_posix())
                elif not path.is_dir():
                    raise Broken(f"{relative} is no file, directory or link.")
    if odd := sorted(seen ^ files.keys()):
        raise Broken(f"The proof and the directories disagree on which files there are: {odd[0]}.")


def _mode(path: Path) -> int:
    """Type and permissions; 0 where there is nothing."""
    return path.lstat().st_mode if os.path.lexists(path) else 0


def main(
    arguments: list[str],
    judge: Judge | None = None,
    vouch: Callable[[dict[str, Any]], None] = lambda _proof: None,
) -> int:
    """Print what was found, and return the exit status."""
    if len(arguments) != 3:
        print("usage: check PROOF SHIPPED REBUILT", file=sys.stderr)
        return 2
    try:
        proof = json.loads(Path(arguments[0]).read_text("utf-8"), object_pairs_hook=_pairs)
        counts = check(proof, Path(arguments[1]), Path(arguments[2]), judge, vouch)
    except Broken as error:
        print(f"The proof does not hold: {error}", file=sys.stderr)
        return 1
    except _UNREADABLE as error:
        print(f"The proof cannot be checked: {type(error).__name__}: {error}", file=sys.stderr)
        return 3
    print(f"The proof holds: {proof['verdict']}, {counts.pop('free', 0)} free bytes.")
    for name in sorted(counts):
        print(f"  {counts[name]:>12} bytes {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
