"""Inputs that a changed record detects, and the databases to show it with. Runs in a worker."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from verifier import sigdb
from verifier.meaning import MeaningRequest, loaded
from verifier.sigdb import difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.model import Settings
    from verifier.sigdb.base import File

LARGEST = 1 << 20  # bytes of one sample
MOST = 20  # samples of one group


class Sample(NamedTuple):
    """A file made of the pattern of one record, which only one side has as it is.

    `path` is the database it is about, `where` names the record in the report's words,
    `name` in the engine's; `shipped` tells which side has the record.
    """

    path: str
    where: str
    name: str
    shipped: bool
    file: str


class SamplesAnswer(NamedTuple):
    """Samples, and directories with the databases of both sides, flat, in the engine's order."""

    samples: tuple[Sample, ...]
    without: tuple[str, ...]  # records of which no sample can be made, as `where`
    shipped: str
    rebuilt: str


def make(settings: Settings, request: MeaningRequest) -> SamplesAnswer:
    """Write databases and samples below the work directory.

    Raises:
        ParseError: a database cannot be read; its own difference says so already.
    """
    family = sigdb.named(request.family)
    rebuilt, shipped, options = loaded(settings, request)
    folder = Path(tempfile.mkdtemp(prefix="witness-", dir=settings.work))
    samples: list[Sample] = []
    without: list[str] = []
    for record, is_shipped in difference.lone(
        family.effective_records(rebuilt, options), family.effective_records(shipped, options)
    ):
        data = family.sample(record) if family.sample and len(samples) < MOST else None
        if data is None or len(data) > LARGEST:
            without.append(difference.where(record))
            continue
        file = folder / f"sample-{len(samples)}"
        file.write_bytes(data)
        samples.append(
            Sample(record.place[0], difference.where(record), record.name, is_shipped, str(file))
        )
    return SamplesAnswer(
        tuple(samples),
        tuple(without),
        _written(folder / "shipped", shipped),
        _written(folder / "rebuilt", rebuilt),
    )


def _written(folder: Path, files: Sequence[File]) -> str:
    """Each file under its own name, after a number that keeps the order and tells twins apart."""
    folder.mkdir()
    for number, file in enumerate(files):
        name = "".join(char if char.isalnum() or char in "._-" else "_" for char in file.name)
        (folder / f"{number:04d}-{name[-100:]}").write_bytes(file.data)
    return str(folder)
