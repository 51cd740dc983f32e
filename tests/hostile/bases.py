"""The harmless files that mutants are made from, made once and kept: keys and clocks vary."""

from __future__ import annotations

import pickle
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tests import flips, realfiles
from tests.cases import archive_build, pe_files
from verifier import formats
from verifier.errors import VerifierError

if TYPE_CHECKING:
    from pathlib import Path

    from verifier.model import Span


class Base(NamedTuple):
    """A harmless pair, and the places worth aiming at: the spans of the shipped file."""

    name: str
    shipped: bytes
    rebuilt: bytes
    certificates: tuple[bytes, ...]
    spans: tuple[Span, ...]


@cache
def bases() -> tuple[Base, ...]:
    """One for each kind of file, small ones first choice."""
    return tuple(_base(name, *made) for name, made in _made().items())


def named(name: str) -> Base:
    """The base of that name."""
    return next(item for item in bases() if item.name == name)


def _base(name: str, shipped: bytes, rebuilt: bytes, certificates: tuple[bytes, ...] = ()) -> Base:
    return Base(name, shipped, rebuilt, certificates, spans_of(shipped))


def spans_of(data: bytes) -> tuple[Span, ...]:
    """The spans of a file, () where its format finds no layout."""
    view = memoryview(data)
    try:
        return tuple(formats.sniff(view).layout(view).spans)
    except VerifierError:
        return ()


def _made() -> dict[str, tuple[bytes, ...]]:
    def fill(where: Path) -> None:
        made = {item.name: tuple(item.make()) for item in flips.SUBJECTS}
        speedups = pe_files.from_wheel(
            "markupsafe", "2.1.5", "markupsafe/_speedups.cp311-win_amd64.pyd"
        )
        made["pe-resources"] = (speedups, pe_files.put(speedups, {"coff.TimeDateStamp": b"1234"}))
        made["pe-microsoft"] = (pe_files.microsoft_signed(), pe_files.microsoft())
        loader = "clr_loader/ffi/dlls/amd64/ClrLoader.dll"
        managed = pe_files.from_wheel("clr-loader", "0.2.10", loader, "any")
        made["pe-dotnet"] = (managed, managed)
        made["zip-streamed"] = tuple(map(archive_build.streamed_zip, (0, 1)))
        made["tar-pax"] = tuple(
            archive_build.tar(0, 1, pax={"mtime": when}) for when in ("1.5", "2.5")
        )
        made["raw"] = (archive_build.TEXT, archive_build.OTHER)
        (where / "made").write_bytes(pickle.dumps(made))

    return pickle.loads((realfiles.made("hostile", "bases-3", fill) / "made").read_bytes())
