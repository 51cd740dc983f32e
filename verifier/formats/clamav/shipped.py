"""What a packer chose for a shipped database, to pack audited files alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from verifier.errors import ParseError
from verifier.formats.clamav import header, info, pack, unpacked
from verifier.formats.clamav.payload import is_listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from verifier.content import Buffer


def fields(data: Buffer, source: Mapping[str, bytes] | None = None) -> pack.Fields:
    """The fields of a shipped database, for members of `source` (by default its own).

    Header, order of members and signatures are taken over; sizes and digests
    of the list are those of the source, so that a list which was right for other
    files differs. ParseError unless there is exactly one list.
    """
    inside = unpacked.members(data)
    lists = [name for name in inside if is_listing(name.encode())]
    if len(lists) != 1:
        raise ParseError(f"The shipped database holds {len(lists)} lists instead of one")
    name = lists[0].rpartition(".")[0]
    held = inside if source is None else source
    order = [each for each in inside if each in held and each not in {"COPYING", lists[0]}]
    order += [each for each in pack.order_of(name, held) if each not in order]
    head = {key: value.decode("ascii") for key, value in unpacked.head(data).items()}
    stored = bytes(data[header.SIZE : header.SIZE + 7]) == b"COPYING"
    return pack.Fields(
        time=head["time"],
        version=int(head["version"]),
        signatures=int(head["count"]),
        level=int(head["level"]),
        builder=head["builder"],
        stime=int(head.get("stime") or 0),
        dsig=head["dsig"],
        xfl=2 if stored else data[header.SIZE + 8],
        order=tuple(order),
        listing=_listing(inside[lists[0]], held, order),
        stored=stored,
        md5="X" if head["md5"] == "X" else None,
    )


def _listing(shipped: bytes, source: Mapping[str, bytes], order: list[str]) -> bytes:
    """The shipped list with the rows of the source's members, in its own order, then others."""
    cut = info.layout(memoryview(shipped))
    first = shipped.partition(b"\n")[0] + b"\n"
    rows = [name for name in cut.info.rows.values() if name in source]
    rows += [name for name in order if name not in rows]
    dsig = b"" if cut.info.dsig is None else shipped[cut.info.dsig :]
    return first + b"".join(pack.row(name, source[name]) for name in rows) + dsig
