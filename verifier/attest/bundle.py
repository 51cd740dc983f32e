"""Pack everything about one run into one archive that is the same wherever it is made.

A BagIt bag (RFC 8493) in a zip of stored files: `sha256sum -c manifest-sha256.txt` in the
unpacked bag checks it without this program.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from verifier import __version__, limits, shape
from verifier.attest import make, predicate, storedzip, strict
from verifier.errors import ParseError, UsageError

SCHEMA = "urn:source-binary-verifier:bundle:v1"
TOP = "bundle"  # the bag's own directory
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
SIDES = ("shipped", "rebuilt")

Source = bytes | Path


class Parts(NamedTuple):
    """What goes into a bundle. `shipped` and `rebuilt` are files or directories."""

    report: bytes
    proof: bytes | None = None
    shipped: Path | None = None
    rebuilt: Path | None = None
    spec: Path | None = None
    record: Path | None = None
    attestations: tuple[Path, ...] = ()
    logs: tuple[Path, ...] = ()
    also: tuple[Path, ...] = ()


def _check_record(report: dict[str, Any], given: Path | None) -> None:
    """UsageError unless the record is there against which the source was held, and no other."""
    held = (report["source"] or {}).get("record")
    told = held.get("sha256") if isinstance(held, dict) else None
    own = predicate.sha256(strict.read(given, limits.REPORT_BYTES)) if given is not None else None
    if told is not None and own != told:
        raise UsageError(f"The source was held against the audit record {told}: --record PATH.")


def pack(parts: Parts) -> dict[str, Source]:
    """All files of the bag, by their path in the archive; UsageError for parts that do not fit."""
    report = make.report_of(parts.report)
    data: dict[str, Source] = {"report.json": parts.report}
    index: dict[str, Any] = {
        "schema": SCHEMA,
        "verifier": __version__,
        "report": "report.json",
        **dict.fromkeys(("proof", "spec", "record", "environment")),
    }
    if parts.proof is not None:
        make.proof_of(parts.proof, report)
        data["proof.json"], index["proof"] = parts.proof, "proof.json"
    _check_record(report, parts.record)
    for name in ("spec", "record"):
        path = getattr(parts, name)
        if path is not None:
            index[name] = f"{name}{path.suffix}"
            data[index[name]] = path
    if report["build"] is not None:
        index["environment"] = "environment.json"
        data["environment.json"] = environment(report)
    for role in ("attestations", "logs", "also"):
        index[role] = []
        for path in getattr(parts, role):
            name = f"{role}/{path.name}"
            if name in data:
                raise UsageError(f"Two files of the bundle would be called {name}.")
            data[name] = path
            index[role].append(name)
        index[role].sort()
    index["links"] = _sides(report, parts, data)
    shape.check(index, "bundle-v1", "The index")
    data["index.json"] = (json.dumps(index, indent=1, ensure_ascii=False) + "\n").encode("utf-8")
    return bag(data)


def environment(report: dict[str, Any]) -> bytes:
    """What the report tells of the build, as a file of its own."""
    text = json.dumps(report["build"], indent=1, ensure_ascii=False, sort_keys=True)
    return (text + "\n").encode("utf-8")


def _sides(report: dict[str, Any], parts: Parts, data: dict[str, Source]) -> list[dict[str, str]]:
    """Add the compared files below `shipped/` and `rebuilt/`; their links are returned."""
    links: list[dict[str, str]] = []
    artifacts = report.get("artifacts", [])
    for side in SIDES:
        wanted = {item["path"] for item in artifacts if item[side] is not None}
        path = getattr(parts, side)
        if path is None:
            if wanted:
                raise UsageError(f"The report speaks of {side} files; give --{side}.")
            continue
        if not path.is_dir():
            if len(wanted) != 1:
                raise UsageError(f"The report speaks of {len(wanted)} {side} files, not of one.")
            data[f"{side}/{min(wanted)}"] = path
            continue
        for name, item in _walk(path):
            if item.is_symlink():
                links.append({"path": f"{side}/{name}", "target": str(item.readlink())})
            else:
                data[f"{side}/{name}"] = item
    return sorted(links, key=lambda item: item["path"])


def _walk(root: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder, name)
            if path.is_symlink() or path.is_file():
                found.append((path.relative_to(root).as_posix(), path))
            elif not path.is_dir():
                raise UsageError(f"{path} is no file, link or directory; it cannot be bundled.")
    return found


def bag(data: dict[str, Source]) -> dict[str, Source]:
    """The bag around its data files: RFC 8493, sections 2.1 and 2.2."""
    digests: dict[str, str] = {}
    total = 0
    for name, source in data.items():
        safe(name)
        hashed = hashlib.sha256()
        for chunk in storedzip.chunks(source):
            hashed.update(chunk)
            total += len(chunk)
        digests[f"data/{name}"] = hashed.hexdigest()
    tags = tag_files(digests, total)
    files: dict[str, Source] = {f"{TOP}/data/{name}": source for name, source in data.items()}
    return files | {f"{TOP}/{name}": text for name, text in tags.items()}


def tag_files(digests: dict[str, str], total: int) -> dict[str, bytes]:
    """The files that make a directory a bag; `digests` of its data files, `total` their bytes."""
    info = f"Bag-Software-Agent: source-binary-verifier\nPayload-Oxum: {total}.{len(digests)}\n"
    tags = {
        "bag-info.txt": info.encode("utf-8"),
        "bagit.txt": BAGIT,
        "manifest-sha256.txt": _manifest(digests),
    }
    known = {name: hashlib.sha256(text).hexdigest() for name, text in tags.items()}
    return {**tags, "tagmanifest-sha256.txt": _manifest(known)}


def _manifest(digests: dict[str, str]) -> bytes:
    lines = (
        f"{digest}  {name.replace('%', '%25')}\n".encode()
        for name, digest in sorted(digests.items(), key=lambda item: item[0].encode("utf-8"))
    )
    return b"".join(lines)


def safe(name: str) -> None:
    """ParseError for a path that could leave its directory, or means different things to others."""
    parts = name.split("/")
    odd = any(part in {"", ".", ".."} for part in parts)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        odd = True
    if odd or "\\" in name or any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise ParseError(f"The path {name[:200]!a} cannot stand in a bundle.")


def write(files: dict[str, Source], target: Path) -> str:
    """Write the archive, whole or not at all; its SHA-256."""
    try:
        handle, work = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.") from error
    try:
        with open(handle, "w+b") as out:  # noqa: PTH123 - a descriptor
            storedzip.write(out, files)
            out.seek(0)
            digest = hashlib.file_digest(out, "sha256").hexdigest()
        Path(work).chmod(0o644)
        Path(work).replace(target)
    except BaseException:
        Path(work).unlink(missing_ok=True)
        raise
    return digest
