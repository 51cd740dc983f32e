"""Cases of the rules of ClamAV's databases, lists and updates."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from tests.cases import Case
from tests.cases import archive_build as archive
from tests.cases import clamav_build as make
from verifier.formats.clamav import pack

if TYPE_CHECKING:
    from collections.abc import Callable

SHIPPED = "test-6.cvd"
Pair = tuple[bytes, bytes]


def cases() -> list[Case]:
    """All of them."""
    rows = [*CVD, *ALONE, *INFO, *TAR, *CDIFF]
    signed = [
        Case("clamsign.signature", name, build, "caught" if where else "settled", where, _trusted)
        for name, where, build in SIGN
    ]
    return signed + [
        Case(rule, name, build, "caught" if where else "settled", where)
        for rule, name, where, build in rows
    ]


@cache
def _official() -> Pair:
    return make.file(SHIPPED), make.rebuilt(SHIPPED)


def _header(**changes: bytes) -> Pair:
    shipped, rebuilt = _official()
    return make.repacked(shipped, make.payload(shipped), **changes), rebuilt


def _filled(byte: bytes) -> Pair:
    shipped, rebuilt = _official()
    return shipped[:511] + byte + shipped[512:], rebuilt


CVD = [
    *((f"cvd.{name}", "packed by an auditor", "", _official) for name in (
        "time", "count", "builder", "stime", "padding", "md5", "dsig"
    )),
    (
        "cvd.time",
        "another zone than in the list",
        "file: header.time",
        lambda: _header(time=b"22 Jun 2021 20-34 -0500"),
    ),
    ("cvd.count", "another than in the list", "file: header.count", lambda: _header(count=b"15")),
    (
        "cvd.builder",
        "another than in the list",
        "file: header.builder",
        lambda: _header(builder=b"eve"),
    ),
    (
        "cvd.stime",
        "another than in the list",
        "file: header.stime",
        lambda: _header(stime=b"1624412046"),
    ),
    ("cvd.padding", "a byte in it", "header.padding", lambda: _filled(b"X")),
    ("cvd.md5", "of another payload", "header.md5", lambda: _header(md5=b"0" * 32)),
    (
        "cvd.dsig",
        "of another database",
        "header.dsig",
        lambda: _header(dsig=make.fields(make.file("test-5.cvd")).dsig.encode()),
    ),
]  # fmt: skip


def _alone(**changes: bytes) -> Pair:
    """Databases without a list and without signatures; the shipped one's header changed."""
    one, other = _official()
    tar = make.tar_of(one, test_info=None)
    return make.repacked(one, tar, dsig=b"X", **changes), make.repacked(other, tar, dsig=b"X")


LATER = {"stime": 4_000_000_000, "time": "02 Oct 2096 07-06 +0000"}
ALONE = [
    *(
        (f"cvd.{name}-alone", "packed by an auditor", "", _alone)
        for name in ("time", "count", "builder", "stime")
    ),
    (
        "cvd.time-alone",
        "not that of stime",
        "header.time",
        lambda: _alone(time=b"22 Jun 2021 21-35 -0400"),
    ),
    ("cvd.count-alone", "not plain", "header.count", lambda: _alone(count=b"007")),
    ("cvd.builder-alone", "two words", "header.builder", lambda: _alone(builder=b"e v")),
    (
        "cvd.stime-alone",
        "beyond the window",
        "header.stime",
        lambda: _alone(**{name: str(value).encode() for name, value in LATER.items()}),
    ),
]


def _ours(**changes: object) -> Pair:
    """Two auditors' databases, one with other fields, which its header repeats."""
    return make.rebuilt(SHIPPED, **changes), make.rebuilt(SHIPPED)


def _row(level: int, wrong: Callable[[bytes], bytes] = lambda line: line) -> bytes:
    """A database whose list names COPYING, which is a gzip of one text at some level."""
    packed = archive.gz(archive.TEXT, level)
    first = make.members(make.rebuilt(SHIPPED))["test.info"].partition(b"\n")[0]
    fields = make.OURS._replace(
        version=6, order=("test.ndb",), listing=first + b"\n" + wrong(pack.row("COPYING", packed))
        + pack.row("test.ndb", b"a:0:*:414243\n"),
    )  # fmt: skip
    return pack.pack("test", {"COPYING": packed, "test.ndb": b"a:0:*:414243\n"}, fields)


def _rows(wrong: Callable[[bytes], bytes] = lambda line: line) -> Pair:
    return _row(1, wrong), _row(9)


def _size_wrong(line: bytes) -> bytes:
    name, size, digest = line.split(b":")
    return b":".join((name, b"%d" % (int(size) + 1), digest))


