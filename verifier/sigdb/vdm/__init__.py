"""Databases of Microsoft Defender (`mpavbase.vdm` …): threats by name, and what is let pass.

TESTED ON SYNTHETIC DATA ALONE: no database of Microsoft's was at hand, and the
format is known from public write-ups only (see `rmdx`). What these have wrong
shows as a ParseError, never as equality: sizes and a delta's checksum are checked.

A `.vdm` is a PE image whose resource begins with `RMDX`; the PE format gives the
resource as a member of its own, and this family claims that. A delta
(`mpavdlta`) beside its base (`mpavbase`) is replayed; alone it is compared as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.sigdb import sniff
from verifier.sigdb.base import Effect, Family, Record, weaker_by_default
from verifier.sigdb.vdm import rmdx, threats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from verifier.content import Buffer
    from verifier.sigdb.base import File, Files, Options

_NAME = re.compile(r"(mp[a-z]{2}|nis)(base|dlta|full)", re.IGNORECASE)
CLASSES = {
    "signature-removed": "A threat that the source has is not shipped.",
    "narrowed": "A threat has lost entries, by which it was found.",
    "changed": "A threat was changed, and may no longer be found where it was.",
    "allowlist-added": "A file, publisher or rule is let pass that the source does not let pass.",
    "setting-changed": "An entry outside of threats differs from the source.",
}


def records(file: File, _options: Options) -> Iterator[Record]:
    """The records of one resource, or of one image that holds one."""
    opened, rest = _opened(file)
    yield from rest
    yield from _stream(opened.stream, file.path)


def effective(files: Files, _options: Options) -> Iterator[Record]:
    """What the engine has after all files: each base with its delta, if both are there."""
    bases: dict[str, tuple[File, bytes]] = {}
    deltas: list[tuple[str, File, bytes]] = []
    for file in files:
        opened, rest = _opened(file)
        yield from rest
        key = _pair(file)
        if rmdx.delta(opened.stream) is not None:
            deltas.append((key, file, opened.stream))
        elif (key or file.path) in bases:
            raise ParseError(f"Two bases of one kind, of which {file.path} is one")
        else:
            bases[key or file.path] = (file, opened.stream)
    for key, file, stream in deltas:
        base, found = bases.pop(key, None), rmdx.delta(stream)
        if base is None or found is None:
            yield from _stream(stream, file.path)
        else:
            yield Record("delta", "information", (("value", found[0].hex()),), Effect.SETTING)
            yield from _stream(rmdx.merged(base[1], found[1]), file.path)
    for file, stream in bases.values():
        yield from _stream(stream, file.path)


def _stream(stream: bytes, path: str) -> Iterator[Record]:
    yield from threats.records(rmdx.entries(stream), path)


def _pair(file: File) -> str:
    """`mpav` for the base and the delta of one kind in one folder; "" for any other name."""
    found = list(_NAME.finditer(file.path))
    return f"{file.path[: found[-1].start()]}{found[-1][1].lower()}" if found else ""


def _opened(file: File) -> tuple[rmdx.Container, list[Record]]:
    """The container, and the records of what is around its stream."""
    place = (file.path, 0, 0)
    data, rest = file.data, []
    if bytes(data[:2]) == b"MZ":
        data, around = _resource(data)
        body = (("sha256", hashlib.sha256(around).hexdigest()),)
        rest.append(Record("image", "outside of the resource", body, Effect.SETTING, place))
    opened = rmdx.container(data)
    body = (("header", opened.header.hex()),)
    return opened, [*rest, Record("container", "RMDX", body, Effect.SETTING, place)]


def _resource(data: Buffer) -> tuple[Buffer, bytes]:
    """The resource of an image that begins with RMDX, and all other bytes but the checksum."""
    from verifier.formats.pe.layout import layout  # noqa: PLC0415 - resources come without image

    cut = layout(data)
    spans = [span for span in cut.spans if span.field == "resource.database"]
    if len(spans) != 1:
        raise ParseError(f"An image with {len(spans)} RMDX resources instead of one")
    at, end = spans[0].offset, spans[0].end
    around = bytearray(data)
    around[cut.info.checksum_at : cut.info.checksum_at + 4] = bytes(4)
    return data[at:end], bytes(around[:at] + around[end:])


def weakening(rebuilt: Record | None, shipped: Record | None) -> str:
    """A threat may gain entries, which find more; to lose one is a class of its own."""
    if rebuilt is None or shipped is None or shipped.effect is not Effect.DETECT:
        return weaker_by_default(rebuilt, shipped)
    before, after = Counter(rebuilt.body), Counter(shipped.body)
    checked = any(name in {"only for", "VERSIONCHECK"} for name, _ in (*before, *after))
    if checked or rebuilt.value("threat") != shipped.value("threat"):
        return "changed"
    return "narrowed" if before - after else ""


FAMILY = Family(
    name="vdm",
    accepts=sniff.vdm,
    records=records,
    effective=effective,
    weakening=weakening,
    classes=CLASSES,
    volatile=(
        "the resource's time stamp and its two checksums, whose algorithm is not public",
        "how the stream is compressed; the checksum of an image that is declared whole",
        "order of threats, and of entries within a threat without a version check",
    ),
)
