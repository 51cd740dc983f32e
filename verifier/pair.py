"""Which file is compared with which: two files, or two directories by relative path."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from verifier import limits
from verifier.errors import LimitError, UsageError
from verifier.formats.base import text
from verifier.model import Alone, Difference, Member, Pair, Problem, Ref, Verdict

if TYPE_CHECKING:
    from pathlib import Path


class Pairing(NamedTuple):
    """Pairs to compare, and members that are settled without (links, unmatched, odd files).

    `alone` are the unmatched regular files: a database among them has a meaning.
    """

    pairs: tuple[Pair, ...]
    members: tuple[Member, ...]
    alone: tuple[Alone, ...] = ()


def pair_paths(shipped: Path, rebuilt: Path) -> Pairing:
    """Pair two files, or two directories; UsageError for anything else."""
    for path in (shipped, rebuilt):
        if not path.exists():
            raise UsageError(f"{path} does not exist; name two files or two directories.")
    if shipped.is_dir() and rebuilt.is_dir():
        return _directories(shipped, rebuilt)
    if shipped.is_file() and rebuilt.is_file():
        return Pairing((files(shipped.name, shipped, rebuilt),), ())
    raise UsageError(f"{shipped} and {rebuilt} are not two files and not two directories.")


def files(name: str, shipped: Path, rebuilt: Path, prefix: str = "") -> Pair:
    """One pair of files of this machine, reported as `name`."""
    sizes = [path.stat().st_size for path in (shipped, rebuilt)]
    refs = [Ref(str(path), 0, size) for path, size in zip((shipped, rebuilt), sizes, strict=True)]
    return Pair(text(os.fsencode(name)), refs[0], refs[1], prefix)


def _directories(shipped: Path, rebuilt: Path) -> Pairing:
    left, right = _walk(shipped), _walk(rebuilt)
    pairs: list[Pair] = []
    members: list[Member] = []
    alone: list[Alone] = []
    for name in sorted({*left, *right}):
        label = text(os.fsencode(name))
        one, other = left.get(name), right.get(name)
        if one is None or other is None:
            members.append(_unmatched(label, one is not None))
            side, entry = (shipped, one) if one is not None else (rebuilt, other)
            if entry is not None and stat.S_ISREG(entry.mode):
                alone.append(Alone(label, Ref(str(side / name), 0, entry.size), one is not None))
            continue
        found = _kinds(label, one, other)
        if found is not None:
            members.append(found)
        elif stat.S_ISREG(one.mode):
            pairs.append(_pair(label, shipped / name, rebuilt / name, one, other))
        if found is None and one.mode != other.mode:
            members.append(_mode(label, one.mode, other.mode))
    return Pairing(tuple(pairs), tuple(members), tuple(alone))


class _Entry(NamedTuple):
    mode: int
    size: int
    target: str = ""


def _walk(root: Path) -> dict[str, _Entry]:
    """Every file, link and directory below `root` by relative path; links are not followed."""
    found: dict[str, _Entry] = {}
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda item: item.name)
        except OSError as error:
            raise UsageError(f"{root / folder} cannot be listed: {error.strerror}.") from error
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            info = entry.stat(follow_symlinks=False)
            target = os.readlink(entry.path) if entry.is_symlink() else ""  # noqa: PTH115
            found[name] = _Entry(info.st_mode, info.st_size, target)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
        if len(found) > limits.MEMBERS_TOTAL:
            raise LimitError(f"{root} holds more than {limits.MEMBERS_TOTAL} files.")
    return found


def _pair(label: str, shipped: Path, rebuilt: Path, one: _Entry, other: _Entry) -> Pair:
    refs = Ref(str(shipped), 0, one.size), Ref(str(rebuilt), 0, other.size)
    return Pair(label, *refs, prefix=label)


def _kinds(label: str, one: _Entry, other: _Entry) -> Member | None:
    """The finding on anything that is no regular file on both sides; None if nothing to say."""
    kinds = [stat.S_IFMT(item.mode) for item in (one, other)]
    if kinds[0] != kinds[1]:
        shown = " and ".join(stat.filemode(item.mode)[0] for item in (one, other))
        return _different(label, "type", f"They are of different types ({shown}).")
    if kinds[0] == stat.S_IFLNK:
        if one.target == other.target:
            return Member(label, Verdict.IDENTICAL)
        targets = [text(os.fsencode(item.target)) for item in (one, other)]
        return _different(label, "link-target", f"Shipped → {targets[0]}, rebuilt → {targets[1]}.")
    if kinds[0] not in {stat.S_IFREG, stat.S_IFDIR}:
        summary = "It is no file, link or directory, and was not compared."
        problem = Problem("unsupported-type", label, summary)
        return Member(label, Verdict.INCONCLUSIVE, problems=(problem,))
    return None


def _mode(label: str, one: int, other: int) -> Member:
    modes = [stat.filemode(mode) for mode in (one, other)]
    return _different(f"{label}", "mode", f"Shipped {modes[0]}, rebuilt {modes[1]}.")


def _unmatched(label: str, shipped: bool) -> Member:
    if shipped:
        return _different(label, "member-added", "The rebuild has no such file.")
    if label.endswith(".sign"):
        summary = "The file beside it was signed, and is shipped without its signature."
        return _different(label, "update-signature-missing", summary)
    return _different(label, "member-missing", "The shipped directory has no such file.")


def _different(label: str, kind: str, summary: str) -> Member:
    return Member(label, Verdict.DIFFERENT, differences=(Difference(kind, label, summary),))