def _digest_wrong(line: bytes) -> bytes:
    return line[:-65] + b"0" * 64 + b"\n"


def _listed(change: Callable[[bytes], bytes]) -> Pair:
    """The official database with a changed list, in an unsigned container."""
    shipped, rebuilt = _official()
    tar = make.tar_of(shipped, test_info=change(make.members(shipped)["test.info"]))
    return make.repacked(shipped, tar, dsig=b"X"), rebuilt


def _other_signature(listing: bytes) -> bytes:
    other = make.members(make.file("test-5.cvd"))["test.info"]
    return listing[: listing.index(b"DSIG:")] + other[other.index(b"DSIG:") :]


INFO = [
    *(
        (f"clamav-info.{name}", "packed by an auditor", "", _official)
        for name in ("time", "count", "builder", "stime", "dsig")
    ),
    (
        "clamav-info.time",
        "not that of stime",
        "test.info: header.time",
        lambda: _ours(time="14 Nov 2023 22-14 +0000"),
    ),
    (
        "clamav-info.count",
        "not plain",
        "test.info: header.count",
        lambda: _ours(signatures="007"),
    ),
    ("clamav-info.builder", "two words", "test.info: header.builder", lambda: _ours(builder="e v")),
    ("clamav-info.stime", "beyond the window", "test.info: header.stime", lambda: _ours(**LATER)),
    ("clamav-info.dsig", "of another list", "test.info: dsig", lambda: _listed(_other_signature)),
    *(
        (f"clamav-info.{name}", "a member compressed otherwise", "", _rows)
        for name in ("size", "digest")
    ),
    ("clamav-info.size", "wrong", "row[COPYING].size", lambda: _rows(_size_wrong)),
    ("clamav-info.digest", "wrong", "row[COPYING].digest", lambda: _rows(_digest_wrong)),
]


def _tar(at: int, value: bytes, *, summed: bool = True) -> Pair:
    """The official tar with other bytes in the header of the list, in an unsigned container."""
    shipped, rebuilt = _official()
    tar = make.payload(shipped)
    start = tar.index(b"test.info\0")
    tar = archive.put(tar, start + at, value)
    if summed:
        tar = make.summed(tar, start)
    return make.repacked(shipped, tar, dsig=b"X"), rebuilt


TAR = [
    *(
        (f"clamav-tar.{name}", "a list of another length", "", _official)
        for name in ("size", "chksum", "padding")
    ),
    ("clamav-tar.size", "a leading zero", "[test.info].size", lambda: _tar(124, b"03412")),
    (
        "clamav-tar.chksum",
        "wrong",
        "[test.info].chksum",
        lambda: _tar(148, b"000001", summed=False),
    ),
    ("clamav-tar.padding", "a byte in it", "[test.info].padding", lambda: _tar(2559, b"X")),
]


def _update(signature: bytes = b"X", length: bytes = b"", rebuilt: bytes = b"0") -> Pair:
    shipped = make.file("test-2.cdiff")
    own = shipped.split(b":", 3)[2]
    return make.update(shipped, signature, length or own), make.update(
        shipped, b"X", rebuilt or own
    )


def _signature(name: str) -> bytes:
    return make.file(name).rpartition(b":")[2]


CDIFF = [
    ("cdiff.length", "a packer that wrote none", "", _update),
    ("cdiff.length", "wrong", "header.length", partial(_update, length=b"480")),
    (
        "cdiff.dsig",
        "an auditor's own",
        "",
        lambda: _update(_signature("test-2.cdiff"), rebuilt=b""),
    ),
    ("cdiff.dsig", "of another update", "dsig", lambda: _update(_signature("test-3.cdiff"))),
]


def _trusted() -> dict[str, Any]:
    """Settings for a `.sign` whose database lies beside it."""
    return {
        "name": "test-6.cvd.sign",
        "siblings": {"test-6.cvd": make.file(SHIPPED)},
        "certificates": (make.authority("vendor").root,),
    }


SIGN = [
    (
        "an auditor's own",
        "",
        lambda: (make.sign_file(SHIPPED, "vendor"), make.sign_file(SHIPPED, "auditor")),
    ),
    (
        "for another database",
        "sign[0].signature",
        lambda: (make.sign_file("test-5.cvd", "vendor"), make.sign_file(SHIPPED, "auditor")),
    ),
    (
        "by a stranger",
        "sign[0].signature",
        lambda: (make.sign_file(SHIPPED, "stranger"), make.sign_file(SHIPPED, "auditor")),
    ),
]
