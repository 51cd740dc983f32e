"""The real engine on tiny databases: what clamscan says, and what our effective set predicts.

Samples hold marker bytes only. A database is a mapping of file names to bytes;
a value that is a list of pairs becomes an unsigned container (.cud) of members.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import zlib
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb.base import File
from verifier.sigdb.clamav import FAMILY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from verifier.sigdb.base import Change, Record

    Member = tuple[str, bytes]
    Database = Mapping[str, bytes | Sequence[Member]]

SAMPLE = b"MARKER-ONE-0123456789 then MARKER-TWO-abcdefghij.\n"
ONE = b"MARKER-ONE-0123456789".hex().encode()
TWO = b"MARKER-TWO-abcdefghij".hex().encode()
NONE = b"MARKER-THAT-IS-NOWHERE".hex().encode()
MD5 = hashlib.md5(SAMPLE).hexdigest().encode()
SHA256 = hashlib.sha256(SAMPLE).hexdigest().encode()
SIZE = str(len(SAMPLE)).encode()
PROFILE = {"level": ("216",), "pua": ("off",), "phishing": ("on",)}
REFUSED = "refused"


def files(database: Database) -> list[File]:
    """The files of a database as the verifier gets them."""
    found: list[File] = []
    for name, content in database.items():
        if isinstance(content, bytes):
            found.append(File(f"db/{name}", name, memoryview(content)))
        else:
            found += [
                File(f"db/{name}!/{member}", member, memoryview(data), "cud")
                for member, data in content
            ]
    return found


def contained(*members: Member) -> list[File]:
    """Members of one container."""
    return files({"test.cud": members})


def changes(rebuilt: Database, shipped: Database, **options: str) -> list[Change]:
    """What the family says of two databases."""
    assert FAMILY.changes is not None
    chosen = {name: (value,) for name, value in options.items()}
    return list(FAMILY.changes(files(rebuilt), files(shipped), chosen))


def effective(database: Database, **options: str) -> list[Record]:
    """What the family says the engine has loaded."""
    assert FAMILY.effective is not None
    chosen = {name: (value,) for name, value in options.items()}
    return list(FAMILY.effective(files(database), chosen))


def told(found: Sequence[Change]) -> list[tuple[str, str, str]]:
    """Kind, name and weakening of each change."""
    return [(item.kind, item.where.partition(": ")[2], item.weakening) for item in found]


def scan(where: Path, database: Database, *options: str, sample: bytes = SAMPLE) -> object:
    """The names that clamscan reports for a sample, or `REFUSED` if it does not load."""
    folder = where / "db"
    folder.mkdir(parents=True)
    for name, content in database.items():
        data = content if isinstance(content, bytes) else container(content)
        (folder / name).write_bytes(data)
    (where / "sample").write_bytes(sample)
    command = ["clamscan", "--no-summary", "--allmatch", "--database", str(folder), *options]
    done = subprocess.run(
        [*command, str(where / "sample")], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode == 2:
        return REFUSED
    found = re.findall(r": (.*?)(?:\.UNOFFICIAL)? FOUND", done.stdout)
    assert bool(found) == (done.returncode == 1), done.stdout + done.stderr
    return set(found)


def scan_all(
    where: Path, database: Database, samples: Mapping[str, bytes], *options: str
) -> dict[str, set[str]] | None:
    """The names that clamscan reports for each of several samples, in one run; None if it fails."""
    folder = where / "db"
    folder.mkdir(parents=True)
    (where / "samples").mkdir()
    for name, content in database.items():
        data = content if isinstance(content, bytes) else container(content)
        (folder / name).write_bytes(data)
    for name, sample in samples.items():
        (where / "samples" / name).write_bytes(sample)
    command = ["clamscan", "--no-summary", "--allmatch", "--database", str(folder), *options]
    done = subprocess.run(
        [*command, str(where / "samples")], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode == 2:
        return None
    found: dict[str, set[str]] = {name: set() for name in samples}
    pattern = r"^.*/([^/:\n]+): (.*?)(?:\.UNOFFICIAL)? FOUND$"
    for name, signature in re.findall(pattern, done.stdout, re.MULTILINE):
        found[name].add(signature)
    return found


def predicted(database: Database, sample: bytes = SAMPLE, **options: str) -> object:
    """What our effective set says that clamscan reports, for the simple signatures of tests."""
    profile = {name: value[0] for name, value in PROFILE.items()} | options
    try:
        records = effective(database, **profile)
    except ParseError:
        return REFUSED
    if any(record.scope == "fp" and _matches(record, sample) for record in records):
        return set()
    return {record.name for record in records if _matches(record, sample)}


def _matches(record: Record, sample: bytes) -> bool:
    if record.value("hash"):
        digest = record.value("hash")
        algorithm = {32: "md5", 40: "sha1", 64: "sha256"}[len(digest)]
        size = record.value("size") in {"*", str(len(sample))}
        return size and hashlib.new(algorithm, sample).hexdigest() == digest
    if record.value("logic"):
        subs = [value for name, value in record.body if re.fullmatch(r"sub\d+", name)]
        values = [_body(sub.partition("::")[0], "*", sample) for sub in subs]
        expression = re.sub(
            r"\d+", lambda found: str(values[int(found.group())]), record.value("logic")
        )
        return bool(eval(expression.replace("&", " and ").replace("|", " or ")))
    if record.value("hex") and record.scope != "ftm":
        return record.value("target") in {"0", "7"} and _body(
            record.value("hex"), record.value("offset"), sample
        )
    return False


def _body(digits: str, offset: str, sample: bytes) -> bool:
    wanted = bytes.fromhex(digits)
    if offset == "*":
        return wanted in sample
    return sample[int(offset) :].startswith(wanted)


def container(members: Sequence[Member]) -> bytes:
    """An unsigned container, as `sigtool --build --unsigned` writes it."""
    head = b"ClamAV-VDB:01 Jan 2024 00-00 +0000:1:1:1:"
    info = head + b"X:X:test:1704067200\n"
    for name, data in members:
        info += f"{name}:{len(data)}:{hashlib.sha256(data).hexdigest()}\n".encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 8)
    tar = b"".join(map(_entry, [("COPYING", b"none\n"), ("test.info", info), *members]))
    payload = packer.compress(tar) + packer.flush()
    digest = hashlib.md5(payload).hexdigest().encode()
    return (head + digest + b":X:test:1704067200").ljust(512) + payload


def _entry(member: Member) -> bytes:
    name, data = member
    head = bytearray(512)
    head[: len(name)] = name.encode()
    size = b"%o" % len(data)
    head[124 : 124 + len(size)] = size
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data + bytes(-len(data) % 512)
